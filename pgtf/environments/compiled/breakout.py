"""MinAtar's Breakout."""

from typing import Any, NamedTuple

import gin
import tensorflow as tf

from pgtf.environments.compiled.minatar import (
    LEFT,
    NOTHING,
    RIGHT,
    SIDE,
    MinAtar,
    at,
    moved,
    towards,
)

_TOP, _ROWS = 1, 3  # where the bricks are


class Breakout(NamedTuple):
    """A game of Breakout; [B] int32 where nothing else is said.

    Attributes:
        ball_row: of the ball.
        ball_column: of the ball.
        down: [B] bool, whether the ball falls.
        right: [B] bool, whether the ball flies to the right.
        last_row: where the ball was a step ago.
        last_column: where the ball was a step ago.
        paddle: its column, on the last row.
        strike: [B] bool, whether the ball hit a brick in the last step.
        bricks: [3, 10, B] bool, of rows 1 to 3.
    """

    ball_row: tf.Tensor
    ball_column: tf.Tensor
    down: tf.Tensor
    right: tf.Tensor
    last_row: tf.Tensor
    last_column: tf.Tensor
    paddle: tf.Tensor
    strike: tf.Tensor
    bricks: tf.Tensor


@gin.register
class CompiledBreakout(
    MinAtar,
    ids={"MinAtar/Breakout-v0": {}, "MinAtar/Breakout-v1": {"use_minimal_action_set": True}},
):
    """MinAtar's Breakout: a ball that flies along diagonals breaks bricks, each for 1.

    The paddle sends it back. The game is over when the ball reaches the ground. New bricks come
    when all are broken and the ball is down again.
    """

    planes = ("paddle", "ball", "trail", "brick")
    minimal_actions = (NOTHING, LEFT, RIGHT)
    num_numbers = 1

    def begin(self, numbers: list[tf.Tensor]) -> Breakout:
        """The ball comes down from either side, all bricks are there."""
        from_right = numbers[0] >= 0.5
        row = tf.fill([self.num_envs], 3)
        column = tf.where(from_right, SIDE - 1, 0)
        yes = tf.ones_like(from_right)
        return Breakout(
            ball_row=row,
            ball_column=column,
            down=yes,
            right=~from_right,
            last_row=row,
            last_column=column,
            paddle=tf.fill([self.num_envs], 4),
            strike=~yes,
            bricks=tf.ones([_ROWS, SIDE, self.num_envs], tf.bool),
        )

    def play(
        self, game: Any, action: tf.Tensor, numbers: list[tf.Tensor]
    ) -> tuple[Breakout, tf.Tensor, tf.Tensor]:
        """Moves the paddle, then the ball."""
        paddle = moved(game.paddle, towards(action, LEFT, RIGHT))
        column = game.ball_column + tf.where(game.right, 1, -1)
        row = game.ball_row + tf.where(game.down, 1, -1)
        at_wall = (column < 0) | (column >= SIDE)
        right = game.right ^ at_wall
        column = tf.clip_by_value(column, 0, SIDE - 1)

        at_top = row < 0
        row = tf.maximum(row, 0)
        target = at(row, column)[_TOP : _TOP + _ROWS]
        on_brick = ~at_top & tf.reduce_any(target & game.bricks, axis=[0, 1])
        breaks = on_brick & ~game.strike
        bricks = game.bricks & ~(target & breaks)

        on_ground = ~at_top & ~on_brick & (row == SIDE - 1)
        bricks |= on_ground & ~tf.reduce_any(bricks, axis=[0, 1])
        # A paddle under the ball sends it up; one that it flies towards, back where it came from.
        under = on_ground & (game.ball_column == paddle)
        before = on_ground & ~under & (column == paddle)
        caught = under | before

        next_game = Breakout(
            ball_row=tf.where(breaks | caught, game.ball_row, row),
            ball_column=column,
            down=game.down ^ (at_top | breaks | caught),
            right=right ^ before,
            last_row=game.ball_row,
            last_column=game.ball_column,
            paddle=paddle,
            strike=on_brick,
            bricks=bricks,
        )
        return next_game, tf.cast(breaks, tf.int32), on_ground & ~caught

    def layers(self, game: Any) -> list[tf.Tensor]:
        """Paddle, ball, where the ball was, and bricks."""
        bricks = tf.pad(game.bricks, [[_TOP, SIDE - _TOP - _ROWS], [0, 0], [0, 0]])
        return [
            at(SIDE - 1, game.paddle),
            at(game.ball_row, game.ball_column),
            at(game.last_row, game.last_column),
            bricks,
        ]
