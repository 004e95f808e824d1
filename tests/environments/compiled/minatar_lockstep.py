"""The package ``minatar`` as the oracle: its games and ours move from the same states."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled.minatar import MinAtarPhysics
from tests.environments.compiled.given_noise import GivenNoise

minatar: Any = pytest.importorskip("minatar", reason="needs pgtf[dev]")

#: Multiples of 2^-24, as the environments' own numbers are.
_GRAIN = 2**24


class Script:
    """Stands for the package's ``RandomState``: numbers that come from outside, in turn."""

    def __init__(self, numbers: np.ndarray):
        self._numbers = list(numbers)

    def rand(self, *shape: int) -> Any:
        if not shape:
            return self._numbers.pop(0)
        return np.array([self._numbers.pop(0) for _ in range(shape[0])])

    def randint(self, low: int, high: int | None = None, size: int | None = None) -> Any:
        low, high = (0, low) if high is None else (low, high)
        if size is None:
            return low + int(self.rand() * (high - low))
        return low + (self.rand(size) * (high - low)).astype(int)


class Lockstep:
    """B games of the package beside B of ours.

    Args:
        environment: ours.
        name: the package's name of the game.
        read: the package's game -> ours, fields [...] of one copy.
        script: the numbers [D] of a step -> those that the package's game asks for, in turn.
        tidied: our game, [...] of one copy -> the same with its places in the order of ``read``.
        arguments: of the package's environment.
    """

    def __init__(
        self,
        environment: Any,
        name: str,
        read: Callable[[Any], Any],
        script: Callable[[Any, np.ndarray], np.ndarray] = lambda game, numbers: numbers,
        tidied: Callable[[Any], Any] = lambda game: game,
        **arguments: Any,
    ):
        self.environment = environment
        self.rng = np.random.default_rng(0)
        self.originals = [
            minatar.Environment(name, **arguments) for _ in range(environment.num_envs)
        ]
        self._read, self._script, self._tidied = read, script, tidied
        self._step = tf.function(self._moved, jit_compile=True)

    def _moved(self, physics: Any, action: Any, numbers: Any) -> Any:
        outcome = self.environment.transition(physics, action, GivenNoise(numbers))
        return *outcome, self.environment.observe(outcome[0])

    def begin(self, which: np.ndarray) -> None:
        """Starts new games of the package and compares them with ours."""
        numbers = self._numbers()
        ours = self.environment.initial(GivenNoise(numbers))
        for i in which:
            original = self.originals[i]
            original.env.random = Script(numbers[1:, i])
            original.reset()
            original.last_action = 0
        self._compare(ours, which)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Moves both from where the package's games are, and compares all there is.

        Returns:
            The rewards and the ends, [B] each.
        """
        numbers = self._numbers()
        physics = tf.nest.map_structure(tf.constant, self._physics())
        actions = list(self.environment._actions)
        expected = []
        for i, original in enumerate(self.originals):
            original.random = Script(numbers[:1, i])
            original.env.random = Script(self._script(original.env, numbers[1:, i]))
            expected.append(original.act(actions[action[i]]))
        ours, reward, over, seen = self._step(
            physics, tf.constant(action, tf.int32), tf.constant(numbers, tf.float32)
        )
        rewards, ends = (np.array(column) for column in zip(*expected, strict=True))
        np.testing.assert_array_equal(reward, rewards)
        np.testing.assert_array_equal(over, ends)
        np.testing.assert_array_equal(seen, [original.state() for original in self.originals])
        self._compare(ours, np.arange(len(self.originals)))
        return rewards, ends

    def _numbers(self) -> np.ndarray:
        """New numbers; every fourth is one at the ends of its range."""
        shape = (1 + self.environment.num_numbers, self.environment.num_envs)
        numbers = self.rng.integers(0, _GRAIN, shape)
        numbers = np.where(self.rng.random(shape) < 0.9, numbers, 0)
        return np.where(self.rng.random(shape) < 0.9, numbers, _GRAIN - 1) / _GRAIN

    def _physics(self) -> MinAtarPhysics:
        last = np.array([original.last_action for original in self.originals], np.int32)
        return MinAtarPhysics(
            _stacked([self._read(original.env) for original in self.originals]), last
        )

    def _compare(self, ours: MinAtarPhysics, which: np.ndarray) -> None:
        game, last = tf.nest.map_structure(lambda x: x.numpy(), ours)
        copies = range(self.environment.num_envs)
        game = _stacked(
            [self._tidied(tf.nest.map_structure(lambda x, i=i: x[..., i], game)) for i in copies]
        )
        pairs = zip(
            tf.nest.flatten(self._physics()),
            tf.nest.flatten(MinAtarPhysics(game, last)),
            strict=True,
        )
        for number, (one, other) in enumerate(pairs):
            assert one.dtype == other.dtype, number
            np.testing.assert_array_equal(one[..., which], other[..., which], f"leaf {number}")


def _stacked(games: list[Any]) -> Any:
    return tf.nest.map_structure(lambda *xs: np.stack(xs, axis=-1), *games)


def walk(lockstep: Lockstep, num_steps: int, choose: Callable[..., int] | None = None) -> int:
    """Plays episodes from their starts.

    Args:
        lockstep: both sides.
        num_steps: rows to compare.
        choose: (generator, the package's game, number of actions) -> action; uniform if None.

    Returns:
        How many episodes ended.
    """
    rng, ended = lockstep.rng, 0
    number = len(lockstep.environment._actions)
    lockstep.begin(np.arange(len(lockstep.originals)))
    for _ in range(num_steps):
        actions = [
            int(rng.integers(number)) if choose is None else choose(rng, original.env, number)
            for original in lockstep.originals
        ]
        _, over = lockstep.step(np.array(actions))
        if over.any():
            lockstep.begin(np.flatnonzero(over))
        ended += int(over.sum())
    return ended


def leap(
    lockstep: Lockstep, num_steps: int, scramble: Callable[[np.random.Generator, Any], None]
) -> tuple[set[float], int]:
    """Takes single steps from states that a test makes up.

    Args:
        lockstep: both sides.
        num_steps: rows to compare.
        scramble: (generator, the package's game) puts the game into any state.

    Returns:
        The rewards seen and how many steps were the last.
    """
    rewards: set[float] = set()
    ended = 0
    for _ in range(num_steps):
        for original in lockstep.originals:
            original.env.terminal = False
            scramble(lockstep.rng, original.env)
            original.last_action = int(lockstep.rng.integers(6))
        action = lockstep.rng.integers(
            0, len(lockstep.environment._actions), len(lockstep.originals)
        )
        reward, over = lockstep.step(action)
        rewards |= set(map(float, reward))
        ended += int(over.sum())
    return rewards, ended
