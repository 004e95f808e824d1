"""Writes the numbers of a run: TensorBoard events and ``progress.csv``."""

import contextlib
import csv
import itertools
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from pgtf.errors import cannot_write
from pgtf.running import curves


class MetricsWriter:
    """Writes scalars over environment steps to TensorBoard and to ``progress.csv``.

    Args:
        folder: the run's.
        resumed_at: the step that the run resumes from, or None for a new run; entries after it are
            cut off, so the curves continue without an overlap. A new run sets those aside that are
            there already.

    Raises:
        TrainingError: from every method, when writing fails.
    """

    def __init__(self, folder: Path, resumed_at: int | None = None):
        self._folder = folder
        self._csv_path = folder / curves.TABLE
        with self._writing():
            if resumed_at is None:
                curves.set_aside(folder)
            rows = [] if resumed_at is None else curves.cut(folder, resumed_at)
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
            rows, _ = curves.read_table(self._csv_path)
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
