"""The command that sweeps; with Ray where it is installed."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pgtf import sweep
from pgtf.sweeps import results, tuning
from pgtf.sweeps.results import Reached
from pgtf.sweeps.trial import SweepPlan, folder_name
from pgtf.sweeps.tuning import Tuning
from tests.short_runs import CHECKOUT, QUICK, command, flags

VARIED = "Learner.discount = [0.9, 0.99]"
needs_ray = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("ray", "optuna", "pandas")),
    reason="needs pgtf[sweep]",
)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--vary=Learner.discount = 0.9"], "give it a list"),
        (["--vary=Learner.discont = [0.9]"], "discount"),
        (["--vary=Learner.discount = [7]"], "Learner.discount"),
        ([f"--vary={VARIED}", f"--vary={VARIED}"], "names a binding twice"),
        (["--search=random", "--trials=2"], "needs something to vary"),
        (["--search=random", f"--vary={VARIED}"], "add --trials"),
        (["--search=tpe", "--seeds=2", f"--vary={VARIED}"], "with one seed"),
        (["--trials=2", f"--vary={VARIED}"], "a grid has as many"),
        (["--vary=Learner.discount = uniform(0.9, 1)"], "list the values"),
        (["vary"], "There is no argument"),
    ],
)
def test_what_cannot_be_swept_is_refused_before_anything_trains(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)

    assert command(sweep.main, *arguments) == 2

    assert told in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_without_ray_one_sentence_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "ray.tune", None)

    assert command(sweep.main, f"--vary={VARIED}") == 2

    assert "pip install 'pgtf[sweep]'" in capsys.readouterr().err


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    asked = [sys.executable, "-m", "pgtf.sweep", "--logdir=sweep", *flags(*QUICK), *arguments]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    # In a group of its own, so that the test can end its Ray too.
    return subprocess.Popen(
        asked,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sweep_that_is_killed_goes_on_and_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    asked = [f"--vary={VARIED}", "--seeds=2", "--at_once=1"]
    first = start(broken, *asked)
    file = broken / "sweep" / "sweep.csv"
    while not file.exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()

    out, _ = start(broken, *asked).communicate()
    other, _ = start(whole, *asked).communicate()

    assert "4 of 4" in out, out
    assert "1 known already" in out, out
    keys = ["Learner.discount"]
    ours, theirs = (
        sorted(results.read(folder / "sweep" / "sweep.csv", keys)) for folder in (broken, whole)
    )
    assert len(theirs) == 4, other
    assert [each[:4] for each in ours] == [each[:4] for each in theirs]
    assert {each.status for each in theirs} == {"done"}


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_search_is_told_what_earlier_runs_reached(tmp_path: Path) -> None:
    asked = ["--search=tpe", "--vary=Learner.discount = uniform(0.5, 0.99)"]
    out, _ = start(tmp_path, *asked, "--trials=2").communicate()
    assert "2 of 2" in out, out
    out, _ = start(tmp_path, *asked, "--trials=4").communicate()

    assert "2 known already" in out, out
    found = results.read(tmp_path / "sweep" / "sweep.csv", ["Learner.discount"])
    assert len({each.run for each in found}) == 4
    assert all(0.5 <= float(each.point["Learner.discount"]) <= 0.99 for each in found)


@needs_ray
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_runs_that_are_behind_are_stopped_and_the_others_reach_their_end(tmp_path: Path) -> None:
    """Of nine runs a third passes each rung; without early stops all end alike."""
    asked = ["--search=random", "--trials=9", "--at_once=1", "--stop_after=200"]
    asked += ["--vary=Learner.discount = uniform(0.5, 0.99)"]
    out, _ = start(tmp_path, *asked).communicate()

    found = results.read(tmp_path / "sweep" / "sweep.csv", ["Learner.discount"])
    assert len(found) == 9, out
    stopped = [each for each in found if each.status == "stopped"]
    done = [each for each in found if each.status == "done"]
    assert stopped
    assert done
    assert all(each.steps < 400 for each in stopped)
    assert all(each.steps >= 400 for each in done)


class Placed:
    """Stands for Ray: notes the runs it is given, and ends each with a status."""

    def __init__(self) -> None:
        self.given: list[tuple[dict[str, str], int]] = []
        self.status = "done"

    def __call__(
        self,
        plan: SweepPlan,
        runs: Sequence[tuple[dict[str, str], int]],
        placement: Tuning,
        ended: Callable[[Reached], None],
    ) -> None:
        self.given = list(runs)
        for point, seed in runs:
            ended(Reached(folder_name(point, seed), point, seed, 1.0, 1.0, 400, self.status))


@pytest.fixture
def placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Placed:
    monkeypatch.chdir(tmp_path)
    placed = Placed()
    monkeypatch.setattr(tuning, "train_all", placed)
    return placed


def test_what_has_ended_is_not_trained_again_and_what_was_lost_is(placed: Placed) -> None:
    placed.status = "lost 4 times"
    assert command(sweep.main, f"--vary={VARIED}") == 1
    assert len(placed.given) == 2

    placed.status = "done"
    assert command(sweep.main, f"--vary={VARIED}") == 0
    assert len(placed.given) == 2

    assert command(sweep.main, f"--vary={VARIED}", "--seeds=2") == 0
    assert [seed for _, seed in placed.given] == [1, 1]
    found = results.read(Path("sweeps/a2c/sweep.csv"), ["Learner.discount"])
    assert sorted((each.run, each.status) for each in found) == [
        ("Learner.discount=0.9-seed0", "done"),
        ("Learner.discount=0.9-seed1", "done"),
        ("Learner.discount=0.99-seed0", "done"),
        ("Learner.discount=0.99-seed1", "done"),
    ]


@pytest.mark.parametrize(
    "other", ["--gin_param=TOTAL_STEPS = 800", "--gin_file=ppo.gin", "--gin_file=vpg.gin"]
)
def test_runs_of_another_configuration_are_not_taken_for_those_asked_for(
    placed: Placed, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    assert command(sweep.main, f"--vary={VARIED}", "--logdir=mine") == 0
    placed.given = []

    assert command(sweep.main, f"--vary={VARIED}", "--logdir=mine", other) == 2

    assert not placed.given
    assert "other gin files or bindings" in capsys.readouterr().err


def test_runs_that_are_missing_are_counted_by_name(
    placed: Placed, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four runs that are known do not stand for two others that are not."""
    assert command(sweep.main, f"--vary={VARIED}", "--seeds=2") == 0
    placed.status = "lost 4 times"
    capsys.readouterr()

    assert command(sweep.main, f"--vary={VARIED}", "--first_seed=7") == 1

    assert "0 known already" in capsys.readouterr().out
