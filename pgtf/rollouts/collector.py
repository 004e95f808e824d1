"""Collecting: one environment, one way of cutting rollouts, one random stream."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.policies.decision import Decision
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Behaviour, Carry, Finished, Played, assembled, start
from pgtf.trajectory import Trajectory


class Collector:
    """Collects rollout after rollout for a trainer, a worker or an actor.

    It holds no state: where the environments stand is the ``Carry`` that its callers pass on, and
    random numbers follow from the number of the rollout. All methods may be traced.

    Args:
        environment: B environments.
        rollout: how much is collected at a time.
        act: decides with the parameters it is given: values, observation, memory and seed.
        initial: memory of the policy at the start of B episodes, a nest of [B, ...].
        seed: int32 [2], the root of the random stream.
    """

    def __init__(
        self,
        environment: Environment,
        rollout: Rollouts | Episodes,
        act: Callable[[Any, Any, Any, tf.Tensor], Decision],
        initial: Any,
        seed: list[int],
    ):
        self.environment = environment
        self.rollout = rollout
        self._act = act
        self._initial = initial
        self._seed = tf.constant(seed, tf.int32)

    def seed(self, count: tf.Tensor) -> tf.Tensor:
        """Returns the seed, int32 [2], of a rollout that is the ``count``-th."""
        return tf.random.experimental.stateless_fold_in(self._seed, tf.cast(count, tf.int32))

    def start(self, count: tf.Tensor) -> Carry:
        """Begins new episodes in every environment."""
        return start(self.environment, self.seed(count), self._initial)

    def play(self, values: Any, carry: Carry, seed: tf.Tensor) -> Played:
        """Collects a raw rollout; ``assembled`` makes a trajectory of it.

        Args:
            values: the parameters to act with; handed on to ``act``.
            carry: where the environments stand.
            seed: of the rollout.
        """

        def act(observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
            return self._act(values, observation, memory, seed)

        behaviour = Behaviour(act, self._initial)
        return self.rollout.play(self.environment, behaviour, carry, seed)

    def collect(
        self, values: Any, carry: Carry, seed: tf.Tensor
    ) -> tuple[Carry, Trajectory, Finished]:
        """Collects a rollout; arguments as for ``play``.

        Returns:
            Where the environments stand now, the trajectory [T, B], and the episodes that ended.
        """
        return assembled(self.play(values, carry, seed))


def stream(seed: int, number: int = 0) -> list[int]:
    """Returns the root of one of a run's random streams, int32 [2].

    Args:
        seed: the run's.
        number: of the stream; each worker has its own.
    """
    return [seed, 0x5EED + number]
