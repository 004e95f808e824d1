"""docs/scores.md says what the runs in the results file say, and rows train what they name."""

import subprocess
import sys
from pathlib import Path

import pytest
from published import FIGURES, GROUPS, PROTOCOLS, told
from rows import ROWS, Row
from runs import Result, append, interquartile_mean, read
from scores import page

from pgtf import parts
from pgtf.configuration import configuration

assert parts  # Registers every part.

CHECKOUT = Path(__file__).parents[2]
BENCHMARKS = CHECKOUT / "benchmarks"


def result(row: str, seed: int, score: float, sampled: float | None = None) -> Result:
    return Result(row, seed, score, score - 1.0, 1000, None, 1.0, "2026-11-28", "0", sampled)


def line(text: str, heading: str, run: str) -> list[str]:
    """The cells of a run's line beneath a heading."""
    table = text.split(f"### {heading}\n")[1].split("###")[0]
    (found,) = [x for x in table.splitlines() if x.startswith(f"| {run} |")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def test_the_page_is_current() -> None:
    current = page(read(BENCHMARKS / "results" / "learning.csv"))
    assert (CHECKOUT / "docs" / "scores.md").read_text() == current, (
        "run python benchmarks/learning.py --results benchmarks/results/learning.csv --show"
        " --scores docs/scores.md"
    )


def test_a_line_tells_the_runs_of_a_row_and_what_others_publish() -> None:
    """Of the scores 0, 10, 20 and 1000 the middle half is 10 and 20."""
    runs = [result("a2c hopper", i, x, x / 2) for i, x in enumerate((1000.0, 10.0, 20.0, 0.0))]
    cells = line(page(runs), "Hopper-v5", "a2c hopper")
    assert cells[1].startswith("**15.0** (")
    assert cells[2:7] == ["4", "128.8", "256.5", "1,000", "1253 (missed)"]
    assert cells[7] == "733 (zoo, 1M), 1253 (Tianshou, 1M), 1609 (Tianshou, 3M)"


def test_what_was_not_run_says_so_with_a_row_or_without() -> None:
    text = page([result("a2c hopper", 0, 1.0)])
    assert line(text, "Hopper-v5", "ppo hopper")[1] == "not run"
    assert line(text, "ALE/Qbert-v5", "a2c")[1] == "not run"
    assert "1 were run, and 0 of these reach it" in text
    reached = page([result("a2c hopper", 0, 1300.0)])
    assert line(reached, "Hopper-v5", "a2c hopper")[6] == "1253"
    assert "1 were run, and 1 of these reach it" in reached


def test_the_interval_holds_the_mean_and_widens_with_the_seeds_spread() -> None:
    narrow, wide = (interquartile_mean([100 + spread * i for i in range(5)]) for spread in (1, 10))
    assert narrow[0] == pytest.approx(102)
    assert narrow[1] < narrow[0] < narrow[2]
    assert wide[2] - wide[1] == pytest.approx(10 * (narrow[2] - narrow[1]))


def test_results_survive_the_file(tmp_path: Path) -> None:
    runs = [result("a2c hopper", 0, 1.5), result("a2c hopper", 1, 2.5, 2.0)]
    for each in runs:
        append(tmp_path / "runs.csv", each)
    assert read(tmp_path / "runs.csv") == runs


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_trains_what_it_says(row: Row) -> None:
    asked = configuration.load(row.files, row.bindings)
    assert asked.bindings["ENVIRONMENT"].value == repr(row.environment)


def test_every_row_and_figure_is_on_the_page() -> None:
    text = page([])
    listed = {environment for group in GROUPS.values() for environment in group}
    assert {row.environment for row in ROWS} | {task for _, task in FIGURES} == listed
    assert all(told(*key) in text for key in FIGURES)
    assert {figure.source for figures in FIGURES.values() for figure in figures} == set(PROTOCOLS)


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    command = [
        sys.executable,
        str(BENCHMARKS / "learning.py"),
        "--show",
        f"--scores={tmp_path / 'x.md'}",
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "x.md").read_text() == page([])
