"""What MinAtar's games share: a board of 10×10 cells, sticky actions, pictures."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, Probability
from pgtf.environments.compiled.drawing import magnified, painted
from pgtf.environments.compiled.noise import Noise
from pgtf.environments.compiled.tensorflow_environment import TensorFlowEnvironment

SIDE = 10
#: The actions of all games: nothing, left, up, right, down, fire.
NOTHING, LEFT, UP, RIGHT, DOWN, FIRE = range(6)

# The ground and up to ten planes.
_COLOURS = np.array(
    [
        (16, 18, 24),
        (236, 236, 220),
        (232, 92, 70),
        (244, 180, 62),
        (92, 188, 96),
        (74, 150, 226),
        (176, 110, 210),
        (86, 206, 204),
        (240, 130, 180),
        (150, 110, 70),
        (150, 160, 180),
    ]
)


class MinAtarPhysics(NamedTuple):
    """The physics of a MinAtar game.

    Attributes:
        game: nest of [..., B], what the game itself remembers.
        last_action: [B] int32, of the six.
    """

    game: Any
    last_action: tf.Tensor


class MinAtar(TensorFlowEnvironment):
    """A game of MinAtar: Young and Tian, arXiv:1903.03176 (2019), the rules of its version 1.0.15.

    A subclass has ``planes``, ``minimal_actions`` and ``num_numbers``, and implements ``begin``,
    ``play`` and ``layers``. Observations are [B, 10, 10, planes] uint8, 0 or 1.

    An episode begins as if nothing had been done before; in MinAtar its first action may repeat
    the last one of the episode before.

    Attributes:
        planes: what each plane of the board shows.
        minimal_actions: those of the six that do something, in their order.
        num_numbers: random numbers that a step takes.
    """

    planes: ClassVar[Sequence[str]]
    minimal_actions: ClassVar[Sequence[int]]
    num_numbers: ClassVar[int] = 0

    @checked
    def __init__(
        self,
        num_envs: Count = 8,
        time_limit: Count | None = None,
        sticky_action_prob: Probability = 0.1,
        use_minimal_action_set: bool = False,
    ):
        """Makes B boards.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.
            sticky_action_prob: probability that the action before is repeated instead.
            use_minimal_action_set: whether there are ``minimal_actions`` alone instead of all six.

        Raises:
            ConfigurationError: ``num_envs`` or ``time_limit`` is not positive.
        """
        self._actions = self.minimal_actions if use_minimal_action_set else range(6)
        self._sticky = sticky_action_prob
        super().__init__(
            gym.spaces.Box(0, 1, (SIDE, SIDE, len(self.planes)), np.uint8),
            gym.spaces.Discrete(len(self._actions)),
            num_envs,
            time_limit,
        )

    @abc.abstractmethod
    def begin(self, numbers: list[tf.Tensor]) -> Any:
        """Returns the games' starts.

        Args:
            numbers: ``num_numbers`` tensors [B], uniform on [0, 1).
        """

    @abc.abstractmethod
    def play(
        self, game: Any, action: tf.Tensor, numbers: list[tf.Tensor]
    ) -> tuple[Any, tf.Tensor, tf.Tensor]:
        """Moves the games by one step.

        Args:
            game: nest of [..., B].
            action: [B] int32, of the six.
            numbers: ``num_numbers`` tensors [B], uniform on [0, 1).

        Returns:
            The next game, the reward [B] int32 or float32, and whether it is over, [B] bool.
        """

    @abc.abstractmethod
    def layers(self, game: Any) -> list[tf.Tensor]:
        """Returns what each of the ``planes`` shows, [10, 10, B] bool each, rows from the top."""

    def initial(self, noise: Noise) -> MinAtarPhysics:
        """A new game, before which nothing was done."""
        _, *numbers = noise.uniform(1 + self.num_numbers)
        return MinAtarPhysics(self.begin(numbers), tf.fill([self.num_envs], NOTHING))

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[MinAtarPhysics, tf.Tensor, tf.Tensor]:
        """Repeats the last action or takes this one."""
        luck, *numbers = noise.uniform(1 + self.num_numbers)
        action = tf.gather(tf.constant(list(self._actions), tf.int32), action)
        action = tf.where(luck < self._sticky, physics.last_action, action)
        game, reward, over = self.play(physics.game, action, numbers)
        return MinAtarPhysics(game, action), tf.cast(reward, tf.float32), over

    def observe(self, physics: Any) -> tf.Tensor:
        """The planes, [B, 10, 10, planes] uint8."""
        return tf.cast(self._board(physics), tf.uint8)

    def picture(self, physics: Any) -> tf.Tensor:
        """The planes in colours, later ones on top."""
        return magnified(painted(self._board(physics), _COLOURS[: 1 + len(self.planes)]))

    def _board(self, physics: Any) -> tf.Tensor:
        return tf.transpose(tf.stack(self.layers(physics.game)), [3, 1, 2, 0])


class RampingMinAtar(MinAtar):
    """A game that gets harder, as a rule."""

    @checked
    def __init__(
        self,
        num_envs: Count = 8,
        time_limit: Count | None = None,
        sticky_action_prob: Probability = 0.1,
        use_minimal_action_set: bool = False,
        difficulty_ramping: bool = True,
    ):
        """Makes B boards.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.
            sticky_action_prob: probability that the action before is repeated instead.
            use_minimal_action_set: whether there are ``minimal_actions`` alone instead of all six.
            difficulty_ramping: whether it gets harder.

        Raises:
            ConfigurationError: ``num_envs`` or ``time_limit`` is not positive.
        """
        self._ramping = difficulty_ramping
        super().__init__(num_envs, time_limit, sticky_action_prob, use_minimal_action_set)


def cells(num: int = SIDE) -> tf.Tensor:
    """Returns 0 … ``num`` - 1 as a column [num, 1], to compare with places [B]."""
    return tf.range(num)[:, None]


def at(row: tf.Tensor | int, column: tf.Tensor | int) -> tf.Tensor:
    """Returns the board [10, 10, B] that is True at one cell of each copy.

    Args:
        row: [B] int32, or one for all.
        column: [B] int32, or one for all. Cells off the board are none.
    """
    return (cells() == row)[:, None] & (cells() == column)


def lowered(timer: tf.Tensor) -> tf.Tensor:
    """Returns timers one step later: they stop at 0."""
    return tf.maximum(timer - 1, 0)


def moved(place: tf.Tensor, by: tf.Tensor, least: int = 0, most: int = SIDE - 1) -> tf.Tensor:
    """Returns [B] int32 places moved by [B] int32, stopped at both ends."""
    return tf.clip_by_value(place + by, least, most)


def towards(action: tf.Tensor, back: int, forth: int) -> tf.Tensor:
    """Returns -1 where the action is ``back``, 1 where it is ``forth``, and 0."""
    return tf.cast(action == forth, tf.int32) - tf.cast(action == back, tf.int32)
