"""There is one robot: training without an evaluation makes one environment, and no second one."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest

from pgtf import evaluate
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.running.evaluation import Evaluation
from pgtf.starting import train_from_python
from pgtf.trainers.synchronous import SynchronousTrainer
from tests.faults.misbehaving import Misbehaving, registered
from tests.short_runs import train


class Robot(Misbehaving):
    """Can be made once at a time."""

    taken = False

    def __init__(self) -> None:
        super().__init__(at=None)
        if Robot.taken:
            raise OSError("address already in use")
        Robot.taken = True

    def close(self) -> None:
        Robot.taken = False


ROBOT = f"ENVIRONMENT = '{registered('Robot', Robot)}'"
NONE = "train.evaluation = None"


@pytest.fixture(autouse=True)
def _free() -> None:
    Robot.taken = False


def test_none_evaluates_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    summary = train(tmp_path, ROBOT, "NUM_ENVS = 1", NONE, "Evaluation.every = 40")
    assert (summary["eval_episodes"], summary["eval_return_mean"]) == (0, None)
    with (tmp_path / "progress.csv").open() as file:
        assert not [name for name in next(csv.reader(file)) if name.startswith("eval/")]
    assert not Robot.taken
    evaluate.main([f"--logdir={tmp_path}", "--episodes=2", "--gin_param=Evaluation.num_envs = 1"])
    assert re.search(r"^Return 10\.0 ± 0\.0, length 10\.0", capfd.readouterr().out, re.MULTILINE)


def test_the_message_says_how_to_train_without_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"address already in use.*evaluation = None"):
        train(tmp_path, ROBOT, "NUM_ENVS = 1")


def test_from_python_none_is_none_too(tmp_path: Path) -> None:
    run = train_from_python(
        trainer=SynchronousTrainer(environment=GymEnvironment("Robot-v0", 1), jit_compile=False),
        total_steps=20,
        evaluation=None,
        logdir=tmp_path / "run",
    )
    assert run.summary["eval_episodes"] == 0


def test_an_evaluation_may_have_an_environment_of_its_own(tmp_path: Path) -> None:
    """Another length of the episodes, so another return."""
    task = "ENVIRONMENT = 'tests.toy_environments:Endless-v0'"
    own = (
        "Evaluation.environment = @own/GymEnvironment()",
        "own/GymEnvironment.id = 'tests.toy_environments:Endless-v0'",
        "own/GymEnvironment.num_envs = 3",
        "own/GymEnvironment.kwargs = {'terminates_after': 7}",
    )
    summary = train(tmp_path, task, "Evaluation.num_envs = None", *own)
    assert (summary["eval_episodes"], summary["eval_return_mean"]) == (3, 7.0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"environment": ("CartPole-v1", 2)}, "Evaluation.environment has the observation_space"),
        ({"environment": ("Robot-v0", 1), "num_envs": 2}, "has 1 copies"),
    ],
)
def test_an_environment_that_does_not_fit_is_refused(arguments: Any, told: str) -> None:
    made = GymEnvironment(*arguments.pop("environment"))
    trainer = SynchronousTrainer(environment=GymEnvironment("Misbehaving-v0", 1))
    trainer.build_policy()
    with pytest.raises(ConfigurationError, match=told):
        Evaluation(environment=made, **arguments).build(trainer.policy, trainer.environment, 0)
    made.close()
