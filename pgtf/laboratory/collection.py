"""Collects N whole episodes, one in each column."""

from typing import Any

import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.graph.compilation import Compilation
from pgtf.policies.policy import Policy
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.unroll import Behaviour, start
from pgtf.trajectory import Trajectory

_GYMNASIUM_ENVS = 32


def collect(
    environment: Environment,
    policy: Policy,
    count: int,
    max_steps: int,
    seed: tf.Tensor,
    compilation: Compilation,
) -> Trajectory:
    """Plays N episodes, each in a fresh environment or after a fresh reset.

    Args:
        environment: the task; it is replicated.
        policy: acts by sampling.
        count: N.
        max_steps: of an episode, for tasks that may never end.
        seed: int32 [2].
        compilation: whether XLA compiles acting, and compiled environments with it.

    Returns:
        [T, N] with log-probs, T the length of the longest episode; rows after an episode's end are
        masked. The same seed gives the same episodes, as far as policies choose the same actions.
    """
    size = count if environment.compiled else min(count, _GYMNASIUM_ENVS)
    rounds = -(-count // size)
    copies = environment.replicate(size, frozen=True)
    rollout = Episodes(max_steps=max_steps)
    act = compilation.function(policy.act)
    behaviour = Behaviour(act, policy.initial_memory(size))

    def play(seed: tf.Tensor) -> Trajectory:
        return rollout.collect(copies, behaviour, start(copies, seed), seed)[1]

    program = compilation.function(play, environment.compiled)
    seeds = [tf.random.experimental.stateless_fold_in(seed, i) for i in range(rounds)]
    try:
        played = compilation.run(lambda: [program(each) for each in seeds])
    finally:
        copies.close()
    longest = max(int(_length(each)) for each in played)
    parts = [_resized(each, longest) for each in played]
    whole = tf.nest.map_structure(lambda *xs: tf.concat(xs, axis=1)[:, :count], *parts)
    return whole._replace(log_prob=log_probs(policy, whole))


def log_probs(policy: Policy, trajectory: Trajectory) -> tf.Tensor:
    """Returns log π(a_t | s_t), [T, N].

    Those of the policy that acted are made here as well: what acting computes is rounded in another
    way, and the policy's own data would not have weights of exactly 1.
    """
    distribution = policy.unrolled(trajectory.acted_on, trajectory.first[:-1], trajectory.memory)
    return distribution.log_prob(trajectory.action)


def _length(trajectory: Trajectory) -> tf.Tensor:
    """Rows up to the last one that is a transition."""
    return tf.reduce_sum(tf.cast(tf.reduce_any(trajectory.mask > 0, axis=1), tf.int32))


def _resized(trajectory: Trajectory, rows: int) -> Trajectory:
    """Cuts unneeded rows, or repeats the last row, masked and without flags."""

    def fitted(x: tf.Tensor, rows: int, blank: bool) -> tf.Tensor:
        missing = rows - x.shape[0]
        if missing <= 0:
            return x[:rows]
        last = tf.zeros_like(x[-1:]) if blank else x[-1:]
        return tf.concat([x, tf.repeat(last, missing, axis=0)], axis=0)

    def all_fitted(nest: Any, rows: int, blank: bool) -> Any:
        return tf.nest.map_structure(lambda x: fitted(x, rows, blank), nest)

    return Trajectory(
        observation=all_fitted(trajectory.observation, rows + 1, blank=False),
        action=all_fitted(trajectory.action, rows, blank=False),
        reward=fitted(trajectory.reward, rows, blank=True),
        score=fitted(trajectory.score, rows, blank=True),
        terminated=fitted(trajectory.terminated, rows, blank=True),
        truncated=fitted(trajectory.truncated, rows, blank=True),
        mask=fitted(trajectory.mask, rows, blank=True),
        time=fitted(trajectory.time, rows, blank=False),
        memory=trajectory.memory,
    )
