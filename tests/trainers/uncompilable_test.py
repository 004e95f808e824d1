"""Parts that XLA cannot compile: everything runs without it, and the log says so once."""

import functools
from collections.abc import Callable

import keras
import numpy as np
import pytest

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.graph.compilation import Compilation
from pgtf.learning.baselines import StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.rollouts.steps import Rollouts
from pgtf.running.evaluation import Evaluation
from pgtf.trainers.a3c.asynchronous import AsynchronousTrainer
from pgtf.trainers.evolution import EvolutionTrainer
from pgtf.trainers.seeds import SeedsTrainer
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trainers.trainer import Trainer
from tests.uncompilable import MESSAGE, PythonMLP, PythonReturns

Make = Callable[[Environment, bool], Trainer]


def compiled() -> Environment:
    return CompiledCartPole(2)


def gymnasium() -> Environment:
    return GymEnvironment("CartPole-v1", 2, vectorization="loop")


def learner(policy_network: MLP, returns: PythonReturns | None = None) -> Learner:
    return Learner(Policy(policy_network), VCritic(MLP((8,))), StateValue(), returns)


def python_acts(environment: Environment, jit_compile: bool) -> Trainer:
    return SynchronousTrainer(learner(PythonMLP((8,))), environment, Rollouts(3), jit_compile)


def python_learns(environment: Environment, jit_compile: bool) -> Trainer:
    parts = learner(MLP((8,)), PythonReturns())
    return SynchronousTrainer(parts, environment, Rollouts(3), jit_compile)


def worker_acts(environment: Environment, jit_compile: bool) -> Trainer:
    return AsynchronousTrainer(
        learner(PythonMLP((8,))), environment, Rollouts(3), 1, jit_compile=jit_compile
    )


def worker_learns(environment: Environment, jit_compile: bool) -> Trainer:
    return AsynchronousTrainer(
        learner(MLP((8,)), PythonReturns()),
        environment,
        Rollouts(3),
        num_workers=1,
        jit_compile=jit_compile,
    )


def evolution(environment: Environment, jit_compile: bool) -> Trainer:
    return EvolutionTrainer(
        Policy(PythonMLP((8,))), environment, population=4, max_steps=5, jit_compile=jit_compile
    )


def trained(make: Make, environment: Environment, jit_compile: bool) -> list[np.ndarray]:
    """The policy's weights after the first few steps."""
    keras.utils.set_random_seed(0)
    trainer = make(environment, jit_compile)
    try:
        trainer.build(0)
        trainer.iterate(6)
        steps = int(trainer.steps.numpy())
        assert steps >= 6
        trainer.iterate(steps + 1)
        assert trainer.steps.numpy() > steps
        assert not trainer.compilation.enabled
        trainer.restored()  # An evolution's policy is the mean of its distribution.
        return [variable.numpy() for variable in trainer.policy.trainable_variables]
    finally:
        trainer.close()


@pytest.mark.parametrize("place", [compiled, gymnasium])
@pytest.mark.parametrize(
    "make", [python_acts, python_learns, worker_acts, worker_learns, evolution]
)
def test_training_goes_on_without_xla_from_the_same_state(
    make: Make, place: Callable[[], Environment], caplog: pytest.LogCaptureFixture
) -> None:
    plain = trained(make, place(), False)
    assert MESSAGE not in caplog.text
    fallen = trained(make, place(), True)
    assert caplog.text.count(MESSAGE) == 1
    assert "Trainer.jit_compile = False" in caplog.text
    for one, other in zip(plain, fallen, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)


def test_many_seeds_go_on_without_xla(caplog: pytest.LogCaptureFixture) -> None:
    weights = []
    for jit_compile in (False, True):
        assert MESSAGE not in caplog.text
        trainer = SeedsTrainer(functools.partial(python_learns, compiled(), jit_compile), 2, 12)
        trainer.build(0)
        trainer.iterate(12)
        assert trainer.steps.numpy() == 12
        for _ in trainer.members():
            weights.append([x.numpy() for x in trainer.learner.trainable_variables])
    assert caplog.text.count(MESSAGE) == 1
    assert "SynchronousTrainer.jit_compile = False" in caplog.text
    for plain, fallen in zip(weights[:2], weights[2:], strict=True):
        for one, other in zip(plain, fallen, strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_evaluation_follows_the_trainer(
    jit_compile: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A trainer whose policy XLA cannot compile, but that has not run yet."""
    scores = []
    for network in (MLP((8,)), PythonMLP((8,))):
        keras.utils.set_random_seed(0)
        policy = Policy(network)
        policy.build(compiled().observation_space, compiled().action_space)
        trainer = Compilation(jit_compile, "SynchronousTrainer.jit_compile")
        evaluation = Evaluation(num_envs=4, max_steps=50)
        evaluation.build(policy, compiled(), 0, trainer)
        assert MESSAGE not in caplog.text
        scores.append(evaluation.score(8))
        assert trainer.enabled is jit_compile
    assert caplog.text.count(MESSAGE) == jit_compile
    np.testing.assert_array_equal(scores[0].returns, scores[1].returns)


def test_evaluation_asks_xla_no_second_time(caplog: pytest.LogCaptureFixture) -> None:
    trainer = python_acts(compiled(), True)
    trainer.build(0)
    evaluation = Evaluation(num_envs=2, max_steps=10)
    evaluation.build(trainer.policy, trainer.environment, 0, trainer.compilation)
    trainer.iterate(6)
    assert evaluation.score(2).returns.shape == (2,)
    assert caplog.text.count(MESSAGE) == 1
