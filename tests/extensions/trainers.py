"""Trainers as a user's gin files describe them, built and ready to iterate."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gin
import keras
import numpy as np

from pgtf import parts  # noqa: F401 (registers them with gin)
from pgtf.configuration import configuration
from pgtf.trainers.seeds import SeedsTrainer
from pgtf.trainers.trainer import Report, Trainer

HERE = Path(__file__).parent
SMALL = ("NUM_ENVS = 3", "MLP.hidden = (4,)", "Rollouts.num_steps = 4")
WORKERS = ("AsynchronousTrainer.num_workers = 1",)
POPULATION = ("POPULATION = 4", "EvolutionTrainer.max_steps = 30", "NUM_ENVS = 2")


@contextmanager
def built(files: Sequence[str], *parameters: str, num_seeds: int = 1) -> Iterator[Any]:
    """The trainer that these files and bindings describe.

    Args:
        files: gin files, those of this folder among them.
        *parameters: bindings on top of ``SMALL``.
        num_seeds: that are trained at once.
    """
    gin.clear_config()
    keras.utils.set_random_seed(0)
    paths = [str(HERE / file) if (HERE / file).exists() else file for file in files]
    configuration.load(paths, [*SMALL, *parameters])

    def make() -> Trainer:
        trainer: Trainer = configuration.bound("train.trainer", None)
        return trainer

    trainer = make() if num_seeds == 1 else SeedsTrainer(make, num_seeds, 10**6)
    try:
        trainer.build(0)
        yield trainer
    finally:
        trainer.close()


def finished(reports: Sequence[Report]) -> tuple[float, float, float]:
    """Number of episodes that ended, the sums of their returns and of their lengths."""
    count, returns, lengths = np.concatenate([report.episodes for report in reports]).sum(axis=0)
    return float(count), float(returns), float(lengths)
