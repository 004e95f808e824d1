"""Gymnasium as the oracle: compiled environments and their originals, moved in lockstep."""

import functools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled import State, TensorFlowEnvironment


# XLA takes seconds for a step of Acrobot: tests that share an environment share its programs.
@functools.cache
def _compiled_step(environment: TensorFlowEnvironment) -> Callable[..., Any]:
    return tf.function(environment.step, jit_compile=True)


@functools.cache
def _copies(environment: TensorFlowEnvironment, num_envs: int) -> TensorFlowEnvironment:
    return environment.replicate(num_envs)


Actions = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def _reference_action(space: gym.Space, action: np.ndarray) -> np.ndarray:
    return np.clip(action, space.low, space.high) if isinstance(space, gym.spaces.Box) else action


@pytest.fixture
def lockstep() -> Callable[..., dict[str, int]]:
    """Compares rows with ``SyncVectorEnv`` (NEXT_STEP), whose resets are put where ours went."""

    def compare(
        environment: TensorFlowEnvironment,
        make_reference: Callable[[], gym.Env],
        actions: Actions,
        initial_contains: Callable[[np.ndarray], np.ndarray],
        num_steps: int,
        tolerance: float,
        follow: bool = False,
    ) -> dict[str, int]:
        """Steps both and compares every row.

        Args:
            environment: the compiled one.
            make_reference: makes one original.
            actions: draws [B, ...] actions from a generator and the observations.
            initial_contains: [B, ...] observations -> [B], whether an episode can begin there.
            num_steps: rows to compare.
            tolerance: relative and absolute, on observations and rewards.
            follow: put the originals where ours is at every step, and not at resets alone; for
                dynamics that blow rounding errors up.

        Returns:
            How many rows terminated, were truncated, both, and were resets.
        """
        rng = np.random.default_rng(0)
        reference = gym.vector.SyncVectorEnv([make_reference] * environment.num_envs)
        assert reference.metadata["autoreset_mode"] == gym.vector.AutoresetMode.NEXT_STEP
        step = _compiled_step(environment)
        state, observation = environment.reset(tf.constant([3, 4]))
        observation = observation.numpy()
        assert np.all(initial_contains(observation))
        reference.reset(seed=0)
        originals: list[Any] = [env.unwrapped for env in reference.envs]
        put_where = np.ones(environment.num_envs, bool)
        seen = {"terminated": 0, "truncated": 0, "both": 0, "reset": 0}
        for _ in range(num_steps):
            physics = state.physics.numpy()
            for i in np.flatnonzero(put_where):
                originals[i].state = physics[:, i].copy()
            action = actions(rng, observation)
            resets = state.ended.numpy()
            state, row = step(state, tf.constant(action))
            expected, reward, terminated, truncated, _ = reference.step(
                _reference_action(environment.action_space, action)
            )
            observation = row.observation.numpy()
            np.testing.assert_allclose(
                observation[~resets], expected[~resets], rtol=tolerance, atol=tolerance
            )
            np.testing.assert_allclose(row.reward, reward, rtol=tolerance, atol=tolerance)
            np.testing.assert_array_equal(row.terminated, terminated)
            np.testing.assert_array_equal(row.truncated, truncated)
            np.testing.assert_array_equal(row.mask, 1.0 - resets)
            assert np.all(initial_contains(observation[resets]))
            put_where = resets if not follow else np.ones_like(resets)
            seen["terminated"] += int(terminated.sum())
            seen["truncated"] += int(truncated.sum())
            seen["both"] += int((terminated & truncated).sum())
            seen["reset"] += int(resets.sum())
        return seen

    return compare


@pytest.fixture
def single_steps() -> Callable[..., int]:
    """Compares one step from many given states, one action each."""

    def compare(
        environment: TensorFlowEnvironment,
        reference: gym.Env,
        physics: np.ndarray,
        action: np.ndarray,
        tolerance: float,
    ) -> int:
        """Steps from every column of ``physics`` [D, N]; returns how many steps terminated."""
        num = physics.shape[1]
        environment = _copies(environment, num)
        zeros = tf.zeros([num], tf.int32)
        state = State(tf.constant(physics), zeros, zeros > 0, tf.constant([0, 0]), tf.constant(1))
        _, row = _compiled_step(environment)(state, tf.constant(action))
        reference.reset(seed=0)
        original: Any = reference.unwrapped
        action = _reference_action(reference.action_space, action)
        expected = []
        for i in range(num):
            original.state = physics[:, i].copy()
            original.steps_beyond_terminated = None  # CartPole's memory of an earlier end
            expected.append(original.step(action[i])[:3])
        observation, reward, terminated = (np.array(v) for v in zip(*expected, strict=True))
        np.testing.assert_allclose(row.observation, observation, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(row.reward, reward, rtol=tolerance, atol=tolerance)
        np.testing.assert_array_equal(row.terminated, terminated)
        return int(np.sum(row.terminated))

    return compare


@pytest.fixture
def first_observations() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """Collects observations of ``reset`` and of resets on the way."""

    def collect(
        environment: TensorFlowEnvironment, action: np.ndarray, num_envs: int = 2**17
    ) -> tuple[np.ndarray, np.ndarray]:
        """Takes enough of each kind to see an interval that is wrong by a hundredth."""
        environment = environment.replicate(num_envs)
        state, observation = tf.function(environment.reset, jit_compile=True)(tf.constant([5, 6]))
        ended = state._replace(ended=tf.ones_like(state.ended))
        actions = tf.constant(np.broadcast_to(action, (num_envs, *np.shape(action))))
        _, row = tf.function(environment.step, jit_compile=True)(ended, actions)
        assert np.all(row.mask == 0)
        return observation.numpy(), row.observation.numpy()

    return collect
