"""A checkpoint holds all that learning depends on, and the last good one survives every failure."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import TrainingError
from pgtf.learning.baselines import Constant, ExpectedQ, StateValue, TimeDependent
from pgtf.learning.critics import QCritic, VCritic
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.fitting import Regression
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies.policy import Policy
from pgtf.running.checkpoint import Checkpoints
from tests.trajectories import learn, random_trajectory

Decay = keras.optimizers.schedules.PolynomialDecay


def network() -> MLP:
    return MLP((5,), normalization=RunningNormalization())


def shared_network() -> Learner:
    shared = network()
    return Learner(
        Policy(shared),
        VCritic(shared),
        StateValue(),
        entropy_bonus=EntropyBonus(Decay(0.1, 100)),
        optimizer=keras.optimizers.RMSprop(Decay(1e-2, 100), momentum=0.9),
    )


def fitted_critic() -> Learner:
    fit = Regression(keras.optimizers.Adam(Decay(1e-2, 500)), num_steps=3)
    return Learner(Policy(network()), VCritic(network(), fit), StateValue())


def fitted_baseline() -> Learner:
    baseline = StateValue(network(), Regression(keras.optimizers.Adam(1e-2), num_steps=3))
    return Learner(Policy(network()), baseline=baseline, optimizer=keras.optimizers.Adam(1e-2))


def action_values() -> Learner:
    return Learner(Policy(network()), QCritic(network()), ExpectedQ())


def running_mean() -> Learner:
    return Learner(Policy(network()), baseline=Constant())


def running_means() -> Learner:
    return Learner(Policy(network()), baseline=TimeDependent(max_time=4))


LEARNERS = [
    shared_network,
    fitted_critic,
    fitted_baseline,
    action_values,
    running_mean,
    running_means,
]


def built(make: Callable[[], Learner]) -> Learner:
    learner = make()
    learner.build(gym.spaces.Discrete(3), gym.spaces.Discrete(2))
    return learner


def updated(learner: Learner, first: int, last: int) -> list[np.ndarray]:
    """Learns from a few trajectories and returns every metric and every weight."""
    everything = []
    for number in range(first, last):
        metrics = learn(learner, random_trajectory(number, 6, 4))
        everything += [metrics[name].numpy() for name in sorted(metrics)]
    everything += [v.numpy() for v in learner.policy.variables]
    everything += [v.numpy() for part in learner.objective.regressors for v in part.variables]
    if learner.baseline is not None:
        everything += [v.numpy() for v in learner.baseline.variables]
    return [*everything, learner.steps.numpy(), learner.updates.numpy()]


@pytest.mark.parametrize("make", LEARNERS)
def test_learning_goes_on_bit_for_bit(make: Callable[[], Learner], tmp_path: Path) -> None:
    first = built(make)
    updated(first, 0, 2)
    Checkpoints(tmp_path, {"learner": first}, first.steps).save({})
    expected = updated(first, 2, 4)

    keras.utils.set_random_seed(1)  # Other initial weights.
    second = built(make)
    updated(second, 7, 8)
    Checkpoints(tmp_path, {"learner": second}, second.steps).restore()

    for one, other in zip(updated(second, 2, 4), expected, strict=True):
        np.testing.assert_array_equal(one, other)


class Saved:
    """A counter and a large weight, with their checkpoints."""

    def __init__(self, folder: Path, size: int = 10_000):
        self.steps = tf.Variable(0, dtype=tf.int64)
        self.weight = tf.Variable(tf.zeros(size))
        trackables = {"steps": self.steps, "weight": self.weight}
        self.checkpoints = Checkpoints(folder, trackables, self.steps)

    def save(self, step: int) -> str:
        self.steps.assign(step)
        self.weight.assign(tf.fill(self.weight.shape, float(step)))
        return self.checkpoints.save({"at": step})


def test_nothing_is_restored_where_there_is_no_checkpoint(tmp_path: Path) -> None:
    saved = Saved(tmp_path / "checkpoints")

    assert saved.checkpoints.latest is None
    assert saved.checkpoints.restore() is None


def test_last_checkpoint_is_restored_with_its_values(tmp_path: Path) -> None:
    first = Saved(tmp_path)
    for step in (10, 20):
        first.save(step)
    second = Saved(tmp_path)

    assert second.checkpoints.restore() == {"at": 20}
    assert second.checkpoints.latest == str(tmp_path / "step-20")
    assert second.steps.numpy() == 20
    assert set(second.weight.numpy()) == {20.0}


def test_last_three_checkpoints_are_kept_and_named_by_their_steps(tmp_path: Path) -> None:
    saved = Saved(tmp_path)
    for step in (10, 20, 30, 40, 50):
        saved.save(step)

    names = {path.stem for path in tmp_path.glob("*.index")}
    assert names == {"step-30", "step-40", "step-50"}


def test_same_step_is_saved_once(tmp_path: Path) -> None:
    saved = Saved(tmp_path)
    path = saved.save(100)
    written = Path(f"{path}.index").stat().st_mtime_ns

    assert saved.save(100) == path
    assert Path(f"{path}.index").stat().st_mtime_ns == written
    assert saved.save(1_100) != path


def test_run_folder_can_be_moved(tmp_path: Path) -> None:
    Saved(tmp_path / "here").save(10)
    (tmp_path / "here").rename(tmp_path / "there")

    assert Saved(tmp_path / "there").checkpoints.restore() == {"at": 10}


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """What is written beyond a size fails, as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_leaves_the_last_good_checkpoint(tmp_path: Path) -> None:
    saved = Saved(tmp_path)
    saved.save(10)
    before = sorted(tmp_path.iterdir())

    with (
        files_no_larger_than(5_000),
        pytest.raises(TrainingError, match=rf"^{tmp_path} cannot be written to \(\d+ MiB free\)"),
    ):
        saved.save(20)

    assert sorted(tmp_path.iterdir()) == before, "no half of a checkpoint is left"
    assert saved.checkpoints.latest == str(tmp_path / "step-10")
    again = Saved(tmp_path)
    assert again.checkpoints.restore() == {"at": 10}
    assert set(again.weight.numpy()) == {10.0}
    again.save(30)
    assert Saved(tmp_path).checkpoints.restore() == {"at": 30}


def test_what_a_killed_save_left_is_cleared_away(tmp_path: Path) -> None:
    Saved(tmp_path).save(10)
    unfinished = tmp_path / "step-20_temp"
    unfinished.mkdir()
    (unfinished / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")

    resumed = Saved(tmp_path)
    assert resumed.checkpoints.restore() == {"at": 10}
    resumed.save(20)
    assert not unfinished.exists()


def damage(folder: Path, step: int) -> None:
    (data,) = folder.glob(f"step-{step}.data-*")
    data.write_bytes(data.read_bytes()[:100])


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    Saved(tmp_path).save(10)
    damage(tmp_path, 10)

    with pytest.raises(TrainingError, match=f"^{tmp_path}/step-10 cannot be read: "):
        Saved(tmp_path).checkpoints.restore()


def test_older_checkpoint_stands_in_for_a_damaged_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Saved(tmp_path)
    for step in (10, 20):
        first.save(step)
    damage(tmp_path, 20)
    second = Saved(tmp_path)

    assert second.checkpoints.restore() == {"at": 10}
    assert set(second.weight.numpy()) == {10.0}
    assert f"{tmp_path}/step-20 cannot be read: " in capsys.readouterr().err
    second.save(20)
    third = Saved(tmp_path)
    assert third.checkpoints.restore() == {"at": 20}
    assert set(third.weight.numpy()) == {20.0}


def test_checkpoint_of_other_parts_is_refused(tmp_path: Path) -> None:
    Saved(tmp_path).save(10)

    with pytest.raises(TrainingError, match="step-10 cannot be read"):
        Saved(tmp_path, size=3).checkpoints.restore()
    steps = tf.Variable(0, dtype=tf.int64)
    with pytest.raises(TrainingError, match="step-10 cannot be read"):
        Checkpoints(tmp_path, {"steps": steps}, steps).restore()
    more = {"steps": steps, "weight": tf.Variable(tf.zeros(10_000)), "new": tf.Variable(0.0)}
    with pytest.raises(TrainingError, match="step-10 cannot be read"):
        Checkpoints(tmp_path, more, steps).restore()
