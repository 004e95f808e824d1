"""Parts that XLA cannot compile: trained without it, or refused in one sentence."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.estimators import LambdaReturn
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.a3c.asynchronous import AsynchronousTrainer
from pgtf.trainers.seeds import SeedsTrainer
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trajectory import Trajectory


class PythonReturns(LambdaReturn):
    """Returns that call Python."""

    def __call__(
        self,
        trajectory: Trajectory,
        values: tf.Tensor,
        discount: float,
        log_ratio: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        returns, _ = super().__call__(trajectory, values, discount, log_ratio)
        same = tf.numpy_function(lambda x: x, [returns], tf.float32)
        same = tf.ensure_shape(same, returns.shape)
        return same, same


def learner() -> Learner:
    return Learner(Policy(MLP((8,))), VCritic(MLP((8,))), StateValue(), PythonReturns())


def gymnasium(num_envs: int) -> Environment:
    return GymEnvironment("CartPole-v1", num_envs)


@pytest.mark.parametrize("make", [CompiledCartPole, gymnasium], ids=["compiled", "gymnasium"])
def test_the_synchronous_trainer_goes_on_without_xla(
    make: Callable[[int], Environment], caplog: pytest.LogCaptureFixture
) -> None:
    weights = []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(0)
        trainer = SynchronousTrainer(learner(), make(2), Rollouts(3), jit_compile)
        trainer.build(0)
        assert ("XLA cannot compile" in caplog.text) is False
        trainer.iterate(12)
        assert trainer.steps.numpy() >= 12
        weights.append([x.numpy() for x in trainer.learner.trainable_variables])
        trainer.close()
    assert "XLA cannot compile PyFunc" in caplog.text
    for plain, fallen in zip(*weights, strict=True):
        np.testing.assert_allclose(fallen, plain, rtol=1e-4, atol=1e-4)


def test_workers_refuse_it() -> None:
    trainer = AsynchronousTrainer(learner(), gymnasium(1), Rollouts(3), num_workers=1)
    try:
        trainer.build(0)
        with pytest.raises(ConfigurationError, match=r"AsynchronousTrainer\.jit_compile = False"):
            trainer.iterate(12)
    finally:
        trainer.close()


def test_many_seeds_refuse_it() -> None:
    trainer = SeedsTrainer(
        lambda: SynchronousTrainer(learner(), CompiledCartPole(2), Rollouts(3)), 2, 12
    )
    trainer.build(0)
    with pytest.raises(ConfigurationError, match=r"train\.num_seeds"):
        trainer.iterate(12)
