"""A population: the episodes of many parameter vectors of one policy, played as one batch."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from pgtf.environments.groups import Groups
from pgtf.graph.parameters import substituted
from pgtf.policies.policy import Policy
from pgtf.trajectory import TimeStep, Trajectory


class PlayedEpisodes(NamedTuple):
    """One episode for each environment of each member.

    Attributes:
        returns: [N, E] float32, undiscounted.
        lengths: [N, E] int32, in steps.
        statistics: values of ``running_statistics`` after all steps.
    """

    returns: tf.Tensor
    lengths: tf.Tensor
    statistics: list[tf.Tensor]


MembersAct = Callable[[Sequence[tf.Tensor], Any, Any, tf.Tensor], tuple[Any, Any]]


def members_act(policy: Policy) -> MembersAct:
    """Returns a function that lets N members act at once, each with its own weights.

    Args:
        policy: built; its own weights are not used.

    Returns:
        A function of the weights (for each trainable variable [N, *shape]), the observation (a
        nest of [N, E, ...]), the memory likewise and seeds, int32 [N, 2]; it samples the action, a
        nest of [N, E, ...], and returns it with the next memory.
    """

    def act(
        weights: Sequence[tf.Tensor], observation: Any, memory: Any, seeds: tf.Tensor
    ) -> tuple[Any, Any]:
        return tf.vectorized_map(member, (list(weights), observation, memory, seeds))

    def member(inputs: tuple[Any, ...]) -> tuple[Any, Any]:
        weights, observation, memory, seed = inputs
        with substituted(policy.trainable_variables, weights):
            decision = policy.act(observation, memory, seed)
        return decision.action, decision.memory

    return act


def running_statistics(policy: Policy, groups: Groups) -> list[keras.Variable]:
    """Returns what steps move by themselves: in the policy's network, and in adapters."""
    return [*policy.non_trainable_variables, *groups.variables]


def play(
    groups: Groups,
    policy: Policy,
    act: MembersAct,
    weights: Sequence[tf.Tensor],
    seeds: tf.Tensor,
    max_steps: int,
) -> PlayedEpisodes:
    """Plays one episode in every environment.

    Running statistics are frozen meanwhile, so that all members are judged alike; their new values,
    from the steps of all members, are returned.

    Args:
        groups: N groups of E environments.
        policy: the members differ from it in their weights only.
        act: from ``members_act``.
        weights: for each trainable variable of the policy [N, *shape].
        seeds: int32 [N, 2]; members with equal seeds meet the same episodes.
        max_steps: steps after which an episode counts as it stands.
    """
    state, observation = groups.reset(seeds)
    shape = tf.nest.flatten(observation)[0].shape[:2]
    memory = tf.nest.map_structure(
        lambda x: tf.repeat(x[tf.newaxis], shape[0], axis=0), policy.initial_memory(shape[1])
    )

    def move(
        t: tf.Tensor,
        active: tf.Tensor,
        state: Any,
        observation: Any,
        memory: Any,
        episodes: PlayedEpisodes,
    ) -> tuple[Any, ...]:
        action, memory = act(weights, observation, memory, seeds + tf.stack([1 + t, 0]))
        state, step = groups.step(state, action, ~active)
        statistics = episodes.statistics
        if statistics:
            row = _row(observation, action, step, episodes.lengths)
            statistics = _adapted(policy, groups, statistics, row)
        episodes = PlayedEpisodes(
            episodes.returns + step.score,
            episodes.lengths + tf.cast(step.mask, tf.int32),
            statistics,
        )
        active &= ~step.ended
        return t + 1, active, state, step.observation, memory, episodes

    first = PlayedEpisodes(
        tf.zeros(shape),
        tf.zeros(shape, tf.int32),
        [tf.convert_to_tensor(x.value) for x in running_statistics(policy, groups)],
    )
    *_, episodes = tf.while_loop(
        lambda t, active, *rest: tf.reduce_any(active) & (t < max_steps),
        move,
        (tf.constant(0), tf.ones(shape, tf.bool), state, observation, memory, first),
    )
    return episodes


def _row(observation: Any, action: Any, step: TimeStep, time: tf.Tensor) -> Trajectory:
    """One step of all members, [N, E, ...], as a trajectory of one row, [1, N E, ...]."""

    def together(nest: Any) -> Any:
        return tf.nest.map_structure(lambda x: tf.reshape(x, [1, -1, *x.shape[2:]]), nest)

    step, action, time = together((step, action, time))
    observation = tf.nest.map_structure(
        lambda before, after: tf.concat([before, after], axis=0),
        together(observation),
        step.observation,
    )
    return Trajectory(
        observation=observation,
        action=action,
        reward=step.reward,
        score=step.score,
        terminated=step.terminated,
        truncated=step.truncated,
        mask=step.mask,
        time=time,
        notes=step.notes,
    )


def _adapted(
    policy: Policy, groups: Groups, statistics: list[tf.Tensor], row: Trajectory
) -> list[tf.Tensor]:
    """The running statistics after one more row of steps."""
    variables = running_statistics(policy, groups)
    mapping = list(zip(variables, statistics, strict=True))
    with keras.StatelessScope(state_mapping=mapping) as scope:
        policy.network.adapt(row.acted_on, row.mask)
        groups.adapt(row)
        now = [scope.get_current_value(variable) for variable in variables]
    return [old if new is None else new for old, new in zip(statistics, now, strict=True)]
