"""Environment steps until CartPole-v1 is solved: two algorithms, and a test of their difference.

    python benchmarks/sample_efficiency.py                      # a2c.gin and replay.gin
    python benchmarks/sample_efficiency.py a2c.gin ppo.gin --first_seed=10

Solved is a greedy mean return of 475 over 100 episodes; every 2,500 steps there is such an
evaluation. Runs end after 60,000 steps, with learning rates that fall as in a run of 500,000. All
seeds of a file are trained at once, on the compiled environment. The test is Mann and Whitney's,
two-sided; a seed that is not solved by then ranks last.
"""

import argparse
import csv
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from scipy import stats

SCORE = 475
BINDINGS = [
    "TOTAL_STEPS = 60000",
    "PolynomialDecay.decay_steps = 500000",
    "Evaluation.every = 2500",
    "Evaluation.episodes = 100",
    "Evaluation.num_envs = 100",
    "train.log_every = 2500",
]


def steps_to_score(file: str, num_seeds: int, first_seed: int, folder: Path) -> list[float]:
    """Steps of each seed until the first evaluation that reached the score."""
    logdir = folder / Path(file).stem
    command = [sys.executable, "-m", "pgtf.launch", f"--gin_file={file}", f"--logdir={logdir}"]
    seeds = [f"train.seed = {first_seed}", f"train.num_seeds = {num_seeds}"]
    command += ["--gin_file=envs/compiled.gin"]
    command += [f"--gin_param={binding}" for binding in [*BINDINGS, *seeds]]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open(logdir / "progress.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    solved = []
    for i in range(num_seeds):
        scores = ((row["step"], row.get(f"seed_{i}/eval_mean_reward")) for row in rows)
        reached = (float(step) for step, score in scores if score and float(score) >= SCORE)
        solved.append(next(reached, math.inf))
    return solved


def main() -> None:
    """Trains both and prints a table and the result of the test."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", default=["a2c.gin", "replay.gin"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first_seed", type=int, default=0)
    args = parser.parse_args()
    print("| file | steps until solved, each seed, in thousands | median |")
    print("|---|---|---|")
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for file in args.files:
            found.append(steps_to_score(file, args.seeds, args.first_seed, Path(folder)))
            each = ", ".join(f"{x / 1000:.0f}" for x in found[-1])
            print(f"| `{file}` | {each} | {statistics.median(found[-1]):,.0f} |", flush=True)
    one, other = found
    print(f"\nMann-Whitney, two-sided: p = {stats.mannwhitneyu(one, other).pvalue:.2g}")


if __name__ == "__main__":
    main()
