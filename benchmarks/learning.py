"""What each algorithm reaches: final greedy evaluations over several seeds, as a table.

    python benchmarks/learning.py                       # every row
    python benchmarks/learning.py --only a2c --jobs 2   # rows whose name begins so, two at a time
    python benchmarks/learning.py --results scores.csv  # keeps each run; a second call goes on
    python benchmarks/learning.py --results scores.csv --show --picture scores.png

Runs ``python -m pgtf.launch`` once for each row of ``rows.py`` and seed. A row's threshold is the
mean return over 100 greedy episodes that every seed should reach, and for the table's last columns
the first evaluation (20 greedy episodes, every 10,000 steps) that reached it. IQM is the
interquartile mean over the seeds with a 95 % stratified bootstrap interval (Agarwal et al. 2021,
arXiv:2108.13264).
"""

import argparse
import csv
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from rows import ROWS, Row


class Result(NamedTuple):
    """What one seed reached.

    Attributes:
        row: its name.
        seed: of the run.
        score: greedy mean return over the last evaluation.
        trained: mean return of the last 100 training episodes.
        steps: of training, in all.
        first: steps until an evaluation reached the threshold, or None.
        rate: steps per second, evaluations left out.
        date: of the run.
        version: of pgtf's checkout.
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


def version() -> str:
    """The commit of this checkout, with a + where it has changes."""
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=7"]
    here = Path(__file__).parent
    return subprocess.run(command, cwd=here, capture_output=True, text=True).stdout.strip()


def train(row: Row, seed: int) -> Result:
    """Trains one seed in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        logdir = Path(folder) / "run"
        command = [sys.executable, "-m", "pgtf.launch", f"--logdir={logdir}"]
        command += [f"--gin_file={file}" for file in row.files]
        bindings = [*row.bindings, f"train.seed = {seed}", "Evaluation.every = 10000"]
        command += [f"--gin_param={binding}" for binding in bindings]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        summary = json.loads((logdir / "summary.json").read_text())
        with open(logdir / "progress.csv", newline="") as file:
            points = list(csv.DictReader(file))
    scores = [(int(x["step"]), x["eval/mean_reward"]) for x in points]
    reached = [step for step, score in scores if score and float(score) >= row.threshold]
    returns = [x.get("rollout/ep_rew_mean") for x in points]
    last = [float(x) for x in returns if x]
    return Result(
        row.name,
        seed,
        summary["eval_return_mean"],
        last[-1] if last else float("nan"),
        summary["steps"],
        reached[0] if reached else None,
        summary["steps_per_second"],
        datetime.date.today().isoformat(),
        version(),
    )


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
    import numpy as np
    from scipy import stats

    values = np.array(list(scores))

    def mean(x: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.asarray(stats.trim_mean(x, 0.25, axis=axis))

    if len(values) < 2 or np.ptp(values) == 0:
        return (float(mean(values)),) * 3
    low, high = stats.bootstrap(
        (values,), mean, method="percentile", n_resamples=2000, rng=np.random.default_rng(0)
    ).confidence_interval
    return float(mean(values)), float(low), float(high)


def first(row: Row, runs: list[Result]) -> tuple[str, str]:
    """Medians of the steps and seconds until the threshold, over the runs that reached it."""
    reached = [(run.first, run.first / run.rate) for run in runs if run.first is not None]
    if not reached:
        return "–", "–"
    steps, seconds = (statistics.median(x) for x in zip(*reached, strict=True))
    counted = "" if len(reached) == len(runs) else f" ({len(reached)} of {len(runs)} seeds)"
    return f"{steps:,.0f}{counted}", f"{seconds:.1f}"


def table(results: list[Result]) -> str:
    """All rows that have results, in Markdown."""
    heads = ["run", "threshold", "score of each seed", "IQM (95 %)", "training", "steps"]
    heads += ["steps to threshold", "seconds", "published"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in ROWS:
        runs = sorted((x for x in results if x.row == row.name), key=lambda x: x.seed)
        if not runs:
            continue
        middle, low, high = interquartile_mean(run.score for run in runs)
        trained = statistics.mean(run.trained for run in runs)
        cells = [row.name, f"{row.threshold:g}", ", ".join(f"{run.score:.1f}" for run in runs)]
        cells += [f"{middle:.1f} ({low:.1f} to {high:.1f})", f"{trained:.1f}"]
        cells += [f"{runs[0].steps:,}", *first(row, runs), row.published or "–"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(results: list[Result], path: Path) -> None:
    """A panel a row: the seeds' scores, the interquartile mean, its interval and the threshold."""
    from matplotlib.figure import Figure

    rows = [row for row in ROWS if any(x.row == row.name for x in results)]
    figure = Figure(figsize=(9.0, 0.9 * len(rows)), layout="constrained")
    panels = figure.subplots(len(rows), 1, squeeze=False)[:, 0]
    for row, panel in zip(rows, panels, strict=True):
        scores = [x.score for x in results if x.row == row.name]
        middle, low, high = interquartile_mean(scores)
        panel.plot(scores, [0.0] * len(scores), "o", alpha=0.4)
        panel.errorbar(middle, 0.0, xerr=[[middle - low], [high - middle]], fmt="D", capsize=4)
        panel.axvline(row.threshold, linestyle=":", color="grey")
        panel.set_yticks([])
        panel.set_ylabel(row.name, rotation=0, ha="right", va="center")
    figure.savefig(path, dpi=80)


def main() -> None:
    """Trains what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="beginning of the names of the rows to run")
    parser.add_argument("--seeds", type=int, help="seeds of each row, instead of the usual number")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--results", type=Path, help="CSV file that keeps the runs")
    parser.add_argument("--show", action="store_true", help="train nothing")
    parser.add_argument("--picture", type=Path, help="PNG file")
    args = parser.parse_args()
    rows = [row for row in ROWS if row.name.startswith(args.only)]
    results = read(args.results) if args.results else []
    known = {(run.row, run.seed) for run in results}
    missing = [
        (row, seed)
        for row in rows
        for seed in range(args.seeds or row.seeds)
        if (row.name, seed) not in known and not args.show
    ]

    with ThreadPoolExecutor(args.jobs) as pool:
        for result in pool.map(lambda each: train(*each), missing):
            results.append(result)
            if args.results:
                append(args.results, result)
    print(table([run for run in results if run.row.startswith(args.only)]))
    if args.picture:
        draw(results, args.picture)


if __name__ == "__main__":
    main()
