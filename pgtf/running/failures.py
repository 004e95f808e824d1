"""Exceptions of environments inside the graph, as one sentence."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from pgtf.environments.border import EnvironmentFailure
from pgtf.environments.halting import Halted
from pgtf.errors import TrainingError
from pgtf.trainers.trainer import Trainer


@contextlib.contextmanager
def environment_failures(trainer: Trainer) -> Iterator[None]:
    """Says which environment failed and why, when one of them raises inside the graph.

    Raises:
        TrainingError: it says so.
        Halted: the environments were asked to move no further.
    """
    try:
        yield
    except (tf.errors.OpError, EnvironmentFailure) as error:
        # TensorFlow passes on as text what Python code in the graph raises.
        if f"{Halted.__name__}: " in str(error):
            raise Halted from error
        named = f"{EnvironmentFailure.__name__}: "
        _, found, message = f"{type(error).__name__}: {error}".partition(named)
        if not found:
            raise
        reason = message.split("\n")[0].rstrip(".")
        steps = int(trainer.steps.numpy())
        raise TrainingError(
            f"{trainer.environment.name} failed after {steps:,} steps: {reason}."
        ) from error
