"""The age of data as tables and as a picture."""

import math
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from pgtf.laboratory.ages import AgedData
from pgtf.laboratory.figure import lengths, saved
from pgtf.laboratory.laboratory import Results
from pgtf.laboratory.report import WIDTH, cell, interval_columns, write_table
from pgtf.laboratory.statistics import Interval

_DATA = ("kl", "step_share", "trajectory_share")
_MEASURES = ("trace", "ratio", "signal_to_noise", "bias", "relative_bias")


def show_ages(results: Results, console: Console) -> None:
    """Prints the weights of each age's data, and bias and variance of each estimator on it."""
    console.width = max(console.width, WIDTH)
    data = _table("age", "mean return", "KL(μ ‖ π)", "ESS, steps", "ESS, trajectories")
    for each in results.ages:
        shares = [cell(getattr(each, name)) for name in _DATA]
        data.add_row(str(each.age), f"{each.mean_return:.1f}", *shares)
    console.print(data)
    console.print("ESS: effective sample size of the weights π/μ, relative to their number.")
    for title, measure in (("bias/‖Eĝ‖", "relative_bias"), ("ratio", "ratio")):
        table = _table(title, *(f"age {each.age}" for each in results.ages))
        for rows in zip(*(each.rows for each in results.ages), strict=True):
            table.add_row(rows[0].name, *(cell(getattr(row, measure)) for row in rows))
        console.print(table)


def write_ages(results: Results, folder: Path) -> None:
    """Writes ``ages.csv``, a line for each age and estimator.

    Raises:
        TrainingError: it cannot be written.
    """
    columns = interval_columns((*_DATA, *_MEASURES))
    lines: list[list[object]] = [["age", "mean_return", "estimator", *columns]]
    for each in results.ages:
        for row in each.rows:
            intervals = [getattr(each, name) for name in _DATA]
            intervals += [getattr(row, name) for name in _MEASURES]
            numbers = [number for interval in intervals for number in interval]
            lines.append([each.age, each.mean_return, row.name, *numbers])
    write_table(lines, folder / "ages.csv")


def draw_ages(results: Results, path: Path) -> None:
    """Draws bias, variance and effective sample size over the age, as a PNG.

    Raises:
        TrainingError: it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 4.6), layout="constrained")
    biases, variances, sizes = figure.subplots(1, 3, width_ratios=[1.0, 1.0, 0.8])
    for axes, measure in ((biases, "relative_bias"), (variances, "ratio")):
        for i, row in enumerate(results.rows[:-1]):
            intervals = [getattr(each.rows[i], measure) for each in results.ages]
            _curve(axes, results.ages, intervals, row.name)
    highest = [row.relative_bias.estimate for each in results.ages for row in each.rows[:-1]]
    biases.set_ylim(0.0, 1.3 * max(filter(math.isfinite, highest), default=1.0) or 1.0)
    biases.set_ylabel("bias / ‖E ĝ‖")
    variances.set_yscale("log")
    variances.set_ylabel("tr Cov(ĝ) relative to fresh data without a baseline")
    for measure, label in (("step_share", "steps"), ("trajectory_share", "trajectories")):
        intervals = [getattr(each, measure) for each in results.ages]
        _curve(sizes, results.ages, intervals, label)
    sizes.set_ylim(0.0, 1.05)
    sizes.set_ylabel("effective sample size, a share")
    for axes in (biases, variances, sizes):
        axes.set_xscale("symlog", linthresh=1)
        axes.set_xticks(
            [each.age for each in results.ages], [str(each.age) for each in results.ages]
        )
        axes.minorticks_off()
        axes.set_xlabel("age of the data, updates")
    biases.legend(fontsize=8)
    sizes.legend(fontsize=8)
    figure.suptitle(
        f"{results.environment} after {results.steps:,} steps (mean return"
        f" {results.mean_return:.0f}, {results.num_trajectories} trajectories of each age)"
    )
    saved(figure, path)


def _curve(axes: Any, ages: list[AgedData], intervals: list[Interval], label: str) -> None:
    # A bias relative to a norm that is lost in its noise is infinite, and so may its interval be.
    points = [
        (each.age, interval)
        for each, interval in zip(ages, intervals, strict=True)
        if math.isfinite(interval.high)
    ]
    axes.errorbar(
        [age for age, _ in points],
        [interval.estimate for _, interval in points],
        yerr=lengths([interval for _, interval in points]),
        marker="o",
        markersize=4,
        elinewidth=0.8,
        alpha=0.8,
        label=label,
    )


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(headings[0], no_wrap=True)
    for heading in headings[1:]:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
