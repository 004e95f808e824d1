"""An environment's own ``predict`` runs while TensorFlow's threads wait for the environment."""

import subprocess
import sys
from pathlib import Path

import tensorflow as tf

from pgtf.environments.gym import GymEnvironment
from tests.short_runs import CHECKOUT, QUICK, flags

LEARNED = "tests.faults.learned:Learned-v0"


def test_a_model_in_an_environment_does_not_wait_for_ever(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "pgtf.launch", f"--logdir={tmp_path}"),
        *flags(*QUICK, "TOTAL_STEPS = 8", f"ENVIRONMENT = '{LEARNED}'", "train.evaluation = None"),
    ]
    ended = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, timeout=240, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_nor_does_it_in_a_process_that_starts_as_a_copy_of_this_one() -> None:
    tf.function(lambda: tf.zeros(()))()  # The pool's threads are there, and are not copied.
    environment = GymEnvironment(LEARNED, 1, vectorization="async")
    try:
        state, _ = environment.reset(tf.constant([1, 2]))
        _, row = environment.step(state, tf.constant([1]))
    finally:
        environment.close()
    assert row.reward.numpy().tolist() == [1.0]
