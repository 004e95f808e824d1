"""A step that never returns ends the run saved, where a limit is bound, and says whose it was."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import NoReturn

import pytest

from pgtf.environments.patience import Overdue, Patience
from pgtf.errors import TrainingError
from tests.short_runs import SCRIPTED, train
from tests.toy_environments import Scripted

LIMIT = "GymEnvironment.step_timeout = 0.5"


def hang() -> NoReturn:
    while True:
        time.sleep(0.01)


def never() -> None:
    return


def test_a_step_that_hangs_ends_the_run_saved(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both copies take turns: the 50th step is the second one's 25th, in its third episode.
    monkeypatch.setattr(scripted, "at", 50)
    monkeypatch.setattr(scripted, "event", staticmethod(hang))
    with pytest.raises(TrainingError) as stopped:
        train(tmp_path, SCRIPTED, "GymEnvironment.step_timeout = 2.0")

    message = str(stopped.value)
    assert "environment 1 has taken more than 2 s (step_timeout). It was at step 5" in message
    assert list((tmp_path / "checkpoints").glob("step-4*.index"))


def test_a_process_that_hangs_is_named(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    # In its own process each copy counts by itself: all of them hang at their third step.
    monkeypatch.setattr(scripted, "at", 3)
    monkeypatch.setattr(scripted, "event", staticmethod(hang))
    with pytest.raises(TrainingError, match=r"environment 0 has taken more than .* at step 3"):
        train(tmp_path, SCRIPTED, LIMIT, "GymEnvironment.vectorization = 'async'")


def test_a_signal_ends_a_run_whose_step_hangs(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_and_hang() -> NoReturn:
        os.kill(os.getpid(), signal.SIGTERM)
        hang()

    monkeypatch.setattr("pgtf.trainers.trainer.ROLLOUT_SECONDS", 0.0)
    monkeypatch.setattr(scripted, "at", 50)
    monkeypatch.setattr(scripted, "event", staticmethod(stop_and_hang))
    summary = train(tmp_path, SCRIPTED, "GymEnvironment.step_timeout = 10.0")

    assert summary["interrupted"] == "SIGTERM"
    assert (tmp_path / "checkpoints" / f"step-{summary['steps']}.index").exists()


def test_copies_that_take_turns_have_the_time_each() -> None:
    looks = threading.Semaphore(0)
    turns = iter(range(1_000))

    def moving() -> list[int]:
        looks.release()
        return [next(turns)]

    def wait_for_many_looks() -> str:
        for _ in range(60):  # Three times as long as one copy may take.
            looks.acquire()
        return "moved"

    assert Patience(0.1).run(wait_for_many_looks, moving, never) == "moved"


def test_only_the_copy_that_does_not_return_is_overdue() -> None:
    copies = [[0, 1, 2], [1, 2]]

    def moving() -> list[int]:
        return copies.pop(0) if copies else [2]

    with pytest.raises(Overdue) as late:
        Patience(0.1).run(hang, moving, never)
    assert late.value.copy == 2


def test_what_a_step_raises_is_raised_and_the_next_one_runs() -> None:
    patience = Patience(10.0)

    def fail() -> NoReturn:
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        patience.run(fail, list, never)
    assert patience.run(lambda: 3, list, never) == 3
    patience.end()
