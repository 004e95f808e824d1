"""A3C's environment steps per second, learning included, against the number of workers.

    python benchmarks/threads.py                    # every environment, 1, 2 and 4 workers
    python benchmarks/threads.py --only pong --workers 1 2

Every configuration runs in a process of its own and is measured after a warm-up that traces and
compiles; the configurations take turns, so that a machine whose speed drifts does not favour one of
them. ``cores`` is processor time over wall time: how many cores were busy. Prints a table of
medians, and a line of JSON for each measurement as it comes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from typing import NamedTuple


class Task(NamedTuple):
    """What the workers train on.

    Attributes:
        files: gin files.
        bindings: on top of them.
    """

    files: list[str]
    bindings: list[str]


TASKS = {
    "pong": Task(["a3c.gin", "envs/pong.gin"], []),
    "cartpole": Task(["a3c.gin"], []),
    "halfcheetah": Task(["a3c_continuous.gin"], ["ENVIRONMENT = 'HalfCheetah-v5'"]),
    "compiled-cartpole": Task(["a3c.gin", "envs/compiled.gin"], []),
    "compiled-cartpole-64": Task(["a3c.gin", "envs/compiled.gin"], ["NUM_ENVS = 64"]),
}


class Rate(NamedTuple):
    """One measurement.

    Attributes:
        steps_per_second: environment steps of all workers.
        cores: processor time over wall time.
        policy_lag: mean updates of others between a worker's copy and its update.
    """

    steps_per_second: float
    cores: float
    policy_lag: float


def measure(task: Task, workers: int, extra: list[str], seconds: float) -> Rate:
    """Trains in this process for a while."""
    import gin
    import keras

    from pgtf import configuration
    from pgtf import parts as parts
    from pgtf.runtime import runtime

    configuration.load(task.files, [*task.bindings, f"NUM_WORKERS = {workers}", *extra])
    gin.get_configurable(runtime)()
    keras.utils.set_random_seed(0)
    trainer = gin.get_configurable("AsynchronousTrainer")()
    trainer.build(0)
    never = 2**62
    until = time.perf_counter() + seconds / 4
    trainer.iterate(never)
    while time.perf_counter() < until:
        trainer.iterate(never)
    first, began, processor = int(trainer.steps.numpy()), time.perf_counter(), time.process_time()
    lags = []
    while time.perf_counter() < began + seconds:
        lags.append(trainer.iterate(never).scalars["train/policy_lag"])
    wall, busy = time.perf_counter() - began, time.process_time() - processor
    rate = (int(trainer.steps.numpy()) - first) / wall
    trainer.close()
    return Rate(rate, busy / wall, statistics.mean(lags))


def elsewhere(task: str, workers: int, args: argparse.Namespace) -> Rate:
    """Measures in a process of its own."""
    command = [sys.executable, __file__, "--here", f"--only={task}", f"--workers={workers}"]
    command += [f"--seconds={args.seconds}", *(f"--gin_param={x}" for x in args.gin_param)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return Rate(*json.loads(output.splitlines()[-1]))


def main() -> None:
    """Measures every configuration, or the one asked for in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=TASKS, help="only this environment")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--runs", type=int, default=5, help="measurements of each configuration")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a measurement")
    parser.add_argument("--gin_param", action="append", default=[], help="a further binding")
    parser.add_argument("--here", action="store_true", help="one measurement in this process")
    args = parser.parse_args()
    if args.here:
        rate = measure(TASKS[args.only], args.workers[0], args.gin_param, args.seconds)
        print(json.dumps(rate))
        return

    configurations = [
        (name, workers) for name in TASKS if args.only in (None, name) for workers in args.workers
    ]
    rates: dict[tuple[str, int], list[Rate]] = defaultdict(list)
    for _ in range(args.runs):
        for name, workers in configurations:
            rate = elsewhere(name, workers, args)
            rates[name, workers].append(rate)
            print(json.dumps({"task": name, "workers": workers} | rate._asdict()), flush=True)
    print(f"\n{os.cpu_count()} cores, medians of {args.runs}:\n")
    print("| environment | workers | steps/s | against 1 worker | cores | policy lag |")
    print("|---|---|---|---|---|---|")
    for (name, workers), measured in rates.items():
        median = Rate(*(statistics.median(column) for column in zip(*measured, strict=True)))
        ratios = [
            rate.steps_per_second / one.steps_per_second
            for rate, one in zip(measured, rates[name, args.workers[0]], strict=True)
        ]
        print(
            f"| {name} | {workers} | {median.steps_per_second:,.0f}"
            f" | {statistics.median(ratios):.2f} | {median.cores:.2f} | {median.policy_lag:.2f} |"
        )


if __name__ == "__main__":
    main()
