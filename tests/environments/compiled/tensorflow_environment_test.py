"""What every compiled environment promises: resets, masks, held copies, seeds, static programs."""

import functools

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled import (
    REGISTRY,
    CompiledCartPole,
    CompiledDeepSea,
    CompiledPendulum,
    CompiledTabular,
    TensorFlowEnvironment,
)
from pgtf.errors import ConfigurationError

_NUM_ENVS = 6


def _tabular(**kwargs):
    return CompiledTabular(np.full((4, 3, 4), 0.25), np.ones((4, 3)), np.full(4, 0.25), **kwargs)


_KINDS = {kind.__name__: kind for kind in REGISTRY.values()} | {
    "CompiledTabular": _tabular,
    "CompiledDeepSea": functools.partial(CompiledDeepSea, deterministic=False),
}
# Breakout's ball comes down from either side.
_FEW_STARTS = {"FrozenLake-v1", "DeepSea-v0"} | {
    f"MinAtar/{game}-v0" for game in ("Breakout", "SpaceInvaders", "Asterix", "Seaquest")
}


class _Rollouts:
    """One compiled program per kind: a reset and 40 random steps, rows as NumPy arrays."""

    def __init__(self, kind):
        self.environment = kind(num_envs=_NUM_ENVS, time_limit=7)
        self.reset = tf.function(self.environment.reset, jit_compile=True)
        self.step = tf.function(self.environment.step, jit_compile=True)
        self.plain_step = tf.function(self.environment.step)
        self.held_step = tf.function(self.environment.step)
        self.environment.action_space.seed(0)
        self.actions = [
            np.stack([self.environment.action_space.sample() for _ in range(_NUM_ENVS)])
            for _ in range(40)
        ]

    def play(self, state, actions):
        rows = []
        for action in actions:
            state, row = self.step(state, tf.constant(action))
            rows.append(row)
        return state, rows


@pytest.fixture(scope="module", params=_KINDS)
def rollouts(request):
    """The rollouts of one kind of environment, compiled once for the module."""
    return _Rollouts(_KINDS[request.param])


def _equal(one, other):
    for a, b in zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True):
        np.testing.assert_array_equal(a, b)


def _differ(one, other):
    pairs = zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True)
    return any(not np.array_equal(a, b) for a, b in pairs)


def test_rows_have_the_contracts_shapes_types_and_values(rollouts):
    environment = rollouts.environment
    assert environment.compiled
    assert environment.num_envs == _NUM_ENVS
    state, observation = rollouts.reset(tf.constant([1, 2]))
    _, rows = rollouts.play(state, rollouts.actions)
    for o in [observation, *(row.observation for row in rows)]:
        assert o.dtype != tf.float64
        assert o.shape[0] == _NUM_ENVS
        assert all(environment.observation_space.contains(x) for x in _members(environment, o))
    ended = np.zeros(_NUM_ENVS, bool)
    for row in rows:
        for field, dtype in zip(row[1:5], [tf.float32, tf.bool, tf.bool, tf.float32], strict=True):
            assert field.dtype == dtype
            assert field.shape == [_NUM_ENVS]
        np.testing.assert_array_equal(row.mask, 1.0 - ended)
        assert np.all(row.reward.numpy()[ended] == 0)
        assert not np.any((row.terminated.numpy() | row.truncated.numpy())[ended])
        ended = row.terminated.numpy() | row.truncated.numpy()
    assert sum(row.truncated.numpy().sum() for row in rows) > 0


def _members(environment, observation):
    values = observation.numpy()
    if isinstance(environment.observation_space, gym.spaces.Discrete):
        return values.astype(np.int64)
    assert values.dtype == environment.observation_space.dtype
    return values


def test_the_time_limit_cuts_after_exactly_that_many_steps(rollouts):
    state, _ = rollouts.reset(tf.constant([1, 2]))
    _, rows = rollouts.play(state, rollouts.actions)
    length = np.zeros(_NUM_ENVS, int)
    for row in rows:
        length = np.where(row.mask == 0, 0, length + 1)
        np.testing.assert_array_equal(row.truncated, length == 7)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(rollouts):
    runs = []
    for seed in ([1, 2], [1, 2], [1, 3], [2, 2]):
        state, observation = rollouts.reset(tf.constant(seed))
        runs.append((observation, rollouts.play(state, rollouts.actions)))
    _equal(runs[0], runs[1])
    for other in runs[2:]:
        assert _differ(runs[0][1][1], other[1][1])


def test_copies_differ_from_one_another_at_the_start_and_at_later_resets(rollouts):
    environment = rollouts.environment.replicate(64)
    state, observation = environment.reset(tf.constant([1, 2]))
    again = state._replace(ended=tf.ones_like(state.ended))
    action = tf.constant(np.stack([environment.action_space.sample() for _ in range(64)]))
    _, row = environment.step(again, action)
    starts = [np.unique(x, axis=0) for x in (observation, row.observation)]
    if rollouts.environment.name not in _FEW_STARTS:
        assert all(len(s) > 2 for s in starts)
        assert _differ(observation, row.observation)


def test_a_state_read_back_from_disk_continues_bit_for_bit(rollouts):
    state, _ = rollouts.reset(tf.constant([1, 2]))
    middle, _ = rollouts.play(state, rollouts.actions[:17])
    saved = tf.nest.map_structure(lambda x: x.numpy().copy(), middle)
    end, rows = rollouts.play(middle, rollouts.actions[17:])
    restored = tf.nest.map_structure(tf.constant, saved)
    _equal((end, rows), rollouts.play(restored, rollouts.actions[17:]))


def test_held_copies_stand_still_and_the_others_move_on(rollouts):
    state, observation = rollouts.environment.reset(tf.constant([1, 2]))
    held = np.arange(_NUM_ENVS) % 2 == 0
    seen_ended = False
    for action in rollouts.actions[:20]:
        action = tf.constant(action)
        free, free_row = rollouts.plain_step(state, action)
        kept, row = rollouts.held_step(state, action, tf.constant(held))
        np.testing.assert_array_equal(row.observation.numpy()[held], observation.numpy()[held])
        np.testing.assert_array_equal(
            row.observation.numpy()[~held], free_row.observation.numpy()[~held]
        )
        for still, moved, before in [
            (row.reward, free_row.reward, 0.0),
            (row.mask, free_row.mask, 0.0),
            (row.terminated, free_row.terminated, False),
            (row.truncated, free_row.truncated, False),
            (kept.time, free.time, state.time),
            # Held between its end and its reset, a copy still has the reset before it.
            (kept.ended, free.ended, state.ended),
        ]:
            np.testing.assert_array_equal(still, np.where(held, before, moved))
        for still, moved, before in zip(
            *map(tf.nest.flatten, (kept.physics, free.physics, state.physics)), strict=True
        ):
            np.testing.assert_array_equal(still, np.where(held, before, moved))
        seen_ended = seen_ended or bool(np.any(state.ended.numpy() & held))
        state, observation = free, free_row.observation
    assert seen_ended


def test_many_seeds_at_once_are_each_seed_alone(rollouts):
    seeds = tf.constant([[1, 2], [3, 4], [5, 6]])
    stacked, observations = tf.vectorized_map(
        rollouts.environment.reset, seeds, fallback_to_while_loop=False
    )

    @tf.function(jit_compile=True)
    def step(states, action):
        return tf.vectorized_map(
            lambda s: rollouts.environment.step(s, action), states, fallback_to_while_loop=False
        )

    alone = [rollouts.reset(seed) for seed in seeds]
    for i, (_, observation) in enumerate(alone):
        np.testing.assert_allclose(observations[i], observation, rtol=1e-6, atol=1e-7)
    states = [state for state, _ in alone]
    for action in rollouts.actions[:10]:
        action = tf.constant(action)
        stacked, together = step(stacked, action)
        for i, state in enumerate(states):
            states[i], row = rollouts.step(state, action)
            for one, other in zip(
                tf.nest.flatten((states[i], row)),
                tf.nest.flatten(tf.nest.map_structure(lambda x, i=i: x[i], (stacked, together))),
                strict=True,
            ):
                np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_replicas_are_the_same_task_with_other_copies(rollouts):
    environment = rollouts.environment
    other = environment.replicate(3)
    assert type(other) is type(environment)
    assert other.num_envs == 3
    assert environment.num_envs == _NUM_ENVS
    assert other.time_limit == environment.time_limit
    assert other.name == environment.name
    # An environment's numbers depend on its place in the batch alone.
    _, few = other.reset(tf.constant([1, 2]))
    _, many = environment.reset(tf.constant([1, 2]))
    np.testing.assert_array_equal(few, many[:3])
    with pytest.raises(ConfigurationError, match="num_envs"):
        environment.replicate(0)


def test_held_copies_under_xla_are_those_outside():
    environment = CompiledCartPole(_NUM_ENVS)
    state, _ = environment.reset(tf.constant([1, 2]))
    arguments = state, tf.ones([_NUM_ENVS], tf.int32), tf.constant([True, False] * 3)
    compiled = tf.function(environment.step, jit_compile=True)(*arguments)
    for one, other in zip(
        tf.nest.flatten(compiled), tf.nest.flatten(environment.step(*arguments)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_the_program_outside_xla_is_the_same(rollouts):
    state, _ = rollouts.reset(tf.constant([1, 2]))
    plain, _ = rollouts.environment.reset(tf.constant([1, 2]))
    for action in rollouts.actions[:9]:
        state, row = rollouts.step(state, tf.constant(action))
        plain, plain_row = rollouts.plain_step(plain, tf.constant(action))
        for one, other in zip(
            tf.nest.flatten((state, row)), tf.nest.flatten((plain, plain_row)), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_an_action_beyond_the_bounds_is_the_bound():
    environment = CompiledPendulum(4)
    state, _ = environment.reset(tf.constant([1, 2]))
    beyond = tf.constant([[-9.0], [-2.5], [2.5], [9.0]])
    bounds = tf.constant([[-2.0], [-2.0], [2.0], [2.0]])
    _equal(environment.step(state, beyond), environment.step(state, bounds))


def test_no_gradient_passes_through_the_physics():
    environment = CompiledPendulum(4)
    state, _ = environment.reset(tf.constant([1, 2]))
    action = tf.Variable(tf.fill([4, 1], 0.3))
    with tf.GradientTape() as tape:
        _, row = environment.step(state, action)
        total = tf.reduce_sum(row.observation) + tf.reduce_sum(row.reward)
    assert tape.gradient(total, action) is None


_INTEGERS = gym.spaces.Box(-2, 3, (1,), np.int32)


class _Echo(TensorFlowEnvironment):
    """Observes the last action, whose space starts elsewhere than 0."""

    def initial(self, noise):
        return tf.zeros([self.num_envs, *(self.action_space.shape or ())], tf.int32)

    def transition(self, physics, action, noise):
        last = action if action.shape.rank == 1 else action[:, 0]
        return action, tf.cast(last, tf.float32), last > 1000

    def observe(self, physics):
        return physics


def test_a_discrete_action_is_shifted_by_the_spaces_start():
    environment = _Echo(gym.spaces.Discrete(9), gym.spaces.Discrete(3, start=5), 3, None)
    state, _ = environment.reset(tf.constant([0, 0]))
    _, row = environment.step(state, tf.constant([0, 1, 2]))
    np.testing.assert_array_equal(row.observation, [5, 6, 7])


def test_a_box_of_integers_receives_the_nearest_one():
    environment = _Echo(gym.spaces.Box(-9, 9, (1,), np.int32), _INTEGERS, 4, None)
    state, _ = environment.reset(tf.constant([0, 0]))
    sampled = tf.constant([[0.6], [-1.7], [1.4], [8.0]])
    _, row = tf.function(environment.step, jit_compile=True)(state, sampled)
    assert row.observation.dtype == tf.int32
    np.testing.assert_array_equal(row.observation[:, 0], [1, -2, 1, 3])


def test_parts_of_a_nested_action_are_bounded_each():
    space = gym.spaces.Dict({"gear": gym.spaces.Discrete(2, start=4), "gas": _INTEGERS})
    environment = _Nested(_INTEGERS, space, 2, None)
    state, _ = environment.reset(tf.constant([0, 0]))
    _, row = environment.step(
        state, {"gear": tf.constant([0, 1]), "gas": tf.constant([[9.0], [-0.6]])}
    )
    np.testing.assert_array_equal(row.reward, [4 + 3, 5 - 1])


class _Nested(TensorFlowEnvironment):
    """Rewards the sum of the parts of an action."""

    def initial(self, noise):
        return tf.zeros([self.num_envs, 1], tf.int32)

    def transition(self, physics, action, noise):
        total = action["gear"] + action["gas"][:, 0]
        return physics, tf.cast(total, tf.float32), total > 1000

    def observe(self, physics):
        return physics


def test_without_a_time_limit_nothing_is_truncated():
    environment = _Echo(gym.spaces.Discrete(9), gym.spaces.Discrete(3), 1, None)
    state, _ = environment.reset(tf.constant([0, 0]))
    step = tf.function(environment.step)
    for _ in range(1200):
        state, row = step(state, tf.constant([1]))
        assert not row.truncated[0]
    assert state.time[0] == 1200


@pytest.mark.parametrize("kind", _KINDS.values(), ids=_KINDS)
@pytest.mark.parametrize("name", ["num_envs", "time_limit"])
def test_sizes_that_are_not_positive_are_refused(kind, name):
    with pytest.raises(ConfigurationError, match=f"{name} must be at least 1"):
        kind(**{name: 0})


def test_a_run_on_the_hash_fills_its_episodes_with_different_starts():
    # 100 steps of poles that fall: no two episodes of any copies begin alike.
    environment = CompiledCartPole(16)
    state, observation = environment.reset(tf.constant([1, 2]))
    step = tf.function(environment.step, jit_compile=True)
    starts = [observation.numpy()]
    for _ in range(100):
        state, row = step(state, tf.ones([16], tf.int32))
        starts.append(row.observation.numpy()[row.mask.numpy() == 0])
    together = np.concatenate(starts)
    assert len(together) > 100
    assert len(np.unique(together, axis=0)) == len(together)
