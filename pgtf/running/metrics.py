"""Writes the numbers of a run: TensorBoard events and ``progress.csv``."""

import contextlib
import csv
import io
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.hparams import api as hparams

from pgtf.errors import cannot_write


class MetricsWriter:
    """Writes scalars over environment steps to TensorBoard and to ``progress.csv``.

    Args:
        folder: the run's.
        resumed_at: the step that the run resumes from, or None for a new run; entries after it are
            cut off, so the curves continue without an overlap.

    Raises:
        TrainingError: from every method, when writing fails.
    """

    def __init__(self, folder: Path, resumed_at: int | None = None):
        self._folder = folder
        self._csv_path = folder / "progress.csv"
        last_step = -1 if resumed_at is None else resumed_at
        with self._writing():
            _cut_events(folder, last_step)
            rows = [row for row in _read_csv(self._csv_path) if int(row["step"]) <= last_step]
            self._columns = list(dict.fromkeys(["step", *itertools.chain(*rows)]))
            self._row = rows.pop() if rows else {}
            self._write_csv(rows)
            self._events = tf.summary.create_file_writer(str(folder))

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes scalars at an environment step; existing values at that step are kept."""
        with self._writing(), self._at(step):
            if self._row.get("step") != str(step):
                self._row = {"step": str(step)}
                self._row_start = self._csv_path.stat().st_size
            for tag, value in values.items():
                if tag not in self._row:
                    tf.summary.scalar(tag, np.asarray(value, np.float32))
                    self._row[tag] = repr(value)
            self._write_row()

    def histograms(self, step: int, values: Mapping[str, np.ndarray]) -> None:
        """Writes histograms at an environment step."""
        with self._writing(), self._at(step):
            for tag, value in values.items():
                numbers = np.asarray(value, np.float32)
                tf.summary.histogram(tag, numbers[np.isfinite(numbers)])

    def text(self, tag: str, gin_text: str, step: int) -> None:
        """Writes a gin configuration as text."""
        indented = "\n".join("    " + line for line in gin_text.splitlines())
        with self._writing(), self._at(step):
            tf.summary.text(tag, indented)

    def hparams(self, values: Mapping[str, Any], run: str) -> None:
        """Writes the hyper-parameters of TensorBoard's comparison table."""
        with self._writing(), self._at(0):
            hparams.hparams(dict(values), trial_id=run)

    def flush(self) -> None:
        """Flushes everything to the file system."""
        with self._writing():
            self._events.flush()

    def close(self) -> None:
        """Flushes and closes the files."""
        with self._writing():
            self._events.close()

    def _at(self, step: int) -> contextlib.AbstractContextManager[Any]:
        """Writes at a step."""
        # Arrays, as TensorFlow keeps each Python number that it has ever been given.
        manager: contextlib.AbstractContextManager[Any] = self._events.as_default(
            np.asarray(step, np.int64)
        )
        return manager

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (tf.errors.OpError, OSError) as error:
            raise cannot_write(self._folder, error) from error

    def _write_row(self) -> None:
        """Overwrites the last row."""
        new = [column for column in self._row if column not in self._columns]
        if new:
            self._columns += new
            rows = _read_csv(self._csv_path)
            self._write_csv([row for row in rows if row["step"] != self._row["step"]])
            return
        with self._csv_path.open("r+", newline="") as file:
            file.seek(self._row_start)
            file.truncate()
            csv.DictWriter(file, self._columns, restval="").writerow(self._row)

    def _write_csv(self, rows: Iterable[Mapping[str, str]]) -> None:
        """Writes the whole table; only its last row can still grow."""
        temporary = self._csv_path.with_suffix(".tmp")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="")
            writer.writeheader()
            writer.writerows(rows)
            self._row_start = file.tell()
            if self._row:
                writer.writerow(self._row)
        os.replace(temporary, self._csv_path)


def _read_csv(path: Path) -> list[dict[str, str]]:
    """Reads the table, leaving out missing values."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        text = file.read()
    # A run that was killed may have left half a line.
    table = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
    return [{column: x for column, x in row.items() if x} for row in table if row["step"]]


def _cut_events(folder: Path, last_step: int) -> None:
    """Drops the events after a step from every event file of a folder."""
    for path in folder.glob("events.out.tfevents.*"):
        kept, cut = [], False
        try:
            for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
                if Event.FromString(record).step <= last_step:
                    kept.append(record)
                else:
                    cut = True
        except tf.errors.DataLossError:
            cut = True  # The killed run left half a record at the end.
        if not kept:
            path.unlink()
        elif cut:
            temporary = folder / "events.tmp"  # A name that TensorBoard does not read.
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                for record in kept:
                    writer.write(record)
            os.replace(temporary, path)
