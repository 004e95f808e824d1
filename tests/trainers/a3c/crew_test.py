"""Workers under stress: failures, stops, stalls, and threads that must not be left behind."""

import random
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pgtf.environments.border import EnvironmentFailure
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import TrainingError
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.a3c.asynchronous import AsynchronousTrainer
from tests import short_runs
from tests.trainers.threads import ENDLESS, NEVER, Watched, trainer, watched, worker_threads

BROKEN = "tests.toy_environments:Broken-v0"  # It raises at the third step of an episode.


def failing(worker: int, after: int) -> Any:
    """Makes the environment of one worker raise at each step after so many."""

    def at_step(env: Watched) -> None:
        if watch.index(env) == worker and len(env.actions) >= after:
            raise RuntimeError("the wheel came off")

    watch: list[Watched] = []
    return watched(watch, at_step)


def run(made: AsynchronousTrainer) -> None:
    """Trains until something is raised."""
    for _ in range(100):
        made.iterate(NEVER)


def test_a_failure_stops_all_workers_and_names_the_one() -> None:
    made = trainer(failing(2, 7), num_workers=3)
    with pytest.raises(EnvironmentFailure) as failure:
        run(made)
    assert re.search(r"worker 2.*environment 0.*RuntimeError: the wheel", str(failure.value))
    # The others are parked: the counter stands still.
    steps = int(made.steps.numpy())
    time.sleep(0.2)
    assert made.steps == steps
    made.close()


def test_a_failure_in_the_first_reset_is_named_too() -> None:
    class Stuck(Watched):
        def reset(self, **arguments: Any) -> Any:
            raise OSError("no such simulator")

    environment = watched([])
    environment.wrappers = (lambda env: Stuck(env, [], lambda env: None),)
    environment.renew()
    made = trainer(environment, num_workers=1)
    with pytest.raises(EnvironmentFailure, match=r"worker 0.*OSError: no such simulator"):
        made.iterate(NEVER)
    made.close()


def test_with_failures_allowed_the_environment_is_made_anew() -> None:
    watch: list[Watched] = []
    environment = watched(watch, id=BROKEN)
    made = trainer(environment, rollout=Rollouts(2), num_workers=2, max_environment_failures=5)
    with pytest.raises(EnvironmentFailure):
        run(made)
    assert made.crew.failures >= 6
    # One environment for each worker, and one for each failure that was allowed.
    assert len(watch) == 2 + 5
    # Each environment finishes one rollout of two steps and breaks in the next.
    finished = sum(len(env.actions) // 2 * 2 for env in watch)
    assert 2 * made.learner.updates == made.steps == finished
    made.close()


def test_an_environment_that_cannot_be_made_anew_is_named() -> None:
    left = 2

    class Scarce(Watched):
        def __init__(self, env: Any):
            nonlocal left
            left -= 1
            if left < 0:
                raise OSError("no licence left")
            super().__init__(env, [], lambda env: None)

    environment = GymEnvironment(BROKEN, 1, wrappers=(Scarce,))
    made = trainer(environment, rollout=Rollouts(5), num_workers=2, max_environment_failures=9)
    with pytest.raises(
        EnvironmentFailure,
        match=r"worker \d, environment 0.*could not be rebuilt.*no licence left",
    ):
        run(made)
    made.close()


def test_an_environment_that_fails_again_when_it_is_closed_keeps_no_other_open() -> None:
    closed: list[int] = []

    class Stubborn(Watched):
        def close(self) -> None:
            if watch.index(self) == 0:
                raise ConnectionError("already gone")
            closed.append(watch.index(self))

    def at_step(env: Watched) -> None:
        if watch.index(env) == 0:
            raise RuntimeError("the wheel came off")

    watch: list[Watched] = []
    environment = GymEnvironment(ENDLESS, 1, wrappers=(lambda e: Stubborn(e, watch, at_step),))
    made = trainer(environment, num_workers=3)
    with pytest.raises(EnvironmentFailure, match=r"worker 0.*the wheel came off"):
        made.iterate(NEVER)
    made.close()
    assert sorted(closed) == [1, 2]
    assert worker_threads() == []


def test_a_worker_that_fails_once_all_are_to_park_is_not_sent_out_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each rollout fails: without the stop, as many as are allowed would be tried."""
    monkeypatch.setattr("pgtf.trainers.a3c.asynchronous._SLICE", 1000.0)

    def at_step(env: Watched) -> None:
        if len(watch) > 3:
            made.stop()
            time.sleep(0.1)  # The flag is looked at every hundredth of a second.
        raise RuntimeError("the wheel came off")

    watch: list[Watched] = []
    made = trainer(watched(watch, at_step), num_workers=1, max_environment_failures=1000)
    made.iterate(NEVER)
    assert made.crew.failures == 4
    made.close()


def test_other_errors_are_raised_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer(watched([]), num_workers=2, max_environment_failures=5)

    def broken(*arguments: Any) -> None:
        raise LookupError("not the environment's")

    monkeypatch.setattr(made.crew.workers[1], "_several", broken)
    with pytest.raises(LookupError, match="not the environment's"):
        made.iterate(NEVER)
    assert made.crew.failures == 0
    made.close()


def test_stop_parks_all_workers_within_a_rollout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgtf.trainers.a3c.asynchronous._SLICE", 1000.0)
    watch: list[Watched] = []
    made = trainer(watched(watch, lambda env: time.sleep(0.02)), num_workers=3)
    made.iterate(1)
    at_stop: list[int] = []

    def stop() -> None:
        while min(len(env.actions) for env in watch) <= 5:
            time.sleep(0.01)
        made.stop()
        time.sleep(0.05)  # The flag is looked at every hundredth of a second.
        at_stop.extend(len(env.actions) for env in watch)

    stopper = threading.Thread(target=stop)
    stopper.start()
    made.iterate(NEVER)
    stopper.join()
    for count, env in zip(at_stop, watch, strict=True):
        assert len(env.actions) - count <= 5
        assert len(env.actions) % 5 == 0  # The rollout under way was finished.
    # From now on they stay parked.
    report = made.iterate(NEVER)
    assert len(report.episodes) == 0
    made.close()


def test_close_ends_workers_that_are_running() -> None:
    """As after an exception in the main thread, of Ctrl-C for instance."""
    watch: list[Watched] = []
    made = trainer(watched(watch, lambda env: time.sleep(0.001)), num_workers=3)
    for worker in made.crew.workers:
        worker.release(NEVER)
    while not all(env.actions for env in watch):
        time.sleep(0.01)
    made.close()


def test_stress_of_stalls_and_failures() -> None:
    """16 workers, 1,000 updates: no deadlock, no step lost, no NaN, all threads joined."""
    dice = random.Random(0)
    watch: list[Watched] = []

    def mischief(env: Watched) -> None:
        chance = dice.random()
        if chance < 0.01:
            raise RuntimeError("injected")
        if chance < 0.03:
            time.sleep(dice.expovariate(100.0))

    made = trainer(
        watched(watch, mischief, "CartPole-v1"),
        rollout=Rollouts(3),
        num_workers=16,
        max_environment_failures=10_000,
    )
    taken = np.zeros(16, int)
    while made.learner.updates < 1000:
        for outcome in made.crew.run(NEVER, 0.5):
            taken[outcome.worker] += outcome.steps
            assert np.all(np.isfinite(outcome.scalars))
    assert made.steps == taken.sum()
    assert np.all(taken > 0)
    assert made.crew.failures == len(watch) - 16 > 0
    for variable in (*made.learner.weights, *made.learner.optimizer.variables):
        assert np.all(np.isfinite(variable.numpy()))
    made.close()
    assert worker_threads() == []


def test_a_failing_run_is_saved_and_says_which_worker(tmp_path: Path) -> None:
    parameters = (
        f"ENVIRONMENT = '{BROKEN}'",
        "AsynchronousTrainer.jit_compile = False",
        "AsynchronousTrainer.max_environment_failures = 3",
        "train.log_every = 2",
        "Evaluation.every = None",
    )
    with pytest.raises(
        TrainingError, match=r"Broken-v0 failed after \d+ steps: worker \d"
    ) as error:
        short_runs.train(tmp_path, *parameters, files=("a3c.gin",))
    assert str(tmp_path / "checkpoints" / "step-") in str(error.value)
    assert list((tmp_path / "checkpoints").glob("step-*.index"))


def test_an_interrupted_run_is_saved_and_ends_soon(tmp_path: Path) -> None:
    run = short_runs.start(
        "pgtf.launch",
        "--gin_file=a3c.gin",
        "--logdir=run",
        *short_runs.flags(*short_runs.QUICK, "TOTAL_STEPS = 100000000", "NUM_WORKERS = 4"),
        *short_runs.flags("AsynchronousTrainer.jit_compile = False", "Evaluation.every = None"),
        cwd=tmp_path,
    )
    progress = tmp_path / "run" / "progress.csv"
    while run.poll() is None and not (progress.exists() and progress.read_text().count("\n") > 2):
        time.sleep(0.1)
    run.send_signal(signal.SIGINT)
    output, errors = run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGINT, errors
    assert "Stopped by SIGINT and saved" in output
    assert "Traceback" not in errors
    assert list((tmp_path / "run" / "checkpoints").glob("step-*.index"))
