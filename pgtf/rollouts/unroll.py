"""Rollouts: a policy acts in B environments, and the rows become a trajectory."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from pgtf.configuration.machine import require_memory
from pgtf.environments.environment import Environment
from pgtf.environments.sizes import element_bytes
from pgtf.graph.scan import scan, scan_rows, stacked
from pgtf.policies.decision import Actor, Decision, network_memory
from pgtf.trajectory import PackedStep, TimeStep, Trajectory

# Maps an observation, the network's memory and a seed to a decision.
Act = Callable[[Any, Any, tf.Tensor], Decision]


class Behaviour(NamedTuple):
    """The policy that acts.

    Attributes:
        act: decides on B actions.
        initial: its memory at the start of B episodes, a nest of [B, ...]; () without memory.
    """

    act: Act
    initial: Any = ()

    @classmethod
    def of(cls, policy: Actor, num_envs: int, with_log_prob: bool = False) -> "Behaviour":
        """Returns a policy that samples.

        Args:
            policy: built.
            num_envs: B.
            with_log_prob: whether trajectories hold the log-probs of the actions.
        """
        act = functools.partial(policy.act, with_log_prob=with_log_prob)
        return cls(act, policy.initial_memory(num_envs))


class Carry(NamedTuple):
    """The state of B environments between two rollouts.

    Attributes:
        state: the environment's own state.
        observation: nest of [B, ...], the one to act on next.
        time: [B] int32, steps since the start of the episode.
        episode_return: [B] float32, sum of the scores since the start of the episode.
        memory: of the policy, a nest of [B, ...]; () without memory.
    """

    state: Any
    observation: Any
    time: tf.Tensor
    episode_return: tf.Tensor
    memory: Any = ()


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


def start(environment: Environment, seed: tf.Tensor, memory: Any = ()) -> Carry:
    """Resets the environment.

    Args:
        environment: B environments.
        seed: int32 [2].
        memory: of the policy at the start, a nest of [B, ...].
    """
    state, observation = environment.reset(seed)
    return Carry(
        state,
        observation,
        tf.zeros((environment.num_envs,), tf.int32),
        tf.zeros((environment.num_envs,)),
        memory,
    )


class Played(NamedTuple):
    """A raw rollout; ``assembled`` builds the ``Trajectory`` inside the compiled update.

    Assembly takes many small operations. They cost next to nothing in the XLA program that learns
    from the trajectory.

    Attributes:
        start: the carry before the rollout.
        state: the environment's own state now.
        observation: nest of [B, ...], the one to act on next.
        memory: of the policy now.
        rows: observation, action, log-prob (or ()) and ``slim`` step; each [T, B, ...], or a list
            of T such rows.
    """

    start: Carry
    state: Any
    observation: Any
    memory: Any
    rows: Any


def unroll(
    environment: Environment, behaviour: Behaviour, carry: Carry, num_steps: int, seed: tf.Tensor
) -> tuple[Carry, Trajectory, Finished]:
    """Steps B environments T times.

    Args:
        environment: B environments.
        behaviour: the policy that acts.
        carry: where the environments stand.
        num_steps: T.
        seed: int32 [2].

    Returns:
        The next carry, the trajectory [T, B], and the episodes that ended.
    """
    return assembled(played_steps(environment, behaviour, carry, num_steps, seed))


def require_rows(count: int, environment: Environment, key: str) -> None:
    """Refuses rollouts that the machine cannot hold.

    Args:
        count: T.
        environment: B environments.
        key: the binding that gives T, in messages.

    Raises:
        ConfigurationError: observations, actions and rewards of T steps would not fit.
    """
    spaces = environment.observation_space, environment.action_space
    step = environment.num_envs * (4 + sum(map(element_bytes, spaces)))
    require_memory(count * step, f"{key} with {environment.num_envs} environments")


def played_steps(
    environment: Environment, behaviour: Behaviour, carry: Carry, num_steps: int, seed: tf.Tensor
) -> Played:
    """Like ``unroll``, but returns the raw rollout."""

    def move(place: tuple[Any, ...], t: Any) -> tuple[tuple[Any, ...], Any]:
        state, observation, memory = place
        decision = behaviour.act(observation, memory, seed + tf.stack([1 + t, 0]))
        state, step = environment.packed_step(state, decision.action)
        memory = reset(decision.memory, behaviour.initial, step.mask)
        row = (observation, decision.action, decision.log_prob, slim(step))
        return (state, step.observation, memory), row

    place = (carry.state, carry.observation, carry.memory)
    (state, observation, memory), rows = scan_rows(move, place, num_steps, environment.compiled)
    return Played(carry, state, observation, memory, rows)


def reset(memory: Any, initial: Any, mask: tf.Tensor) -> Any:
    """Memory starts afresh where a row was no transition: nests of [B, ...], mask [B]."""
    return tf.nest.map_structure(
        lambda now, first: tf.where(
            tf.reshape(mask > 0, [-1] + [1] * (len(now.shape) - 1)), now, first
        ),
        memory,
        initial,
    )


def slim(step: TimeStep | PackedStep) -> TimeStep | PackedStep:
    """Leaves out what a rollout would carry twice.

    The observation is the next row's, and the score may be the very reward.
    """
    if isinstance(step, TimeStep) and step.score is step.reward:
        step = step._replace(score=())
    return step._replace(observation=())


def assembled(played: Played) -> tuple[Carry, Trajectory, Finished]:
    """Builds the trajectory of a raw rollout and tallies its episodes; see ``unroll``."""
    observation, action, log_prob, step = stacked(played.rows)
    if isinstance(step, PackedStep):
        step = step.unpacked()
    observation = tf.nest.map_structure(
        lambda rows, end: tf.concat([rows, end[tf.newaxis]], axis=0),
        observation,
        played.observation,
    )
    score = step.reward if isinstance(step.score, tuple) else step.score
    time, episode_return, finished = _tally(
        played.start.time,
        played.start.episode_return,
        score,
        step.ended,
        step.mask,
    )
    trajectory = Trajectory(
        observation=observation,
        action=action,
        reward=step.reward,
        terminated=step.terminated,
        truncated=step.truncated,
        mask=step.mask,
        time=time[:-1],
        score=score,
        log_prob=log_prob,
        memory=network_memory(played.start.memory),
        notes=step.notes,
    )
    carry = Carry(played.state, played.observation, time[-1], episode_return, played.memory)
    return carry, trajectory, finished


def _tally(
    time: tf.Tensor,
    episode_return: tf.Tensor,
    score: tf.Tensor,
    ended: tf.Tensor,
    mask: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, Finished]:
    """Counts steps and adds scores within each episode.

    Returns:
        [T+1, B] step within the episode, [B] the running returns, and the episodes that ended.
    """

    def count(tally: tuple[tf.Tensor, tf.Tensor], t: Any) -> tuple[Any, Any]:
        time, total = tally
        total = total + score[t]
        later = tf.where(mask[t] > 0, time + 1, 0)
        row = (time, tf.where(ended[t], total, 0.0), tf.where(ended[t], later, 0))
        return (later, tf.where(ended[t], 0.0, total)), row

    rows = score.shape[0] if score.shape[0] is not None else tf.shape(score)[0]
    (last, running), (times, returns, lengths) = scan(count, (time, episode_return), rows)
    finished = Finished(
        tf.reduce_sum(tf.cast(ended, tf.float32)),
        tf.reduce_sum(returns),
        tf.reduce_sum(tf.cast(lengths, tf.float32)),
    )
    return tf.concat([times, last[tf.newaxis]], axis=0), running, finished
