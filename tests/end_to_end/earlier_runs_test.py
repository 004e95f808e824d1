"""Runs made by pgtf 0.1.0 before its parts moved (commit c050070) go on, score and load as then.

Each folder of ``earlier_runs`` is a run of 800 steps on CartPole with ``MLP.hidden = (4,)``, of
which configuration, summary and the last checkpoint were kept. ``ACTIONS`` are what that version's
``act_greedily`` gave for ``OBSERVATIONS``.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import pgtf
from pgtf import launch
from pgtf import parts as parts
from pgtf.configuration import configuration
from pgtf.configuration.isolation import isolated
from pgtf.running.checkpoint import Checkpoints
from pgtf.running.restored import restored_trainer, run_evaluation, run_seed
from tests.short_runs import CHECKOUT, table

EARLIER = Path(__file__).parent / "earlier_runs"
OBSERVATIONS = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
ACTIONS = {
    "a2c": "01111001010101000101010100110101",
    "a3c": "01001000010000000001010100000000",
    "es": "11111101111101111101111110110101",
}
RUNS = pytest.mark.parametrize("name", ACTIONS)


@pytest.fixture
def run(name: str, tmp_path: Path) -> Path:
    return shutil.copytree(EARLIER / name, tmp_path / name)


@RUNS
def test_every_number_of_the_checkpoint_is_restored(run: Path, tmp_path: Path) -> None:
    with isolated():
        configuration.load([str(run / "config.gin")], [])
        with contextlib.closing(configuration.bound("train.trainer", None)) as trainer:
            trainer.build(0)
            Checkpoints(run / "checkpoints", trainer.trackables(), trainer.steps).restore()
            saved = tf.train.Checkpoint(**trainer.trackables()).write(str(tmp_path / "again"))
    earlier = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(run / "checkpoints")))
    again = tf.train.load_checkpoint(saved)
    names = set(earlier.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    numbers = {name for name in names if not name.startswith(("save_counter", "progress/"))}
    assert len(numbers) >= 8
    for name in numbers:
        np.testing.assert_array_equal(again.get_tensor(name), earlier.get_tensor(name), name)


@RUNS
def test_score_is_that_of_its_summary(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    with isolated(), contextlib.closing(restored_trainer(run)) as trainer:
        evaluation = run_evaluation()
        evaluation.build(trainer.policy, trainer.environment, run_seed(), trainer.compilation)
        next(trainer.members())
        returns = evaluation.score(evaluation.final_episodes).returns
        evaluation.close()
    assert len(returns) == summary["eval_episodes"]
    assert returns.mean() == pytest.approx(summary["eval_return_mean"])
    assert returns.std() == pytest.approx(summary["eval_return_std"])


@RUNS
def test_policy_acts_as_it_did(name: str, run: Path) -> None:
    actions = pgtf.load(run)(OBSERVATIONS)
    assert "".join(map(str, actions)) == ACTIONS[name]


@pytest.mark.slow
def test_policy_loads_in_a_fresh_process(tmp_path: Path) -> None:
    """Nothing has been imported there that knows the parts by name."""
    code = f"import pgtf; print(pgtf.load({str(EARLIER / 'a3c')!r})([[0.0] * 4] * 3).shape)"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (0, "(3,)\n"), ended.stderr


@RUNS
def test_run_goes_on_from_its_last_step(run: Path) -> None:
    (before,) = (int(path.stem[5:]) for path in (run / "checkpoints").glob("step-*.index"))
    summary = launch.run([str(run / "config.gin")], ["TOTAL_STEPS = 1400"], str(run))
    assert summary["steps"] >= 1400
    assert all(int(row["step"]) > before for row in table(run))
    pgtf.load(run)(OBSERVATIONS[0])
