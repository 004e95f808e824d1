"""A user's own adapter, bound by gin, runs through every trainer, hosted and compiled."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgtf.configuration import configuration
from pgtf.running.checkpoint import Checkpoints
from pgtf.running.evaluation import Evaluation
from tests.extensions.trainers import POPULATION, WORKERS, built, finished

COMPILED = ("RewardScale.environment = @CompiledEnvironment()",)
HOSTED = ("RewardScale.environment = @GymEnvironment()", "GymEnvironment.vectorization = 'loop'")
KINDS = pytest.mark.parametrize("kind", [HOSTED, COMPILED], ids=["hosted", "compiled"])


def files(algorithm: str) -> tuple[str, ...]:
    return (algorithm, "envs/compiled.gin", "my_adapter.gin")


def numbers(environment: Any) -> list[np.ndarray]:
    return [variable.numpy() for variable in environment.variables]


@KINDS
@pytest.mark.parametrize(
    ("algorithm", "bindings"), [("a2c.gin", ()), ("a3c.gin", WORKERS)], ids=["a2c", "a3c"]
)
def test_statistics_count_every_step_once_and_stand_still_while_a_policy_is_scored(
    algorithm: str, bindings: tuple[str, ...], kind: tuple[str, ...]
) -> None:
    with built(files(algorithm), *bindings, *kind) as trainer:
        trainer.iterate(2_000)
        count, mean, squares = numbers(trainer.environment)
        # The row in which an environment resets itself is no step.
        assert count == trainer.steps.numpy() > 0
        # Pendulum's reward lies between -16.3 and 0.
        assert -16.3 < mean < 0 < squares / count < 16.3**2

        evaluation = Evaluation(num_envs=2)
        evaluation.build(trainer.policy, trainer.environment, 0)
        score = evaluation.score(2)
        evaluation.close()
        assert [count, mean, squares] == numbers(trainer.environment)
        # 200 steps of such a reward: what is scored is not what is learned from.
        assert np.all(score.returns < -100)


@pytest.mark.parametrize("algorithm", ["a2c.gin", "a3c.gin", "es.gin"])
def test_a_resumed_run_goes_on_with_its_statistics(algorithm: str, tmp_path: Path) -> None:
    bindings = (*COMPILED, *WORKERS, *POPULATION)
    with built(files(algorithm), *bindings) as trainer:
        trainer.iterate(500)
        Checkpoints(tmp_path, trainer.trackables(), trainer.steps).save({})
        learned = numbers(trainer.environment)
    with built(files(algorithm), *bindings) as trainer:
        assert numbers(trainer.environment) != learned
        assert Checkpoints(tmp_path, trainer.trackables(), trainer.steps).restore() is not None
        assert numbers(trainer.environment) == learned
    scored = configuration.bound("train.trainer", None)
    restored = scored.build_policy()
    assert numbers(scored.environment) != learned
    assert Checkpoints(tmp_path, restored, scored.steps).restore(partial=True) is not None
    assert numbers(scored.environment) == learned
    scored.close()


def test_each_seed_has_statistics_of_its_own() -> None:
    with built(files("a2c.gin"), *COMPILED, num_seeds=3) as trainer:
        trainer.iterate(1_000)
        seen = []
        for _ in trainer.members():
            seen.append(numbers(trainer.environment))
    counts, means, _ = zip(*seen, strict=True)
    assert len(set(map(float, counts))) == 1
    assert len(set(map(float, means))) == 3


@KINDS
def test_the_fitness_of_a_population_is_the_score(kind: tuple[str, ...]) -> None:
    fitness = []
    for task in ("@RewardScale()", kind[0].split(" = ")[1]):
        with built(files("es.gin"), *POPULATION, *kind, f"TASK = {task}") as trainer:
            report = trainer.iterate(10**6)
            fitness.append(report.histograms["train/fitness"])
            assert finished([report])[0] == 4 * 2
            if task == "@RewardScale()":
                count, mean, squares = numbers(trainer.environment)
                assert count == trainer.steps.numpy() > 0
                assert -16.3 < mean < 0 < squares / count < 16.3**2
    np.testing.assert_allclose(fitness[0], fitness[1], rtol=1e-5)
