"""Trainers: who drives environments and learning."""

from pgtf.trainers.asynchronous import AsynchronousTrainer
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trainers.trainer import Report, Trainer

__all__ = ["AsynchronousTrainer", "Report", "SynchronousTrainer", "Trainer"]
