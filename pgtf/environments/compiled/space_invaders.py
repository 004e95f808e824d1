"""MinAtar's SpaceInvaders."""

from typing import Any, NamedTuple

import gin
import tensorflow as tf

from pgtf.environments.compiled.minatar import (
    FIRE,
    LEFT,
    NOTHING,
    RIGHT,
    SIDE,
    RampingMinAtar,
    at,
    cells,
    lowered,
    moved,
    towards,
)

_COOL_DOWN = 5  # steps from one shot of the cannon to the next
_MOVE_INTERVAL = 12  # steps from one move of the aliens to the next, at first
_SHORTEST_INTERVAL = 6
_SHOT_INTERVAL = 10  # steps from one shot of the aliens to the next


class SpaceInvaders(NamedTuple):
    """A game of SpaceInvaders; [B] int32 where nothing else is said.

    Attributes:
        cannon: its column, on the last row.
        aliens: [10, 10, B] bool.
        rightwards: [B] bool, whether the aliens move to the right.
        shots: [10, 10, B] bool, those of the cannon.
        alien_shots: [10, 10, B] bool.
        move_interval: longest time between two moves of the aliens.
        move_timer: steps until they move.
        alien_shot_timer: steps until one shoots.
        shot_timer: steps until the cannon can shoot.
        waves: how often the aliens have become faster.
    """

    cannon: tf.Tensor
    aliens: tf.Tensor
    rightwards: tf.Tensor
    shots: tf.Tensor
    alien_shots: tf.Tensor
    move_interval: tf.Tensor
    move_timer: tf.Tensor
    alien_shot_timer: tf.Tensor
    shot_timer: tf.Tensor
    waves: tf.Tensor


@gin.register
class CompiledSpaceInvaders(
    RampingMinAtar,
    ids={
        "MinAtar/SpaceInvaders-v0": {},
        "MinAtar/SpaceInvaders-v1": {"use_minimal_action_set": True},
    },
):
    """MinAtar's SpaceInvaders: a cannon shoots at aliens that come down, each for 1.

    They move faster the fewer they are, and each new wave starts faster. The game is over when an
    alien or a shot of theirs hits the cannon, or aliens that stand on the ground turn round.
    """

    planes = ("cannon", "alien", "alien_left", "alien_right", "friendly_bullet", "enemy_bullet")
    minimal_actions = (NOTHING, LEFT, RIGHT, FIRE)

    def begin(self, numbers: list[tf.Tensor]) -> SpaceInvaders:
        """The first wave, which moves to the left."""
        zero = tf.zeros([self.num_envs], tf.int32)
        none = tf.zeros([SIDE, SIDE, self.num_envs], tf.bool)
        return SpaceInvaders(
            cannon=zero + 5,
            aliens=none | _wave(),
            rightwards=zero > 0,
            shots=none,
            alien_shots=none,
            move_interval=zero + _MOVE_INTERVAL,
            move_timer=zero + _MOVE_INTERVAL,
            alien_shot_timer=zero + _SHOT_INTERVAL,
            shot_timer=zero,
            waves=zero,
        )

    def play(
        self, game: Any, action: tf.Tensor, numbers: list[tf.Tensor]
    ) -> tuple[SpaceInvaders, tf.Tensor, tf.Tensor]:
        """Moves the cannon, all shots and the aliens; then an alien shoots, and some are hit."""
        fires = (action == FIRE) & (game.shot_timer == 0)
        shot_timer = tf.where(fires, _COOL_DOWN, game.shot_timer)
        cannon = moved(game.cannon, towards(action, LEFT, RIGHT))
        here = at(SIDE - 1, cannon)
        # A new shot leaves the cannon's row at once.
        shots = _up(game.shots | (here & fires))
        alien_shots = _down(game.alien_shots)
        over = _any(here & (alien_shots | game.aliens))

        aliens, rightwards, move_timer, landed = self._march(game)
        over |= landed | _any(here & aliens)
        shoots = game.alien_shot_timer == 0
        alien_shots |= _nearest(aliens, cannon) & shoots

        hit = aliens & shots
        aliens &= ~hit
        cleared = ~_any(aliens)
        faster = cleared & (game.move_interval > _SHORTEST_INTERVAL) & self._ramping
        next_game = SpaceInvaders(
            cannon=cannon,
            aliens=aliens | (_wave() & cleared),
            rightwards=rightwards,
            shots=shots & ~hit,
            alien_shots=alien_shots,
            move_interval=game.move_interval - tf.cast(faster, tf.int32),
            move_timer=move_timer - 1,
            alien_shot_timer=tf.where(shoots, _SHOT_INTERVAL, game.alien_shot_timer) - 1,
            shot_timer=lowered(shot_timer),
            waves=game.waves + tf.cast(faster, tf.int32),
        )
        return next_game, tf.reduce_sum(tf.cast(hit, tf.int32), axis=[0, 1]), over

    @staticmethod
    def _march(game: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Moves the aliens if it is time: aside, or down where they are at a side.

        Returns:
            The aliens, whether they move to the right, their timer, and whether they turned round
            on the ground.
        """
        moves = game.move_timer == 0
        number = tf.reduce_sum(tf.cast(game.aliens, tf.int32), axis=[0, 1])
        timer = tf.where(moves, tf.minimum(number, game.move_interval), game.move_timer)
        side = tf.where(game.rightwards, game.aliens[:, -1], game.aliens[:, 0])
        turns = tf.reduce_any(side, axis=0)
        aside = tf.where(
            game.rightwards, tf.roll(game.aliens, 1, axis=1), tf.roll(game.aliens, -1, axis=1)
        )
        marched = tf.where(turns, tf.roll(game.aliens, 1, axis=0), aside)
        turns &= moves
        landed = turns & tf.reduce_any(game.aliens[-1], axis=0)
        return tf.where(moves, marched, game.aliens), game.rightwards ^ turns, timer, landed

    def layers(self, game: Any) -> list[tf.Tensor]:
        """Cannon, aliens, aliens that move to the left, to the right, and both sides' shots."""
        return [
            at(SIDE - 1, game.cannon),
            game.aliens,
            game.aliens & ~game.rightwards,
            game.aliens & game.rightwards,
            game.shots,
            game.alien_shots,
        ]


def _wave() -> tf.Tensor:
    """The aliens of a new wave, [10, 10, 1]: four rows, six columns."""
    return (cells()[:, None] < 4) & (cells() >= 2) & (cells() < 8)


def _up(board: tf.Tensor) -> tf.Tensor:
    return tf.concat([board[1:], tf.zeros_like(board[:1])], axis=0)


def _down(board: tf.Tensor) -> tf.Tensor:
    return tf.concat([tf.zeros_like(board[:1]), board[:-1]], axis=0)


def _any(board: tf.Tensor) -> tf.Tensor:
    return tf.reduce_any(board, axis=[0, 1])


def _nearest(aliens: tf.Tensor, cannon: tf.Tensor) -> tf.Tensor:
    """The lowest alien of the column nearest to the cannon, the left one of two; [10, 10, B]."""
    filled = tf.reduce_any(aliens, axis=0)
    # Twice the distance, and 1 more to the right of the cannon: no two columns have the same.
    distance = 2 * tf.abs(cells() - cannon) + tf.cast(cells() > cannon, tf.int32)
    distance = tf.where(filled, distance, 4 * SIDE)
    column = tf.reduce_min(distance, axis=0) == distance
    row = tf.reduce_max(tf.where(aliens, cells()[:, None], -1), axis=0)
    return (cells()[:, None] == row) & column
