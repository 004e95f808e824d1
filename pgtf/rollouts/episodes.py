"""Rollouts of whole episodes."""

from typing import Any

import gin
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count
from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError
from pgtf.graph.scan import scan_while
from pgtf.learning.estimators import ReturnEstimator
from pgtf.rollouts.unroll import (
    Behaviour,
    Carry,
    Finished,
    Played,
    assembled,
    require_rows,
    reset,
    slim,
    start,
)
from pgtf.trajectory import Trajectory


@gin.register
class Episodes:
    """Collects whole episodes from fresh resets (REINFORCE, Monte Carlo).

    Each environment plays the same number of episodes and then waits for the others, so that short
    episodes are not favoured; its rows after the last episode are masked.

    Args:
        num_episodes: episodes in a batch, a multiple of the number of environments; one for each
            environment when unbound.
        max_steps: rows after which collection stops, for tasks that may never end. Monte Carlo
            returns leave out the episodes that are unfinished then.
    """

    @checked
    def __init__(self, num_episodes: Count | None = None, max_steps: Count = 10_000):
        self.num_episodes = num_episodes
        self.max_steps = max_steps

    @property
    def fixed_steps(self) -> int | None:
        """None: batches of whole episodes vary in length."""
        return None

    @property
    def unrolls(self) -> bool:
        """False: whole episodes are a loop, which no tape runs through."""
        return False

    def static(self, environment: Environment) -> bool:
        """Whether every trajectory has the same shape, so that XLA compiles its update once."""
        return environment.compiled

    def warnings(self, returns: ReturnEstimator) -> list[str]:
        """Returns nothing: whole episodes serve every estimator."""
        del returns
        return []

    def collect(
        self, environment: Environment, behaviour: Behaviour, carry: Carry, seed: tf.Tensor
    ) -> tuple[Carry, Trajectory, Finished]:
        """Returns the next carry, a trajectory [T, B] and the episodes that ended.

        Raises:
            ConfigurationError: the episodes cannot be divided evenly among the environments.
        """
        return assembled(self.play(environment, behaviour, carry, seed))

    def play(
        self, environment: Environment, behaviour: Behaviour, carry: Carry, seed: tf.Tensor
    ) -> Played:
        """Like ``collect``, but returns the raw rollout."""
        del carry
        quota, rest = divmod(self.num_episodes or environment.num_envs, environment.num_envs)
        if rest or not quota:
            raise ConfigurationError(
                f"Episodes.num_episodes = {self.num_episodes} is not a multiple of the"
                f" {environment.num_envs} environments: change it or NUM_ENVS."
            )
        first = start(environment, seed, behaviour.initial)

        def move(place: tuple[Any, ...], t: tf.Tensor) -> tuple[Any, Any]:
            state, observation, memory, remaining = place
            decision = behaviour.act(observation, memory, seed + tf.stack([1 + t, 0]))
            state, step = environment.step(state, decision.action, held=remaining <= 0)
            memory = reset(decision.memory, behaviour.initial, step.mask)
            remaining -= tf.cast(step.ended, tf.int32)
            row = (observation, decision.action, decision.log_prob, slim(step))
            return (state, step.observation, memory, remaining), row

        most = self.max_steps
        if environment.longest_episode is not None:
            # Each episode but the first is preceded by the row of its reset.
            most = min(most, quota * (environment.longest_episode + 1))
        if environment.compiled:
            require_rows(most, environment, f"Episodes.max_steps = {self.max_steps}")
        remaining = tf.fill((environment.num_envs,), quota)
        (state, observation, memory, _), rows = scan_while(
            move,
            lambda place, t: tf.reduce_any(place[3] > 0) & (t < most),
            (first.state, first.observation, first.memory, remaining),
            most if environment.compiled else None,
        )
        observed, *others, step = rows
        # A compiled loop leaves the rows it did not reach blank; no environment moves in them.
        moved = tf.cast(tf.reduce_any(step.mask > 0, axis=1), tf.int32)
        reached = tf.cumsum(moved, reverse=True) > 0
        observed = tf.nest.map_structure(
            lambda x, end: tf.where(
                tf.reshape(reached, (-1, *[1] * (len(x.shape) - 1))), x, end[tf.newaxis]
            ),
            observed,
            observation,
        )
        rows = (observed, *others, step)
        return Played(first, state, observation, memory, rows)
