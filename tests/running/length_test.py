"""Schedules of a run follow its length, whatever binds it and however often it changes."""

import os
import signal
from pathlib import Path

import pytest

from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trainers.trainer import Report
from tests.short_runs import table, train

RATE = 7e-4  # a2c.gin's at the start; it logs means over 100 steps.
ENDED = "Schedules over the run have ended"


def rates(logdir: Path) -> list[float]:
    return [float(row["train/learning_rate"]) / RATE for row in table(logdir)]


@pytest.mark.parametrize(
    "bindings",
    [
        ("TOTAL_STEPS = 200",),
        ("train.total_steps = 200",),
        # As in files of users that were made when a2c.gin bound it.
        ("TOTAL_STEPS = 200", "PolynomialDecay.decay_steps = %TOTAL_STEPS"),
    ],
)
def test_the_learning_rate_falls_to_zero_over_the_run(
    bindings: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, *bindings, "Evaluation.every = None")
    assert rates(tmp_path) == pytest.approx([0.75, 0.25], abs=0.03)
    assert ENDED not in capsys.readouterr().out


def test_a_run_that_is_resumed_with_more_steps_goes_on_from_its_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    iterate = SynchronousTrainer.iterate

    def interrupted(self: SynchronousTrainer, limit: int) -> Report:
        if self.steps >= 200:
            os.kill(os.getpid(), signal.SIGTERM)
        return iterate(self, limit)

    with monkeypatch.context() as patched:
        patched.setattr(SynchronousTrainer, "iterate", interrupted)
        first = train(tmp_path, "Evaluation.every = None")
    stopped = first["steps"]
    assert 200 <= stopped < 320
    before = len(rates(tmp_path))

    train(tmp_path, "Evaluation.every = None", "TOTAL_STEPS = 800")
    assert ENDED not in capsys.readouterr().out
    falling = rates(tmp_path)
    assert falling == sorted(falling, reverse=True)
    reached = 1.0 - stopped / 400
    steps = [float(row["step"]) for row in table(tmp_path)]
    for now, last, rate in zip(
        steps[before + 1 :], steps[before:], falling[before + 1 :], strict=False
    ):
        left = 1.0 - ((now + last) / 2 - stopped) / (800 - stopped)
        assert rate == pytest.approx(reached * left, abs=0.03)
    assert falling[-1] < 0.1


def test_a_finished_run_stays_at_the_last_value_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("Evaluation.every = None", "PolynomialDecay.end_learning_rate = 7e-5")
    train(tmp_path, *quick, "TOTAL_STEPS = 200")
    train(tmp_path, *quick, "TOTAL_STEPS = 400")
    assert ENDED in capsys.readouterr().out
    assert rates(tmp_path)[2:] == pytest.approx([0.1, 0.1])
    train(tmp_path, *quick, "TOTAL_STEPS = 600")
    assert rates(tmp_path)[2:] == pytest.approx([0.1] * 4)


def test_a_run_without_such_a_schedule_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quick = ("Evaluation.every = None", "RMSprop.learning_rate = 7e-4")
    train(tmp_path, *quick, "TOTAL_STEPS = 100")
    train(tmp_path, *quick, "TOTAL_STEPS = 200")
    assert ENDED not in capsys.readouterr().out
    assert rates(tmp_path) == pytest.approx([1.0, 1.0])
