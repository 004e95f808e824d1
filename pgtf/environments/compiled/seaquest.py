"""MinAtar's Seaquest."""

from typing import Any, NamedTuple

import gin
import tensorflow as tf

from pgtf.environments.compiled.minatar import (
    DOWN,
    FIRE,
    LEFT,
    RIGHT,
    SIDE,
    UP,
    RampingMinAtar,
    at,
    cells,
    lowered,
    moved,
    towards,
)

_OXYGEN = 200  # steps under water
_MOST_DIVERS = 6
_COOL_DOWN = 5  # steps from one shot of the player to the next
_SHOT_INTERVAL = 10  # of each enemy submarine
_DIVER_INTERVAL = 30  # steps from one diver to the next
_DIVER_MOVE_INTERVAL = 5
_SPAWN_INTERVAL = 20  # steps from one enemy to the next, at first
_MOVE_INTERVAL = 5  # steps between two moves of an enemy, at first
_SHORTEST_MOVE_INTERVAL = 2

# Places for what comes and goes. Each enters in the last place and pushes the others forward, the
# oldest first in line; who is pushed out has long been gone. A shot lives 10 steps at most and the
# next comes after 5; a diver 60, the next comes after 30. An enemy lives 30 steps where one comes
# in each step, and longer only where they come more seldom.
_SHOTS, _DIVERS, _ENEMIES = 2, 2, 32


class Swimmers(NamedTuple):
    """N places for what moves along rows; 0 and False in those that are empty.

    Attributes:
        here: [N, B] bool.
        row: [N, B] int32.
        column: [N, B] int32.
        rightwards: [N, B] bool.
        timer: [N, B] int32, steps until it moves.
        armed: [N, B] bool, whether it is an enemy submarine.
        shot_timer: [N, B] int32, steps until an enemy submarine shoots.
    """

    here: tf.Tensor
    row: tf.Tensor
    column: tf.Tensor
    rightwards: tf.Tensor
    timer: tf.Tensor
    armed: tf.Tensor
    shot_timer: tf.Tensor


class Seaquest(NamedTuple):
    """A game of Seaquest; [B] int32 where nothing else is said.

    Attributes:
        row: the player's.
        column: the player's.
        rightwards: [B] bool, whether the player looks to the right.
        shots: 2 places, the player's.
        divers: 2 places.
        enemies: 32 places, fish and submarines.
        enemy_shots: [2, 8, 10, B] bool, those to the left and to the right, from row 1 on.
        oxygen: steps that it lasts.
        rescued: divers on board; -1 and less after a full load, as in MinAtar.
        surfaced: [B] bool, whether the player has been at the surface in the last step.
        shot_timer: steps until the player can shoot.
        diver_timer: steps until the next diver.
        spawn_interval: steps from one enemy to the next.
        spawn_timer: steps until the next enemy.
        move_interval: steps between two moves of an enemy.
        ramps: how often it got harder.
    """

    row: tf.Tensor
    column: tf.Tensor
    rightwards: tf.Tensor
    shots: Swimmers
    divers: Swimmers
    enemies: Swimmers
    enemy_shots: tf.Tensor
    oxygen: tf.Tensor
    rescued: tf.Tensor
    surfaced: tf.Tensor
    shot_timer: tf.Tensor
    diver_timer: tf.Tensor
    spawn_interval: tf.Tensor
    spawn_timer: tf.Tensor
    move_interval: tf.Tensor
    ramps: tf.Tensor


@gin.register
class CompiledSeaquest(
    RampingMinAtar,
    ids={"MinAtar/Seaquest-v0": {}, "MinAtar/Seaquest-v1": {"use_minimal_action_set": True}},
):
    """MinAtar's Seaquest: a submarine shoots fish and submarines, for 1 each, and rescues divers.

    It has to come up for air with a diver on board, who leaves; a full load of six also gives up to
    10, by the oxygen that is left. Each time it gets harder. Enemies, their shots, no oxygen, and
    the surface without a diver end the game.
    """

    planes = (
        *("sub_front", "sub_back", "friendly_bullet", "trail", "enemy_bullet"),
        *("enemy_fish", "enemy_sub", "oxygen_gauge", "diver_gauge", "diver"),
    )
    minimal_actions = tuple(range(6))
    num_numbers = 5

    def begin(self, numbers: list[tf.Tensor]) -> Seaquest:
        """The player at the surface, looking to the left, alone."""
        zero = tf.zeros([self.num_envs], tf.int32)
        return Seaquest(
            row=zero,
            column=zero + 5,
            rightwards=zero > 0,
            shots=_nobody(_SHOTS, self.num_envs),
            divers=_nobody(_DIVERS, self.num_envs),
            enemies=_nobody(_ENEMIES, self.num_envs),
            enemy_shots=tf.zeros([2, SIDE - 2, SIDE, self.num_envs], tf.bool),
            oxygen=zero + _OXYGEN,
            rescued=zero,
            surfaced=zero == 0,
            shot_timer=zero,
            diver_timer=zero + _DIVER_INTERVAL,
            spawn_interval=zero + _SPAWN_INTERVAL,
            spawn_timer=zero + _SPAWN_INTERVAL,
            move_interval=zero + _MOVE_INTERVAL,
            ramps=zero,
        )

    def play(
        self, game: Any, action: tf.Tensor, numbers: list[tf.Tensor]
    ) -> tuple[Seaquest, tf.Tensor, tf.Tensor]:
        """Lets others come, moves the player, shots, divers and enemies; then counts the air."""
        spawns, comes = game.spawn_timer == 0, game.diver_timer == 0
        enemies = _with_enemy(game.enemies, spawns, game.move_interval, *numbers[:3])
        divers = _with_diver(game.divers, comes, *numbers[3:])
        fires = (action == FIRE) & (game.shot_timer == 0)
        shots = _entered(
            game.shots, fires, row=game.row, column=game.column, rightwards=game.rightwards
        )
        aside = towards(action, LEFT, RIGHT)
        row = moved(game.row, towards(action, UP, DOWN), 0, SIDE - 2)
        column = moved(game.column, aside)
        rightwards = tf.where(aside == 0, game.rightwards, aside > 0)

        shots = _swum(shots, shots.here)
        shots, enemies, shot = _shot(shots, enemies)
        divers, rescued = _picked_up(divers, row, column, game.rescued)
        shots, enemies, fired, rammed, touched = _enemies_moved(
            shots, enemies, row, column, game.move_interval
        )
        enemy_shots = game.enemy_shots | fired
        flown = _flown(enemy_shots)
        player = at(row, column)[1:-1]
        touched |= tf.reduce_any((enemy_shots | flown) & player, axis=[0, 1, 2])

        next_game = Seaquest(
            row=row,
            column=column,
            rightwards=rightwards,
            shots=_tidy(shots),
            divers=_tidy(divers),
            enemies=_tidy(enemies),
            enemy_shots=flown,
            oxygen=game.oxygen,
            rescued=rescued,
            surfaced=game.surfaced,
            shot_timer=lowered(tf.where(fires, _COOL_DOWN, game.shot_timer)),
            diver_timer=lowered(tf.where(comes, _DIVER_INTERVAL, game.diver_timer)),
            spawn_interval=game.spawn_interval,
            spawn_timer=lowered(tf.where(spawns, game.spawn_interval, game.spawn_timer)),
            move_interval=game.move_interval,
            ramps=game.ramps,
        )
        next_game, gain, drowned = self._breathed(next_game)
        return next_game, shot + rammed + gain, touched | drowned

    def _breathed(self, game: Seaquest) -> tuple[Seaquest, tf.Tensor, tf.Tensor]:
        """Counts the oxygen, or fills it up at the surface, where a diver leaves.

        Returns:
            The game, the reward and whether it is over.
        """
        under = game.row > 0
        arrives = ~under & ~game.surfaced
        drowned = (game.oxygen <= 0) | (arrives & (game.rescued == 0))
        surfaces = arrives & (game.rescued != 0)
        full = game.rescued == _MOST_DIVERS
        gain = tf.where(surfaces & full, game.oxygen * 10 // _OXYGEN, 0)
        left = tf.where(full, 0, game.rescued) - 1
        breathes = tf.where(surfaces, _OXYGEN, game.oxygen)
        harder = surfaces & self._ramping
        harder &= (game.spawn_interval > 1) | (game.move_interval > _SHORTEST_MOVE_INTERVAL)
        faster = harder & (game.move_interval > _SHORTEST_MOVE_INTERVAL) & (game.ramps % 2 == 1)
        more = harder & (game.spawn_interval > 1)
        game = game._replace(
            oxygen=tf.where(under, game.oxygen - 1, breathes),
            rescued=tf.where(surfaces, left, game.rescued),
            surfaced=~under & (game.surfaced | surfaces),
            move_interval=game.move_interval - tf.cast(faster, tf.int32),
            spawn_interval=game.spawn_interval - tf.cast(more, tf.int32),
            ramps=game.ramps + tf.cast(harder, tf.int32),
        )
        return game, gain, drowned

    def layers(self, game: Any) -> list[tf.Tensor]:
        """See ``planes``; a trail lies behind each diver and enemy, gauges on the last row."""
        behind = game.column - tf.where(game.rightwards, 1, -1)
        enemies, divers = game.enemies, game.divers
        oxygen = tf.maximum(game.oxygen, 0) * 10 // _OXYGEN
        last_row = (cells() == SIDE - 1)[:, None]
        nine = SIDE - 1
        return [
            at(game.row, game.column),
            at(game.row, behind),
            _board(game.shots),
            _board(_behind(enemies)) | _board(_behind(divers)),
            tf.pad(tf.reduce_any(game.enemy_shots, axis=0), [[1, 1], [0, 0], [0, 0]]),
            _board(enemies._replace(here=enemies.here & ~enemies.armed)),
            _board(enemies._replace(here=enemies.here & enemies.armed)),
            last_row & (cells() < oxygen),
            last_row & (cells() >= nine - game.rescued) & (cells() < nine),
            _board(divers),
        ]


def _nobody(places: int, num_envs: int) -> Swimmers:
    number = tf.zeros([places, num_envs], tf.int32)
    return Swimmers(number > 0, number, number, number > 0, number, number > 0, number)


def _entered(swimmers: Swimmers, enters: tf.Tensor, **fields: tf.Tensor) -> Swimmers:
    """Puts one more into the last place where ``enters``; fields are [B], 0 if not given."""
    fields["here"] = enters

    def pushed(name: str, before: tf.Tensor) -> tf.Tensor:
        new = fields.get(name, tf.zeros_like(before[0]))
        return tf.where(enters, tf.concat([before[1:], new[None]], axis=0), before)

    return Swimmers(*map(pushed, Swimmers._fields, swimmers))


def _with_enemy(
    enemies: Swimmers,
    spawns: tf.Tensor,
    interval: tf.Tensor,
    side: tf.Tensor,
    kind: tf.Tensor,
    lane: tf.Tensor,
) -> Swimmers:
    """Lets an enemy in where ``spawns``, unless another swims against it in its row."""
    right, armed = side < 0.5, kind < 1 / 3
    row = 1 + tf.cast((SIDE - 2) * lane, tf.int32)
    against = enemies.here & (enemies.row == row) & (enemies.rightwards ^ right)
    return _entered(
        enemies,
        spawns & ~tf.reduce_any(against, axis=0),
        row=row,
        column=tf.where(right, 0, SIDE - 1),
        rightwards=right,
        timer=interval,
        armed=armed,
        shot_timer=tf.where(armed, _SHOT_INTERVAL, 0),
    )


def _with_diver(divers: Swimmers, comes: tf.Tensor, side: tf.Tensor, lane: tf.Tensor) -> Swimmers:
    """Lets a diver in where one ``comes``."""
    right = side < 0.5
    return _entered(
        divers,
        comes,
        row=1 + tf.cast((SIDE - 2) * lane, tf.int32),
        column=tf.where(right, 0, SIDE - 1),
        rightwards=right,
        timer=tf.fill(right.shape, _DIVER_MOVE_INTERVAL),
    )


def _swum(swimmers: Swimmers, moves: tf.Tensor) -> Swimmers:
    """Moves some by one column, [N, B] bool; who leaves the board is gone."""
    column = swimmers.column + tf.where(moves, tf.where(swimmers.rightwards, 1, -1), 0)
    on_board = (column >= 0) & (column < SIDE)
    return swimmers._replace(column=column, here=swimmers.here & on_board)


def _shot(shots: Swimmers, enemies: Swimmers) -> tuple[Swimmers, Swimmers, tf.Tensor]:
    """Lets each shot hit the fish that is longest there in its cell, or else the submarine.

    Returns:
        What is left of both, and how many enemies were hit, [B] int32.
    """
    places = cells(_ENEMIES)
    order = tf.where(enemies.armed, places + _ENEMIES, places)
    none = 2 * _ENEMIES
    hits = 0
    left = list(tf.unstack(shots.here))
    for i in reversed(range(_SHOTS)):
        met = left[i] & enemies.here & (enemies.row == shots.row[i])
        met &= enemies.column == shots.column[i]
        rank = tf.where(met, order, none)
        hit = met & (rank == tf.reduce_min(rank, axis=0))
        enemies = enemies._replace(here=enemies.here & ~hit)
        any_hit = tf.reduce_any(met, axis=0)
        left[i] &= ~any_hit
        hits += tf.cast(any_hit, tf.int32)
    return shots._replace(here=tf.stack(left)), enemies, hits


def _picked_up(
    divers: Swimmers, row: tf.Tensor, column: tf.Tensor, rescued: tf.Tensor
) -> tuple[Swimmers, tf.Tensor]:
    """Moves divers whose time it is, and takes those on board that the player meets."""

    def meets(divers: Swimmers, i: int) -> tf.Tensor:
        place = (divers.row[i] == row) & (divers.column[i] == column)
        return divers.here[i] & place & (rescued < _MOST_DIVERS)

    for i in reversed(range(_DIVERS)):
        found = meets(divers, i)
        stays = (cells(_DIVERS) == i) & ~found & divers.here
        moves = stays & (divers.timer == 0)
        timer = tf.where(moves, _DIVER_MOVE_INTERVAL, divers.timer - tf.cast(stays, tf.int32))
        divers = _swum(divers, moves)._replace(timer=timer)
        found |= moves[i] & meets(divers, i)
        divers = divers._replace(here=divers.here & ~((cells(_DIVERS) == i) & found))
        rescued += tf.cast(found, tf.int32)
    return divers, rescued


def _enemies_moved(
    shots: Swimmers,
    enemies: Swimmers,
    row: tf.Tensor,
    column: tf.Tensor,
    interval: tf.Tensor,
) -> tuple[Swimmers, Swimmers, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Moves enemies whose time it is; submarines shoot, and some swim into a shot.

    Returns:
        Shots, enemies, new enemy shots [2, 8, 10, B], how many enemies met a shot, and whether the
        player met an enemy.
    """

    def meet(enemies: Swimmers) -> tf.Tensor:
        return enemies.here & (enemies.row == row) & (enemies.column == column)

    touched = tf.reduce_any(meet(enemies), axis=0)
    moves = enemies.here & (enemies.timer == 0)
    shoots = enemies.here & enemies.armed & (enemies.shot_timer == 0)
    enemies = _swum(enemies, moves)._replace(
        timer=tf.where(moves, interval, enemies.timer - 1),
        shot_timer=tf.where(
            shoots, _SHOT_INTERVAL, enemies.shot_timer - tf.cast(enemies.armed, tf.int32)
        ),
    )
    met = meet(enemies)
    touched |= tf.reduce_any(met, axis=0)
    # A submarine that a shot is about to meet still shoots.
    fired = tf.stack(
        [
            _board(enemies._replace(here=shoots & (enemies.rightwards ^ left)))[1:-1]
            for left in (True, False)
        ]
    )
    hits = 0
    for armed in (True, False):
        goes = moves & ~met & ~(enemies.armed ^ armed)
        shots, enemies, more = _rammed(shots, enemies, goes)
        hits += more
    return shots, enemies, fired, hits, touched


def _rammed(
    shots: Swimmers, enemies: Swimmers, moves: tf.Tensor
) -> tuple[Swimmers, Swimmers, tf.Tensor]:
    """Removes enemies that have moved onto a shot, and the shot: one for one, the newest first."""
    places = cells(_ENEMIES)
    hits = 0
    left = list(tf.unstack(shots.here))
    for i in range(_SHOTS):
        met = left[i] & moves & enemies.here & (enemies.row == shots.row[i])
        met &= enemies.column == shots.column[i]
        hit = met & (places == tf.reduce_max(tf.where(met, places, -1), axis=0))
        enemies = enemies._replace(here=enemies.here & ~hit)
        any_hit = tf.reduce_any(met, axis=0)
        left[i] &= ~any_hit
        hits += tf.cast(any_hit, tf.int32)
    return shots._replace(here=tf.stack(left)), enemies, hits


def _flown(enemy_shots: tf.Tensor) -> tf.Tensor:
    """Moves enemy shots by one column; those at the sides leave."""
    left, right = tf.unstack(enemy_shots)
    none = tf.zeros_like(left[:, :1])
    left = tf.concat([left[:, 1:], none], axis=1)
    return tf.stack([left, tf.concat([none, right[:, :-1]], axis=1)])


def _tidy(swimmers: Swimmers) -> Swimmers:
    """Clears the places of those that are gone."""
    return Swimmers(
        *(tf.where(swimmers.here, x, tf.zeros_like(x)) for x in swimmers),
    )


def _behind(swimmers: Swimmers) -> Swimmers:
    return swimmers._replace(column=swimmers.column - tf.where(swimmers.rightwards, 1, -1))


def _board(swimmers: Swimmers) -> tf.Tensor:
    """Returns [10, 10, B], True where somebody is; places off the board are none."""
    on_board = swimmers.here & (swimmers.column >= 0) & (swimmers.column < SIDE)
    cell = tf.where(on_board, SIDE * swimmers.row + swimmers.column, -1)
    shown = tf.reduce_any(cell[:, None] == cells(SIDE * SIDE), axis=0)
    return tf.reshape(shown, [SIDE, SIDE, -1])
