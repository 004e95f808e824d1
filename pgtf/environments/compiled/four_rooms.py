"""FourRooms: the grid world of the options framework."""

from typing import Any

import gin
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, CountOrZero, Probability
from pgtf.environments.compiled.drawing import magnified, painted
from pgtf.environments.compiled.tabular import CompiledTabular
from pgtf.errors import ConfigurationError

_MAP = (
    "#############",
    "#     #     #",
    "#     #     #",
    "#           #",
    "#     #     #",
    "#     #     #",
    "## ####     #",
    "#     ### ###",
    "#     #     #",
    "#     #     #",
    "#           #",
    "#     #     #",
    "#############",
)
_FREE = np.array([list(row) for row in _MAP]) == " "
_MOVES = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right
_COLOURS = np.array([[250, 250, 250], [90, 90, 90], [90, 190, 90], [200, 60, 60]])


@gin.register
class CompiledFourRooms(CompiledTabular, ids={"FourRooms-v0": {}}):
    """Four rooms with four doorways, in which moves go astray; entering the goal gives 1.

    The world of Sutton, Precup and Singh, "Between MDPs and semi-MDPs", Artificial Intelligence 112
    (1999), section 3: 104 fields, actions 0 up, 1 down, 2 left and 3 right. A move goes where it is
    meant to with probability 2/3 and to one of the three other sides otherwise; a move into a wall
    stays. All rewards but the goal's are 0, so that a discount (0.9 in the paper) makes it a
    shortest path.

    Physics: [B] int32, the field, numbered along the rows without the walls; also the observation.
    """

    @checked
    def __init__(
        self,
        num_envs: Count = 8,
        time_limit: Count | None = 500,
        goal: tuple[CountOrZero, CountOrZero] = (7, 9),
        start: tuple[CountOrZero, CountOrZero] | None = None,
        success_rate: Probability = 2.0 / 3.0,
    ):
        """Makes B houses.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.
            goal: row and column, walls included, from 0 at the top and on the left. (7, 9), the
                right doorway, is the paper's first goal.
            start: row and column; None for any field but the goal, each as likely.
            success_rate: probability that a move goes where it is meant to.

        Raises:
            ConfigurationError: goal or start is not a field, or both are the same.
        """
        goal, start = (goal[0], goal[1]), start and (start[0], start[1])
        for name, field in (("goal", goal), ("start", start or goal)):
            if not (max(field) < len(_MAP) and _FREE[field]):
                raise ConfigurationError(
                    f"CompiledFourRooms.{name} is {field}, which is a wall: give the row and the"
                    " column of a field, such as (1, 1)."
                )
        if start == goal:
            raise ConfigurationError(
                f"CompiledFourRooms.start and CompiledFourRooms.goal are both {goal}: bind one of"
                " them to another field."
            )
        fields = [(int(row), int(column)) for row, column in np.argwhere(_FREE)]
        number = {field: i for i, field in enumerate(fields)}
        ends = number[goal]
        transition = np.zeros((len(fields), 4, len(fields)))
        astray = (1.0 - success_rate) / 3.0
        for (row, column), s in number.items():
            for side, (down, right) in enumerate(_MOVES):
                to = number.get((row + down, column + right), s)
                for action in range(4):
                    transition[s, action, to] += success_rate if action == side else astray
        transition[ends] = np.eye(len(fields))[ends]
        reward = np.zeros(transition.shape)
        reward[:, :, ends] = 1.0
        reward[ends] = 0.0
        starts = np.array([float(start in (None, field)) for field in fields])
        starts[ends] = 0.0
        super().__init__(transition, reward, starts / starts.sum(), [ends], num_envs, time_limit)
        self._fields = np.array(fields)
        self._goal = goal

    def picture(self, physics: Any) -> tf.Tensor:
        """The house from above: the agent red, the goal green."""
        goal = np.zeros(_FREE.shape, bool)
        goal[self._goal] = True
        row, column = tf.unstack(tf.gather(tf.constant(self._fields, tf.int32), physics), axis=-1)
        agent = (tf.range(len(_MAP))[:, None] == row[:, None, None]) & (
            tf.range(len(_MAP[0])) == column[:, None, None]
        )
        still = [tf.broadcast_to(tf.constant(layer), agent.shape) for layer in (~_FREE, goal)]
        return magnified(painted(tf.stack([*still, agent], axis=-1), _COLOURS))
