"""Seaquest against MinAtar's own."""

import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled import CompiledSeaquest
from pgtf.environments.compiled.seaquest import Seaquest, Swimmers
from tests.environments.compiled.given_noise import GivenNoise
from tests.environments.compiled.minatar_lockstep import Lockstep, leap, walk


def places(num, *lists):
    """Lists of [column, row, right, timer, shot timer] as places, the last ones filled."""
    rows = [[1, *x, *[0] * (5 - len(x)), armed] for armed, some in enumerate(lists) for x in some]
    rows = [[0] * 7] * (num - len(rows)) + rows
    here, column, row, right, timer, shot_timer, armed = np.array(rows, np.int32).T
    return Swimmers(here > 0, row, column, right > 0, timer, armed > 0, shot_timer)


def read(game):
    """The package's game as ours: fish before submarines."""
    enemy_shots = np.zeros((2, 8, 10), bool)
    for column, row, right in game.e_bullets:
        enemy_shots[int(right), row - 1, column] = True
    return Seaquest(
        row=np.int32(game.sub_y),
        column=np.int32(game.sub_x),
        rightwards=np.bool_(game.sub_or),
        shots=places(2, game.f_bullets),
        divers=places(2, game.divers),
        enemies=places(32, game.e_fish, game.e_subs),
        enemy_shots=enemy_shots,
        oxygen=np.int32(game.oxygen),
        rescued=np.int32(game.diver_count),
        surfaced=np.bool_(game.surface),
        shot_timer=np.int32(game.shot_timer),
        diver_timer=np.int32(game.d_spawn_timer),
        spawn_interval=np.int32(game.e_spawn_speed),
        spawn_timer=np.int32(game.e_spawn_timer),
        move_interval=np.int32(game.move_speed),
        ramps=np.int32(game.ramp_index),
    )


def tidied(game):
    """Our game with empty places first, then fish, then submarines, each in their order."""

    def ordered(swimmers):
        order = np.argsort(swimmers.here.astype(int) + swimmers.armed, kind="stable")
        return Swimmers(*(x[order] for x in swimmers))

    return game._replace(
        shots=ordered(game.shots), divers=ordered(game.divers), enemies=ordered(game.enemies)
    )


def script(game, numbers):
    """The package asks for numbers only when somebody comes."""
    enemy, diver = game.e_spawn_timer == 0, game.d_spawn_timer == 0
    return np.concatenate([numbers[:3] if enemy else [], numbers[3:] if diver else []])


def scramble(rng, game):
    """Any player, times and swimmers; crowded near the player, as chance would seldom have it."""
    game.sub_x, game.sub_y = int(rng.integers(10)), int(rng.integers(0, 9))
    game.sub_or = {0: False, 9: True}.get(game.sub_x, bool(rng.integers(2)))
    game.oxygen = int(rng.choice([0, 1, 37, 200]))
    game.diver_count = int(rng.choice([-1, 0, 1, 5, 6]))
    game.surface = bool(rng.integers(2))
    game.shot_timer, game.e_spawn_timer, game.d_spawn_timer = map(int, rng.integers(0, 2, 3))
    game.e_spawn_speed, game.move_speed = int(rng.choice([1, 2, 20])), int(rng.choice([2, 3, 5]))
    game.ramp_index = int(rng.integers(4))
    lanes = int(rng.choice([1, 8]))

    def somewhere(*limits):
        """Distinct [column, row, right, …] near the player's row, or anywhere."""
        row = 1 + (game.sub_y + int(rng.integers(lanes))) % 8
        column = int(np.clip(game.sub_x + rng.integers(-3, 4), 0, 9))
        column = column if rng.random() < 0.7 else int(rng.choice([0, 9]))
        return (column, row, bool(rng.integers(2)), *(int(rng.choice(x)) for x in limits))

    def some(num, *limits):
        return [list(x) for x in dict.fromkeys(somewhere(*limits) for _ in range(num))]

    timers = [0, 0, 1, game.move_speed]
    game.e_fish = some(int(rng.choice([0, 3, 12])), timers)
    game.e_subs = some(int(rng.choice([0, 3, 12])), timers, [0, 1, 10])
    game.e_bullets = some(int(rng.choice([0, 2, 6])))
    game.f_bullets = some(int(rng.integers(0, 2 if game.shot_timer == 0 else 3)))
    game.divers = some(int(rng.integers(0, 2 if game.d_spawn_timer == 0 else 3)), [0, 1, 5])


def dive(rng, game, number):
    """Fires along its row, looks for divers, and comes up when it has to."""
    if rng.random() < 0.2:
        return int(rng.integers(number))
    if game.diver_count != 0 and (game.oxygen < 30 or game.diver_count == 6):
        return 2
    if game.sub_y == 0:
        return 4
    for column, row, *_ in game.divers:
        if row != game.sub_y:
            return 4 if row > game.sub_y else 2
        return 3 if column > game.sub_x else 1
    return 5


@pytest.mark.parametrize("ramping", [True, False])
def test_single_steps_from_any_state_are_minatars(ramping):
    ours = CompiledSeaquest(64, difficulty_ramping=ramping)
    lockstep = Lockstep(ours, "seaquest", read, script, tidied, difficulty_ramping=ramping)
    rewards, ended = leap(lockstep, 120, scramble)
    assert {0, 1, 2, 10} <= rewards
    assert ended > 200


def test_episodes_are_minatars():
    lockstep = Lockstep(CompiledSeaquest(16), "seaquest", read, script, tidied)
    assert walk(lockstep, 150) > 10
    ramps = []

    def choose(rng, game, number):
        ramps.append(game.ramp_index)
        return dive(rng, game, number)

    walk(lockstep, 450, choose)
    assert max(ramps) >= 2


def test_there_is_a_place_for_everybody_who_comes():
    """In the hardest game, an enemy a step in as few rows as may be: who is pushed out has left."""
    num = 16
    ours = CompiledSeaquest(num, difficulty_ramping=False)
    rng = np.random.default_rng(0)
    physics = ours.initial(GivenNoise(np.zeros((6, num))))
    ones = tf.ones([num], tf.int32)
    hardest = physics.game._replace(
        spawn_interval=ones, spawn_timer=0 * ones, move_interval=2 * ones, row=ones
    )
    physics = physics._replace(game=hardest)
    step = tf.function(lambda p, a, n: ours.transition(p, a, GivenNoise(n)), jit_compile=True)
    most = 0
    for _ in range(300):
        game = physics.game
        assert not np.any(game.enemies.here[0] & (game.spawn_timer == 0))
        assert not np.any(game.divers.here[0] & (game.diver_timer == 0))
        assert not np.any(game.shots.here[0] & (game.shot_timer == 0))
        most = max(most, int(np.sum(game.enemies.here.numpy(), axis=0).max()))
        numbers = rng.random((6, num))
        numbers[1] = 0.25  # from the left, so that nobody is turned away
        physics, _, _ = step(physics, tf.constant(rng.integers(0, 6, num)), numbers)
    assert most == 29
