"""Asterix against MinAtar's own."""

import numpy as np
import pytest

from pgtf.environments.compiled import CompiledAsterix
from pgtf.environments.compiled.asterix import Asterix
from tests.environments.compiled.minatar_lockstep import Lockstep, leap, walk


def read(game):
    """The package's game as ours; what is nowhere has zeros."""
    there = [x if x is not None else [0, 0, False, False] for x in game.entities]
    column, _, right, gold = zip(*there, strict=True)
    integers = [
        *(game.spawn_speed, game.spawn_timer, game.move_speed, game.move_timer),
        *(game.ramp_timer, game.ramp_index),
    ]
    return Asterix(
        np.int32(game.player_y),
        np.int32(game.player_x),
        np.array([x is not None for x in game.entities]),
        np.array(column, np.int32),
        np.array(right, bool),
        np.array(gold, bool),
        *map(np.int32, integers),
    )


def scramble(rng, game):
    """Any player, lanes and times: empty, half full, full, things beside the player."""
    game.player_x, game.player_y = int(rng.integers(10)), int(rng.integers(1, 9))
    share = rng.choice([0.0, 0.5, 1.0])
    near = [game.player_x - 1, game.player_x, game.player_x + 1, 0, 9]
    game.entities = [
        [
            int(np.clip(rng.choice(near), 0, 9)),
            lane + 1,
            bool(rng.integers(2)),
            bool(rng.integers(2)),
        ]
        if rng.random() < share
        else None
        for lane in range(8)
    ]
    game.spawn_speed, game.move_speed = int(rng.choice([1, 2, 10])), int(rng.choice([1, 2, 5]))
    game.spawn_timer, game.move_timer = int(rng.choice([0, 1])), int(rng.choice([0, 1]))
    game.ramp_timer, game.ramp_index = int(rng.choice([-1, 0, 100])), int(rng.integers(4))


def dodge(rng, game, number):
    """Stays out of lanes with enemies most of the time, to see the game get harder."""
    lane = game.entities[game.player_y - 1]
    if lane is None or lane[3] or rng.random() < 0.1:
        return int(rng.integers(number)) if rng.random() < 0.1 else 0
    free = [y for y in (game.player_y - 1, game.player_y + 1) if 1 <= y <= 8]
    free = [y for y in free if game.entities[y - 1] is None or game.entities[y - 1][3]]
    if free:
        return 2 if free[0] < game.player_y else 4
    return 1 if lane[0] > game.player_x else 3


@pytest.mark.parametrize("ramping", [True, False])
def test_single_steps_from_any_state_are_minatars(ramping):
    ours = CompiledAsterix(64, difficulty_ramping=ramping)
    lockstep = Lockstep(ours, "asterix", read, difficulty_ramping=ramping)
    rewards, ended = leap(lockstep, 100, scramble)
    assert {0, 1} <= rewards
    assert ended > 200


@pytest.mark.parametrize("minimal", [True, False])
def test_episodes_are_minatars(minimal):
    ours = CompiledAsterix(32, use_minimal_action_set=minimal)
    assert walk(Lockstep(ours, "asterix", read), 200) > 10


def test_episodes_that_get_harder_are_minatars():
    lockstep = Lockstep(CompiledAsterix(16), "asterix", read)
    ramps = []

    def choose(rng, game, number):
        ramps.append(game.ramp_index)
        return dodge(rng, game, number)

    walk(lockstep, 800, choose)
    assert max(ramps) >= 3
