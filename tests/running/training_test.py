"""A run reports what happened, stops when asked, goes on where it stopped, and fails clearly."""

import inspect
import json
import math
import os
import shutil
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError, TrainingError
from tests.short_runs import SCRIPTED, TOY, event_steps, table, train
from tests.toy_environments import Broken, Scripted

COUNTING = f"ENVIRONMENT = '{TOY}:Counting-v0'"
SCALARS = {
    *("rollout/ep_rew_mean", "rollout/ep_len_mean", "eval/mean_reward", "eval/mean_ep_length"),
    *("time/fps", "train/policy_loss", "train/value_loss", "train/entropy"),
    *("train/explained_variance", "train/learning_rate", "train/gradient_norm"),
    "train/advantage_std",
}


def curves(logdir: Path) -> list[dict[str, str]]:
    """The table without what depends on the clock."""
    return [{k: v for k, v in row.items() if k != "time/fps"} for row in table(logdir)]


def check_curves(logdir: Path, total: int, log_every: int = 100, batch: int = 10) -> None:
    """Steps increase without a gap, from the first to the last, in both files alike."""
    steps = [int(row["step"]) for row in table(logdir) if row["train/policy_loss"]]
    assert all(0 < b - a < log_every + batch for a, b in pairwise([0, *steps])), steps
    assert total <= steps[-1] < total + batch
    for tag in ("train/policy_loss", "rollout/ep_rew_mean", "eval/mean_reward"):
        in_table = [int(row["step"]) for row in table(logdir) if row[tag]]
        assert event_steps(logdir, tag) == in_table
        assert all(a < b for a, b in pairwise(in_table))
    all_steps = [int(row["step"]) for row in table(logdir)]
    assert all(a < b for a, b in pairwise(all_steps))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A run folder that nobody may change, and its summary."""
    logdir = tmp_path_factory.mktemp("finished") / "run"
    return logdir, train(logdir, COUNTING, "train.seed = 5")


@pytest.fixture
def copy(finished: tuple[Path, dict[str, Any]], tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished[0], tmp_path / "copy"))


def test_finished_run_leaves_its_whole_story(finished: tuple[Path, dict[str, Any]]) -> None:
    logdir, summary = finished

    names = {path.name for path in logdir.iterdir()}
    (written,) = [name for name in names if "tfevents" in name]
    assert names - {written} == {
        *("config.gin", "operative_config.gin", "command.txt", "progress.csv", "checkpoints"),
        *("policy", "summary.json", "lock"),
    }
    assert summary == json.loads((logdir / "summary.json").read_text())
    assert summary["seed"] == 5
    assert 400 <= summary["steps"] < 410
    assert summary["interrupted"] is None
    assert summary["eval_episodes"] == 3
    assert summary["eval_return_std"] >= 0
    assert 0 < summary["compile_seconds"] < summary["wall_seconds"]
    assert summary["steps"] / summary["wall_seconds"] < summary["steps_per_second"]
    check_curves(logdir, 400)
    last = table(logdir)[-1]
    assert set(last) >= SCALARS
    assert float(last["eval/mean_reward"]) == summary["eval_return_mean"]
    evaluated = [int(row["step"]) for row in table(logdir) if row["eval/mean_reward"]]
    assert len(evaluated) == 2
    assert 200 <= evaluated[0] < 210
    assert evaluated[1] == summary["steps"]


def test_run_is_a_function_of_its_seed(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        train(tmp_path / name, f"train.seed = {seed}", "TOTAL_STEPS = 100")

    assert curves(tmp_path / "one") == curves(tmp_path / "same")
    one, other = curves(tmp_path / "one")[0], curves(tmp_path / "other")[0]
    assert one["train/policy_loss"] != other["train/policy_loss"]


def test_interrupted_run_saves_and_goes_on_where_it_stopped(
    tmp_path: Path,
    scripted: type[Scripted],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop() -> float:
        os.kill(os.getpid(), signal.SIGTERM)
        return 1.0

    monkeypatch.setattr(scripted, "event", staticmethod(stop))
    monkeypatch.setattr(scripted, "at", 150)
    first = train(tmp_path, SCRIPTED)
    stopped = first["steps"]
    saved = {path.stem for path in (tmp_path / "checkpoints").glob("*.index")}
    capsys.readouterr()
    second = train(tmp_path, SCRIPTED)

    assert 100 < stopped < 210
    assert first["interrupted"] == "SIGTERM"
    assert (first["eval_return_mean"], first["eval_episodes"]) == (None, 0)
    assert f"step-{stopped}" in saved
    assert f"Resuming at {stopped} steps" in capsys.readouterr().out
    assert second["interrupted"] is None
    assert 400 <= second["steps"] < 410
    assert second["wall_seconds"] > first["wall_seconds"]
    check_curves(tmp_path, 400)
    # Episodes of before are still in the window: every episode has return 10.
    assert {float(row["rollout/ep_rew_mean"]) for row in table(tmp_path)} == {10.0}
    assert len(event_steps(tmp_path, "_hparams_/session_start_info")) == 1
    assert (tmp_path / "command.txt").read_text().count("\n") == 2


def test_finished_run_that_is_started_again_adds_nothing(
    finished: tuple[Path, dict[str, Any]], copy: Path
) -> None:
    summary = train(copy, COUNTING, "train.seed = 5")

    assert curves(copy) == curves(finished[0])
    assert len(event_steps(copy, "eval/mean_reward")) == 2
    unchanged = {"steps", "eval_return_mean", "eval_return_std", "eval_episodes", "interrupted"}
    assert {k: summary[k] for k in unchanged} == {k: finished[1][k] for k in unchanged}


def test_finished_run_goes_on_with_more_steps(copy: Path) -> None:
    summary = train(copy, COUNTING, "train.seed = 5", "TOTAL_STEPS = 600")

    assert 600 <= summary["steps"] < 610
    check_curves(copy, 600)


def test_folder_of_another_configuration_is_left_alone(copy: Path) -> None:
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}

    with pytest.raises(ConfigurationError, match=r"NUM_ENVS is 2 there and 3 here"):
        train(copy, COUNTING, "train.seed = 5", "NUM_ENVS = 3")

    assert {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


@pytest.mark.slow
def test_compiled_run_that_is_interrupted_ends_like_one_that_is_not(tmp_path: Path) -> None:
    task = "SynchronousTrainer.environment = @CompiledEnvironment()"
    compiled = (task, "TOTAL_STEPS = 400", "RMSprop.learning_rate = 7e-4")  # No schedule.
    whole = train(tmp_path / "whole", *compiled, files=("compiled.gin",))
    train(tmp_path / "halves", *compiled, "train.total_steps = 200", files=("compiled.gin",))
    halves = train(tmp_path / "halves", *compiled, files=("compiled.gin",))

    assert halves["steps"] == whole["steps"]
    assert curves(tmp_path / "halves")[-1] == curves(tmp_path / "whole")[-1]


def test_environment_that_crashes_is_named_and_the_run_saved(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as stopped:
        train(tmp_path, f"ENVIRONMENT = '{TOY}:Broken-v0'")

    message = str(stopped.value)
    line = inspect.getsource(Broken).split("raise ")[0].count("\n")
    line += inspect.getsourcelines(Broken)[1]
    assert message.startswith(
        f"{TOY}:Broken-v0 failed after 4 steps: environment 0 raised RuntimeError: the wheel came"
        f" off ({inspect.getsourcefile(Broken)} line {line})."
    )
    assert f"The last checkpoint is {tmp_path}/checkpoints/step-4" in message
    assert (tmp_path / "checkpoints" / "step-4.index").exists()
    assert "\n" not in message


def test_environment_that_crashes_later_can_be_mended_and_gone_on_with(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash() -> float:
        raise ValueError("no more\nof this")

    monkeypatch.setattr(scripted, "event", staticmethod(crash))
    monkeypatch.setattr(scripted, "at", 155)
    with pytest.raises(TrainingError, match=r"raised ValueError: no more \(.* The last checkpoint"):
        train(tmp_path, SCRIPTED)
    monkeypatch.setattr(scripted, "event", staticmethod(lambda: 1.0))
    train(tmp_path, SCRIPTED)

    check_curves(tmp_path, 400)


def test_environment_that_crashes_in_an_evaluation_is_named_too(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash() -> float:
        raise ValueError("no more")

    monkeypatch.setattr(scripted, "event", staticmethod(crash))
    # Training takes 400 steps and a few that are not counted; evaluations of 20 steps lie between.
    monkeypatch.setattr(scripted, "at", 215)

    with pytest.raises(TrainingError, match=r"failed after 20\d steps: environment \d raised"):
        train(tmp_path, SCRIPTED)


def test_environments_of_the_evaluation_that_cannot_be_made_are_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: GymEnvironment, num_envs: int, frozen: bool) -> GymEnvironment:
        raise ConfigurationError(f"There are no {num_envs} more.")

    monkeypatch.setattr(GymEnvironment, "replicate", refuse)
    with pytest.raises(ConfigurationError, match="There are no 2 more"):
        train(tmp_path, COUNTING, "Evaluation.num_envs = 2")


def test_loss_that_is_not_finite_stops_the_run_at_its_last_good_checkpoint(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripted, "event", staticmethod(lambda: 1e30))
    monkeypatch.setattr(scripted, "at", 350)
    monkeypatch.setattr("pgtf.running.loop._CALL_SECONDS", math.inf)

    with pytest.raises(TrainingError) as stopped:
        train(tmp_path, SCRIPTED)

    assert "is not finite after 400 steps" in str(stopped.value)
    assert "lower learning rate" in str(stopped.value)
    (last,) = (tmp_path / "checkpoints").glob("*.index")
    assert f"The last checkpoint is {tmp_path}/checkpoints/{last.stem};" in str(stopped.value)
    reader = tf.train.load_checkpoint(str(last.with_suffix("")))
    kinds = reader.get_variable_to_dtype_map()
    numbers = [reader.get_tensor(name) for name, kind in kinds.items() if kind == tf.float32]
    assert numbers
    assert all(np.all(np.isfinite(x)) for x in numbers)


def test_parts_that_do_not_fit_leave_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"bind Policy\.head"):
        train(tmp_path / "run", "Policy.head = @Gaussian()")
    summary = train(tmp_path / "run", "TOTAL_STEPS = 10", "Evaluation.every = None")

    assert summary["interrupted"] is None


def test_monte_carlo_returns_of_short_rollouts_are_warned_about(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monte_carlo = "Learner.returns = @MonteCarlo()"
    train(tmp_path / "short", COUNTING, monte_carlo)
    assert "bind the trainer's rollout = @Episodes()" in capsys.readouterr().err
    train(tmp_path / "whole", COUNTING, monte_carlo, "SynchronousTrainer.rollout = @Episodes()")
    assert "@Episodes()" not in capsys.readouterr().err
