"""Callbacks see where a run stands, end it evaluated and saved, and are named when they fail."""

from collections.abc import Mapping
from pathlib import Path

import gin
import numpy as np
import pytest

import pgtf
from pgtf.errors import ConfigurationError, TrainingError
from pgtf.policies.numpy_policy import NumpyPolicy
from pgtf.running.callbacks import Callback, Callbacks, Snapshot, StopAtReturn
from tests.short_runs import QUICK, TOY, table, train

COUNTING = f"ENVIRONMENT = '{TOY}:Counting-v0'"


class Recorder(Callback):
    """Keeps what it is told; ends the run at an event, if there is one."""

    def __init__(self, last: str = "") -> None:
        self.seen: list[tuple[str, Snapshot]] = []
        self.last = last

    def _note(self, event: str, snapshot: Snapshot) -> bool:
        self.seen.append((event, snapshot))
        return event == self.last

    def on_log(self, snapshot: Snapshot) -> bool:
        return self._note("log", snapshot)

    def on_evaluation(self, snapshot: Snapshot) -> bool:
        return self._note("evaluation", snapshot)

    def on_checkpoint(self, snapshot: Snapshot) -> bool:
        return self._note("checkpoint", snapshot)

    def steps(self, event: str) -> list[int]:
        return [snapshot.steps for kind, snapshot in self.seen if kind == event]


class Failing(Callback):
    def on_log(self, snapshot: Snapshot) -> None:
        raise KeyError("no such\nthing")


@gin.register
class EndsAtOnce(Callback):
    def on_log(self, snapshot: Snapshot) -> bool:
        return True


def run(logdir: Path, *callbacks: Callback) -> pgtf.Run:
    return pgtf.train("a2c.gin", bindings=[*QUICK, COUNTING], logdir=logdir, callbacks=callbacks)


def test_callbacks_hear_of_each_log_evaluation_and_checkpoint(tmp_path: Path) -> None:
    recorder = Recorder()
    ended = run(tmp_path, recorder)

    rows = table(tmp_path)
    logged = [int(row["step"]) for row in rows if row["train/policy_loss"]]
    evaluated = [int(row["step"]) for row in rows if row["eval/mean_reward"]]
    assert recorder.steps("log") == logged
    assert recorder.steps("evaluation") == evaluated
    assert recorder.steps("checkpoint") == [evaluated[0], ended.summary["steps"]]
    event, last = recorder.seen[-1]
    assert event == "evaluation"
    assert last.scalars["eval/mean_reward"] == ended.summary["eval_return_mean"]
    assert last.logdir == tmp_path
    observation = np.zeros(4, np.float32)
    assert last.policy(observation) == ended.policy(observation)
    assert ended.summary["stopped_by"] is None


@pytest.mark.parametrize("event", ["log", "evaluation", "checkpoint"])
def test_run_that_is_stopped_early_is_evaluated_and_saved(event: str, tmp_path: Path) -> None:
    recorder = Recorder(last=event)
    summary = run(tmp_path, recorder).summary

    stopped = recorder.steps(event)[0]
    assert summary["steps"] == stopped < 400
    assert (tmp_path / "checkpoints" / f"step-{stopped}.index").exists()
    assert summary["eval_episodes"] == 3
    assert summary["stopped_by"] == "Recorder"
    assert summary["interrupted"] is None


def test_callback_is_bound_by_gin(tmp_path: Path) -> None:
    summary = train(tmp_path, COUNTING, "train.callbacks = [@EndsAtOnce()]")

    assert summary["stopped_by"] == "EndsAtOnce"
    with pytest.raises(ConfigurationError, match=r"train\.callbacks must be a list or tuple"):
        train(tmp_path / "other", COUNTING, "train.callbacks = [@MLP()]")


def test_callback_that_raises_is_named_and_the_run_saved(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as stopped:
        run(tmp_path, Recorder(), Failing())

    (saved,) = (tmp_path / "checkpoints").glob("*.index")
    steps = saved.stem.removeprefix("step-")
    assert str(stopped.value).startswith(
        f"The callback Failing.on_log failed after {steps} steps: KeyError: 'no such"
    )
    assert f"The last checkpoint is {saved.with_suffix('')}" in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_what_is_no_callback_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"with a pgtf\.Callback for each item, not"):
        Callbacks([print])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="one of 'training', 'evaluation', not 'test'"):
        StopAtReturn(1.0, of="test")  # type: ignore[arg-type]


def snapshot(scalars: Mapping[str, float], episodes: int) -> Snapshot:
    policy = NumpyPolicy.__new__(NumpyPolicy)
    return Snapshot(1, scalars, episodes, policy, Path())


def test_training_return_counts_once_a_hundred_episodes_have_ended() -> None:
    stop = StopAtReturn(10.0)

    assert not stop.on_log(snapshot({"rollout/ep_rew_mean": 50.0}, 99))
    assert not stop.on_log(snapshot({}, 0))
    assert not stop.on_log(snapshot({"rollout/ep_rew_mean": 9.9}, 100))
    assert stop.on_log(snapshot({"rollout/ep_rew_mean": 10.0}, 100))
    assert not stop.on_evaluation(snapshot({"eval/mean_reward": 50.0}, 100))


def test_return_of_an_evaluation_stops_at_the_threshold() -> None:
    stop = StopAtReturn(10.0, of="evaluation")

    assert not stop.on_log(snapshot({"rollout/ep_rew_mean": 50.0}, 100))
    assert not stop.on_evaluation(snapshot({"eval/mean_reward": 9.9}, 0))
    assert stop.on_evaluation(snapshot({"eval/mean_reward": 10.0}, 0))
