"""Evolution beside the policy gradient: the same environments and networks, the same budgets.

    python benchmarks/evolution.py                  # trains, and draws docs/evolution.png
    python benchmarks/evolution.py --throughput     # compiled against Gymnasium environments

Every run has a process of its own and goes on until both its budgets, of steps and of seconds, are
used up. Seconds are those of training: compiling and evaluating (20 greedy episodes, about a
hundred times) are left out, and so is what other processes take of the machine. All train on
compiled environments; A2C with the settings of its gin files but a constant learning rate, since a
schedule would need one budget to be known.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

Curve = list[tuple[int, float, float]]  # steps, seconds, mean return


class Budget(NamedTuple):
    """What a run may use up, the files that set the environment, and A2C's learning rate."""

    steps: int
    seconds: float
    evolution: list[str]
    gradient: list[str]
    learning_rate: float


TASKS = {
    "CartPole-v1": Budget(1_000_000, 5.0, [], [], 7e-4),
    "Pendulum-v1": Budget(3_000_000, 5.0, ["envs/es_pendulum.gin"], ["envs/pendulum.gin"], 2e-3),
    "MountainCarContinuous-v0": Budget(2_000_000, 5.0, ["envs/es_mountain_car.gin"], [], 7e-4),
}
ALGORITHMS = ["es", "cem", "a2c"]


def made(algorithm: str, task: str, compiled: bool, seed: int, bindings: list[str]):  # type: ignore[no-untyped-def]
    """The trainer of a run, built, and what evaluates it."""
    import gin
    import keras

    from pgtf import parts as parts
    from pgtf.configuration import configuration
    from pgtf.configuration.runtime import runtime
    from pgtf.running.evaluation import Evaluation

    budget = TASKS[task]
    settings = budget.gradient if algorithm == "a2c" else budget.evolution
    files = [f"{algorithm}.gin", *settings, *["envs/compiled.gin"] * compiled]
    bindings = [f"ENVIRONMENT = '{task}'", *bindings]
    if algorithm == "a2c":
        bindings.append(f"RMSprop.learning_rate = {budget.learning_rate}")
    configuration.load(files, bindings)
    gin.get_configurable(runtime)()
    keras.utils.set_random_seed(seed)
    trainer = configuration.bound("train.trainer", None)
    trainer.build(seed)
    evaluation = Evaluation()
    evaluation.build(trainer.policy, trainer.environment, seed, trainer.compilation)
    return trainer, evaluation


def curve(algorithm: str, task: str, seed: int) -> Curve:
    """Trains here until both budgets are used up."""
    trainer, evaluation = made(algorithm, task, True, seed, [])
    budget = TASKS[task]
    points = [(0, 0.0, float(evaluation.score(20).returns.mean()))]
    trainer.iterate(1)  # Compiles; its few steps count and its seconds do not.
    seconds, due = 0.0, 1
    steps = int(trainer.steps.numpy())
    while steps < budget.steps or seconds < budget.seconds:
        began, ran = time.perf_counter(), time.process_time()
        trainer.iterate(steps + budget.steps // 100)
        steps = int(trainer.steps.numpy())
        seconds += min(time.perf_counter() - began, time.process_time() - ran)
        if max(steps / budget.steps, seconds / budget.seconds) * 50 >= due:
            due = int(max(steps / budget.steps, seconds / budget.seconds) * 50) + 1
            points.append((steps, seconds, float(evaluation.score(20).returns.mean())))
    trainer.close()
    return points


def rate(population: int, compiled: bool) -> float:
    """Steps per second of evolution strategies on CartPole-v1.

    Measured over a million steps from the 500,000th on: the first generations fail early, and what
    they cost says little about the rest.
    """
    trainer, _ = made("es", "CartPole-v1", compiled, 0, [f"POPULATION = {population}"])
    while int(trainer.steps.numpy()) < 500_000:
        trainer.iterate(500_000)
    first = int(trainer.steps.numpy())
    began, ran = time.perf_counter(), time.process_time()
    while int(trainer.steps.numpy()) < 1_500_000:
        trainer.iterate(1_500_000)
    seconds = min(time.perf_counter() - began, time.process_time() - ran)
    trainer.close()
    return (int(trainer.steps.numpy()) - first) / seconds


def draw(curves: dict[str, dict[str, list[Curve]]], path: Path) -> None:
    """Median and range over seeds: over steps in the upper row, over seconds in the lower one."""
    import matplotlib

    matplotlib.use("Agg")
    import numpy as np
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(curves), figsize=(11, 5.5), squeeze=False)
    for column, (task, by_algorithm) in enumerate(curves.items()):
        budget = TASKS[task]
        for row, (index, most) in enumerate([(0, budget.steps), (1, budget.seconds)]):
            panel = axes[row, column]
            grid = np.linspace(0, most, 200)
            for algorithm, seeds in by_algorithm.items():
                values = np.array(
                    [np.interp(grid, *np.array(seed)[:, [index, 2]].T) for seed in seeds]
                )
                panel.plot(grid, np.median(values, 0), label=algorithm.upper())
                panel.fill_between(grid, values.min(0), values.max(0), alpha=0.2, linewidth=0)
            panel.set_xlabel(["environment steps", "seconds of training"][row])
        axes[0, column].set_title(task)
    for panel in axes[:, 0]:
        panel.set_ylabel("greedy mean return")
    axes[0, 0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=80)


def here(*arguments: str) -> str:
    """Runs one measurement in a process of its own and returns the last line it prints."""
    command = [sys.executable, __file__, *arguments]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return output.splitlines()[-1]


def reached(seeds: list[Curve], index: int, most: float) -> str:
    """The last mean return within a budget, of each seed."""
    last = [[point[2] for point in seed if point[index] <= most][-1] for seed in seeds]
    return ", ".join(f"{value:.0f}" for value in last)


def compare(path: Path, seeds: int) -> None:
    """Trains everything, prints a table and draws the picture."""
    curves: dict[str, dict[str, list[Curve]]] = {task: {} for task in TASKS}
    print("| environment | algorithm | within the steps | within the seconds | steps/s |")
    print("|---|---|---|---|---|")
    for task, budget in TASKS.items():
        for algorithm in ALGORITHMS:
            runs = [json.loads(here("--here", algorithm, task, str(seed))) for seed in range(seeds)]
            curves[task][algorithm] = runs
            speed = statistics.median(run[-1][0] / run[-1][1] for run in runs)
            print(
                f"| {task} | {algorithm.upper()} | {reached(runs, 0, budget.steps)}"
                f" | {reached(runs, 1, budget.seconds)} | {speed:,.0f} |",
                flush=True,
            )
    draw(curves, path)


def main() -> None:
    """Compares, or measures what was asked for in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--picture", type=Path, default=Path("docs/evolution.png"))
    parser.add_argument("--throughput", action="store_true")
    parser.add_argument("--here", nargs=3, metavar=("ALGORITHM", "TASK", "SEED"))
    parser.add_argument("--rate", nargs=2, metavar=("POPULATION", "KIND"))
    args = parser.parse_args()
    if args.here:
        algorithm, task, seed = args.here
        print(json.dumps(curve(algorithm, task, int(seed))))
    elif args.rate:
        print(rate(int(args.rate[0]), args.rate[1] == "compiled"))
    elif args.throughput:
        for population in ("64", "256", "1024"):
            for kind in ("gymnasium", "compiled"):
                rates = [float(here("--rate", population, kind)) for _ in range(3)]
                spread = f"{statistics.median(rates):,.0f} ({min(rates):,.0f}–{max(rates):,.0f})"
                print(f"| {population} | {kind} | {spread} |", flush=True)
    else:
        compare(args.picture, args.seeds)


if __name__ == "__main__":
    main()
