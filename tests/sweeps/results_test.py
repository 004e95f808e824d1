"""The table of a sweep: what is kept, and the statistics over seeds."""

import math
from pathlib import Path

import numpy as np
import pytest

from pgtf.errors import ConfigurationError
from pgtf.sweeps import results
from pgtf.sweeps.results import Reached

KEYS = ["Learner.discount", "MLP.hidden"]


def reached(discount: str, seed: int, score: float, status: str = "done") -> Reached:
    point = {"Learner.discount": discount, "MLP.hidden": "(64, 64)"}
    return Reached(f"{discount}-seed{seed}", point, seed, score, math.nan, 1_000, status)


def test_runs_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "sweep.csv"
    runs = [reached("0.9", 0, 1.5), reached("0.99", 1, math.nan, 'no, "never"\nso')]
    for each in runs:
        results.append(file, each)

    assert str(results.read(file, KEYS)) == str(runs)  # As text, for NaN is not itself.


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "sweep.csv"
    results.append(file, reached("0.9", 0, 1.5))
    results.append(file, reached("0.99", 0, 2.5))
    file.write_text(file.read_text()[:-12])

    assert [each.score for each in results.read(file, KEYS)] == [1.5]


def test_the_file_of_another_sweep_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sweep.csv"
    results.append(file, reached("0.9", 0, 1.5))

    with pytest.raises(
        ConfigurationError, match=r"over Learner.discount, MLP.hidden, not over X.y"
    ):
        results.read(file, ["X.y"])


def test_rows_are_interquartile_means_the_best_first() -> None:
    scores = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 1000.0]
    runs = [reached("0.9", seed, score) for seed, score in enumerate(scores)]
    runs += [reached("0.99", 0, 36.0), reached("0.99", 1, 36.0)]
    runs += [reached("0.99", 2, 9e9, "stopped"), reached("0.99", 3, math.nan)]

    best, other = results.rows(runs)

    assert best.point["Learner.discount"] == "0.99"
    assert (best.scores, best.middle, best.low, best.high) == ((36.0, 36.0), 36.0, 36.0, 36.0)
    assert other.middle == pytest.approx(35.0)  # (20 + 30 + 40 + 50) / 4
    assert 0.0 <= other.low < 35.0 < other.high <= 1000.0


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    """Of 200 samples of 20 normal numbers; at 95 %, fewer than 172 has probability 1e-6.

    The bootstrap's own interval is narrow with few numbers: some 92 % of them cover the mean.
    """
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        _, low, high = results.mean_and_interval(rng.normal(size=20).tolist())
        covered += low <= 0.0 <= high

    assert 172 <= covered < 200


def test_table_and_picture_show_each_configuration(tmp_path: Path) -> None:
    found = results.rows([reached("0.9", 0, 1.0), reached("0.9", 1, 2.0), reached("0.99", 0, 3.0)])

    assert results.table(found).splitlines() == [
        "| Learner.discount | MLP.hidden | seeds | IQM (95 %) |",
        "|---|---|---|---|",
        "| 0.99 | (64, 64) | 1 | 3.0 (3.0 to 3.0) |",
        "| 0.9 | (64, 64) | 2 | 1.5 (1.0 to 2.0) |",
    ]
    pytest.importorskip("matplotlib", reason="needs pgtf[plot]")
    results.draw_standings(found, tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").read_bytes()[:4] == b"\x89PNG"
