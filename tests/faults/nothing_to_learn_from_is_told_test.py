"""A run that collects steps and learns from none of them says so, once."""

from pathlib import Path

import pytest

from tests.short_runs import train

TOLD = "pgtf: warning: nothing was learned from the last steps"
ENDLESS = "ENVIRONMENT = 'tests.toy_environments:Endless-v0'"
NO_EVALUATION = "train.evaluation = None"


def test_whole_episodes_of_a_task_without_end(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, ENDLESS, NO_EVALUATION, "Episodes.max_steps = 50", files=("reinforce.gin",))
    said = capfd.readouterr().err
    assert said.count(TOLD) == 1
    assert "MonteCarlo leaves out" in said or "WholeReturn leaves out" in said


@pytest.mark.parametrize("files", [("a2c.gin",), ("reinforce.gin",)])
def test_nothing_is_said_where_something_is_learned(
    files: tuple[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    task = ENDLESS if files == ("a2c.gin",) else "ENVIRONMENT = 'CartPole-v1'"
    train(tmp_path, task, NO_EVALUATION, files=files)
    assert TOLD not in capfd.readouterr().err
