"""Exceptions of environments inside the graph, as one sentence."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from pgtf.environments.border import EnvironmentFailure
from pgtf.errors import TrainingError
from pgtf.trainers.trainer import Trainer


@contextlib.contextmanager
def environment_failures(trainer: Trainer) -> Iterator[None]:
    """Says which environment failed and why, when one of them raises inside the graph."""
    try:
        yield
    except (tf.errors.OpError, EnvironmentFailure) as error:
        # TensorFlow passes on as text what Python code in the graph raises.
        named = f"{EnvironmentFailure.__name__}: "
        _, found, message = f"{type(error).__name__}: {error}".partition(named)
        if not found:
            raise
        reason = message.split("\n")[0].rstrip(".")
        steps = int(trainer.steps.numpy())
        raise TrainingError(
            f"{trainer.environment.name} failed after {steps:,} steps: {reason}."
        ) from error
