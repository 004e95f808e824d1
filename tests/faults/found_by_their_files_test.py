"""Checkpoints are found by what is there, and no curve is lost where none is."""

import os
from pathlib import Path

import pytest
import tensorflow as tf

from pgtf.errors import TrainingError
from pgtf.running.checkpoint import Checkpoints
from pgtf.running.metrics import MetricsWriter
from tests.short_runs import event_steps, table


class Counted:
    """A counter and its checkpoints."""

    def __init__(self, folder: Path):
        self.steps = tf.Variable(0, dtype=tf.int64)
        self.checkpoints = Checkpoints(folder, {"steps": self.steps}, self.steps)

    def save(self, *steps: int) -> None:
        for step in steps:
            self.steps.assign(step)
            self.checkpoints.save({"at": step})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.index"))


@pytest.mark.parametrize(
    "content", [None, b"", b"\x00\xff" * 50, b'model_checkpoint_path: "step-1"']
)
def test_tensorflows_own_list_of_checkpoints_does_not_matter(
    tmp_path: Path, content: bytes | None
) -> None:
    Counted(tmp_path).save(10, 20)
    listed = tmp_path / "checkpoint"
    listed.unlink()
    if content is not None:
        listed.write_bytes(content)

    resumed = Counted(tmp_path)
    assert resumed.checkpoints.restore() == {"at": 20}
    resumed.save(30)
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "step-30")


def test_a_folder_in_place_of_that_list_does_not_matter_either(tmp_path: Path) -> None:
    Counted(tmp_path).save(10)
    (tmp_path / "checkpoint").unlink()
    (tmp_path / "checkpoint").mkdir()

    resumed = Counted(tmp_path)
    assert resumed.checkpoints.restore() == {"at": 10}
    resumed.save(20)
    assert Counted(tmp_path).checkpoints.restore() == {"at": 20}


def test_newest_is_the_one_of_most_steps_whatever_the_clock_said(tmp_path: Path) -> None:
    Counted(tmp_path).save(900, 1_000, 1_100)
    for age, path in enumerate(sorted(tmp_path.glob("step-*"))):
        os.utime(path, (2e9 + age, 2e9 + age))

    resumed = Counted(tmp_path)
    assert resumed.checkpoints.restore() == {"at": 1_100}
    resumed.save(1_200)
    assert names(tmp_path) == ["step-1000.index", "step-1100.index", "step-1200.index"]


def test_best_checkpoint_stands_in_when_it_is_the_last_one_left(tmp_path: Path) -> None:
    first = Counted(tmp_path)
    first.save(10)
    first.checkpoints.keep_best(1.0)
    first.save(20)
    for path in tmp_path.glob("step-*"):
        path.unlink()

    assert Counted(tmp_path).checkpoints.restore() == {"at": 10}


def test_damaged_checkpoint_is_set_aside_and_never_newer_than_the_run(tmp_path: Path) -> None:
    Counted(tmp_path).save(10, 20)
    (tmp_path / "step-20.index").write_bytes(b"torn")
    resumed = Counted(tmp_path)
    resumed.checkpoints.restore()
    resumed.save(15)

    assert (tmp_path / "damaged" / "step-20.index").read_bytes() == b"torn"
    assert names(tmp_path) == ["step-10.index", "step-15.index"]
    assert Counted(tmp_path).checkpoints.restore() == {"at": 15}


def test_run_with_nothing_but_damaged_checkpoints_does_not_start_over(tmp_path: Path) -> None:
    Counted(tmp_path).save(10, 20)
    for path in tmp_path.glob("*.index"):
        path.write_bytes(b"torn")

    with pytest.raises(TrainingError, match=f"^{tmp_path}/step-20 cannot be read: "):
        Counted(tmp_path).checkpoints.restore()


def test_checkpoint_counts_only_once_all_of_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Counted(tmp_path).save(10)
    moved = []

    def killed_at_the_index(source: Path, target: Path) -> None:
        if target.suffix == ".index":
            raise KeyboardInterrupt
        moved.append(target.name)

    monkeypatch.setattr(os, "replace", killed_at_the_index)
    second = Counted(tmp_path)
    second.checkpoints.restore()
    with pytest.raises(KeyboardInterrupt):
        second.save(20)

    assert moved == ["step-20.data-00000-of-00001"]
    assert Counted(tmp_path).checkpoints.restore() == {"at": 10}


def test_starting_over_keeps_the_earlier_curves_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for value in (1.0, 2.0):
        writer = MetricsWriter(tmp_path)
        writer.scalars(10, {"a": value})
        writer.close()
    MetricsWriter(tmp_path).close()

    assert [table(tmp_path / "earlier" / n)[0]["a"] for n in "12"] == ["1.0", "2.0"]
    assert event_steps(tmp_path / "earlier" / "2", "a") == [10]
    assert table(tmp_path) == []
    assert capsys.readouterr().err.splitlines() == [
        f"pgtf: warning: {tmp_path} has no checkpoint to resume from, so the run starts over; the"
        f" curves so far are kept in {tmp_path}/earlier/{n}."
        for n in "12"
    ]
