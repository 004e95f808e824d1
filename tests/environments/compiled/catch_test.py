"""Catch against its rules, written a second time for one board in NumPy."""

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pgtf.environments.compiled import CompiledCatch
from pgtf.errors import ConfigurationError


class _Board:
    """One board with a ball in a given column, after bsuite's description of the game."""

    def __init__(self, rows, columns, ball):
        self.pixels = np.zeros((rows, columns))
        self.ball = [0, ball]
        self.paddle = [rows - 1, columns // 2]

    def draw(self):
        self.pixels[:] = 0
        self.pixels[tuple(self.ball)] = 1
        self.pixels[tuple(self.paddle)] = 1
        return self.pixels.copy()

    def play(self, action):
        moved = self.paddle[1] + {0: -1, 1: 0, 2: 1}[action]
        if 0 <= moved < self.pixels.shape[1]:
            self.paddle[1] = moved
        self.ball[0] += 1
        if self.ball[0] < self.paddle[0]:
            return 0.0, False
        return (1.0 if self.ball == self.paddle else -1.0), True


@pytest.mark.parametrize(("rows", "columns", "dtype"), [(10, 5, "float32"), (6, 8, "uint8")])
def test_games_follow_the_rules(rows, columns, dtype):
    rng = np.random.default_rng(0)
    game = CompiledCatch(16, rows=rows, columns=columns, dtype=dtype)
    bright = {"float32": 1, "uint8": 255}[dtype]
    step = tf.function(game.step, jit_compile=True)
    state, observation = game.reset(tf.constant([1, 2]))

    def begin(observation):
        assert observation.dtype == dtype
        assert observation.shape == (rows, columns, 1)
        board = _Board(rows, columns, int(np.argmax(observation[0, :, 0])))
        np.testing.assert_array_equal(observation[..., 0], bright * board.draw())
        return board

    boards = [begin(o) for o in observation.numpy()]
    outcomes = []
    for t in range(1, 15 * rows + 1):
        action = rng.integers(0, 3, 16)
        state, row = step(state, tf.constant(action))
        row = tf.nest.map_structure(lambda x: x.numpy(), row)
        for i, board in enumerate(boards):
            if t % rows == 0:  # rows - 1 steps, then the reset
                boards[i] = begin(row.observation[i])
                expected = 0.0, False
            else:
                expected = board.play(action[i])
                np.testing.assert_array_equal(row.observation[i, ..., 0], bright * board.draw())
                outcomes += [expected[0]] if expected[1] else []
            assert (float(row.reward[i]), bool(row.terminated[i])) == expected
        assert not np.any(row.truncated)
        assert np.all(row.mask == float(t % rows != 0))
    assert {-1.0, 1.0} == set(outcomes)


def test_the_spaces_are_the_boards():
    assert CompiledCatch().observation_space == gym.spaces.Box(0, 1, (10, 5, 1), np.float32)
    assert CompiledCatch(rows=4, columns=3, dtype="uint8").observation_space == gym.spaces.Box(
        0, 255, (4, 3, 1), np.uint8
    )
    assert CompiledCatch().action_space == gym.spaces.Discrete(3)


def test_the_ball_falls_in_any_column_equally_often(first_observations):
    for observation in first_observations(CompiledCatch(), np.int32(1)):
        columns = np.bincount(observation[:, 0, :, 0].argmax(-1), minlength=5)
        assert stats.chisquare(columns).pvalue > 1e-3


def test_a_paddle_that_follows_the_ball_always_catches_it():
    game = CompiledCatch(256)
    state, observation = game.reset(tf.constant([3, 4]))
    step = tf.function(game.step, jit_compile=True)
    for _ in range(9):
        board = observation.numpy()[..., 0]
        ball, paddle = board[:, :9].sum(1).argmax(-1), board[:, 9].argmax(-1)
        state, row = step(state, tf.constant(np.sign(ball - paddle) + 1))
        observation = row.observation
    assert np.all(row.reward == 1)
    assert np.all(row.terminated)


@pytest.mark.parametrize(
    ("arguments", "binding"),
    [({"rows": 1}, "rows"), ({"columns": 0}, "columns"), ({"dtype": "int8"}, "dtype")],
)
def test_boards_that_cannot_be_played_on_are_refused(arguments, binding):
    with pytest.raises(ConfigurationError, match=f"CompiledCatch.{binding}"):
        CompiledCatch(**arguments)
