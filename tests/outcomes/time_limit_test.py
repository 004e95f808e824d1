"""What the end of an episode is worth: an endless task under a time limit, and one that does end.

Every step gives reward 1 and shows the same observation, so that one number V is learned.
"""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.gym import GymEnvironment
from pgtf.learning.baselines import StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.estimators import TD0, LambdaReturn, MonteCarlo, NStep, ReturnEstimator
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.synchronous import SynchronousTrainer

DISCOUNT = 0.9
FOREVER = 1 / (1 - DISCOUNT)


def learned_value(
    limits: dict[str, Any],
    returns: ReturnEstimator,
    rollout: Rollouts | Episodes,
    num_envs: int = 2,
) -> float:
    """V after some training; ``max_episode_steps`` truncates, ``terminates_after`` terminates."""
    keras.utils.set_random_seed(0)
    bootstraps = not isinstance(returns, MonteCarlo)
    learner = Learner(
        Policy(MLP((4,))),
        VCritic(MLP((4,))) if bootstraps else None,
        StateValue(None if bootstraps else MLP((4,))),
        returns,
        optimizer=keras.optimizers.Adam(0.05),
        discount=DISCOUNT,
        max_gradient_norm=None,
    )
    environment = GymEnvironment("tests.toy_environments:Endless-v0", num_envs, limits)
    trainer = SynchronousTrainer(learner, environment, rollout, jit_compile=False)
    trainer.build(0)
    rows = trainer.environment.num_envs * (
        rollout.num_steps if isinstance(rollout, Rollouts) else 7
    )
    while learner.updates < 300:
        trainer.iterate(300 * rows)
    (regressor,) = learner.objective.regressors
    assert isinstance(regressor, VCritic)
    return float(regressor.value(tf.ones((1, 1)))[0])


def mean_of_finite_sums(*left: int) -> float:
    """The mean of 1 + γ + … over steps with so many rewards left."""
    return float(np.mean((1 - DISCOUNT ** np.array(left)) / (1 - DISCOUNT)))


@pytest.mark.parametrize(
    ("length", "returns"),
    [
        (1, LambdaReturn(1.0)),
        (3, LambdaReturn(1.0)),
        (3, LambdaReturn(0.5)),
        (3, TD0()),
        (3, NStep(2)),
    ],
    ids=["one step", "lambda 1", "lambda 0.5", "lambda 0", "n steps"],
)
def test_a_time_limit_does_not_end_the_task(length: int, returns: ReturnEstimator) -> None:
    """Truncated a hundred times over, the task still is worth 1 + γ + γ² + … = 1 / (1 − γ)."""
    value = learned_value({"max_episode_steps": length}, returns, Rollouts(2 * length + 2))
    assert value == pytest.approx(FOREVER, rel=0.02)


@pytest.mark.parametrize("length", [1, 3])
def test_a_task_that_ends_is_worth_what_it_gives_until_then(length: int) -> None:
    """One step of L has no successor, so V = 1 + γ V (L − 1) / L for one-step targets."""
    value = learned_value({"terminates_after": length}, TD0(), Rollouts(2 * length + 2))
    assert value == pytest.approx(1 / (1 - DISCOUNT * (length - 1) / length), rel=0.02)


@pytest.mark.parametrize("ends", ["terminates_after", "max_episode_steps"])
def test_monte_carlo_returns_are_the_sums_until_the_end(ends: str) -> None:
    value = learned_value({ends: 7}, MonteCarlo(), Episodes())
    assert value == pytest.approx(mean_of_finite_sums(7, 6, 5, 4, 3, 2, 1), rel=0.01)


def test_an_episode_that_a_rollout_cuts_off_is_not_counted() -> None:
    """Of 12 rows one rollout has steps 1 … 7 and four of the next episode, the next rollout the
    other three and 1 … 7. With the four, V would be 2.89 instead of 3.08."""
    value = learned_value({"terminates_after": 7}, MonteCarlo(), Rollouts(12))
    whole = mean_of_finite_sums(7, 6, 5, 4, 3, 2, 1)
    both = mean_of_finite_sums(3, 2, 1, 7, 6, 5, 4, 3, 2, 1)
    assert value == pytest.approx((whole + both) / 2, rel=0.02)


@pytest.mark.parametrize("num_steps", [1, 4])
def test_one_environment_is_enough(num_steps: int) -> None:
    """A rollout of one row is at times nothing but the row of a reset."""
    value = learned_value({"max_episode_steps": 2}, LambdaReturn(), Rollouts(num_steps), num_envs=1)
    assert value == pytest.approx(FOREVER, rel=0.05)
