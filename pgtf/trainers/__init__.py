"""Trainers: they drive environments and learning."""

from pgtf.trainers.a3c.asynchronous import AsynchronousTrainer
from pgtf.trainers.evolution import EvolutionTrainer
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trainers.trainer import Report, Trainer

__all__ = ["AsynchronousTrainer", "EvolutionTrainer", "Report", "SynchronousTrainer", "Trainer"]
