"""Resident memory stays flat, however long a run takes."""

import functools
import gc
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.learning.baselines import Constant, StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.running.evaluation import Evaluation
from pgtf.trainers.synchronous import SynchronousTrainer

ENDLESS = "tests.toy_environments:Endless-v0"
STRETCH = 8_000


def resident_megabytes() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize(
    ("make", "rollout"),
    [
        (functools.partial(GymEnvironment, "CartPole-v1", 8), Rollouts(5)),
        (functools.partial(GymEnvironment, ENDLESS, 8, {"terminates_after": 20}), Episodes()),
        (functools.partial(CompiledCartPole, 64), Rollouts(5)),
    ],
    ids=["gym", "episodes", "compiled"],
)
def test_memory_does_not_grow_with_the_steps(
    make: Callable[[], Environment], rollout: Rollouts | Episodes
) -> None:
    """A leak grows in every stretch of the run, the allocator's whims only in some.

    Half a megabyte is 64 bytes a step.
    """
    if isinstance(rollout, Episodes):
        learner = Learner(Policy(MLP((16,))), baseline=Constant())
    else:
        learner = Learner(Policy(MLP((16,))), VCritic(MLP((16,))), StateValue())
    trainer = SynchronousTrainer(learner, make(), rollout)
    trainer.build(0)
    evaluation = Evaluation(num_envs=2)
    evaluation.build(trainer.policy, trainer.environment, 0)

    def train() -> float:
        until = int(trainer.steps.numpy()) + STRETCH
        while trainer.steps < until:
            trainer.iterate(until)
            if not trainer.environment.compiled:  # whose evaluation is slow to compile
                evaluation.score(2)
        return resident_megabytes()

    train()
    resident = [train() for _ in range(4)]
    assert min(after - before for before, after in itertools.pairwise(resident)) < 0.5
