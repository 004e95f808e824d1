"""Trainers as a user's gin files describe them, built and ready to iterate."""

import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gin
import keras
import numpy as np

from pgtf import parts  # noqa: F401 (registers them with gin)
from pgtf.configuration import configuration
from pgtf.trainers.seeds import SeedsTrainer
from pgtf.trainers.trainer import Report, Trainer

HERE = Path(__file__).parent
SMALL = ("NUM_ENVS = 3", "MLP.hidden = (4,)", "Rollouts.num_steps = 2")
WORKERS = ("AsynchronousTrainer.num_workers = 1",)
LOOP = ("GymEnvironment.vectorization = 'loop'",)
POPULATION = ("POPULATION = 4", "EvolutionTrainer.max_steps = 30", "NUM_ENVS = 2")

# Gin files, bindings and the number of seeds of each way to learn; XLA takes part in two of them.
WAYS: dict[str, tuple[tuple[str, ...], tuple[str, ...], int]] = {
    "hosted": (("a2c.gin",), (*LOOP, "SynchronousTrainer.jit_compile = False"), 1),
    "compiled": (("a2c.gin", "envs/compiled.gin"), (), 1),
    "A3C": (("a3c.gin",), (*LOOP, *WORKERS, "AsynchronousTrainer.jit_compile = False"), 1),
    "seeds": (("a2c.gin", "envs/compiled.gin"), (), 2),
}
# Continuous actions, so that a gradient that flows through a sample is found out.
TASK = "ENVIRONMENT = 'Pendulum-v1'"
STEPS = 3 * 220  # of three environments; Pendulum's episodes last 200 steps


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


class Trained(NamedTuple):
    """A run of a few updates.

    Attributes:
        weights: of each member, all of the learner's variables.
        scalars: of each report.
        episodes: that ended.
    """

    weights: list[list[np.ndarray]]
    scalars: list[dict[str, float]]
    episodes: float


@functools.cache
def trained(way: str, files: Sequence[str], *parameters: str) -> Trained:
    """Trains one of ``WAYS`` with further files and bindings on top of ``TASK``."""
    base, own, num_seeds = WAYS[way]
    with built((*base, *files), TASK, *own, *parameters, num_seeds=num_seeds) as trainer:
        reports = []
        while trainer.steps < STEPS:
            reports.append(trainer.iterate(STEPS))
        weights = [[x.numpy() for x in trainer.learner.weights] for _ in trainer.members()]
    return Trained(weights, [dict(r.scalars) for r in reports], finished(reports)[0])


def assert_same_weights(one: Trained, other: Trained) -> None:
    """Two runs learned the same from the same episodes, to rounding."""
    assert one.episodes == other.episodes > 0
    for mine, shipped in zip(one.weights, other.weights, strict=True):
        for a, b in zip(mine, shipped, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-5)


def finished(reports: Sequence[Report]) -> tuple[float, float, float]:
    """Number of episodes that ended, the sums of their returns and of their lengths."""
    count, returns, lengths = np.concatenate([report.episodes for report in reports]).sum(axis=0)
    return float(count), float(returns), float(lengths)
