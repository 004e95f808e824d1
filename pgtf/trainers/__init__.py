"""Trainers: they drive environments and learning."""

from pgtf.trainers.a3c.asynchronous import AsynchronousTrainer
from pgtf.trainers.evolution import EvolutionTrainer
from pgtf.trainers.ray.ray_trainer import RayTrainer
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trainers.trainer import Report, Trainer

__all__ = [
    "AsynchronousTrainer",
    "EvolutionTrainer",
    "RayTrainer",
    "Report",
    "SynchronousTrainer",
    "Trainer",
]
