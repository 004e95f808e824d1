"""A compiled run that is killed at any moment and resumed ends as if it had never been stopped."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests import short_runs

KILLS = 6
SETTINGS = (
    "MLP.hidden = (4,)",
    "TOTAL_STEPS = 60000",
    "train.log_every = 500",
    "train.checkpoint_every = 500",
    "Evaluation.every = None",
    "Evaluation.final_episodes = 1",
)
# One process imports TensorFlow and forks a child for each run: a start costs a compilation only.
FORKS = """
import os, random, signal, sys, time
from pgtf import launch
logdir, kills, *parameters = sys.argv[1:]
chance = random.Random(0)
for attempt in range(int(kills) + 1):
    child = os.fork()
    if child == 0:
        launch.run(["compiled.gin"], parameters, logdir)
        os._exit(0)
    if attempt < int(kills):
        # Some kills come while it compiles, most of them among its checkpoints.
        checkpoints = os.path.join(logdir, "checkpoints")
        before = set(os.listdir(checkpoints)) if os.path.isdir(checkpoints) else set()
        for _ in range(6000):
            now = set(os.listdir(checkpoints)) if os.path.isdir(checkpoints) else set()
            if now != before or attempt == 1:
                break
            time.sleep(0.01)
        time.sleep(chance.uniform(0.0, 0.1))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print(attempt, status, flush=True)
    if os.WIFEXITED(status):
        sys.exit(os.WEXITSTATUS(status))
"""


def run(logdir: Path, kills: int) -> list[str]:
    process = short_runs.start(
        "", str(logdir), str(kills), *SETTINGS, cwd=logdir.parent, code=FORKS
    )
    output, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors
    return [line for line in output.splitlines() if line[:1].isdigit() and len(line.split()) == 2]


def state(logdir: Path) -> dict[str, np.ndarray]:
    """All numbers of a run's last checkpoint."""
    reader = tf.train.load_checkpoint(str(logdir / "checkpoints"))
    names = (n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n)
    values = {name: reader.get_tensor(name) for name in names}
    return {name: value for name, value in values.items() if not isinstance(value, bytes)}


@pytest.mark.slow
def test_killed_runs_end_with_the_weights_of_one_that_was_not(tmp_path: Path) -> None:
    lines = run(tmp_path / "killed", KILLS)
    assert len(lines) > 3, lines  # it was killed again and again before it came to its end
    assert len(run(tmp_path / "whole", 0)) == 1
    killed, whole = state(tmp_path / "killed"), state(tmp_path / "whole")
    assert set(killed) == set(whole)
    assert sum(value.size for value in whole.values()) > 100
    for name, value in whole.items():
        if "save_counter" not in name:
            np.testing.assert_array_equal(killed[name], value, err_msg=name)
    steps = short_runs.event_steps(tmp_path / "killed", "train/policy_loss")
    assert steps == short_runs.event_steps(tmp_path / "whole", "train/policy_loss")
