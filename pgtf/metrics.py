"""Where the numbers of a run go: TensorBoard events and ``progress.csv``."""

import collections
import csv
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams import api as hparams

_WINDOW = 100


class EpisodeWindow:
    """Mean return and length of about the last hundred episodes.

    Episodes arrive summed over an iteration each; whole iterations are dropped from the far end
    for as long as a hundred episodes remain.

    Args:
        rows: what an earlier window held.
    """

    def __init__(self, rows: Iterable[Iterable[float]] = ()):
        self.rows = collections.deque(tuple(row) for row in rows)
        self._count = sum(row[0] for row in self.rows)

    def add(self, episodes: np.ndarray) -> None:
        """Adds iterations, [N, 3]: number of episodes, sum of returns, sum of lengths."""
        for row in episodes[episodes[:, 0] > 0].tolist():
            self.rows.append(tuple(row))
            self._count += row[0]
            while self._count - self.rows[0][0] >= _WINDOW:
                self._count -= self.rows.popleft()[0]

    def scalars(self) -> dict[str, float]:
        """Returns ``rollout/ep_rew_mean`` and ``rollout/ep_len_mean``, nothing before an episode."""
        if not self.rows:
            return {}
        count, return_sum, length_sum = np.sum(self.rows, axis=0)
        return {
            "rollout/ep_rew_mean": float(return_sum / count),
            "rollout/ep_len_mean": float(length_sum / count),
        }


class MetricsWriter:
    """Writes scalars over environment steps to TensorBoard and to ``progress.csv``.

    Args:
        folder: the run's.
        resumed_at: the step that the run resumes from; what was written after it is cut off, so
            that the curves go on without an overlap.
    """

    def __init__(self, folder: Path, resumed_at: int | None = None):
        self._csv_path = folder / "progress.csv"
        if resumed_at is not None:
            _cut_events(folder, resumed_at)
        self._rows = _read_csv(self._csv_path, resumed_at) if resumed_at is not None else []
        self._columns = list(self._rows[0]) if self._rows else ["step"]
        self._rewrite_csv()
        self._rows.clear()
        self._events = tf.summary.create_file_writer(str(folder))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes scalars at an environment step."""
        with self._events.as_default(step):
            for tag, value in values.items():
                tf.summary.scalar(tag, value)
        row = {"step": step, **values}
        if set(row) - set(self._columns):
            self._rows = _read_csv(self._csv_path)
            self._columns += [column for column in row if column not in self._columns]
            self._rewrite_csv()
            self._rows.clear()
        with self._csv_path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns, restval="").writerow(row)

    def histograms(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        """Writes histograms at an environment step."""
        with self._events.as_default(step):
            for tag, value in values.items():
                tf.summary.histogram(tag, np.asarray(value, np.float32))

    def text(self, tag: str, gin_text: str, step: int) -> None:
        """Writes a gin configuration as text."""
        indented = "\n".join("    " + line for line in gin_text.splitlines())
        with self._events.as_default(step):
            tf.summary.text(tag, indented)

    def hparams(self, values: Mapping[str, Any], run: str) -> None:
        """Writes the hyper-parameters of TensorBoard's comparison table."""
        with self._events.as_default(0):
            hparams.hparams(dict(values), trial_id=run)

    def flush(self) -> None:
        """Hands everything to the file system."""
        self._events.flush()

    def close(self) -> None:
        """Flushes and closes the files."""
        self._events.close()

    def _rewrite_csv(self) -> None:
        temporary = self._csv_path.with_suffix(".tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="")
            writer.writeheader()
            writer.writerows(self._rows)
        os.replace(temporary, self._csv_path)


def _read_csv(path: Path, last_step: int | None = None) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        # A run that was killed may have left half a line.
        rows = [row for row in csv.DictReader(file) if (row["step"] or "").isdigit()]
    return [row for row in rows if last_step is None or int(row["step"]) <= last_step]


def _cut_events(folder: Path, last_step: int) -> None:
    """Drops the events after a step from every event file of a folder."""
    for path in folder.glob("events.out.tfevents.*"):
        records = []
        try:
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                if Event.FromString(record).step <= last_step:
                    records.append(record)
        except tf.errors.DataLossError:
            pass  # The killed run left half a record at the end.
        temporary = path.with_name(f"cut-{path.name}")
        with tf.io.TFRecordWriter(str(temporary)) as writer:
            for record in records:
                writer.write(record)
        os.replace(temporary, path)
