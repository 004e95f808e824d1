"""MinAtar's Freeway."""

from typing import Any, NamedTuple

import gin
import tensorflow as tf

from pgtf.environments.compiled.minatar import (
    DOWN,
    NOTHING,
    SIDE,
    UP,
    MinAtar,
    at,
    cells,
    lowered,
    moved,
    towards,
)

_CARS = 8  # one in each row between the first and the last
_SLOWEST = 5  # steps from one move of the slowest cars to the next
_COOL_DOWN = 3  # steps from one move of the chicken to the next
_STEPS = 2500
_COLUMN = 4  # the chicken's


class Freeway(NamedTuple):
    """A game of Freeway; [B] int32 where nothing else is said.

    Attributes:
        chicken: its row.
        cars: [8, B] int32, their columns, from row 1 on.
        car_timers: [8, B] int32, steps until they move.
        speeds: [8, B] int32, steps from one move to the next, negative to the left.
        move_timer: steps until the chicken can move.
        time_left: steps until the game is over.
    """

    chicken: tf.Tensor
    cars: tf.Tensor
    car_timers: tf.Tensor
    speeds: tf.Tensor
    move_timer: tf.Tensor
    time_left: tf.Tensor


@gin.register
class CompiledFreeway(
    MinAtar,
    ids={"MinAtar/Freeway-v0": {}, "MinAtar/Freeway-v1": {"use_minimal_action_set": True}},
):
    """MinAtar's Freeway: a chicken crosses eight lanes of cars, each time for 1.

    A car sends it back to the start; once across, it finds the cars at other speeds. The game is
    over after 2,501 steps.
    """

    planes = ("chicken", "car", *(f"speed{i}" for i in range(1, 1 + _SLOWEST)))
    minimal_actions = (NOTHING, UP, DOWN)
    num_numbers = 2 * _CARS

    @property
    def longest_episode(self) -> int:
        """The game's 2,501 steps, or the time limit."""
        return min(_STEPS + 1, self.time_limit or _STEPS + 1)

    def begin(self, numbers: list[tf.Tensor]) -> Freeway:
        """The chicken at the start, all cars in the first column."""
        speeds = _speeds(numbers)
        zero = tf.zeros([self.num_envs], tf.int32)
        return Freeway(
            chicken=zero + SIDE - 1,
            cars=tf.zeros_like(speeds),
            car_timers=tf.abs(speeds),
            speeds=speeds,
            move_timer=zero + _COOL_DOWN,
            time_left=zero + _STEPS,
        )

    def play(
        self, game: Any, action: tf.Tensor, numbers: list[tf.Tensor]
    ) -> tuple[Freeway, tf.Tensor, tf.Tensor]:
        """Moves the chicken, then the cars."""
        move = tf.where(game.move_timer == 0, towards(action, UP, DOWN), 0)
        chicken = moved(game.chicken, move)
        move_timer = tf.where(move != 0, _COOL_DOWN, game.move_timer)
        across = chicken == 0
        chicken = tf.where(across, SIDE - 1, chicken)
        speeds = tf.where(across, _speeds(numbers), game.speeds)
        timers = tf.where(across, tf.abs(speeds), game.car_timers)

        drives = timers == 0
        cars = tf.where(drives, (game.cars + tf.sign(speeds)) % SIDE, game.cars)
        # Back at the start, which has no cars, the chicken is safe from those that come after.
        meets = (game.cars == _COLUMN) | (cars == _COLUMN)
        hit = tf.reduce_any(meets & (1 + cells(_CARS) == chicken), axis=0)
        next_game = Freeway(
            chicken=tf.where(hit, SIDE - 1, chicken),
            cars=cars,
            car_timers=tf.where(drives, tf.abs(speeds), timers - 1),
            speeds=speeds,
            move_timer=lowered(move_timer),
            time_left=game.time_left - 1,
        )
        return next_game, across, game.time_left <= 0

    def layers(self, game: Any) -> list[tf.Tensor]:
        """Chicken, cars, and the place behind each car on the plane of its speed."""
        behind = (game.cars - tf.sign(game.speeds)) % SIDE
        trails = [
            _lanes(behind, tf.abs(game.speeds) == interval) for interval in range(1, 1 + _SLOWEST)
        ]
        return [
            at(game.chicken, _COLUMN),
            _lanes(game.cars, game.cars >= 0),
            *trails,
        ]


def _speeds(numbers: list[tf.Tensor]) -> tf.Tensor:
    """Draws the cars' speeds, [8, B]: 1 to 5 steps a move, to either side."""
    interval = 1 + tf.cast(_SLOWEST * tf.stack(numbers[:_CARS]), tf.int32)
    return tf.where(tf.stack(numbers[_CARS:]) < 0.5, -interval, interval)


def _lanes(columns: tf.Tensor, shown: tf.Tensor) -> tf.Tensor:
    """Puts one cell into each lane, [8, B] each; returns the board [10, 10, B]."""
    lanes = (cells() == columns[:, None]) & shown[:, None]
    return tf.pad(lanes, [[1, 1], [0, 0], [0, 0]])
