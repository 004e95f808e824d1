"""Environments in processes of their own are checked there; which of them failed is told."""

import contextlib
import gc
import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgtf.environments.border import EnvironmentFailure
from pgtf.environments.processes import Processes
from tests.faults.misbehaving import Misbehaving

SEED = np.array([3, -7], np.int32)


def failure_of(**arguments: Any) -> str:
    """What is told of two processes of which the second misbehaves."""
    processes = Processes([lambda: Misbehaving(at=None), lambda: Misbehaving(**arguments)])
    with contextlib.closing(processes):
        processes.reset(SEED)
        processes.step([np.array([0, 0])])
        processes.step([np.array([0, 0])])
        with pytest.raises(EnvironmentFailure) as failure:
            processes.step([np.array([0, 0])])
        return str(failure.value)


def test_each_failure_names_its_process_and_step(capfd: pytest.CaptureFixture[str]) -> None:
    def crash() -> None:
        raise SystemExit(3)

    step = "It was at step 3 of its episode"
    told = failure_of(then=crash)
    assert told.startswith(f"environment 1 raised SystemExit: 3 ({__file__} line ")
    assert told.endswith(step)
    # Gymnasium would cast all of these unseen.
    told = failure_of(then={"observation": np.zeros((1, 2))})
    assert told.startswith("environment 1 returned an observation of shape (1, 2); expected is a")
    told = failure_of(then={"reward": np.array([1.0, 2.0])})
    assert told.startswith("environment 1 returned the reward array([1., 2.]); expected is a")
    told = failure_of(then={"terminated": 0.5})
    assert told == (f"environment 1 returned 0.5 as terminated; expected is True or False. {step}")
    assert capfd.readouterr().err == ""


def test_a_process_that_dies_is_named() -> None:
    told = failure_of(then=lambda: os._exit(137))
    assert told == "the process of environment 1 ended with exit code 137 at step 3 of its episode"
    told = failure_of(then=lambda: os.kill(os.getpid(), 9))
    assert told == "the process of environment 1 was killed by signal 9 at step 3 of its episode"


def test_global_random_numbers_differ_between_processes() -> None:
    class Drawing(Misbehaving):
        def _row(self) -> dict[str, Any]:
            drawn = np.array([np.random.random(), random.random()])
            return super()._row() | {"observation": drawn}

    processes = Processes([Drawing] * 3)
    try:
        (shown,) = processes.reset(SEED)
    finally:
        processes.close()
    assert len(np.unique(shown)) == 6


def test_arrays_of_one_number_are_numbers_in_processes_too() -> None:
    one = {"reward": np.array([2.0]), "terminated": np.array([True])}
    processes = Processes([lambda: Misbehaving(at=1, then=one)])
    try:
        processes.reset(SEED)
        _, signals = processes.step([np.array([0])])
    finally:
        processes.close()
    assert signals[:, 0].tolist() == [2.0, 1.0, 0.0, 1.0]


@pytest.mark.timeout(60)
def test_processes_that_catch_sigterm_end_too() -> None:
    """As those do that draw by SDL, whose handler makes an event of it."""

    def crash() -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        raise RuntimeError("the motor burns")

    assert "the motor burns" in failure_of(then=crash)


class Left:
    """Garbage that says in a file which process has collected it."""

    def __init__(self, path: Path):
        self.path = path
        self.itself = self  # Only the collector finds a circle.

    def __del__(self) -> None:
        self.path.with_name(f"{os.getpid()}").touch()


def test_a_process_leaves_the_garbage_of_its_parent_alone(tmp_path: Path) -> None:
    """What belongs to TensorFlow would wait there for threads that are not there."""

    def collect() -> None:
        gc.collect()

    gc.disable()
    try:
        Left(tmp_path / "left")
        processes = Processes([lambda: Misbehaving(at=1, then=collect)] * 2)
        with contextlib.closing(processes):
            processes.reset(SEED)
            processes.step([np.array([0, 0])])
    finally:
        gc.enable()
    gc.collect()

    assert [path.name for path in tmp_path.iterdir()] == [f"{os.getpid()}"]
