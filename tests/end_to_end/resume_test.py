"""A run that is stopped or killed, however that happens, goes on where it was."""

import json
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import gin
import pytest
import tensorflow as tf

from pgtf.configuration import configuration
from pgtf.running.checkpoint import Checkpoints
from tests.short_runs import QUICK, event_steps, flags, start, table, train

LOG_EVERY = 200
ASKED = (
    *QUICK,
    "TOTAL_STEPS = 12000",
    "NUM_ENVS = 4",
    f"train.log_every = {LOG_EVERY}",
    "train.checkpoint_every = 700",
    "Evaluation.every = 1600",
)
BATCH = 8  # Of NUM_ENVS = 4 and Rollouts.num_steps = 2: what a log may come late by.


class Run:
    """One run folder and the processes that work in it, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logdir = folder / "run"

    def start(self) -> "subprocess.Popen[str]":
        return start("pgtf.launch", "--logdir=run", *flags(*ASKED), cwd=self.folder)

    def steps(self) -> int:
        """The last step that the curves show."""
        rows = table(self.logdir) if (self.logdir / "progress.csv").exists() else []
        return int(rows[-1]["step"]) if rows else 0

    def saved(self) -> int:
        path = tf.train.latest_checkpoint(str(self.logdir / "checkpoints"))
        return 0 if path is None else int(path.rsplit("-", 1)[1])

    def wait_for(self, process: "subprocess.Popen[str]", reached: Callable[[], bool]) -> None:
        """Waits until something holds, while the process lives."""
        while not reached():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)

    def summary(self) -> dict[str, object]:
        return dict(json.loads((self.logdir / "summary.json").read_text()))


def check_curves(run: Run) -> None:
    """Steps increase and leave no gap, in both files alike."""
    steps = [int(row["step"]) for row in table(run.logdir)]
    assert all(a < b for a, b in pairwise(steps))
    for tag in ("train/policy_loss", "rollout/ep_rew_mean"):
        logged = [int(row["step"]) for row in table(run.logdir) if row[tag]]
        assert event_steps(run.logdir, tag) == logged
        assert all(b - a <= LOG_EVERY + BATCH for a, b in pairwise([0, *logged])), (tag, logged)
        assert logged[-1] == steps[-1]
    evaluated = event_steps(run.logdir, "eval/mean_reward")
    assert evaluated == [
        int(row["step"]) for row in table(run.logdir) if row.get("eval/mean_reward")
    ]
    assert all(a < b for a, b in pairwise(evaluated))


@pytest.mark.slow
def test_run_survives_sigterm_a_kill_and_ctrl_c(tmp_path: Path) -> None:
    run = Run(tmp_path)

    process = run.start()
    run.wait_for(process, lambda: run.steps() >= 800)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert err == "\npgtf: saving and stopping; a second signal stops at once.\n"
    assert "Stopped by SIGTERM and saved.\nResume:  the same command with --logdir=run" in out
    first = run.summary()
    assert first["interrupted"] == "SIGTERM"
    assert first["steps"] == run.saved() == run.steps()
    check_curves(run)

    process = run.start()
    # Killed where curves go beyond the last checkpoint.
    run.wait_for(process, lambda: run.saved() > int(str(first["steps"])) + 1_200)
    run.wait_for(process, lambda: run.steps() > run.saved() + LOG_EVERY)
    process.kill()
    out, _ = process.communicate()
    assert f"Resuming at {first['steps']:,} steps: run" in out
    killed_at, saved = run.steps(), run.saved()
    assert killed_at > saved

    process = run.start()
    run.wait_for(process, lambda: run.saved() > saved)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 128 + signal.SIGINT
    assert "Traceback" not in err
    assert f"Resuming at {saved:,} steps: run" in out
    assert run.summary()["interrupted"] == "SIGINT"
    check_curves(run)

    process = run.start()
    out, err = process.communicate()
    assert process.returncode == 0
    assert err == ""
    assert run.summary()["interrupted"] is None
    assert 12_000 <= int(str(run.summary()["steps"])) < 12_000 + BATCH
    check_curves(run)
    assert run.steps() == run.summary()["steps"]


@pytest.mark.slow
def test_full_disk_ends_the_run_and_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    wide = ("MLP.hidden = (64, 64)", "Evaluation.every = None")
    train(tmp_path / "run", *wide, "train.total_steps = 200")
    before = {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()}
    # Files may grow no larger than this: enough for events and tables, not for a checkpoint.
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000));"
        "from pgtf import launch; sys.argv[0] = 'launch'; launch.cli()"
    )
    assert resource.RLIM_INFINITY in resource.getrlimit(resource.RLIMIT_FSIZE)
    process = start("pgtf.launch", "--logdir=run", *flags(*QUICK, *wide), cwd=tmp_path, code=code)
    out, err = process.communicate()

    assert process.returncode == 1
    assert "Resuming at 2" in out
    assert "Traceback" not in err
    assert err.startswith("pgtf: run/checkpoints cannot be written to (")
    assert "File too large" in err
    assert "The last checkpoint is run/checkpoints/step-2" in err
    assert {path.name for path in (tmp_path / "run" / "checkpoints").iterdir()} == before
    summary = train(tmp_path / "run", *wide)
    assert summary["steps"] >= 400


def test_checkpoint_holds_the_whole_state_of_a_run(tmp_path: Path) -> None:
    normalised = (
        "MLP.normalization = @RunningNormalization()",
        "Learner.baseline = @TimeDependent()",
        "Learner.optimizer = @Adam()",
        "Evaluation.every = None",
    )
    train(tmp_path, *normalised)
    gin.clear_config()
    configuration.load([str(tmp_path / "config.gin")], [])
    trainer = configuration.bound("train.trainer", None)
    trainer.build(0)
    checkpoints = Checkpoints(tmp_path / "checkpoints", trainer.trackables(), trainer.steps)
    values = checkpoints.restore()

    assert values is not None
    assert values["episodes"]
    assert values["wall_seconds"] > 0
    learner = trainer.learner
    assert 400 <= int(learner.steps) < 410
    assert int(learner.optimizer.iterations) == int(learner.updates) > 0
    slots = [v for v in learner.optimizer.variables if v.path.endswith("velocity")]
    assert slots
    assert all(float(tf.reduce_sum(v.value)) > 0 for v in slots)
    assert float(learner.policy.network.normalization.count) == int(learner.steps)
    assert float(tf.reduce_max(learner.baseline.weight.value)) > 0
