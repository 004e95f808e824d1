"""The picture: bars of variances, curves of bias against variance, and the sweep of batch sizes."""

import math
from pathlib import Path
from typing import Any

from pgtf.errors import ConfigurationError, cannot_write
from pgtf.laboratory.comparison import Row
from pgtf.laboratory.laboratory import Results
from pgtf.laboratory.statistics import Interval


def require_matplotlib() -> None:
    """Checks that pictures can be drawn.

    Raises:
        ConfigurationError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "A picture needs matplotlib, which is not installed: pip install 'pgtf[plot]', or use"
            " --nopicture."
        ) from error


def draw(results: Results, path: Path) -> None:
    """Draws a PNG.

    Raises:
        TrainingError: it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.0, 4.8), layout="constrained")
    bars, curves, sizes = figure.subplots(1, 3, width_ratios=[1.25, 1.0, 1.0])
    _bars(bars, results.rows)
    _curves(curves, results.rows)
    _sizes(sizes, results.rows)
    figure.suptitle(
        f"{results.environment} after {results.steps:,} steps (mean return"
        f" {results.mean_return:.0f}, {results.num_trajectories} trajectories)"
    )
    saved(figure, path)


def saved(figure: Any, path: Path) -> None:
    """Writes a figure as a PNG.

    Raises:
        TrainingError: it cannot be written.
    """
    try:
        figure.savefig(path, dpi=80)
    except OSError as error:
        raise cannot_write(path, error) from error


def lengths(intervals: list[Interval]) -> list[list[float]]:
    """Returns the lengths of error bars, down and up."""
    return [
        [max(0.0, each.estimate - each.low) for each in intervals],
        [max(0.0, each.high - each.estimate) for each in intervals],
    ]


def _bars(axes: Any, rows: list[Row]) -> None:
    names = [row.name for row in rows]
    axes.barh(names, [row.ratio.estimate for row in rows], color="tab:blue", alpha=0.6)
    axes.errorbar(
        [row.ratio.estimate for row in rows],
        names,
        xerr=lengths([row.ratio for row in rows]),
        fmt="none",
        ecolor="black",
        capsize=2,
    )
    axes.axvline(1.0, color="grey", linewidth=0.8)
    _logarithmic(axes)
    axes.invert_yaxis()
    axes.set_xlabel("tr Cov(ĝ) relative to no baseline")
    axes.tick_params(axis="y", labelsize=8)


def _curves(axes: Any, rows: list[Row]) -> None:
    """Bias over variance, a curve for each family of return estimators."""
    for curve in dict.fromkeys(row.curve for row in rows if row.curve):
        # Where the Monte Carlo gradient is lost in its noise, so is a bias relative to it.
        points = [
            row for row in rows if row.curve == curve and math.isfinite(row.relative_bias.high)
        ]
        axes.errorbar(
            [row.ratio.estimate for row in points],
            [row.relative_bias.estimate for row in points],
            xerr=lengths([row.ratio for row in points]),
            yerr=lengths([row.relative_bias for row in points]),
            marker="o",
            elinewidth=0.6,
            alpha=0.8,
            label=curve,
        )
        for row in points:
            place = (row.ratio.estimate, row.relative_bias.estimate)
            axes.annotate(row.name, place, (3, 3), textcoords="offset points", fontsize=8)
    _logarithmic(axes)
    axes.set_xlabel("tr Cov(ĝ) relative to no baseline")
    axes.set_ylabel("bias / ‖E ĝ‖")
    if axes.has_data():
        axes.legend()


def _sizes(axes: Any, rows: list[Row]) -> None:
    """Variance over the size of a batch, beside 1/N."""
    for row in (rows[0], rows[-1]):
        sizes, traces = row.sweep
        if not sizes:
            continue
        means = [trace.estimate for trace in traces]
        label = f"{row.name}: slope {row.sweep.slope:.2f}"
        axes.errorbar(sizes, means, yerr=lengths(list(traces)), marker="o", capsize=2, label=label)
        falling = [row.trace.estimate / size for size in sizes]
        axes.plot(sizes, falling, color="grey", linestyle=":", zorder=0)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("N, trajectories in a batch (dotted: 1/N)")
    axes.set_ylabel("tr Cov(ĝ)")
    if axes.has_data():
        axes.legend(fontsize=8)


def _logarithmic(axes: Any) -> None:
    from matplotlib.ticker import NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
