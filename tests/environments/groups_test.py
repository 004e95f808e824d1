"""Groups of copies: each starts and moves by its own seed."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled.mountain_car import CompiledMountainCar
from pgtf.environments.elements import environment_seeds
from pgtf.environments.groups import Groups
from pgtf.environments.gym import GymEnvironment

SEEDS = tf.constant([[3, 4], [5, 6], [3, 4]])
HELD = tf.constant([[False, True], [False, False], [False, False]])
ACTION = tf.constant([[2, 2], [2, 0], [2, 2]])


def alone(kind: str) -> Any:
    """What one group plays in."""
    return CompiledMountainCar(2) if kind == "compiled" else GymEnvironment("MountainCar-v0", 2)


def together(kind: str) -> Groups:
    groups: Groups = alone(kind).grouped(3)
    return groups


@pytest.mark.parametrize("kind", ["compiled", "gym"])
def test_every_group_is_an_environment_of_its_own(kind: str) -> None:
    groups = together(kind)
    state, observation = groups.reset(SEEDS)
    states, steps = [], []
    for i in range(3):
        single = alone(kind)
        one, first = single.reset(SEEDS[i])
        np.testing.assert_allclose(observation[i], first, rtol=1e-6)
        for _ in range(2):
            one, step = single.step(one, ACTION[i], HELD[i])
        states.append(one)
        steps.append(step)
    for _ in range(2):
        state, step = groups.step(state, ACTION, HELD)
    for i in range(3):
        assert (step.notes, step.over) == ((), ())
        for name in (field for field in step._fields if field not in ("notes", "over")):
            np.testing.assert_allclose(
                getattr(step, name)[i], getattr(steps[i], name), rtol=1e-5, err_msg=name
            )
    groups.close()


@pytest.mark.parametrize("kind", ["compiled", "gym"])
def test_equal_seeds_start_alike_and_others_do_not(kind: str) -> None:
    groups = together(kind)
    _, observation = groups.reset(SEEDS)
    first, second, third = observation.numpy()
    np.testing.assert_array_equal(first, third)
    assert not np.any(np.isclose(first[:, 0], second[:, 0]))
    assert first[0, 0] != first[1, 0]
    groups.close()


def test_blocks_of_environments_are_seeded_as_they_would_be_alone() -> None:
    one, other = np.array([3, -4], np.int32), np.array([5, 6], np.int32)
    assert environment_seeds(np.stack([one, other]), 6) == [
        *environment_seeds(one, 3),
        *environment_seeds(other, 3),
    ]


def test_only_some_vector_environments_seed_each_copy() -> None:
    assert GymEnvironment("CartPole-v1", 2, vectorization="loop").seeds_each
    assert not GymEnvironment("CartPole-v1", 2, vectorization="vector_entry_point").seeds_each
