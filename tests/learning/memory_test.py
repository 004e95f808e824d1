"""Resident memory stays flat, however long a run takes."""

import functools
import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pgtf.baselines import Constant, StateValue
from pgtf.critics import VCritic
from pgtf.environments.base import Environment
from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.gym import GymEnvironment
from pgtf.evaluation import Evaluation
from pgtf.learner import Learner
from pgtf.networks import MLP
from pgtf.policies.policy import Policy
from pgtf.rollout import Episodes, Rollouts
from pgtf.trainers.synchronous import SynchronousTrainer

STEPS = 20_000


def resident_megabytes() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize(
    ("make", "rollout"),
    [
        (functools.partial(GymEnvironment, "CartPole-v1", 8), Rollouts(5)),
        (functools.partial(GymEnvironment, "CartPole-v1", 8, vectorization="loop"), Episodes()),
        (functools.partial(CompiledCartPole, 64), Rollouts(5)),
    ],
    ids=["gym", "episodes", "compiled"],
)
def test_memory_does_not_grow_with_the_steps(
    make: Callable[[], Environment], rollout: Rollouts | Episodes
) -> None:
    """One kilobyte left behind by each of 500 iterations and evaluations would be half of what is
    allowed; reading a process's memory is not exact to less."""
    if isinstance(rollout, Episodes):
        learner = Learner(Policy(MLP((16,))), baseline=Constant())
    else:
        learner = Learner(Policy(MLP((16,))), VCritic(MLP((16,))), StateValue())
    trainer = SynchronousTrainer(learner, make(), rollout)
    trainer.build(0)
    evaluation = Evaluation(num_envs=2)
    evaluation.build(trainer.policy, trainer.environment, 0)

    def train(until: int) -> float:
        while trainer.steps < until:
            trainer.iterate(until)
            evaluation.score(2)
        return resident_megabytes()

    before = train(STEPS // 2)
    assert train(STEPS // 2 + STEPS) - before < 2.0
