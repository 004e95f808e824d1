"""What each algorithm reaches: final greedy evaluations over several seeds, as a table.

    python benchmarks/learning.py                   # every row
    python benchmarks/learning.py --only a2c        # rows whose name begins so
    python benchmarks/learning.py --seeds 3

Runs ``python -m pgtf.launch`` once for each row and seed. A row's threshold is the mean return over
100 greedy episodes that the README promises, and for the table's last columns the first evaluation
(20 greedy episodes, every 10,000 steps) that reached it.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: what ``--only`` selects by.
        files: gin files.
        bindings: on top of them.
        seeds: 0 … seeds - 1.
        threshold: mean return that every seed should reach.
    """

    name: str
    files: list[str]
    bindings: list[str]
    seeds: int
    threshold: float


_MILLION = "TOTAL_STEPS = 1000000"
_COMPILED = "envs/compiled.gin"

ROWS = [
    Row("a2c CartPole-v1", ["a2c.gin"], [], 5, 475),
    Row("a2c Acrobot-v1", ["a2c.gin", "envs/acrobot.gin"], [], 3, -100),
    Row("a2c Pendulum-v1", ["a2c.gin", "envs/pendulum.gin"], [], 3, -200),
    Row("a3c CartPole-v1", ["a3c.gin"], [], 5, 475),
    Row("a3c_continuous Pendulum-v1", ["a3c_continuous.gin"], [], 5, -250),
    Row("reinforce CartPole-v1", ["reinforce.gin"], [_MILLION], 3, 475),
    Row(
        "reinforce, Constant baseline, CartPole-v1",
        ["reinforce.gin"],
        [_MILLION, "Learner.baseline = @Constant()"],
        3,
        475,
    ),
    Row(
        "reinforce, TimeDependent baseline, CartPole-v1",
        ["reinforce.gin"],
        [_MILLION, "Learner.baseline = @TimeDependent()"],
        3,
        475,
    ),
    Row("reinforce_baseline CartPole-v1", ["reinforce_baseline.gin"], [_MILLION], 3, 475),
    Row("q_actor_critic CartPole-v1", ["q_actor_critic.gin"], [_MILLION], 3, 475),
    Row(
        "q_actor_critic, no baseline, CartPole-v1",
        ["q_actor_critic.gin"],
        [_MILLION, "Learner.baseline = None"],
        3,
        475,
    ),
    Row("actor_critic CartPole-v1", ["actor_critic.gin"], [_MILLION], 3, 475),
    Row("vpg CartPole-v1", ["vpg.gin"], [_MILLION], 3, 475),
    Row("vpg Pendulum-v1", ["vpg.gin", "envs/pendulum.gin"], [], 3, -250),
    Row("es CartPole-v1", ["es.gin", _COMPILED], [], 5, 475),
    Row("es Pendulum-v1", ["es.gin", "envs/es_pendulum.gin", _COMPILED], [], 5, -250),
    Row(
        "es MountainCarContinuous-v0",
        ["es.gin", "envs/es_mountain_car.gin", _COMPILED],
        [],
        5,
        90,
    ),
    Row("cem CartPole-v1", ["cem.gin", _COMPILED], [], 5, 475),
    Row(
        "cem MountainCarContinuous-v0",
        ["cem.gin", "envs/es_mountain_car.gin", _COMPILED],
        [],
        5,
        90,
    ),
]


class Result(NamedTuple):
    """What one seed reached.

    Attributes:
        score: greedy mean return over the last evaluation.
        steps: of training, in all.
        first: steps until an evaluation reached the threshold and the seconds they take at the
            run's steady rate, or None.
    """

    score: float
    steps: int
    first: tuple[int, float] | None


def train(row: Row, seed: int, folder: Path) -> Result:
    """Trains one seed in a process of its own."""
    logdir = folder / row.name.replace(" ", "-") / str(seed)
    command = [sys.executable, "-m", "pgtf.launch", f"--logdir={logdir}"]
    command += [f"--gin_file={file}" for file in row.files]
    bindings = [*row.bindings, f"train.seed = {seed}", "Evaluation.every = 10000"]
    command += [f"--gin_param={binding}" for binding in bindings]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    summary = json.loads((logdir / "summary.json").read_text())
    with open(logdir / "progress.csv", newline="") as file:
        scores = [(int(x["step"]), x["eval/mean_reward"]) for x in csv.DictReader(file)]
    reached = [step for step, score in scores if score and float(score) >= row.threshold]
    first = (reached[0], reached[0] / summary["steps_per_second"]) if reached else None
    return Result(summary["eval_return_mean"], summary["steps"], first)


def first(runs: list[Result]) -> tuple[str, str]:
    """Medians of the steps and seconds until the threshold, over the runs that reached it."""
    reached = [run.first for run in runs if run.first]
    if not reached:
        return "–", "–"
    steps, seconds = (statistics.median(x) for x in zip(*reached, strict=True))
    counted = "" if len(reached) == len(runs) else f" ({len(reached)} of {len(runs)} seeds)"
    return f"{steps:,.0f}{counted}", f"{seconds:.1f}"


def main() -> None:
    """Trains every row and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="beginning of the names of the rows to run")
    parser.add_argument("--seeds", type=int, help="seeds of each row, instead of the usual number")
    args = parser.parse_args()
    print("| run | threshold | final score of each seed | steps | steps to threshold | seconds |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            if not row.name.startswith(args.only):
                continue
            runs = [train(row, seed, Path(folder)) for seed in range(args.seeds or row.seeds)]
            cells = [row.name, f"{row.threshold:g}", ", ".join(f"{x.score:.1f}" for x in runs)]
            cells += [f"{runs[0].steps:,}", *first(runs)]
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
