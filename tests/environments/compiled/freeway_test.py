"""Freeway against MinAtar's own."""

import numpy as np
import pytest

from pgtf.environments.compiled import CompiledFreeway
from pgtf.environments.compiled.freeway import Freeway
from tests.environments.compiled.minatar_lockstep import Lockstep, leap, walk


def read(game):
    """The package's game as ours."""
    column, row, timer, speed = np.array(game.cars, np.int32).T
    np.testing.assert_array_equal(row, range(1, 9))
    return Freeway(
        chicken=np.int32(game.pos),
        cars=column,
        car_timers=timer,
        speeds=speed,
        move_timer=np.int32(game.move_timer),
        time_left=np.int32(game.terminate_timer),
    )


def scramble(rng, game):
    """Any chicken, cars and times; cars near the chicken's column."""
    game.pos = int(rng.integers(1, 10))
    for car in game.cars:
        car[0] = int(rng.choice([0, 3, 4, 5, 9]))
        speed = int(rng.integers(1, 6))
        car[2] = int(rng.choice([0, 1, speed]))
        car[3] = speed * int(rng.choice([-1, 1]))
    game.move_timer = int(rng.choice([0, 1, 3]))
    game.terminate_timer = int(rng.choice([0, 1, 2500]))


def forward(rng, game, number):
    """Mostly up."""
    return 2 if rng.random() < 0.9 else int(rng.integers(number))


@pytest.mark.parametrize("minimal", [False, True])
def test_single_steps_from_any_state_are_minatars(minimal):
    ours = CompiledFreeway(64, use_minimal_action_set=minimal)
    rewards, ended = leap(Lockstep(ours, "freeway", read), 100, scramble)
    assert rewards == {0, 1}
    assert ended > 200


def test_episodes_are_minatars_and_end_with_their_longest():
    lockstep = Lockstep(CompiledFreeway(2), "freeway", read)
    longest = lockstep.environment.longest_episode
    assert walk(lockstep, longest - 1) == 0
    assert walk(lockstep, longest, forward) == 2
