"""Every kind of observation and of action can be learned from, down to the last entry.

In each environment the observation says which action is right.
"""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from pgtf.environments.gym import GymEnvironment
from pgtf.learning.baselines import StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.rollouts.steps import Rollouts
from pgtf.spaces import bounded, specification
from pgtf.trainers.synchronous import SynchronousTrainer
from tests.toy_environments import agreement, elements, right_actions

Space = spaces.Space[Any]

# Observations, and actions to learn from them.
PAIRS: dict[str, tuple[Space, Space]] = {
    "box_2d to discrete": (spaces.Box(-1.0, 1.0, (2, 2), np.float64), spaces.Discrete(5)),
    "image to discrete with start": (
        spaces.Box(0, 255, (4, 4, 1), np.uint8),
        spaces.Discrete(4, start=-7),
    ),
    "discrete to box": (spaces.Discrete(9, start=4), spaces.Box(-1.0, 1.0, (1,), np.float32)),
    "integers to box_2d": (
        spaces.Box(-3, 3, (4,), np.int64),
        spaces.Box(-2, 1, (2, 2), np.float64),
    ),
    "multi_discrete to multi_discrete": (
        spaces.MultiDiscrete(np.array([[4, 3], [2, 5]])),
        spaces.MultiDiscrete(np.array([[3, 2], [1, 4]]), start=np.array([[0, 1], [2, -3]])),
    ),
    "multi_binary to multi_binary": (spaces.MultiBinary([4, 2]), spaces.MultiBinary([2, 2])),
    "tuple to tuple": (
        spaces.Tuple((spaces.Discrete(6), spaces.MultiBinary(4))),
        spaces.Tuple((spaces.Discrete(3, start=1), spaces.Box(-1.0, 1.0, (), np.float32))),
    ),
    "dict to dict": (
        spaces.Dict({"z": spaces.Discrete(6), "a": spaces.Box(-1.0, 1.0, (3,), np.float64)}),
        spaces.Dict({"b": spaces.Discrete(3), "a": spaces.Box(-1.0, 1.0, (1,), np.float32)}),
    ),
}
COUNT = 4


@pytest.mark.parametrize(("observation_space", "action_space"), PAIRS.values(), ids=PAIRS)
def test_the_greedy_action_becomes_the_right_one(
    observation_space: Space, action_space: Space
) -> None:
    """Within 20,000 steps, in every observation."""
    environment = GymEnvironment(
        "tests.toy_environments:Identity-v0",
        32,
        {"observation_space": observation_space, "action_space": action_space, "count": COUNT},
    )
    keras.utils.set_random_seed(0)
    learner = Learner(
        Policy(MLP((32,))),
        VCritic(MLP((32,))),
        StateValue(),
        optimizer=keras.optimizers.Adam(0.01),
        entropy_bonus=EntropyBonus(0.01),
        discount=0.0,  # what comes next does not depend on the action
    )
    trainer = SynchronousTrainer(learner, environment, Rollouts(1))
    trainer.build(0)
    right = right_actions(action_space, COUNT)
    agreements: list[float] = []
    while trainer.steps < 20_000 and min(agreements, default=0.0) <= 0.97:
        trainer.iterate(min(int(trainer.steps.numpy()) + 4_000, 20_000))
        chosen = greedy_actions(trainer.policy, observation_space, action_space)
        agreements = [agreement(action_space, *pair) for pair in zip(chosen, right, strict=True)]
    assert min(agreements) > 0.97, (chosen, right)


def greedy_actions(policy: Policy, observation_space: Space, action_space: Space) -> list[Any]:
    """What a policy does in each observation."""
    actions = []
    for shown in elements(observation_space, COUNT):
        observation = tf.nest.map_structure(
            lambda spec, x: tf.constant(np.asarray(x)[np.newaxis], spec.dtype),
            specification(observation_space),
            shown if not isinstance(shown, dict) else dict(sorted(shown.items())),
        )
        action = bounded(action_space, policy.act_greedily(observation, (), tf.zeros(2)).action)
        actions.append(tf.nest.map_structure(lambda x: x.numpy()[0], action))
    return actions


@pytest.mark.parametrize("space", [pair[0] for pair in PAIRS.values()], ids=PAIRS)
def test_the_observations_differ(space: Space) -> None:
    assert len({str(element) for element in elements(space, COUNT)}) == COUNT
