"""A run that writes curves for days holds no more memory at its end than after its first hour."""

from pathlib import Path

import numpy as np

from pgtf.running.metrics import MetricsWriter


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_rows_of_the_curves_leave_nothing_behind_in_memory(tmp_path: Path) -> None:
    writer, numbers = MetricsWriter(tmp_path), np.random.default_rng(0)

    def write(first: int, count: int) -> None:
        for row in range(first, first + count):
            values = {f"train/metric_{i}": float(numbers.random()) for i in range(20)}
            writer.scalars(2_000 * row, values)
        writer.flush()

    write(0, 100)
    before = resident_bytes()
    write(100, 500)

    # Ten thousand Python floats that TensorFlow keeps a copy of are 7 MiB.
    assert resident_bytes() - before < 2 * 2**20
