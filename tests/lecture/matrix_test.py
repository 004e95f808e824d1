"""Head × baseline × critic × returns × fit × collection: it trains, or is refused as intended.

Baselines, critics and returns meet in every combination with the softmax head, each pair of critic
and baseline with every fit; a fit is handed targets and knows nothing of how they were made. How
heads differ reaches the critics and the baselines that average over actions: each other head meets
every pair of these, and all else in turn. Each combination is built and trained for two iterations,
one on fixed rollouts and one on whole episodes of a small environment with the head's kind of
action. Trained means: every weight and metric is finite, and the weights of every part have moved.
"""

import functools
import itertools
import re
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from pgtf.environments.compiled import CompiledCartPole, CompiledPendulum
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import Constant, ExpectedQ, StateValue, TimeDependent
from pgtf.learning.critics import QCritic, VCritic
from pgtf.learning.estimators import TD0, LambdaReturn, MonteCarlo, NStep
from pgtf.learning.fitting import JointLoss, Regression
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies import (
    Bernoulli,
    Beta,
    Deterministic,
    Gaussian,
    Joint,
    MultiSoftmax,
    Policy,
    Softmax,
    TanhGaussian,
)
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Behaviour, start
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trajectory import Trajectory
from tests.toy_environments import TWO

SEED = tf.constant([3, 4], tf.int32)
BOX = spaces.Box(-1.0, 2.0, (2,), np.float32)
ACTIONS: dict[str, spaces.Space[Any]] = {
    "Discrete": spaces.Discrete(3, start=-1),
    "Box": BOX,
    "MultiBinary": spaces.MultiBinary(3),
    "MultiDiscrete": spaces.MultiDiscrete([2, 3]),
    "Tuple": spaces.Tuple((spaces.Discrete(2), BOX)),
    "Dict": spaces.Dict({"push": BOX, "lights": spaces.Tuple((spaces.MultiBinary(2), TWO))}),
}
OBSERVATIONS: dict[str, spaces.Space[Any]] = {
    "Discrete": BOX,
    "Box": spaces.Discrete(3),
    "MultiBinary": spaces.MultiDiscrete([2, 3]),
    "MultiDiscrete": spaces.Tuple((TWO, BOX)),
    "Tuple": spaces.MultiBinary(4),
    "Dict": spaces.Dict({"a": BOX, "b": TWO}),
}
HEADS: dict[str, tuple[str, Any]] = {
    "Softmax": ("Discrete", Softmax),
    "Gaussian": ("Box", Gaussian),
    "TanhGaussian": ("Box", TanhGaussian),
    "Beta": ("Box", Beta),
    "Bernoulli": ("MultiBinary", Bernoulli),
    "MultiSoftmax": ("MultiDiscrete", MultiSoftmax),
    "Joint": ("Dict", Joint),
}
# Their like is in the matrix already; a trainer runs them too.
MORE_HEADS: dict[str, tuple[str, Any]] = {
    "Gaussian, state-dependent": ("Box", lambda: Gaussian("state_dependent")),
    "Joint of a Tuple": ("Tuple", lambda: Joint([None, Beta()])),
}
BASELINES: dict[str, Any] = {
    "none": lambda fit: None,
    "Constant": lambda fit: Constant(),
    "TimeDependent": lambda fit: TimeDependent(max_time=4),
    "StateValue, own": lambda fit: StateValue(MLP(()), fit),
    "StateValue, shared": lambda fit: StateValue(),
    "ExpectedQ": lambda fit: ExpectedQ(),
}
# SARSA where Q is fitted on its own, expected SARSA where it is fitted with the policy.
CRITICS: dict[str, Any] = {
    "none": lambda fit: None,
    "V": lambda fit: VCritic(MLP(()), fit),
    "Q": lambda fit: QCritic(
        MLP(()), fit, "sampled" if isinstance(fit, Regression) else "expected", num_samples=2
    ),
}
RETURNS: dict[str, Any] = {
    "MonteCarlo": MonteCarlo,
    "TD0": TD0,
    "NStep": lambda: NStep(2),
    "LambdaReturn": lambda: LambdaReturn(0.7),
}
FITS: dict[str, Any] = {
    "JointLoss": JointLoss,
    "Regression": lambda: Regression(keras.optimizers.SGD(0.1), num_steps=1, proximal=0.1),
}


@functools.cache
def environment(actions: str) -> GymEnvironment:
    """Two copies, episodes of three steps."""
    kwargs = {
        "observation_space": OBSERVATIONS[actions],
        "action_space": ACTIONS[actions],
        "length": 3,
    }
    return GymEnvironment("tests.toy_environments:Identity-v0", 2, kwargs)


@functools.cache
def trajectories(head: str) -> tuple[Trajectory, Trajectory]:
    """A rollout with a reset and an unfinished tail, and whole episodes."""
    actions, make = HEADS[head]
    tasks = environment(actions)
    policy = Policy(MLP(()), make())
    policy.build(tasks.observation_space, tasks.action_space)
    act = Behaviour(tf.function(policy.act, autograph=False))
    carry = start(tasks, SEED)
    _, rollout, _ = Rollouts(5).collect(tasks, act, carry, SEED)
    _, episodes, _ = Episodes(4).collect(tasks, act, carry, SEED)
    return rollout, episodes


def refusal(critic: str, baseline: str, returns: str) -> str | None:
    """The beginning of the intended message, or None for a combination that trains."""
    if critic == "none" and returns != "MonteCarlo":
        return f"{returns} bootstraps from a critic, and there is none: bind Learner.returns"
    if baseline == "StateValue, shared" and critic == "none":
        return "StateValue without a network of its own shares the critic's, and there is none:"
    if baseline == "ExpectedQ" and critic != "Q":
        return "ExpectedQ averages the action values of a QCritic, and there is none: bind"
    return None


def made(head: str, critic: str, baseline: str, returns: str, fit: str) -> Any:
    return Learner(
        Policy(MLP(()), (HEADS | MORE_HEADS)[head][1]()),
        CRITICS[critic](FITS[fit]()),
        BASELINES[baseline](FITS[fit]()),
        RETURNS[returns](),
        optimizer=keras.optimizers.SGD(0.1),
    )


def part_weights(learner: Any) -> dict[str, list[np.ndarray]]:
    """Weights that learning is to move, by part."""
    parts = {"policy": learner.policy, "critic": learner.critic, "baseline": learner.baseline}
    return {
        name: [v.numpy() for v in part.variables]
        for name, part in parts.items()
        if part is not None and part.variables
    }


def assert_trained(before: dict[str, Any], learner: Any, message: str) -> None:
    for name, then in before.items():
        now = part_weights(learner)[name]
        assert all(np.all(np.isfinite(x)) for x in now), f"{message}: {name} is not finite"
        moved = any(np.any(x != y) for x, y in zip(now, then, strict=True))
        assert moved, f"{message}: {name} has not moved"


def returns_and_fits(head: str, critic: str, baseline: str) -> Iterator[tuple[str, str]]:
    """All that go with a softmax head; one pair with another head, not the same for every one."""
    fits = list(FITS) if critic != "none" or baseline == "StateValue, own" else ["JointLoss"]
    if head == "Softmax":
        yield from zip(RETURNS, itertools.cycle(fits))
        return
    turn = list(HEADS).index(head) + list(BASELINES).index(baseline)
    returns = list(RETURNS) if critic != "none" else ["MonteCarlo"]
    yield returns[turn % len(returns)], fits[turn // len(returns) % len(fits)]


def combinations() -> Iterator[tuple[str, str, str]]:
    """Head, critic and baseline."""
    averaging = ["StateValue, shared", "ExpectedQ"]
    others = [baseline for baseline in BASELINES if baseline not in averaging]
    for (i, head), (j, critic) in itertools.product(enumerate(HEADS), enumerate(CRITICS)):
        chosen = BASELINES if head == "Softmax" else [*averaging, others[(i + j) % len(others)]]
        yield from ((head, critic, baseline) for baseline in chosen)


@pytest.mark.parametrize(("head", "critic", "baseline"), combinations())
def test_every_combination_trains_or_is_refused(head: str, critic: str, baseline: str) -> None:
    tasks = environment(HEADS[head][0])
    for returns, fit in returns_and_fits(head, critic, baseline):
        message = f"{returns}, {fit}"
        learner = made(head, critic, baseline, returns, fit)
        refused = refusal(critic, baseline, returns)
        if refused is not None:
            with pytest.raises(ConfigurationError, match=f"^{re.escape(refused)}"):
                learner.build(tasks.observation_space, tasks.action_space)
            continue
        learner.build(tasks.observation_space, tasks.action_space)
        before = part_weights(learner)
        for trajectory in trajectories(head):
            scalars, targets = learner.update(trajectory, SEED)
            for name, value in (scalars | targets._asdict()).items():
                assert np.all(np.isfinite(value)), f"{message}: {name} is not finite"
        assert_trained(before, learner, message)


@pytest.mark.parametrize("actions", ACTIONS)
@pytest.mark.parametrize("head", HEADS)
def test_every_head_fits_its_own_action_space_alone(head: str, actions: str) -> None:
    """The message names the head that does fit."""
    fitting, make = HEADS[head]
    learner = Learner(Policy(MLP(()), make()))
    if actions == fitting or (head == "Joint" and actions == "Tuple"):
        learner.build(OBSERVATIONS[actions], ACTIONS[actions])
        return
    right = {"Discrete": "Softmax", "Box": "Gaussian", "MultiBinary": "Bernoulli"} | {
        "MultiDiscrete": "MultiSoftmax",
        "Tuple": "Joint",
        "Dict": "Joint",
    }
    message = rf"^{type(make()).__name__} needs .* bind Policy\.head=@{right[actions]}\(\)"
    with pytest.raises(ConfigurationError, match=message):
        learner.build(OBSERVATIONS[actions], ACTIONS[actions])


@pytest.mark.parametrize(
    ("actions", "head"),
    [
        ("Discrete", Deterministic),
        ("Box", Deterministic),
        ("Tuple", lambda: Joint([None, Deterministic()])),
    ],
    ids=["Discrete", "Box", "a part of a Tuple"],
)
@pytest.mark.parametrize("critic", CRITICS)
def test_a_head_without_a_score_is_refused(critic: str, actions: str, head: Any) -> None:
    learner = Learner(Policy(MLP(()), head()), CRITICS[critic](JointLoss()))
    with pytest.raises(ConfigurationError, match="has no score function, so a Learner cannot"):
        learner.build(OBSERVATIONS[actions], ACTIONS[actions])


# Every value of every axis at least once, with the trainer that users run.
ROWS: list[tuple[str, str, str, str, str, str, Any]] = [
    ("gym", "Softmax", "V", "StateValue, shared", "LambdaReturn", "JointLoss", Rollouts(5)),
    ("gym", "TanhGaussian", "Q", "ExpectedQ", "TD0", "Regression", Rollouts(3)),
    ("gym", "Joint of a Tuple", "none", "Constant", "MonteCarlo", "JointLoss", Episodes(4)),
    ("gym", "Bernoulli", "V", "StateValue, own", "NStep", "Regression", Episodes()),
    ("gym", "MultiSoftmax", "Q", "none", "MonteCarlo", "JointLoss", Episodes(2)),
    ("gym", "Joint", "Q", "StateValue, shared", "NStep", "JointLoss", Rollouts(4)),
    ("cartpole", "Softmax", "Q", "TimeDependent", "LambdaReturn", "JointLoss", Rollouts(4)),
    ("cartpole", "Softmax", "none", "StateValue, own", "MonteCarlo", "Regression", Episodes(4)),
    ("pendulum", "Beta", "none", "TimeDependent", "MonteCarlo", "JointLoss", Rollouts(34)),
    ("pendulum", "Gaussian, state-dependent", "V", "Constant", "TD0", "Regression", Rollouts(4)),
]


@pytest.mark.parametrize(
    "row", ROWS, ids=lambda row: ", ".join([*row[:-1], type(row[-1]).__name__])
)
def test_the_trainer_runs_a_covering_subset(row: Any) -> None:
    """Two iterations, each a trajectory of its own environment, without XLA."""
    where, *names, rollout = row
    learner = made(*names)
    tasks: Any = {
        "gym": lambda: environment((HEADS | MORE_HEADS)[names[0]][0]).replicate(2),
        "cartpole": lambda: CompiledCartPole(num_envs=2, time_limit=20),
        "pendulum": lambda: CompiledPendulum(num_envs=2, time_limit=20),
    }[where]()
    trainer = SynchronousTrainer(learner, tasks, rollout, jit_compile=False)
    trainer.build(0)
    before = part_weights(learner)
    for _ in range(2):
        report = trainer.iterate(int(learner.steps.numpy()) + 1)
        assert all(np.isfinite(x) for x in report.scalars.values()), report.scalars
    assert int(learner.updates.numpy()) == 2
    assert_trained(before, learner, str(row))
    trainer.close()
