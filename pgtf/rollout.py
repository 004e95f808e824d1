"""Rollouts: a policy acting in B environments, and what is collected of it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import gin
import tensorflow as tf

from pgtf.environments.base import Environment
from pgtf.errors import ConfigurationError
from pgtf.estimators import MonteCarlo, ReturnEstimator
from pgtf.scan import scan, scan_rows, scan_while, stacked
from pgtf.trajectory import Trajectory

Act = Callable[[Any, tf.Tensor], Any]


class Carry(NamedTuple):
    """Where B environments stand between two rollouts.

    Attributes:
        state: the environment's own state.
        observation: nest of [B, ...], the one to act on next.
        time: [B] int32, steps since the start of the episode.
        episode_return: [B] float32, undiscounted rewards since the start of the episode.
    """

    state: Any
    observation: Any
    time: tf.Tensor
    episode_return: tf.Tensor


class Finished(NamedTuple):
    """The episodes that ended within a rollout; the sums are over them.

    Attributes:
        count: scalar float32.
        return_sum: scalar float32, of undiscounted episode returns.
        length_sum: scalar float32, of episode lengths in steps.
    """

    count: tf.Tensor
    return_sum: tf.Tensor
    length_sum: tf.Tensor


def start(environment: Environment, seed: tf.Tensor) -> Carry:
    """Resets the environment; ``seed`` is int32 [2]."""
    state, observation = environment.reset(seed)
    return Carry(
        state,
        observation,
        tf.zeros((environment.num_envs,), tf.int32),
        tf.zeros((environment.num_envs,)),
    )


class Played(NamedTuple):
    """What B environments did, not yet put together.

    That takes many small operations. They cost next to nothing in the XLA program that learns from
    the trajectory, which is why ``assembled`` is left to it.

    Attributes:
        start: where the environments stood before.
        state: the environment's own state now.
        observation: nest of [B, ...], the one to act on next.
        rows: observation, action and ``TimeStep``; each [T, B, ...], or a list of T such rows.
    """

    start: Carry
    state: Any
    observation: Any
    rows: Any


def unroll(
    environment: Environment, act: Act, carry: Carry, num_steps: int, seed: tf.Tensor
) -> tuple[Carry, Trajectory, Finished]:
    """Lets B environments run for T steps.

    Args:
        environment: B environments.
        act: maps an observation and a seed to an action; ``policy.act``, most often.
        carry: where the environments stand.
        num_steps: T.
        seed: int32 [2].

    Returns:
        Where the environments stand now, the trajectory [T, B], and the episodes that ended.
    """
    return assembled(_play(environment, act, carry, num_steps, seed))


def _play(
    environment: Environment, act: Act, carry: Carry, num_steps: int, seed: tf.Tensor
) -> Played:
    def move(place: tuple[Any, Any], t: Any) -> tuple[tuple[Any, Any], Any]:
        state, observation = place
        action = act(observation, seed + tf.stack([1 + t, 0]))
        state, step = environment.step(state, action)
        return (state, step.observation), (observation, action, step)

    (state, observation), rows = scan_rows(move, (carry.state, carry.observation), num_steps)
    return Played(carry, state, observation, rows)


def assembled(played: Played) -> tuple[Carry, Trajectory, Finished]:
    """Makes a trajectory of what was played and tallies its episodes; see ``unroll``."""
    observation, action, step = stacked(played.rows)
    observation = tf.nest.map_structure(
        lambda rows, end: tf.concat([rows, end[tf.newaxis]], axis=0),
        observation,
        played.observation,
    )
    time, episode_return, finished = _tally(
        played.start.time,
        played.start.episode_return,
        step.reward,
        step.terminated,
        step.truncated,
        step.mask,
    )
    trajectory = Trajectory(
        observation, action, step.reward, step.terminated, step.truncated, step.mask, time[:-1]
    )
    carry = Carry(played.state, played.observation, time[-1], episode_return)
    return carry, trajectory, finished


def _tally(
    time: tf.Tensor,
    episode_return: tf.Tensor,
    reward: tf.Tensor,
    terminated: tf.Tensor,
    truncated: tf.Tensor,
    mask: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, Finished]:
    """Counts steps and adds rewards within each episode.

    Returns:
        [T+1, B] step within the episode, [B] the running returns, and the episodes that ended.
    """

    def count(tally: tuple[tf.Tensor, tf.Tensor], t: Any) -> tuple[Any, Any]:
        time, total = tally
        total = total + reward[t]
        ended = terminated[t] | truncated[t]
        later = tf.where(mask[t] > 0, time + 1, 0)
        row = (time, tf.where(ended, total, 0.0), tf.where(ended, later, 0), ended)
        return (later, tf.where(ended, 0.0, total)), row

    rows = reward.shape[0] if reward.shape[0] is not None else tf.shape(reward)[0]
    (last, running), (times, returns, lengths, ended) = scan(count, (time, episode_return), rows)
    finished = Finished(
        tf.reduce_sum(tf.cast(ended, tf.float32)),
        tf.reduce_sum(returns),
        tf.reduce_sum(tf.cast(lengths, tf.float32)),
    )
    return tf.concat([times, last[tf.newaxis]], axis=0), running, finished


@gin.register
class Rollouts:
    """Collects T steps of every environment, wherever its episode stands (A2C, A3C).

    Args:
        num_steps: T, the paper's t_max.
    """

    def __init__(self, num_steps: int = 5):
        if num_steps < 1:
            raise ConfigurationError(f"Rollouts.num_steps must be at least 1, not {num_steps}.")
        self.num_steps = num_steps

    def static(self, environment: Environment) -> bool:
        """Whether every trajectory has the same shape, so that XLA compiles its update once."""
        del environment
        return True

    def warnings(self, returns: ReturnEstimator) -> list[str]:
        """Returns a sentence when most of what is collected would be left out."""
        if not isinstance(returns, MonteCarlo):
            return []
        return [
            f"MonteCarlo leaves out steps whose episode does not end within {self.num_steps} steps"
            " (Rollouts.num_steps): bind the trainer's rollout = @Episodes() to collect whole"
            " episodes."
        ]

    def collect(
        self, environment: Environment, act: Act, carry: Carry, seed: tf.Tensor
    ) -> tuple[Carry, Trajectory, Finished]:
        """Returns the next carry, a trajectory [T, B] and the episodes that ended."""
        return assembled(self.play(environment, act, carry, seed))

    def play(self, environment: Environment, act: Act, carry: Carry, seed: tf.Tensor) -> Played:
        """Does what ``collect`` does, but for the putting together."""
        return _play(environment, act, carry, self.num_steps, seed)


@gin.register
class Episodes:
    """Collects whole episodes from fresh resets (REINFORCE, Monte Carlo).

    Each environment plays the same number of episodes and then stands still until the others are
    through, so that short episodes are not favoured; its rows after the last one are masked.

    Args:
        num_episodes: episodes in a batch, a multiple of the number of environments; one for each
            environment when unbound.
        max_steps: rows after which collection stops, for tasks that may never end. What is
            unfinished then stays unfinished: a Monte Carlo return does not count it.
    """

    def __init__(self, num_episodes: int | None = None, max_steps: int = 10_000):
        for name, value in (("num_episodes", num_episodes), ("max_steps", max_steps)):
            if value is not None and value < 1:
                raise ConfigurationError(f"Episodes.{name} must be at least 1, not {value}.")
        self.num_episodes = num_episodes
        self.max_steps = max_steps

    def static(self, environment: Environment) -> bool:
        """Whether every trajectory has the same shape, so that XLA compiles its update once."""
        return environment.compiled

    def warnings(self, returns: ReturnEstimator) -> list[str]:
        """Returns nothing: whole episodes serve every estimator."""
        del returns
        return []

    def collect(
        self, environment: Environment, act: Act, carry: Carry, seed: tf.Tensor
    ) -> tuple[Carry, Trajectory, Finished]:
        """Returns the next carry, a trajectory [T, B] and the episodes that ended.

        Raises:
            ConfigurationError: the episodes cannot be shared out evenly.
        """
        return assembled(self.play(environment, act, carry, seed))

    def play(self, environment: Environment, act: Act, carry: Carry, seed: tf.Tensor) -> Played:
        """Does what ``collect`` does, but for the putting together."""
        del carry
        quota, rest = divmod(self.num_episodes or environment.num_envs, environment.num_envs)
        if rest or not quota:
            raise ConfigurationError(
                f"Episodes.num_episodes = {self.num_episodes} is not a multiple of the"
                f" {environment.num_envs} environments: change it or NUM_ENVS."
            )
        first = start(environment, seed)

        def move(place: tuple[Any, Any, Any], t: tf.Tensor) -> tuple[Any, Any]:
            state, observation, remaining = place
            action = act(observation, seed + tf.stack([1 + t, 0]))
            state, step = environment.step(state, action, held=remaining <= 0)
            remaining -= tf.cast(step.terminated | step.truncated, tf.int32)
            return (state, step.observation, remaining), (observation, action, step)

        most = self.max_steps
        if environment.time_limit is not None:
            most = min(most, quota * (environment.time_limit + 1))
        remaining = tf.fill((environment.num_envs,), quota)
        (state, observation, _), rows = scan_while(
            move,
            lambda place, t: tf.reduce_any(place[2] > 0) & (t < most),
            (first.state, first.observation, remaining),
            most if environment.compiled else None,
        )
        observed, action, step = rows
        # The rows that a compiled loop did not reach are blank: in them everybody stands still.
        moved = tf.cast(tf.reduce_any(step.mask > 0, axis=1), tf.int32)
        reached = tf.cumsum(moved, reverse=True) > 0
        observed = tf.nest.map_structure(
            lambda x, end: tf.where(
                tf.reshape(reached, (-1, *[1] * (len(x.shape) - 1))), x, end[tf.newaxis]
            ),
            observed,
            observation,
        )
        rows = (observed, action, step)
        return Played(first, state, observation, rows)
