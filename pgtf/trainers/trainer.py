"""The contract between the training loop and a trainer."""

import abc
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.graph.compilation import Compilation
from pgtf.learning.learner import Learner
from pgtf.learning.schedules import Horizon
from pgtf.policies.policy import Policy


class Report(NamedTuple):
    """The results of one call of ``Trainer.iterate``.

    Attributes:
        scalars: TensorBoard tag to value, means over the iterations of the call.
        episodes: [N, 3] float32, a row for each iteration: the number of episodes that ended, and
            the sums of their returns and of their lengths.
        histograms: TensorBoard tag to array, of the last iteration.
        counts: TensorBoard tag to value, for counters, which are not averaged.
    """

    scalars: dict[str, float]
    episodes: np.ndarray
    histograms: dict[str, np.ndarray]
    counts: Mapping[str, float] = MappingProxyType({})


class Trainer(abc.ABC):
    """Drives environments and learning.

    Attributes:
        policy: the one that is trained, for evaluation.
        environment: the one that is trained in; evaluation replicates it.
        steps: the variable that counts environment steps.
        horizon: how much of the run is over; the training loop gives it the run's length.
        compilation: whether XLA compiles; evaluation follows it.
        learner: what estimates the policy gradient, or None where none is followed.
    """

    policy: Policy
    environment: Environment
    steps: tf.Variable
    horizon: Horizon
    compilation: Compilation
    learner: Learner | None = None

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
        """Trains for about 0.1 s; may pass ``limit`` by a rollout of each worker."""

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
        """Asks a running ``iterate`` to return early, because the run ends.

        Called from a signal handler: it may only set a flag.
        """
        return

    def close(self) -> None:
        """Frees environments and threads."""
        self.environment.close()
