"""Breakout against MinAtar's own."""

import numpy as np
import pytest

from pgtf.environments.compiled import CompiledBreakout
from pgtf.environments.compiled.breakout import Breakout
from tests.environments.compiled.minatar_lockstep import Lockstep, leap, walk


def read(game):
    """The package's game as ours."""
    integers = [game.ball_y, game.ball_x, game.last_y, game.last_x, game.pos]
    row, column, last_row, last_column, paddle = map(np.int32, integers)
    assert not game.brick_map[[0, 4, 5, 6, 7, 8, 9]].any()
    return Breakout(
        ball_row=row,
        ball_column=column,
        down=np.bool_(game.ball_dir in (2, 3)),
        right=np.bool_(game.ball_dir in (1, 2)),
        last_row=last_row,
        last_column=last_column,
        paddle=paddle,
        strike=np.bool_(game.strike),
        bricks=game.brick_map[1:4] == 1,
    )


def follow(rng, game, number):
    """Mostly moves the paddle to where the ball is: with all bricks gone at last."""
    if rng.random() < 0.05:
        return int(rng.integers(number))
    return {-1: 1, 0: 0, 1: 3}[int(np.sign(game.ball_x - game.pos))]


def scramble(rng, game):
    """Any ball and paddle, few bricks or many, or the last one."""
    game.ball_x, game.last_x, game.pos = rng.integers(0, 10, 3)
    game.ball_y, game.last_y = rng.integers(0, 9, 2)
    if rng.random() < 0.4:
        game.pos = game.ball_x + rng.integers(-1, 2)
        game.pos = min(max(game.pos, 0), 9)
    game.ball_dir = rng.integers(0, 4)
    game.strike = bool(rng.integers(2))
    game.brick_map[1:4] = rng.random((3, 10)) < rng.choice([0.0, 0.1, 0.9])


@pytest.mark.parametrize("minimal", [False, True])
def test_single_steps_from_any_state_are_minatars(minimal):
    lockstep = Lockstep(CompiledBreakout(64, use_minimal_action_set=minimal), "breakout", read)
    rewards, ended = leap(lockstep, 100, scramble)
    assert rewards == {0, 1}
    assert ended > 200


def test_episodes_are_minatars():
    lockstep = Lockstep(CompiledBreakout(32), "breakout", read)
    assert walk(lockstep, 150) > 50
    assert walk(lockstep, 400, follow) > 5


@pytest.mark.parametrize("probability", [0.0, 0.7, 1.0])
def test_actions_stick_as_often_as_minatars(probability):
    ours = CompiledBreakout(32, sticky_action_prob=probability)
    walk(Lockstep(ours, "breakout", read, sticky_action_prob=probability), 100)
