"""What the runs of a sweep reached: CSV, table and picture."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pgtf.errors import ConfigurationError
from pgtf.sweeps.choices import Point

_OWN = ("run", "seed", "score", "sampled", "steps", "status")
_RESAMPLES = 2_000


class Reached(NamedTuple):
    """A run that has ended.

    Attributes:
        run: its folder's name.
        point: its configuration.
        seed: its seed.
        score: mean return of its last evaluation; NaN for none.
        sampled: mean return of sampled episodes, where the last evaluation was greedy; or NaN.
        steps: environment steps.
        status: 'done', 'stopped' before its end since others were ahead, or what went wrong.
    """

    run: str
    point: Point
    seed: int
    score: float
    sampled: float
    steps: int
    status: str

    @property
    def final(self) -> bool:
        """Whether the run is over: not one that failed, which the same command tries again."""
        return self.status in ("done", "stopped")


class Standing(NamedTuple):
    """A configuration of a sweep over its seeds.

    Attributes:
        point: the configuration.
        scores: of its runs.
        middle: their interquartile mean.
        low: lower end of its 95 % interval.
        high: upper end of it.
    """

    point: Point
    scores: tuple[float, ...]
    middle: float
    low: float
    high: float


def read(path: Path, keys: Sequence[str]) -> list[Reached]:
    """The runs that a CSV file holds; none where there is no file.

    Raises:
        ConfigurationError: the file is of a sweep over other bindings.
    """
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        there = [name for name in reader.fieldnames or () if name not in _OWN]
        if there != list(keys):
            raise ConfigurationError(
                f"{path} is of a sweep over {', '.join(there) or 'nothing'}, not over"
                f" {', '.join(keys)}: choose another --logdir."
            )
        return [
            Reached(
                row["run"],
                {key: row[key] for key in keys},
                int(row["seed"]),
                float(row["score"]),
                float(row["sampled"]),
                int(row["steps"]),
                row["status"],
            )
            for row in reader
            if None not in row.values()  # A line that was cut off.
        ]


def append(path: Path, reached: Reached) -> None:
    """Adds a run to a CSV file, in place of what the file has of it; wholly or not at all."""
    others = [each for each in read(path, list(reached.point)) if each.run != reached.run]
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*reached.point, *_OWN], lineterminator="\n")
        writer.writeheader()
        for each in [*others, reached]:
            fields = each._asdict()
            writer.writerow(fields.pop("point") | fields)
    os.replace(temporary, path)


def rows(runs: Sequence[Reached]) -> list[Standing]:
    """The configurations, the best first: interquartile mean and 95 % bootstrap interval.

    Seeds are resampled within each configuration (Agarwal et al. 2021, arXiv:2108.13264). Runs
    without a score, and those that were stopped, count for nothing.
    """
    scores: dict[tuple[tuple[str, str], ...], list[float]] = {}
    for each in runs:
        if each.status == "done" and not np.isnan(each.score):
            scores.setdefault(tuple(each.point.items()), []).append(each.score)
    made = [Standing(dict(point), tuple(x), *mean_and_interval(x)) for point, x in scores.items()]
    return sorted(made, key=lambda row: -row.middle)


def mean_and_interval(scores: Sequence[float]) -> tuple[float, float, float]:
    """The interquartile mean of scores and its 95 % bootstrap interval (percentiles)."""
    from scipy import stats

    values = np.array(scores)
    middle = float(stats.trim_mean(values, 0.25))
    if np.ptp(values) == 0:
        return middle, middle, middle
    low, high = stats.bootstrap(
        (values,),
        lambda x, axis=-1: stats.trim_mean(x, 0.25, axis=axis),
        method="percentile",
        n_resamples=_RESAMPLES,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return middle, float(low), float(high)


def table(found: Sequence[Standing]) -> str:
    """The configurations as a table in Markdown."""
    keys = list(found[0].point) if found else []
    lines = [f"| {' | '.join([*keys, 'seeds', 'IQM (95 %)'])} |", "|---" * (len(keys) + 2) + "|"]
    for row in found:
        cells = [*row.point.values(), str(len(row.scores))]
        cells.append(f"{row.middle:.1f} ({row.low:.1f} to {row.high:.1f})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw_standings(found: Sequence[Standing], path: Path) -> None:
    """A line for each configuration: its runs, the interquartile mean and the interval."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 1.2 + 0.4 * len(found)), layout="constrained")
    panel = figure.subplots()
    for place, row in enumerate(found):
        panel.plot(row.scores, [place] * len(row.scores), "o", color="tab:blue", alpha=0.4)
        ends = [[row.middle - row.low], [row.high - row.middle]]
        panel.errorbar(row.middle, place, xerr=ends, fmt="D", color="tab:blue", capsize=4)
    names = [", ".join(f"{k.split('.')[-1]} = {v}" for k, v in row.point.items()) for row in found]
    panel.set_yticks(range(len(found)), names)
    panel.invert_yaxis()
    panel.set_xlabel("mean return of the last evaluation; interquartile mean and 95 % interval")
    figure.savefig(path, dpi=100)
