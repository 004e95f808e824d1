"""A run writes into its own folder alone, wherever an environment moves the process."""

import os
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.envs.registration import EnvSpec

from pgtf.configuration.configuration import Configuration
from pgtf.errors import ConfigurationError
from pgtf.running.run_folder import RunFolder
from tests.short_runs import train

CONFIGURATION = Configuration("mine", "", "A.x = 1\n", {})


@pytest.mark.parametrize(
    "name",
    [
        *(
            "progress.csv",
            "config.gin",
            "config.gin.tmp",
            "summary.json.tmp",
            "command.txt",
            "lock",
        ),
        *("events.out.tfevents.1.host", "events.tmp", "checkpoints", "policy", "earlier"),
        *("checkpoints/unfinished", "checkpoints/step-10.index", "policy/variables"),
    ],
)
def test_nothing_is_written_through_a_link_inside_the_folder(tmp_path: Path, name: str) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    (run / name).parent.mkdir(parents=True)
    (run / name).symlink_to(elsewhere)

    for start in (RunFolder(run).check, lambda asked: RunFolder(run).claim(asked, "a command")):
        with pytest.raises(ConfigurationError) as refused:
            start(CONFIGURATION)
        if name != "lock":
            assert str(refused.value).startswith(f"{run / name} is a symbolic link, and nothing is")
    assert elsewhere.read_text() == "precious"


def test_link_to_a_run_folder_and_links_of_the_owners_are_fine(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "notes").symlink_to("/nowhere")
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    folder = RunFolder(tmp_path / "run")
    folder.check(CONFIGURATION)
    folder.claim(CONFIGURATION, "a command")

    assert (tmp_path / "disk" / "config.gin").read_text() == CONFIGURATION.text


def test_environment_that_changes_the_current_folder_takes_no_file_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    def restless(**kwargs: Any) -> gym.Env:
        os.chdir(tmp_path / "elsewhere")  # As some simulators do.
        return CartPoleEnv()

    entry: Any = restless
    monkeypatch.setitem(gym.registry, "Restless-v0", EnvSpec("Restless-v0", entry))
    summary = train(
        "run",
        "ENVIRONMENT = 'Restless-v0'",
        "TOTAL_STEPS = 40",
        "train.checkpoint_every = 20",
        "Evaluation.every = None",
        "Evaluation.final_episodes = 1",
    )

    assert Path.cwd() == tmp_path / "elsewhere"
    assert summary["logdir"] == str(tmp_path / "run")
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", "run"}
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "run" / "summary.json").exists()
    assert len(list((tmp_path / "run" / "checkpoints").glob("*.index"))) == 2
