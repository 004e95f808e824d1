"""The runs of ``learning.py`` in a CSV file, and their interquartile mean."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Result(NamedTuple):
    """What one seed reached.

    Attributes:
        row: its name.
        seed: of the run.
        score: mean return over the last evaluation, greedy unless the row's files say otherwise.
        trained: mean return of the last 100 training episodes.
        steps: of training, in all.
        first: steps until an evaluation reached the threshold, or None.
        rate: steps per second, evaluations left out.
        date: of the run.
        version: of pgtf's checkout.
        sampled: mean return of sampled episodes of the last evaluation, or None.
    """

    row: str
    seed: int
    score: float
    trained: float
    steps: int
    first: int | None
    rate: float
    date: str
    version: str
    sampled: float | None = None


def read(path: Path) -> list[Result]:
    """The runs that a file holds."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            Result(
                each["row"],
                int(each["seed"]),
                float(each["score"]),
                float(each["trained"]),
                int(each["steps"]),
                int(each["first"]) if each["first"] else None,
                float(each["rate"]),
                each["date"],
                each["version"],
                float(each["sampled"]) if each.get("sampled") else None,
            )
            for each in csv.DictReader(file)
        ]


def append(path: Path, result: Result) -> None:
    """Adds a run to a file."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(Result._fields)
        writer.writerow("" if x is None else x for x in result)


def interquartile_mean(scores: Iterable[float]) -> tuple[float, float, float]:
    """The interquartile mean of the seeds and its 95 % bootstrap interval."""
    from pgtf.sweeps.results import mean_and_interval

    return mean_and_interval(list(scores))
