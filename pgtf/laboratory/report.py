"""The laboratory's results: a table on the console, CSV files, and scalars for TensorBoard."""

import csv
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from pgtf.errors import cannot_write
from pgtf.laboratory.comparison import Row
from pgtf.laboratory.laboratory import Results
from pgtf.laboratory.statistics import Interval

_MEASURES = ("trace", "ratio", "signal_to_noise", "bias", "relative_bias", "trajectories")
_HEADINGS = ("tr Cov(ĝ)", "ratio", "‖Eĝ‖²/tr Cov", "bias/‖Eĝ‖", "trajectories")

WIDTH = 160


def show(results: Results, console: Console) -> None:
    """Prints the table, and below it the variance by the size of a batch."""
    explained = ", ".join(
        f"{value:.2f} (γ = {discount:g})" for discount, value in results.explained_variance.items()
    )
    count = results.num_trajectories
    console.print(
        f"{results.environment} after {results.steps:,} steps: {count} trajectories, mean return"
        f" {results.mean_return:.1f}, mean length {results.mean_length:.1f}"
    )
    if explained:
        console.print(f"Explained variance of V(s) on held-out returns: {explained}")
    if results.unfinished:
        console.print(
            f"{results.unfinished} trajectories were cut by VarianceLaboratory.max_steps: Monte"
            " Carlo returns leave them out."
        )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("estimator", no_wrap=True)
    for heading in _HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in results.rows:
        measures = (row.trace, row.ratio, row.signal_to_noise, row.relative_bias)
        cells = [cell(each) for each in measures]
        table.add_row(row.name, *cells, f"{row.trajectories.estimate:,.0f}")
    console.width = max(console.width, WIDTH)  # A narrow terminal breaks lines, not numbers.
    console.print(table)
    console.print(
        "ratio: tr Cov(ĝ) relative to rewards-to-go without a baseline; trajectories: how many give"
        f" the standard error of {count} without a baseline."
    )
    for row in _swept(results):
        factors = ", ".join(
            f"{trace.estimate * size / row.trace.estimate:.2f} (N = {size})"
            for size, trace in zip(row.sweep.sizes, row.sweep.traces, strict=True)
        )
        console.print(
            f"N tr Cov of batches of N, {row.name}: {factors}; slope {row.sweep.slope:.2f}",
        )


def scalars(results: Results) -> dict[str, float]:
    """Returns TensorBoard tags and their values, an estimate for each measure of each row."""
    values = {}
    for row in results.rows:
        for measure in _MEASURES:
            tag = f"variance_{measure}/{row.name.replace(' ', '_')}"
            values[tag] = getattr(row, measure).estimate
    return values


def write(results: Results, folder: Path) -> None:
    """Writes ``variance.csv`` and ``batch_sizes.csv``.

    Raises:
        TrainingError: they cannot be written.
    """
    table: list[list[object]] = [["estimator", "curve", *interval_columns(_MEASURES)]]
    sizes: list[list[object]] = [
        ["estimator", "batch_size", *interval_columns(("trace",)), "slope"]
    ]
    for row in results.rows:
        measures = [number for name in _MEASURES for number in getattr(row, name)]
        table.append([row.name, row.curve or "", *measures])
        for size, trace in zip(row.sweep.sizes, row.sweep.traces, strict=True):
            sizes.append([row.name, size, *trace, row.sweep.slope])
    for name, lines in (("variance.csv", table), ("batch_sizes.csv", sizes)):
        write_table(lines, folder / name)


def write_table(lines: list[list[object]], path: Path) -> None:
    """Writes a CSV file.

    Raises:
        TrainingError: it cannot be written.
    """
    try:
        with path.open("w", newline="") as file:
            csv.writer(file).writerows(lines)
    except OSError as error:
        raise cannot_write(path, error) from error


def interval_columns(measures: tuple[str, ...]) -> list[str]:
    """Returns the headings of estimates and of the ends of their intervals."""
    return [f"{name}{end}" for name in measures for end in ("", "_low", "_high")]


def cell(interval: Interval) -> str:
    """Returns an estimate and its interval, with two digits."""
    return f"{interval.estimate:.2g} [{interval.low:.2g}, {interval.high:.2g}]"


def _swept(results: Results) -> list[Row]:
    """The first row, which has no baseline in the lecture's choice, and the learner's own."""
    return [results.rows[0], results.rows[-1]] if results.rows[0].sweep.sizes else []
