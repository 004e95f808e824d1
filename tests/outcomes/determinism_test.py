"""A run is a function of its seed, and of nothing else."""

import functools
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.learning.baselines import StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.synchronous import SynchronousTrainer


class Diary:
    """Where the episodes of wrapped environments began, and the actions they were given."""

    def __init__(self) -> None:
        self.starts: list[Any] = []
        self.actions: list[int] = []

    def keep(self, env: gym.Env) -> gym.Env:
        """A wrapper that writes into this diary."""
        diary = self

        class Kept(gym.Wrapper):
            def reset(self, **kwargs: Any) -> Any:
                observation, info = super().reset(**kwargs)
                diary.starts.append(observation)
                return observation, info

            def step(self, action: Any) -> Any:
                diary.actions.append(int(action))
                return super().step(action)

        return Kept(env)


def run(make: Callable[[], Environment], rollout: Rollouts | Episodes, seed: int) -> list[Any]:
    """The weights at the end and the curve to it, after 2,000 steps."""
    keras.utils.set_random_seed(seed)
    critic = VCritic(MLP((16,)))
    learner = Learner(Policy(MLP((16,))), critic, StateValue())
    trainer = SynchronousTrainer(learner, make(), rollout)
    trainer.build(seed)
    curve = []
    while trainer.steps < 2_000:
        report = trainer.iterate(2_000)
        curve += [report.episodes, np.array(list(report.scalars.values()))]
    weights = [v.numpy() for v in (*learner.policy.weights, *critic.weights)]
    return weights + curve


@pytest.mark.usefixtures("optimized_graphs")
@pytest.mark.parametrize(
    ("make", "rollout"),
    [
        (functools.partial(GymEnvironment, "CartPole-v1", 4), Rollouts(4)),
        (
            functools.partial(GymEnvironment, "Pendulum-v1", 2, {"max_episode_steps": 50}),
            Episodes(),
        ),
        (functools.partial(CompiledCartPole, 4), Rollouts(4)),
    ],
    ids=["gym", "episodes", "compiled"],
)
def test_the_same_seed_is_the_same_run_bit_for_bit(
    make: Callable[[], Environment], rollout: Rollouts | Episodes
) -> None:
    for a, b in zip(run(make, rollout, 1), run(make, rollout, 1), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_seed_moves_the_environments_and_not_only_the_weights() -> None:
    """With the same first weights, another seed plays other episodes and samples other actions."""
    starts, actions = [], []
    for seed in (1, 2):
        keras.utils.set_random_seed(0)
        diary = Diary()
        environment = GymEnvironment("CartPole-v1", 2, wrappers=[diary.keep], vectorization="loop")
        trainer = SynchronousTrainer(Learner(Policy(MLP((4,)))), environment, Rollouts(4))
        trainer.build(seed)
        trainer.iterate(64)
        starts.append(np.array(diary.starts[:2]))
        actions.append(diary.actions[:64])
    assert not np.any(np.isclose(starts[0], starts[1]))
    assert len(actions[0]) == len(actions[1]) == 64
    assert actions[0] != actions[1]
