"""What each algorithm reaches: final greedy evaluations over several seeds, as a table.

    python benchmarks/learning.py                   # every row
    python benchmarks/learning.py --only a2c        # rows whose name begins so
    python benchmarks/learning.py --seeds 3

Runs ``python -m pgtf.launch`` once for each row and seed. A row's threshold is the mean return over
100 greedy episodes that the README promises.
"""

import argparse
import json
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


ROWS = [
    Row("a2c CartPole-v1", ["a2c.gin"], [], 5, 475),
    Row("a2c Acrobot-v1", ["a2c.gin", "envs/acrobot.gin"], [], 3, -100),
    Row("a2c Pendulum-v1", ["a2c.gin", "envs/pendulum.gin"], [], 3, -200),
]


def train(row: Row, seed: int, folder: Path) -> dict[str, float]:
    """Trains one seed and returns its ``summary.json``."""
    logdir = folder / row.name.replace(" ", "-") / str(seed)
    command = [sys.executable, "-m", "pgtf.launch", f"--logdir={logdir}"]
    command += [f"--gin_file={file}" for file in row.files]
    command += [f"--gin_param={binding}" for binding in [*row.bindings, f"train.seed = {seed}"]]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((logdir / "summary.json").read_text())


def main() -> None:
    """Trains every row and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="beginning of the names of the rows to run")
    parser.add_argument("--seeds", type=int, help="seeds of each row, instead of the usual number")
    args = parser.parse_args()
    print("| run | threshold | greedy mean over 100 episodes, each seed | steps | seconds |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for row in ROWS:
            if not row.name.startswith(args.only):
                continue
            runs = [train(row, seed, Path(folder)) for seed in range(args.seeds or row.seeds)]
            means = ", ".join(f"{run['eval_return_mean']:.1f}" for run in runs)
            seconds = sorted(run["wall_seconds"] for run in runs)[len(runs) // 2]
            print(
                f"| {row.name} | {row.threshold:g} | {means} | {runs[0]['steps']:,}"
                f" | {seconds:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
