"""Curves hold each value once, at its step, in TensorBoard events and in ``progress.csv`` alike."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import TrainingError
from pgtf.rollouts.window import EpisodeWindow
from pgtf.running.metrics import MetricsWriter
from tests.short_runs import event_steps, events, table


def episodes(*rows: tuple[float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 3)


def test_window_is_empty_before_an_episode_has_ended() -> None:
    window = EpisodeWindow()
    window.add(episodes((0, 0, 0), (0, 0, 0)))

    assert window.scalars() == {}


def test_window_means_are_over_episodes_not_over_iterations() -> None:
    window = EpisodeWindow()
    window.add(episodes((1, 10, 5), (3, 6, 9)))

    assert window.scalars() == {"rollout/ep_rew_mean": 16 / 4, "rollout/ep_len_mean": 14 / 4}


def test_window_holds_the_last_hundred_episodes() -> None:
    window = EpisodeWindow()
    window.add(episodes(*[(1, k, 1) for k in range(250)]))

    assert window.scalars()["rollout/ep_rew_mean"] == np.mean(range(150, 250))


def test_window_drops_an_iteration_only_if_a_hundred_episodes_remain() -> None:
    window = EpisodeWindow()
    window.add(episodes((2, 1_000, 2), (60, 60, 60), (39, 39, 39)))
    with_oldest = window.scalars()["rollout/ep_rew_mean"]
    window.add(episodes((1, 1, 1)))

    assert with_oldest == pytest.approx(1_099 / 101)
    assert window.scalars()["rollout/ep_rew_mean"] == 1.0


def test_window_goes_on_from_what_a_checkpoint_kept() -> None:
    whole, first = EpisodeWindow(), EpisodeWindow()
    rows = episodes(*[(k % 4, 3 * k, k) for k in range(120)])
    whole.add(rows)
    first.add(rows[:70])
    second = EpisodeWindow(json.loads(json.dumps(list(first.rows))))
    second.add(rows[70:])

    assert second.scalars() == whole.scalars()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[MetricsWriter]:
    writer = MetricsWriter(tmp_path)
    yield writer
    writer.close()


def test_table_has_a_row_for_each_step_and_grows_columns(
    tmp_path: Path, writer: MetricsWriter
) -> None:
    writer.scalars(10, {"a": 1.0})
    first = table(tmp_path)
    writer.scalars(20, {"a": 2.0, "b": 0.1})
    writer.scalars(20, {"c": 3.0})
    writer.scalars(30, {"b": 4.0})

    assert first == [{"step": "10", "a": "1.0"}], "a row is there as soon as it is written"
    assert table(tmp_path) == [
        {"step": "10", "a": "1.0", "b": "", "c": ""},
        {"step": "20", "a": "2.0", "b": "0.1", "c": "3.0"},
        {"step": "30", "a": "", "b": "4.0", "c": ""},
    ]


def test_value_is_written_once_a_step(tmp_path: Path, writer: MetricsWriter) -> None:
    writer.scalars(10, {"a": 1.0})
    writer.scalars(10, {"a": 2.0, "b": 3.0})
    writer.close()

    assert table(tmp_path) == [{"step": "10", "a": "1.0", "b": "3.0"}]
    assert event_steps(tmp_path, "a") == [10]
    assert event_steps(tmp_path, "b") == [10]


def test_numbers_are_written_without_loss(tmp_path: Path, writer: MetricsWriter) -> None:
    numbers = [1 / 3, 1e-30, -12345678.9, 3.0]
    for step, number in enumerate(numbers):
        writer.scalars(step, {"a": number})
    writer.close()

    assert [float(row["a"]) for row in table(tmp_path)] == numbers
    written = [
        tf.make_ndarray(value.tensor).item()
        for event in events(tmp_path)
        for value in event.summary.value
    ]
    assert written == [np.float32(number) for number in numbers]


def test_text_histograms_and_hyperparameters_can_be_read_back(
    tmp_path: Path, writer: MetricsWriter
) -> None:
    writer.text("operative_config", "A.x = 1\nB.y = 2", 7)
    writer.histograms(7, {"train/actions": np.arange(10)})
    writer.hparams({"A.x": 1, "B.z": "@C()", "flag": True}, "a run")
    writer.close()

    values = {
        value.tag: (event.step, value)
        for event in events(tmp_path)
        for value in event.summary.value
    }
    step, text = values["operative_config"]
    assert step == 7
    assert tf.make_ndarray(text.tensor).item().decode() == "    A.x = 1\n    B.y = 2"
    step, histogram = values["train/actions"]
    assert step == 7
    assert tf.make_ndarray(histogram.tensor)[:, 2].sum() == 10
    assert "_hparams_/session_start_info" in values


def written_until(folder: Path, last: int) -> None:
    """A run that wrote every 10 steps and was killed."""
    writer = MetricsWriter(folder)
    for step in range(10, last + 10, 10):
        writer.scalars(step, {"a": float(step)} | ({"b": 1.0} if step % 20 == 0 else {}))
    writer.flush()
    writer.close()


def test_resumed_curves_have_neither_gap_nor_overlap(tmp_path: Path) -> None:
    written_until(tmp_path, 60)
    resumed = MetricsWriter(tmp_path, resumed_at=40)
    for step in (50, 60, 70):
        resumed.scalars(step, {"a": -1.0, "c": 0.0})
    resumed.close()

    assert event_steps(tmp_path, "a") == [10, 20, 30, 40, 50, 60, 70]
    assert event_steps(tmp_path, "b") == [20, 40]
    assert [row["step"] for row in table(tmp_path)] == ["10", "20", "30", "40", "50", "60", "70"]
    assert [row["a"] for row in table(tmp_path)][3:] == ["40.0", "-1.0", "-1.0", "-1.0"]
    assert [row["b"] for row in table(tmp_path)] == ["", "1.0", "", "1.0", "", "", ""]


def test_value_of_the_step_that_is_resumed_from_is_not_written_again(tmp_path: Path) -> None:
    written_until(tmp_path, 40)
    resumed = MetricsWriter(tmp_path, resumed_at=40)
    resumed.scalars(40, {"a": -1.0, "c": 5.0})
    resumed.close()

    assert table(tmp_path)[-1] == {"step": "40", "a": "40.0", "b": "1.0", "c": "5.0"}
    assert event_steps(tmp_path, "a") == [10, 20, 30, 40]
    assert event_steps(tmp_path, "c") == [40]


def test_run_that_was_killed_before_its_first_checkpoint_starts_anew(tmp_path: Path) -> None:
    written_until(tmp_path, 60)
    again = MetricsWriter(tmp_path)
    again.scalars(10, {"a": 0.0})
    again.close()

    assert table(tmp_path) == [{"step": "10", "a": "0.0"}]
    assert event_steps(tmp_path, "a") == [10]
    assert len(table(tmp_path / "earlier" / "1")) == 6, "the curves so far are kept"
    assert event_steps(tmp_path / "earlier" / "1", "a") == [10, 20, 30, 40, 50, 60]


def test_half_a_line_and_half_a_record_are_cut_off(tmp_path: Path) -> None:
    written_until(tmp_path, 60)
    (path,) = tmp_path.glob("*tfevents*")
    path.write_bytes(path.read_bytes()[:-5])
    with (tmp_path / "progress.csv").open("a") as file:
        file.write("2")  # The first digit of 20000.
    resumed = MetricsWriter(tmp_path, resumed_at=60)
    resumed.scalars(70, {"a": 0.0})
    resumed.close()

    assert [row["step"] for row in table(tmp_path)] == ["10", "20", "30", "40", "50", "60", "70"]
    # The last record of the killed run, b at 60, is the one that was torn.
    assert event_steps(tmp_path, "a") == [10, 20, 30, 40, 50, 60, 70]
    assert event_steps(tmp_path, "b") == [20, 40]


def test_resuming_leaves_no_other_file_that_tensorboard_would_read(tmp_path: Path) -> None:
    written_until(tmp_path, 60)
    before = {path.name for path in tmp_path.iterdir()}
    MetricsWriter(tmp_path, resumed_at=40).close()
    after = {path.name for path in tmp_path.iterdir()}

    assert before < after
    assert len(after - before) == 1, "the resumed run's own events"
    assert all(name == "progress.csv" or name.startswith("events.out.tfevents") for name in after)


def test_what_cannot_be_written_is_named_with_the_free_space(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path)
    (tmp_path / "progress.csv").unlink()
    (tmp_path / "progress.csv").mkdir()

    with pytest.raises(TrainingError, match=rf"{tmp_path} cannot be written to \(\d+ MiB free\)"):
        writer.scalars(10, {"a": 1.0})
    writer.close()
