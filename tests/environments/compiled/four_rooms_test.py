"""FourRooms against hand-worked fields, and against shortest paths by value iteration."""

from collections import deque

import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled import CompiledFourRooms
from pgtf.errors import ConfigurationError

UP, DOWN, LEFT, RIGHT = range(4)


def values(house, discount):
    """The best policy's values and actions, from the tables."""
    value = np.zeros(104)
    for _ in range(2000):
        future = house.reward_table + discount * np.where(house.terminal, 0, value)
        q = (house.transition_table * future).sum(-1)
        value, before = q.max(-1), value
        if np.abs(value - before).max() < 1e-12:
            break
    return value, q.argmax(-1)


def distances(goal):
    """Steps to the goal by breadth-first search in the pattern of walls, told from the doorways."""
    doors = {(3, 6), (6, 2), (7, 9), (10, 6)}
    wall = {(i, j) for i in range(13) for j in range(13) if i in (0, 12) or j in (0, 12)}
    wall |= (
        {(i, 6) for i in range(13)} | {(6, j) for j in range(7)} | {(7, j) for j in range(7, 13)}
    )
    wall -= doors
    steps = {goal: 0}
    queue = deque([goal])
    while queue:
        i, j = queue.popleft()
        for field in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
            if field not in wall and field not in steps:
                steps[field] = steps[i, j] + 1
                queue.append(field)
    return steps


def test_fields_are_numbered_along_the_rows():
    house = CompiledFourRooms()
    steps = distances((7, 9))
    assert len(steps) == len(house.terminal) == 104
    np.testing.assert_array_equal(house._fields, sorted(steps))
    assert np.flatnonzero(house.terminal).tolist() == [62]


def test_moves_go_astray_to_each_other_side_and_stay_at_walls():
    """The upper left corner is field 0: 1 lies on its right, 10 below; 51 is the left doorway."""
    table = CompiledFourRooms().transition_table
    np.testing.assert_allclose(table[0, UP, [0, 1, 10]], [7 / 9, 1 / 9, 1 / 9])
    np.testing.assert_allclose(table[0, RIGHT, [0, 1, 10]], [2 / 9, 2 / 3, 1 / 9])
    assert [*np.flatnonzero(table[51, DOWN])] == [42, 51, 58]
    np.testing.assert_allclose(table[51, DOWN, [42, 51, 58]], [1 / 9, 2 / 9, 2 / 3])
    np.testing.assert_allclose(table.sum(-1), 1)


@pytest.mark.parametrize("goal", [(7, 9), (1, 1), (11, 11)])
def test_without_straying_the_value_is_the_shortest_paths(goal):
    house = CompiledFourRooms(goal=goal, success_rate=1.0)
    value, _ = values(house, 0.9)
    steps = distances(goal)
    for number, field in enumerate(sorted(steps)):
        expected = 0.0 if field == goal else 0.9 ** (steps[field] - 1)
        assert value[number] == pytest.approx(expected, abs=1e-9)


def test_the_best_policy_earns_its_value():
    """Discounted returns from the upper left corner, at 0.9 as in the paper."""
    discount, num = 0.9, 2**13
    house = CompiledFourRooms(num, start=(1, 1), time_limit=None)
    value, action = values(house, discount)
    step = tf.function(house.step, jit_compile=True)
    state, observation = house.reset(tf.constant([1, 2]))
    total, alive = np.zeros(num), np.ones(num, bool)
    assert np.all(observation == 0)
    for t in range(120):
        state, row = step(state, tf.constant(action[observation.numpy()]))
        total += alive * discount**t * row.reward.numpy()
        alive &= ~row.terminated.numpy()
        observation = row.observation
    assert alive.mean() < 1e-3
    assert abs(total.mean() - value[0]) < 4 * total.std() / np.sqrt(num)
    assert 0.05 < value[0] < 0.9**13


def test_episodes_begin_anywhere_but_at_the_goal(first_observations):
    for observation in first_observations(CompiledFourRooms(), np.int32(0)):
        counts = np.bincount(observation, minlength=104)
        assert counts[62] == 0
        expected = len(observation) / 103
        others = np.delete(counts, 62)
        assert ((others - expected) ** 2 / expected).sum() < 160  # chi² of 102 passes 160 by 2e-4


@pytest.mark.parametrize(
    ("arguments", "binding"),
    [
        ({"goal": (6, 6)}, "goal"),
        ({"goal": (20, 1)}, "goal"),
        ({"start": (0, 1)}, "start"),
        ({"start": (7, 9)}, "start"),
    ],
)
def test_walls_and_a_start_at_the_goal_are_refused(arguments, binding):
    with pytest.raises(ConfigurationError, match=f"CompiledFourRooms.{binding} "):
        CompiledFourRooms(**arguments)
