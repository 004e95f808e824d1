"""MinAtar's Asterix."""

from typing import Any, NamedTuple

import gin
import tensorflow as tf

from pgtf.environments.compiled.minatar import (
    DOWN,
    LEFT,
    NOTHING,
    RIGHT,
    SIDE,
    UP,
    RampingMinAtar,
    at,
    cells,
    moved,
    towards,
)

_LANES = 8  # the rows between the first and the last
_SPAWN_INTERVAL = 10  # steps from one arrival to the next, at first
_MOVE_INTERVAL = 5  # steps from one move to the next, at first
_RAMP_INTERVAL = 100  # steps until it gets harder


class Asterix(NamedTuple):
    """A game of Asterix; [B] int32 where nothing else is said.

    Attributes:
        row: the player's.
        column: the player's.
        here: [8, B] bool, whether something is in each lane, from row 1 on.
        places: [8, B] int32, its column; 0 where nothing is.
        rightwards: [8, B] bool, whether it moves to the right.
        gold: [8, B] bool, whether it is gold and no enemy.
        spawn_interval: steps from one arrival to the next.
        spawn_timer: steps until something arrives.
        move_interval: steps from one move to the next.
        move_timer: steps until all move.
        ramp_timer: steps until it gets harder.
        ramps: how often it got harder.
    """

    row: tf.Tensor
    column: tf.Tensor
    here: tf.Tensor
    places: tf.Tensor
    rightwards: tf.Tensor
    gold: tf.Tensor
    spawn_interval: tf.Tensor
    spawn_timer: tf.Tensor
    move_interval: tf.Tensor
    move_timer: tf.Tensor
    ramp_timer: tf.Tensor
    ramps: tf.Tensor


@gin.register
class CompiledAsterix(
    RampingMinAtar,
    ids={"MinAtar/Asterix-v0": {}, "MinAtar/Asterix-v1": {"use_minimal_action_set": True}},
):
    """MinAtar's Asterix: gold, for 1 each, and enemies come from both sides along eight lanes.

    An enemy ends the game. All get faster and come more often.
    """

    planes = ("player", "enemy", "trail", "gold")
    minimal_actions = (NOTHING, LEFT, UP, RIGHT, DOWN)
    num_numbers = 3

    def begin(self, numbers: list[tf.Tensor]) -> Asterix:
        """The player in the middle, empty lanes."""
        zero = tf.zeros([self.num_envs], tf.int32)
        places = tf.zeros([_LANES, self.num_envs], tf.int32)
        none = places > 0
        return Asterix(
            row=zero + 5,
            column=zero + 5,
            here=none,
            places=places,
            rightwards=none,
            gold=none,
            spawn_interval=zero + _SPAWN_INTERVAL,
            spawn_timer=zero + _SPAWN_INTERVAL,
            move_interval=zero + _MOVE_INTERVAL,
            move_timer=zero + _MOVE_INTERVAL,
            ramp_timer=zero + _RAMP_INTERVAL,
            ramps=zero,
        )

    def play(
        self, game: Any, action: tf.Tensor, numbers: list[tf.Tensor]
    ) -> tuple[Asterix, tf.Tensor, tf.Tensor]:
        """Lets something arrive, moves the player, then everything else."""
        spawns = game.spawn_timer == 0
        here, places, rightwards, gold = self._with_arrival(game, spawns, numbers)
        spawn_timer = tf.where(spawns, game.spawn_interval, game.spawn_timer)
        row = moved(game.row, towards(action, UP, DOWN), 1, _LANES)
        column = moved(game.column, towards(action, LEFT, RIGHT))
        lane = 1 + cells(_LANES) == row

        met = here & lane & (places == column)
        here &= ~(met & gold)
        moves = game.move_timer == 0
        places += tf.where(here & moves, tf.where(rightwards, 1, -1), 0)
        here &= (places >= 0) & (places < SIDE)
        met_again = here & lane & (places == column) & moves
        here &= ~(met_again & gold)
        found = tf.cast(met & gold, tf.int32) + tf.cast(met_again & gold, tf.int32)
        over = tf.reduce_any((met | met_again) & ~gold, axis=0)

        next_game = Asterix(
            row=row,
            column=column,
            here=here,
            places=tf.where(here, places, 0),
            rightwards=here & rightwards,
            gold=here & gold,
            spawn_interval=game.spawn_interval,
            spawn_timer=spawn_timer - 1,
            move_interval=game.move_interval,
            move_timer=tf.where(moves, game.move_interval, game.move_timer) - 1,
            ramp_timer=game.ramp_timer,
            ramps=game.ramps,
        )
        if self._ramping:
            next_game = _harder(next_game)
        return next_game, tf.reduce_sum(found, axis=0), over

    @staticmethod
    def _with_arrival(
        game: Any, spawns: tf.Tensor, numbers: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Puts something into one of the empty lanes, each as likely, where ``spawns``."""
        side, kind, choice = numbers
        rank = tf.cumsum(tf.cast(~game.here, tf.int32), axis=0)  # 1 in the first empty lane
        chosen = tf.cast(choice * tf.cast(rank[-1], tf.float32), tf.int32)
        new = spawns & ~game.here & (rank == 1 + chosen)
        right = side < 0.5
        return (
            game.here | new,
            tf.where(new, tf.where(right, 0, SIDE - 1), game.places),
            tf.where(new, right, game.rightwards),
            tf.where(new, kind < 1 / 3, game.gold),
        )

    def layers(self, game: Any) -> list[tf.Tensor]:
        """Player, enemies, the places behind everything, and gold."""
        behind = game.places - tf.where(game.rightwards, 1, -1)
        return [
            at(game.row, game.column),
            _lanes(game.places, game.here & ~game.gold),
            _lanes(behind, game.here),
            _lanes(game.places, game.here & game.gold),
        ]


def _harder(game: Asterix) -> Asterix:
    """Counts the time, and makes all arrive, and every other time move, more often."""
    open_ended = (game.spawn_interval > 1) | (game.move_interval > 1)
    now = open_ended & (game.ramp_timer < 0)
    faster = now & (game.move_interval > 1) & (game.ramps % 2 == 1)
    waits = tf.where(open_ended, game.ramp_timer - 1, game.ramp_timer)
    return game._replace(
        spawn_interval=game.spawn_interval - tf.cast(now & (game.spawn_interval > 1), tf.int32),
        move_interval=game.move_interval - tf.cast(faster, tf.int32),
        ramp_timer=tf.where(now, _RAMP_INTERVAL, waits),
        ramps=game.ramps + tf.cast(now, tf.int32),
    )


def _lanes(columns: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
    """Puts one cell into each lane where ``shown``, [8, B] each; returns the board [10, 10, B]."""
    lanes = (cells() == columns[:, None]) & shown[:, None]
    return tf.pad(lanes, [[1, 1], [0, 0], [0, 0]])
