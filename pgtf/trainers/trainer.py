"""The contract between the training loop and a trainer."""

import abc
import math
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pgtf.environments.adapters.core_policy import CorePolicy, core_policy
from pgtf.environments.environment import Environment
from pgtf.graph.compilation import Compilation
from pgtf.graph.packing import Packed, unpacked
from pgtf.learning.diagnostics import summarised
from pgtf.learning.learner import Learner
from pgtf.learning.schedules import Horizon
from pgtf.policies.policy import Policy

ROLLOUT_SECONDS = 1.0  # That a rollout may still take when a run is to end.


class Report(NamedTuple):
    """The results of one call of ``Trainer.iterate``.

    Attributes:
        rows: TensorBoard tag to values, one for each iteration of the call, or of each seed in it.
        episodes: [N, 3] float32, a row for each iteration: the number of episodes that ended, and
            the sums of their returns and of their lengths.
        histograms: TensorBoard tag to array, of the last iteration.
        counts: TensorBoard tag to value, for counters, which are not averaged.
        members: S, seeds that learn side by side; of each iteration rows hold S values.
        in_order: whether rows are in the order of the updates.
    """

    rows: Mapping[str, np.ndarray]
    episodes: np.ndarray
    histograms: dict[str, np.ndarray]
    counts: Mapping[str, float] = MappingProxyType({})
    members: int = 1
    in_order: bool = True

    @property
    def scalars(self) -> dict[str, float]:
        """TensorBoard tag to value, means over the iterations of the call."""
        return summarised(self.rows)


def train_rows(metrics: Packed, count: int | None = None) -> dict[str, np.ndarray]:
    """Returns packed metrics as the rows of a ``Report``.

    Args:
        metrics: [K, ..., n].
        count: iterations that were run; the rows after them are blank. All if None.
    """
    names, values = unpacked(metrics)
    columns = np.moveaxis(values.numpy()[:count], -1, 0)
    return {f"train/{name}": column.ravel() for name, column in zip(names, columns, strict=True)}


class Trainer(abc.ABC):
    """Drives environments and learning.

    Attributes:
        policy: the one that is trained, for evaluation.
        environment: the one that is trained in; evaluation replicates it.
        steps: the variable that counts environment steps.
        horizon: how much of the run is over; the training loop gives it the run's length.
        compilation: whether XLA compiles; evaluation follows it.
        learner: what estimates the policy gradient, or None where none is followed.
        updates: the variable that counts updates, if there is one.
        undoes_updates: whether an update that leaves a number which is not finite has to be undone,
            and told by the metric ``skipped``; the training loop says so before ``build``.
        remedy: what to change when numbers are no longer finite.
        call_seconds: about how long a call of ``iterate`` may take; as long as it takes to reach
            its limit until the training loop says otherwise.
    """

    policy: Policy
    environment: Environment
    steps: tf.Variable
    horizon: Horizon
    compilation: Compilation
    learner: Learner | None = None
    updates: tf.Variable | None = None
    undoes_updates: bool = False
    remedy: str = (
        "try a lower learning rate, a smaller Learner.max_gradient_norm or Learner.reward_scale."
    )
    call_seconds: float = math.inf

    @property
    def core_policy(self) -> Policy | CorePolicy:
        """The policy for observations and actions of the environment without its adapters."""
        return core_policy(self.policy, self.environment)

    @abc.abstractmethod
    def build(self, seed: int) -> None:
        """Makes every variable and traces every graph; the run is a function of the seed.

        Raises:
            ConfigurationError: the parts do not fit each other.
        """

    def build_policy(self) -> dict[str, Any]:
        """Makes what a checkpoint's policy is evaluated and measured with, in place of ``build``.

        Nothing that trains is needed for that: no workers, no graph and no further environments.

        Returns:
            What of a checkpoint has to be restored, by name: a part of ``trackables``.
        """
        self.build(0)
        return self.trackables()

    @abc.abstractmethod
    def iterate(self, limit: int) -> Report:
        """Trains up to ``limit`` steps; may pass it by a rollout of each worker.

        Returns earlier once ``call_seconds`` are over, though not before one iteration, or after
        as many iterations as one graph holds.
        """

    @abc.abstractmethod
    def trackables(self) -> dict[str, Any]:
        """Returns the objects that a checkpoint holds, by name."""

    def environment_statistics(self) -> dict[str, Any]:
        """Returns what a checkpoint has to hold of the environment, by name; often nothing."""
        variables = {f"leaf{i}": leaf for i, leaf in enumerate(self.environment.variables)}
        return {"environment": variables} if variables else {}

    def warnings(self) -> list[str]:
        """Returns a sentence for each choice of parts that is valid but probably unintended."""
        return []

    def members(self) -> Iterator[str]:
        """Gives ``policy`` the weights of each trained policy in turn and yields its name."""
        yield ""

    def saving(self) -> dict[str, Any]:
        """Is called before ``trackables`` are saved.

        Returns:
            What else a checkpoint has to hold, as JSON can.
        """
        return {}

    def restored(self, saved: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Is called after a checkpoint was restored into ``trackables``.

        Args:
            saved: what ``saving`` returned; empty for checkpoints that do not have it.
        """
        del saved

    def stop(self) -> None:
        """Asks a running ``iterate`` to end soon, because the run does; called in any thread.

        A rollout that takes longer is given up: ``iterate`` then raises ``Halted``.
        """
        self.environment.halt(ROLLOUT_SECONDS)

    def close(self) -> None:
        """Frees environments and threads."""
        self.environment.close()
