"""A3C's environment steps per second, learning included, against the number of workers.

    python benchmarks/threads.py                    # every environment, 1, 2 and 4 workers
    python benchmarks/threads.py --only pong --workers 1 2
    python benchmarks/threads.py --peer peer/bin/python    # and Stable-Baselines3's A2C

Every configuration has a process of its own, which traces, compiles and warms up, and then stands
still until its turn. Turns are short and go round, so that a machine whose speed drifts favours
none of them, and ratios are taken within a round. ``cores`` is processor time over wall time: how
many cores were busy. The peer, ``benchmarks/peer_sb3.py``, has as many environments as there are
workers, and the same rollouts and networks; it needs an interpreter with Stable-Baselines3. Prints
a line of JSON for each turn as it comes, and for each environment a table of medians with the
quartiles of the ratios.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple


class Task(NamedTuple):
    """What the workers train on.

    Attributes:
        files: gin files.
        bindings: on top of them.
        peer: arguments of ``peer_sb3.py`` for the same task, or None where it has none.
    """

    files: list[str]
    bindings: list[str]
    peer: list[str] | None = None


TASKS = {
    "pong": Task(
        ["a3c.gin", "envs/pong.gin"], [], ["PongNoFrameskip-v4", "--rollout", "20", "--atari"]
    ),
    "cartpole": Task(["a3c.gin"], [], ["CartPole-v1"]),
    "halfcheetah": Task(
        ["a3c_continuous.gin"],
        ["ENVIRONMENT = 'HalfCheetah-v5'"],
        ["HalfCheetah-v5", "--rollout", "16"],
    ),
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
    policy_lag: float = 0.0


def serve(task: Task, workers: int, extra: list[str]) -> None:
    """Trains in this process, for as many seconds as each line of the standard input says."""
    import gin
    import keras

    from pgtf import parts as parts
    from pgtf.configuration import configuration
    from pgtf.configuration.runtime import runtime

    configuration.load(task.files, [*task.bindings, f"NUM_WORKERS = {workers}", *extra])
    gin.get_configurable(runtime)()
    keras.utils.set_random_seed(0)
    trainer = gin.get_configurable("AsynchronousTrainer")()
    trainer.build(0)

    def train(seconds: float) -> Rate:
        first, lags = int(trainer.steps.numpy()), []
        began, processor = time.perf_counter(), time.process_time()
        while time.perf_counter() < began + seconds:
            lags.append(trainer.iterate(2**62).scalars["train/policy_lag"])
        wall, busy = time.perf_counter() - began, time.process_time() - processor
        rate = (int(trainer.steps.numpy()) - first) / wall
        return Rate(rate, busy / wall, statistics.mean(lags))

    trainer.iterate(2**62)  # Compiles.
    train(2.0)
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(train(float(line))._asdict()), flush=True)
    trainer.close()


class Contestant:
    """A configuration in a process of its own that trains when it is told to."""

    def __init__(self, command: list[str]):
        self._command = command
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._read()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self._command)} has ended early.")
        return line

    def train(self, seconds: float) -> Rate:
        """Lets it train for a while."""
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)
        return Rate(**json.loads(self._read()))

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


@contextlib.contextmanager
def contestants(name: str, args: argparse.Namespace) -> Iterator[dict[tuple[str, int], Contestant]]:
    """Starts, one after the other, what takes turns on a task; by side and number of workers."""
    task, started = TASKS[name], dict[tuple[str, int], Contestant]()
    ours = [sys.executable, __file__, "--here", f"--only={name}"]
    ours += [f"--gin_param={binding}" for binding in args.gin_param]
    try:
        for workers in args.workers:
            started["pgtf", workers] = Contestant([*ours, "--workers", str(workers)])
        for workers in args.workers if args.peer and task.peer else ():
            script = str(Path(__file__).with_name("peer_sb3.py"))
            command = [args.peer, script, *(task.peer or ()), "--envs", str(workers), "--turns"]
            started["peer", workers] = Contestant(command)
        yield started
    finally:
        for contestant in started.values():
            contestant.close()


def measure(name: str, args: argparse.Namespace) -> dict[tuple[str, int], list[Rate]]:
    """Lets everything that trains on a task take turns."""
    with contestants(name, args) as started:
        rates: dict[tuple[str, int], list[Rate]] = {key: [] for key in started}
        for _ in range(args.rounds):
            for (side, workers), contestant in started.items():
                rate = contestant.train(args.seconds)
                rates[side, workers].append(rate)
                turn: dict[str, Any] = {"task": name, "side": side, "workers": workers}
                print(json.dumps(turn | rate._asdict()), flush=True)
    return rates


def ratio(rates: list[Rate], others: list[Rate]) -> str:
    """The median of the ratios within each round, and their quartiles."""
    ratios = [a.steps_per_second / b.steps_per_second for a, b in zip(rates, others, strict=True)]
    if len(ratios) == 1:
        return f"{ratios[0]:.2f}"
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def table(name: str, rates: dict[tuple[str, int], list[Rate]], args: argparse.Namespace) -> None:
    """Prints the medians of a task."""
    first = args.workers[0]
    print(f"\n{os.cpu_count()} cores, {args.rounds} rounds of {args.seconds:g} seconds:\n")
    print(
        f"| environment | workers | steps/s | against {first} | cores | policy lag"
        " | peer's steps/s | against the peer |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for workers in args.workers:
        mine = rates["pgtf", workers]
        median = Rate(*(statistics.median(column) for column in zip(*mine, strict=True)))
        cells = [name, str(workers), f"{median.steps_per_second:,.0f}"]
        cells += [ratio(mine, rates["pgtf", first])]
        cells += [f"{median.cores:.2f}", f"{median.policy_lag:.2f}"]
        peer = rates.get(("peer", workers))
        if peer:
            middle = statistics.median(rate.steps_per_second for rate in peer)
            cells += [f"{middle:,.0f}", ratio(mine, peer)]
        else:
            cells += ["–", "–"]
        print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Measures every configuration, or serves the one asked for in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=TASKS, help="only this environment")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=15, help="turns of each configuration")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of a turn")
    parser.add_argument("--gin_param", action="append", default=[], help="a further binding")
    parser.add_argument("--peer", help="an interpreter that has Stable-Baselines3")
    parser.add_argument("--here", action="store_true", help="serve turns in this process")
    args = parser.parse_args()
    if args.here:
        serve(TASKS[args.only], args.workers[0], args.gin_param)
        return

    for name in TASKS:
        if args.only in (None, name):
            table(name, measure(name, args), args)


if __name__ == "__main__":
    main()
