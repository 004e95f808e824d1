"""A signal ends a run soon and saved, however long its steps and rollouts take."""

import math
import os
import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from pgtf import evaluate
from pgtf.environments.gym import GymEnvironment
from pgtf.rollouts.steps import Rollouts
from pgtf.running.pace import Pace
from pgtf.trainers.call_length import CallLength
from pgtf.trainers.synchronous import SynchronousTrainer
from tests.short_runs import SCRIPTED, event_steps, table, train
from tests.toy_environments import Scripted

LONG = ("Rollouts.num_steps = 100000", "Evaluation.every = None")


def sends(number: signal.Signals) -> Callable[[], float]:
    """An event of an environment: a signal to the process."""

    def event() -> float:
        os.kill(os.getpid(), number)
        return 1.0

    return staticmethod(event)


def curves(logdir: Path) -> list[dict[str, str]]:
    """The table without what depends on the clock."""
    return [{k: v for k, v in row.items() if k != "time/fps"} for row in table(logdir)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_rollout_without_end_is_given_up(
    number: signal.Signals,
    tmp_path: Path,
    scripted: type[Scripted],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pgtf.trainers.trainer.ROLLOUT_SECONDS", 0.0)
    monkeypatch.setattr(scripted, "at", 30)
    monkeypatch.setattr(scripted, "event", sends(number))
    monkeypatch.setattr(scripted, "seconds", 1e-3)

    summary = train(tmp_path, SCRIPTED, *LONG)

    assert summary["interrupted"] == number.name
    assert summary["steps"] == 0
    assert (tmp_path / "checkpoints" / "step-0.index").exists()
    assert scripted.taken < 100_000


def test_workers_give_up_their_rollouts_too(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgtf.trainers.a3c.asynchronous.ROLLOUT_SECONDS", 0.0)
    monkeypatch.setattr(scripted, "at", 30)
    monkeypatch.setattr(scripted, "event", sends(signal.SIGTERM))
    monkeypatch.setattr(scripted, "seconds", 1e-3)

    plain = "AsynchronousTrainer.jit_compile = False"
    summary = train(tmp_path, SCRIPTED, plain, *LONG, files=("a3c.gin",))

    assert (summary["interrupted"], summary["steps"]) == ("SIGTERM", 0)
    assert (tmp_path / "checkpoints" / "step-0.index").exists()


def test_a_generation_is_given_up_too(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgtf.trainers.evolution.ROLLOUT_SECONDS", 0.0)
    monkeypatch.setattr(scripted, "at", 30)
    monkeypatch.setattr(scripted, "event", sends(signal.SIGTERM))
    monkeypatch.setattr(scripted, "seconds", 1e-3)
    monkeypatch.setattr(scripted, "length", None)

    plain = "EvolutionTrainer.jit_compile = False"
    summary = train(tmp_path, SCRIPTED, plain, "POPULATION = 2", files=("es.gin",))

    assert (summary["interrupted"], summary["steps"]) == ("SIGTERM", 0)
    assert (tmp_path / "checkpoints" / "step-0.index").exists()


def test_an_evaluation_is_given_up_and_the_run_saved(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless() -> float:
        monkeypatch.setattr(scripted, "length", None)
        os.kill(os.getpid(), signal.SIGTERM)
        return 1.0

    # The evaluation comes after 200 steps and the resets between them.
    monkeypatch.setattr(scripted, "at", 210)
    monkeypatch.setattr(scripted, "event", staticmethod(endless))
    summary = train(tmp_path, SCRIPTED)

    assert summary["interrupted"] == "SIGTERM"
    assert summary["eval_episodes"] == 0
    assert event_steps(tmp_path, "eval/mean_reward") == []
    assert (tmp_path / "checkpoints" / f"step-{summary['steps']}.index").exists()
    assert scripted.taken < 1_000


def test_scoring_a_run_can_be_stopped(
    tmp_path: Path,
    scripted: type[Scripted],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(tmp_path, SCRIPTED, "TOTAL_STEPS = 20")
    capsys.readouterr()
    monkeypatch.setattr(scripted, "at", scripted.taken + 10)
    monkeypatch.setattr(scripted, "event", sends(signal.SIGTERM))
    monkeypatch.setattr(scripted, "length", None)

    code = evaluate.main([f"--logdir={tmp_path}"])

    assert code == 128 + signal.SIGTERM
    assert capsys.readouterr().out == ""


def test_a_call_of_the_trainer_ends_in_time_when_steps_are_slow(
    scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = GymEnvironment("tests.toy_environments:Scripted-v0", 2)
    trainer = SynchronousTrainer(environment=environment, rollout=Rollouts(2), jit_compile=False)
    trainer.build(0)
    monkeypatch.setattr(scripted, "seconds", 5e-3)
    trainer.call_seconds = 0.1
    iterations = [len(trainer.iterate(10**9).episodes) for _ in range(2)]
    trainer.close()

    # Four steps each, which take at least 20 ms.
    assert all(1 <= count <= 6 for count in iterations), iterations


def test_a_compiled_call_runs_as_many_iterations_as_fit_into_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: clock)
    length = CallLength(1_000)
    assert length.next(math.inf) == 1_000
    calls = []
    for seconds in (9.0, 0.125, 0.5, 0.001):
        calls.append(length.next(0.5))
        clock += seconds
        length.took(calls[-1])

    # The first call compiles; then 0.125 s an iteration, and 0.25 µs.
    assert calls == [1, 1, 4, 4]
    assert length.next(0.5) == 1_000
    length.took(0)
    assert length.next(1e-9) == 1


@pytest.mark.parametrize("files", [("a2c.gin",), ("compiled.gin",)], ids=lambda x: x[0])
def test_curves_do_not_depend_on_how_training_is_cut_into_calls(
    files: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("whole", math.inf), ("cut", 0.0)):
        monkeypatch.setattr("pgtf.running.loop._CALL_SECONDS", seconds)
        train(tmp_path / name, files=files)

    assert curves(tmp_path / "cut") == curves(tmp_path / "whole")
    steps = [int(row["step"]) for row in table(tmp_path / "cut")]
    assert all(a < b for a, b in pairwise(steps))


def test_the_time_of_slow_environments_is_not_reported_as_compiling() -> None:
    pace = Pace()
    pace.called(seconds=198.0, iterations=12, steps=480)
    pace.called(seconds=64.0, iterations=4, steps=640)

    assert pace.compiled
    assert pace.compile_seconds == 198.0 - 12 * 16.0
