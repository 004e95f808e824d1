"""What each algorithm reaches: final greedy evaluations over several seeds, as a table.

    python benchmarks/learning.py                       # every row
    python benchmarks/learning.py --only a2c --jobs 2   # rows whose name begins so, two at a time
    python benchmarks/learning.py --results scores.csv  # keeps each run; a second call goes on
    python benchmarks/learning.py --results scores.csv --show --picture scores.png
    python benchmarks/learning.py --results scores.csv --show --scores docs/scores.md

Runs ``python -m pgtf.launch`` once for each row of ``rows.py`` and seed. A row's threshold is the
mean return over 100 greedy episodes that every seed should reach, and for the table's last columns
the first evaluation (20 greedy episodes, every 10,000 steps, or 100,000 where episodes are long)
that reached it. IQM is the interquartile mean over the seeds with a 95 % stratified bootstrap
interval (Agarwal et al. 2021, arXiv:2108.13264). docs/scores.md has published scores beside ours.
"""

import argparse
import csv
import datetime
import json
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from published import told
from rows import ROWS, Row
from runs import Result, append, interquartile_mean, read
from scores import page


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
        bindings = [*row.bindings, f"train.seed = {seed}", f"Evaluation.every = {row.every}"]
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
        summary["eval_sampled_return_mean"],
    )


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
        cells += [f"{runs[0].steps:,}", *first(row, runs), told(row.algorithm, row.environment)]
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
    parser.add_argument("--scores", type=Path, help="Markdown file for the page of all results")
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
    if args.scores:
        args.scores.write_text(page(results), encoding="utf-8")
    if args.picture:
        draw(results, args.picture)


if __name__ == "__main__":
    main()
