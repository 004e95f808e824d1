"""``python -m pgtf.launch`` as a user meets it, from a folder with files of their own."""

import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from pgtf import launch
from tests.short_runs import QUICK, command, flags, start, table

MINE = """# Mine: A2C with a part of my own.
import my_parts
include 'a2c.gin'

Learner.entropy_bonus = @Fading()
Fading.start = 0.25
NStep.n = 3
"""
PARTS = """
import gin
import tensorflow as tf
from pgtf.entropy import EntropyBonus


@gin.register
class Fading(EntropyBonus):
    def __init__(self, start: float = 1.0):
        super().__init__(0.0)
        self.start = start

    def coefficient(self, steps):
        return self.start / (1.0 + tf.cast(steps, tf.float32))
"""


class Ended(NamedTuple):
    folder: Path
    code: int
    out: str
    err: str


def launched(folder: Path, *arguments: str) -> Ended:
    process = start("pgtf.launch", *arguments, cwd=folder)
    out, err = process.communicate()
    return Ended(folder, process.returncode, out, err)


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run of the user's own gin file, into the default run folder."""
    folder = tmp_path_factory.mktemp("mine")
    (folder / "project").mkdir()
    (folder / "project" / "mine.gin").write_text(MINE)
    (folder / "project" / "my_parts.py").write_text(PARTS)
    given = ("--gin_file=project/mine.gin", "--name=my run", "--gin_bindings=train.seed = 7")
    return launched(folder, *given, *flags(*QUICK))


def run_folder(mine: Ended) -> Path:
    (path,) = (mine.folder / "runs" / "mine" / "CartPole-v1").iterdir()
    return path


def test_run_ends_well_and_leaves_its_folder(mine: Ended) -> None:
    assert mine.code == 0, mine.err
    folder = run_folder(mine)
    assert re.fullmatch(r"seed7-my_run-\d{8}-\d{6}", folder.name), "--gin_bindings is --gin_param"
    assert {re.sub(r"tfevents\..*", "tfevents", path.name) for path in folder.iterdir()} == {
        *("config.gin", "operative_config.gin", "command.txt", "progress.csv", "summary.json"),
        "lock",
        *("checkpoints", "policy", "events.out.tfevents"),
    }
    summary = json.loads((folder / "summary.json").read_text())
    assert {
        *("steps", "wall_seconds", "compile_seconds", "steps_per_second", "seed"),
        *("eval_return_mean", "eval_return_std", "eval_episodes"),
    } <= set(summary)
    assert summary["steps"] >= 400
    assert summary["seed"] == 7
    command = (folder / "command.txt").read_text()
    assert command.startswith("python -m pgtf.launch --gin_file=project/mine.gin ")


def test_part_of_the_users_own_is_used(mine: Ended) -> None:
    folder = run_folder(mine)

    operative = (folder / "operative_config.gin").read_text()
    assert "Fading.start = 0.25" in operative
    assert "import my_parts" in (folder / "config.gin").read_text()
    first = table(folder)[0]
    assert 0 < float(first["train/entropy_coefficient"]) <= 0.25


def test_operative_configuration_has_the_defaults_too(mine: Ended) -> None:
    operative = (run_folder(mine) / "operative_config.gin").read_text()

    assert "MLP.gain = " in operative, "a default that no file binds"
    assert "NStep" not in operative, "a part that is not used"


def test_console_shows_the_run_and_where_to_look_next(mine: Ended) -> None:
    folder = run_folder(mine).relative_to(mine.folder)

    lines = mine.out.splitlines()
    assert lines[0] == f"Training: {folder}"
    assert re.fullmatch(r"Compiled in [\d.]+ s", lines[1])
    spent = r"4\d\d steps in [\d.]+ s \(compiling [\d.]+ s, then [\d,]+ steps/s\)"
    assert re.fullmatch(spent, lines[-4])
    assert re.fullmatch(r"Return [-\d.]+ ± [\d.]+ over 3 evaluation episodes", lines[-3])
    # The tests' Python may or may not be the one that the shell finds.
    python = rf"(python|{re.escape(sys.executable)})"
    watch = rf"Watch:   {python} -m pgtf\.evaluate --logdir={folder} --film=film\.gif"
    assert re.fullmatch(watch, lines[-2])
    assert re.fullmatch(rf"Curves:  {python} -m tensorboard\.main --logdir={folder}", lines[-1])
    progress = re.compile(r"\d+ of 400 steps(, [\d,]+ steps/s)?(, return [\d.]+)?(, \d+ s left)?")
    assert all(progress.fullmatch(line) for line in lines[2:-4])


def test_nothing_but_warnings_about_bindings_is_on_stderr(mine: Ended) -> None:
    assert mine.err.splitlines() == [
        "pgtf: warning: project/mine.gin line 7: nothing uses NStep.n.",
    ]


def test_misconfiguration_is_one_message_and_exit_code_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    assert command(launch.main, "--gin_file=a2c.gin", "--gin_param=Learner.discont = 1") == 2
    assert tuple(capsys.readouterr()) == (
        "",
        "pgtf: --gin_param=\"Learner.discont = 1\": Learner has no parameter 'discont'. Did you"
        " mean 'discount'?\n",
    )
    assert list(tmp_path.iterdir()) == []
