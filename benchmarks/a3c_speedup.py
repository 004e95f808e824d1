"""Seconds and steps until A3C reaches a reference score, against the number of workers.

    python benchmarks/a3c_speedup.py                # CartPole-v1, Pendulum-v1; 1, 2, 4 workers
    python benchmarks/a3c_speedup.py --only cartpole --seeds 3

As in Table 2 of Mnih et al. 2016 (arXiv:1602.01783). The score is the mean return of the last 100
training episodes; the clock starts once all is traced and compiled. Every run has a process of its
own, and the numbers of workers take turns. Prints a table of medians, and writes every run to a
CSV file. A run that does not reach the score counts with all its seconds; the last column says how
many did.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import time
from typing import Any, NamedTuple


class Task(NamedTuple):
    """What is learned.

    Attributes:
        file: gin file.
        reference: mean return to reach.
    """

    file: str
    reference: float


TASKS = {
    "cartpole": Task("a3c.gin", 475.0),
    "pendulum": Task("a3c_continuous.gin", -200.0),
}
FIELDS = ["task", "workers", "seed", "seconds", "steps", "reached"]


def measure(task: Task, workers: int, seed: int) -> tuple[float, int, bool]:
    """Trains here until the score is reached or the file's steps are over."""
    import gin
    import keras

    from pgtf import parts as parts
    from pgtf.configuration import configuration
    from pgtf.configuration.runtime import runtime
    from pgtf.rollouts.window import EpisodeWindow

    configuration.load([task.file], [f"NUM_WORKERS = {workers}"])
    gin.get_configurable(runtime)()
    keras.utils.set_random_seed(seed)
    trainer = gin.get_configurable("AsynchronousTrainer")()
    trainer.build(seed)
    total = configuration.bound("train.total_steps", 0)
    trainer.iterate(1)  # The first rollout compiles.
    window, episodes, reached = EpisodeWindow(()), 0.0, False
    began = time.perf_counter()
    while trainer.steps < total and not reached:
        finished = trainer.iterate(total).episodes
        window.add(finished)
        episodes += finished[:, 0].sum()
        reached = episodes >= 100 and window.scalars()["rollout/ep_rew_mean"] >= task.reference
    seconds = time.perf_counter() - began
    trainer.close()
    return seconds, int(trainer.steps.numpy()), reached


def main() -> None:
    """Measures every run, or the one asked for in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=TASKS)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--csv", default="a3c_speedup.csv", help="where every run is written")
    parser.add_argument("--here", type=int, help="this seed alone, in this process")
    args = parser.parse_args()
    if args.here is not None:
        print(json.dumps(measure(TASKS[args.only], args.workers[0], args.here)))
        return

    names = [name for name in TASKS if args.only in (None, name)]
    rows: list[dict[str, Any]] = []
    with open(args.csv, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        for name in names:
            for seed in range(args.seeds):
                for workers in args.workers:
                    command = [sys.executable, __file__, f"--only={name}", f"--here={seed}"]
                    command.append(f"--workers={workers}")
                    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                    result = json.loads(run.stdout.splitlines()[-1])
                    row = dict(zip(FIELDS, [name, workers, seed, *result], strict=True))
                    writer.writerow(row)
                    file.flush()
                    rows.append(row)
    print("| environment | workers | seconds | speed-up | steps | seeds that reached it |")
    print("|---|---|---|---|---|---|")
    for name in names:
        first: float | None = None
        for workers in args.workers:
            runs = [row for row in rows if (row["task"], row["workers"]) == (name, workers)]
            seconds, steps = (statistics.median(run[x] for run in runs) for x in FIELDS[3:5])
            first = first or seconds
            print(
                f"| {name} | {workers} | {seconds:.1f} | {first / seconds:.2f} | {steps:,.0f}"
                f" | {sum(run['reached'] for run in runs)} of {len(runs)} |"
            )


if __name__ == "__main__":
    main()
