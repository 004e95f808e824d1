"""Finite Markov decision processes: any from its tables, and FrozenLake from its map."""

from collections.abc import Mapping, Sequence
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import tensorflow as tf
from gymnasium.envs.toy_text.frozen_lake import MAPS

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, CountOrZero, Probability
from pgtf.environments.compiled.noise import Noise
from pgtf.environments.compiled.tensorflow_environment import TensorFlowEnvironment
from pgtf.errors import ConfigurationError


@gin.register
class CompiledTabular(TensorFlowEnvironment):
    """A Markov decision process of S states and A actions, given by its tables.

    Physics: [B] int32, the state, which is also the observation.

    Attributes:
        transition_table: [S, A, S] float64, P(s' given s, a).
        reward_table: [S, A, S] float32.
        start: [S] float64, probabilities of the first state.
        terminal: [S] bool; entering such a state ends the episode.
    """

    @checked
    def __init__(
        self,
        transition: Sequence[Any] | np.ndarray,
        reward: Sequence[Any] | np.ndarray,
        start: Sequence[float] | np.ndarray,
        terminal: Sequence[CountOrZero] = (),
        num_envs: Count = 8,
        time_limit: Count | None = None,
    ):
        """Makes B copies.

        Args:
            transition: [S, A, S], P(s' given s, a); the rows of terminal states are ignored.
            reward: [S, A, S], or [S, A] where it does not depend on the next state.
            start: [S], probabilities of the first state.
            terminal: entering one of these states ends the episode.
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.

        Raises:
            ConfigurationError: shapes that do not fit, or rows that are not probabilities.
        """
        table = np.asarray(transition, np.float64)
        if table.ndim != 3 or table.shape[0] != table.shape[2] or not table.size:
            raise ConfigurationError(
                f"CompiledTabular.transition must have shape [S, A, S], not {list(table.shape)}."
            )
        states, actions, _ = table.shape
        rewards = np.asarray(reward, np.float32)
        if rewards.shape == (states, actions):
            rewards = rewards[..., None]
        elif rewards.shape != table.shape:
            raise ConfigurationError(
                f"CompiledTabular.reward must have shape {[states, actions, states]} or "
                f"{[states, actions]}, not {list(rewards.shape)}."
            )
        first = np.asarray(start, np.float64)
        if first.shape != (states,):
            raise ConfigurationError(
                f"CompiledTabular.start must have shape {[states]}, not {list(first.shape)}."
            )
        for name, rows in (("transition", table), ("start", first)):
            if np.any(rows < 0) or not np.allclose(rows.sum(-1), 1.0, rtol=0, atol=1e-5):
                raise ConfigurationError(
                    f"CompiledTabular.{name} must hold probabilities: 0 or more, rows sum to 1."
                )
        ends = np.zeros(states, bool)
        if any(not 0 <= s < states for s in terminal):
            raise ConfigurationError(
                f"CompiledTabular.terminal must name states of 0..{states - 1}, not {terminal}."
            )
        ends[list(terminal)] = True
        super().__init__(
            gym.spaces.Discrete(states), gym.spaces.Discrete(actions), num_envs, time_limit
        )
        self.transition_table = table
        self.reward_table = np.broadcast_to(rewards, table.shape)
        self.start = first
        self.terminal = ends
        self._longest_path = _longest_path(table, first, ends)
        self._successors, self._thresholds = _supports(table.reshape(-1, states))
        self._starts, self._start_thresholds = _supports(first[None])
        self._rewards = np.take_along_axis(
            self.reward_table.reshape(-1, states), self._successors, axis=1
        )

    @property
    def longest_episode(self) -> int | None:
        """Steps of the longest path to a terminal state, or the time limit."""
        if self._longest_path is None or self.time_limit is None:
            return self.time_limit or self._longest_path
        return min(self._longest_path, self.time_limit)

    def initial(self, noise: Noise) -> tf.Tensor:
        """Draws from ``start``."""
        return self._draw(
            noise, self._starts, self._start_thresholds, tf.zeros([self.num_envs], tf.int32)
        )[0]

    def transition(
        self, physics: Any, action: tf.Tensor, noise: Noise
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Draws the next state; ends on entering a terminal one."""
        row = physics * self.transition_table.shape[1] + action
        state, cell = self._draw(noise, self._successors, self._thresholds, row)
        return state, _look_up(self._rewards, cell), _look_up(self.terminal, state)

    def observe(self, physics: Any) -> tf.Tensor:
        """The state's number, [B] int32."""
        return physics

    @staticmethod
    def _draw(
        noise: Noise, values: np.ndarray, thresholds: np.ndarray, row: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Samples from the distribution in ``row`` [B] by the inverse of its cumulative sum.

        Returns:
            The value drawn and its place in the flat table, [B] int32 each.
        """
        width = values.shape[1]
        cell = row * width
        if width > 1:
            (number,) = noise.uniform(1)
            passed = number[:, None] >= tf.gather(tf.constant(thresholds), row)
            cell += tf.reduce_sum(tf.cast(passed, tf.int32), axis=-1)
        return _look_up(values, cell), cell


@gin.register
class CompiledFrozenLake(
    CompiledTabular,
    ids={"FrozenLake-v1": {}, "FrozenLake8x8-v1": {"map_name": "8x8", "time_limit": 200}},
):
    """Gymnasium's FrozenLake: cross a frozen grid without falling into a hole.

    Actions: 0 left, 1 down, 2 right, 3 up. The arguments have Gymnasium's names and meaning.
    """

    @checked
    def __init__(
        self,
        num_envs: Count = 8,
        time_limit: Count | None = 100,
        desc: Sequence[str] | None = None,
        map_name: str = "4x4",
        is_slippery: bool = True,
        success_rate: Probability = 1.0 / 3.0,
        reward_schedule: tuple[float, float, float] = (1, 0, 0),
    ):
        """Makes B lakes.

        Args:
            num_envs: B.
            time_limit: steps after which an episode is truncated; None for never.
            desc: the map, one string a row, of S (start), F (frozen), H (hole) and G (goal).
            map_name: the map to use without ``desc``: "4x4" or "8x8".
            is_slippery: whether a move may slip to either side of the intended direction.
            success_rate: probability of the intended direction when slippery.
            reward_schedule: rewards for entering the goal, a hole, and any other field.

        Raises:
            ConfigurationError: the map is not valid.
        """
        if desc is None and map_name not in MAPS:
            raise ConfigurationError(
                f"CompiledFrozenLake.map_name must be one of {sorted(MAPS)}, not {map_name!r}."
            )
        lines = list(MAPS[map_name] if desc is None else desc)
        if len({len(line) for line in lines}) != 1 or set("".join(lines)) - set("SFHG"):
            raise ConfigurationError(
                f"CompiledFrozenLake.desc must be rows of S, F, H and G of one length, not {lines}."
            )
        fields = np.array([list(line) for line in lines])
        if "S" not in fields:
            raise ConfigurationError("CompiledFrozenLake.desc must have a start, S.")
        ends = np.isin(fields, ["G", "H"]).ravel()
        start = (fields == "S").ravel()
        goal, hole, frozen = reward_schedule
        gain = np.where(fields == "G", goal, np.where(fields == "H", hole, frozen)).ravel()
        slip = (1.0 - success_rate) / 2.0
        moves = [(-1, slip), (0, success_rate), (1, slip)] if is_slippery else [(0, 1.0)]
        transition, reward = _grid(fields.shape, moves, gain, ends)
        super().__init__(
            transition,
            reward,
            start / start.sum(),
            np.flatnonzero(ends).tolist(),
            num_envs,
            time_limit,
        )
        self._arguments = {
            "desc": lines,
            "is_slippery": is_slippery,
            "success_rate": success_rate,
            "reward_schedule": tuple(reward_schedule),
        }

    @property
    def original(self) -> tuple[str, Mapping[str, Any]]:
        """Gymnasium's own."""
        return "FrozenLake-v1", self._arguments


def _longest_path(table: np.ndarray, start: np.ndarray, terminal: np.ndarray) -> int | None:
    """Steps after which every episode has ended, None where one may go on for ever.

    Args:
        table: [S, A, S], probabilities.
        start: [S], probabilities.
        terminal: [S] bool.
    """
    follows = (table > 0).any(axis=1) & ~terminal
    alive = start > 0
    for steps in range(1, len(start) + 1):
        alive = np.any(follows[alive], axis=0)
        if not np.any(alive):
            return steps
    return None  # A walk of S steps that does not end has been in some state twice.


def _grid(
    shape: tuple[int, ...],
    moves: list[tuple[int, float]],
    gain: np.ndarray,
    ends: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The tables of a grid world with walls around it.

    Args:
        shape: rows and columns.
        moves: pairs (quarter turns away from the intended direction, probability).
        gain: [S], the reward for entering each field.
        ends: [S] bool, fields that are never left.

    Returns:
        Transition and reward tables, [S, 4, S] each.
    """
    rows, columns = shape
    steps = [(0, -1), (1, 0), (0, 1), (-1, 0)]  # left, down, right, up
    transition = np.zeros((rows * columns, 4, rows * columns))
    for state, action in np.ndindex(rows * columns, 4):
        if ends[state]:
            transition[state, action, state] = 1.0
            continue
        row, column = divmod(state, columns)
        for turn, probability in moves:
            down, right = steps[(action + turn) % 4]
            to_row = min(max(row + down, 0), rows - 1)
            to_column = min(max(column + right, 0), columns - 1)
            transition[state, action, to_row * columns + to_column] += probability
    return transition, np.where(ends[:, None, None], 0.0, np.broadcast_to(gain, transition.shape))


def _supports(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lists the K possible values of each row, so that a draw costs K comparisons instead of S.

    Args:
        probabilities: [N, S], rows of sum 1.

    Returns:
        The possible values [N, K] int32 and the cumulative sums [N, K] float32 to compare a uniform
        number with; infinite from a row's last value on, so that rounding never leads past it.
    """
    width = int((probabilities > 0).sum(-1).max())
    # A stable sort keeps the values in order: those with probability first, then the others.
    values = np.argsort(probabilities == 0, axis=-1, kind="stable")[:, :width]
    mass = np.take_along_axis(probabilities, values, axis=-1)
    thresholds = np.cumsum(mass, axis=-1)
    last = np.arange(width) >= (mass > 0).sum(-1, keepdims=True) - 1
    return values.astype(np.int32), np.where(last, np.inf, thresholds).astype(np.float32)


def _look_up(table: np.ndarray, index: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.constant(table.ravel()), index)
