"""SpaceInvaders against MinAtar's own."""

import numpy as np
import pytest

from pgtf.environments.compiled import CompiledSpaceInvaders
from pgtf.environments.compiled.space_invaders import SpaceInvaders
from tests.environments.compiled.minatar_lockstep import Lockstep, leap, walk


def read(game):
    """The package's game as ours."""
    return SpaceInvaders(
        cannon=np.int32(game.pos),
        aliens=game.alien_map == 1,
        rightwards=np.bool_(game.alien_dir > 0),
        shots=game.f_bullet_map == 1,
        alien_shots=game.e_bullet_map == 1,
        move_interval=np.int32(game.enemy_move_interval),
        move_timer=np.int32(game.alien_move_timer),
        alien_shot_timer=np.int32(game.alien_shot_timer),
        shot_timer=np.int32(game.shot_timer),
        waves=np.int32(game.ramp_index),
    )


def scramble(rng, game):
    """Any cannon, timers and boards: one alien that is about to be hit, few or many."""
    game.pos = int(rng.integers(10))
    for board in (game.f_bullet_map, game.e_bullet_map):
        board[:] = rng.random((10, 10)) < rng.choice([0.0, 0.1, 0.3])
    game.f_bullet_map[9] = 0  # a shot has left the cannon's row
    game.alien_map[:] = rng.random((10, 10)) < rng.choice([0.0, 0.05, 0.3])
    if not game.alien_map.any():
        row, column = rng.integers(0, 9), rng.integers(0, 10)
        game.alien_map[row, column] = 1
        game.f_bullet_map[row + 1, column] = 1
    game.alien_dir = int(rng.choice([-1, 1]))
    game.enemy_move_interval = int(rng.integers(6, 13))
    game.alien_move_timer = int(rng.choice([0, 1, 7]))
    game.alien_shot_timer = int(rng.choice([0, 1, 9]))
    game.shot_timer = int(rng.choice([0, 1, 4]))
    game.ramp_index = 12 - game.enemy_move_interval


def hunt(rng, game, number):
    """Keeps out of the way of shots, and fires at the nearest column: clears waves."""
    if rng.random() < 0.02:
        return int(rng.integers(number))
    danger = game.e_bullet_map[4:].any(axis=0)
    if danger[game.pos]:
        left = game.pos > 0 and not danger[game.pos - 1]
        return 1 if left and (game.pos > 4 or game.pos == 9 or danger[game.pos + 1]) else 3
    columns = np.flatnonzero(game.alien_map.any(axis=0))
    aim = columns[np.abs(columns - game.pos).argmin()] - game.pos
    if aim == 0:
        return 5
    return 0 if danger[game.pos + np.sign(aim)] else (1 if aim < 0 else 3)


@pytest.mark.parametrize("ramping", [True, False])
def test_single_steps_from_any_state_are_minatars(ramping):
    ours = CompiledSpaceInvaders(64, difficulty_ramping=ramping)
    lockstep = Lockstep(ours, "space_invaders", read, difficulty_ramping=ramping)
    rewards, ended = leap(lockstep, 100, scramble)
    assert {0, 1, 2} <= rewards
    assert ended > 200


@pytest.mark.parametrize("minimal", [True, False])
def test_episodes_are_minatars(minimal):
    ours = CompiledSpaceInvaders(32, use_minimal_action_set=minimal)
    assert walk(Lockstep(ours, "space_invaders", read), 300) > 10


def test_episodes_of_many_waves_are_minatars():
    lockstep = Lockstep(CompiledSpaceInvaders(16), "space_invaders", read)
    waves = []

    def choose(rng, game, number):
        waves.append(game.ramp_index)
        # Two of a wave are enough: shooting them brings the next.
        places = np.argwhere(game.alien_map)
        for row, column in rng.permutation(places)[2:]:
            game.alien_map[row, column] = 0
        return hunt(rng, game, number)

    walk(lockstep, 300, choose)
    assert max(waves) >= 1
