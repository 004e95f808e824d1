"""The curves that earlier starts of a run have left: read, cut, and salvaged where damaged."""

import codecs
import csv
import os
import shutil
import struct
import sys
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.summary.writer.record_writer import masked_crc32c

from pgtf.errors import here

TABLE = "progress.csv"


def set_aside(folder: Path) -> None:
    """Moves what curves a run folder has to ``earlier/N``, and says so: the run starts over."""
    files = [path for path in _event_files(folder) if _tells(path)]
    if any(read_table(folder / TABLE)):
        files.append(folder / TABLE)
    if files:
        earlier = _earlier(folder)
        for file in files:
            os.replace(file, earlier / file.name)
        _warn(
            f"{here(folder)} has no checkpoint to resume from, so the run starts over; the curves"
            f" so far are kept in {here(earlier)}."
        )
    for file in _event_files(folder):
        file.unlink()


def cut(folder: Path, last_step: int) -> list[dict[str, str]]:
    """Drops what lies after a step from the curves, and says what cannot be read.

    Damaged files are copied to ``earlier/N`` as they were.

    Args:
        folder: the run's.
        last_step: of the checkpoint that the run resumes from.

    Returns:
        The rows of the table that stay.
    """
    for path in _event_files(folder):
        _cut_events(path, last_step)
    path = folder / TABLE
    rows, damaged = read_table(path)
    if damaged:
        earlier = _earlier(folder)
        shutil.copy2(path, earlier)
        more = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        _warn(
            f"{here(path)} line {damaged[0]}{more} cannot be read and is left out; the file as it"
            f" was is kept in {here(earlier)}."
        )
    return [row for row in rows if int(row["step"]) <= last_step]


def read_table(path: Path) -> tuple[list[dict[str, str]], list[int]]:
    """Reads a table, leaving out missing values.

    Returns:
        The rows that can be read, and the numbers of the lines that cannot.
    """
    if not path.exists():
        return [], []
    data = path.read_bytes()
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    # A run that was killed may have left half a line.
    header, *lines = text.split("\n")[:-1] or [""]
    columns = _cells(header)
    if "step" not in columns or "\ufffd" in header:
        return [], list(range(1, len(lines) + 2)) if data else []
    rows, damaged = [], []
    for number, line in enumerate(lines, 2):
        cells = _cells(line)
        if len(cells) == len(columns) and all(map(_numeric, cells)):
            row = {column: cell for column, cell in zip(columns, cells, strict=True) if cell}
            if row.get("step", "").isdecimal():
                rows.append(row)
                continue
        damaged.append(number)
    return rows, damaged


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _numeric(cell: str) -> bool:
    try:
        float(cell or 0)
    except ValueError:
        return False
    return True


def _event_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("events.out.tfevents.*"))


def _tells(path: Path) -> bool:
    """Whether an event file holds more than the record it begins with, or is damaged."""
    try:
        return sum(1 for _ in tf.data.TFRecordDataset(str(path)).take(2)) > 1
    except tf.errors.DataLossError:
        return True


def _cut_events(path: Path, last_step: int) -> None:
    records: Sequence[bytes] = ()
    cut = False
    try:
        records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    except tf.errors.DataLossError:
        records, damaged = _salvaged(path.read_bytes())
        cut = True
        if damaged:
            earlier = _earlier(path.parent)
            shutil.copy2(path, earlier)
            _warn(
                f"{here(path)} is damaged in {damaged} place{'s'[: damaged - 1]}; the rest is"
                f" used, and the file as it was is kept in {here(earlier)}."
            )
    kept = [record for record in records if Event.FromString(record).step <= last_step]
    if not kept:
        path.unlink()
    elif cut or len(kept) < len(records):
        temporary = path.parent / "events.tmp"  # A name that TensorBoard does not read.
        with tf.io.TFRecordWriter(str(temporary)) as writer:
            for record in kept:
                writer.write(record)
        os.replace(temporary, path)


def _salvaged(data: bytes) -> tuple[Sequence[bytes], int]:
    """The whole records of an event file, and the number of damaged places between them.

    A record is its length (8 bytes), a checksum of that (4), the text, and a checksum of that (4).
    A killed run leaves half a record at the end, which is no damage.
    """
    records, damaged, at = [], 0, 0
    while at + 12 <= len(data):
        end = _end(data, at)
        if end is None:
            damaged += 1
            at = _next_record(data, at + 1)
        elif end > len(data):
            break
        else:
            text = data[at + 12 : end - 4]
            if struct.pack("<I", masked_crc32c(text)) == data[end - 4 : end]:
                records.append(text)
            else:
                damaged += 1
            at = end
    return records, damaged


def _end(data: bytes, at: int) -> int | None:
    """Where a record that begins here would end; None if none begins here."""
    length = data[at : at + 8]
    if struct.pack("<I", masked_crc32c(length)) != data[at + 8 : at + 12]:
        return None
    return at + 12 + int(struct.unpack("<Q", length)[0]) + 4


def _next_record(data: bytes, at: int) -> int:
    """Where the next record begins; the upper half of its length is zeros."""
    while (zeros := data.find(bytes(4), at + 4)) >= 0:
        if _end(data, zeros - 4) is not None:
            return zeros - 4
        at = zeros - 3
    return len(data)


def _earlier(folder: Path) -> Path:
    """Makes the next folder for what is no longer part of the curves."""
    number = 1
    while (folder / "earlier" / str(number)).exists():
        number += 1
    earlier = folder / "earlier" / str(number)
    earlier.mkdir(parents=True)
    return earlier


def _warn(line: str) -> None:
    print(f"pgtf: warning: {line}", file=sys.stderr)
