"""A3C's environment steps per second, learning included, against the number of workers.

    python benchmarks/threads.py                    # every environment, 1, 2 and 4 workers
    python benchmarks/threads.py --only pong --workers 1 2
    python benchmarks/threads.py --peer peer/bin/python    # and Stable-Baselines3's A2C

Every configuration has a process of its own; they take short turns (``turns.py``). ``cores`` is
processor time over wall time: how many cores were busy. The peer, ``benchmarks/peer_sb3.py``, has
as many environments as there are workers, and the same rollouts and networks; it needs an
interpreter with Stable-Baselines3. ``--against CHECKOUT`` sets another version of pgtf beside.
Prints a table for each environment: medians of the turns, quartiles in brackets.
"""

import argparse
import os
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

import turns


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
    trainer.iterate(2**62)  # Compiles.
    turns.timed(trainer, 2.0)
    turns.serve(lambda seconds: turns.timed(trainer, seconds))
    trainer.close()


def measure(name: str, args: argparse.Namespace) -> dict[tuple[str, int], list[turns.Turn]]:
    """Lets everything that trains on a task take turns; by side and number of workers."""
    task = TASKS[name]
    ours = [sys.executable, __file__, "--here", f"--only={name}"]
    ours += [f"--gin_param={binding}" for binding in args.gin_param]
    script = str(Path(__file__).with_name("peer_sb3.py"))
    commands: dict[tuple[str, int], tuple[list[str], dict[str, str] | None]] = {}
    for workers in args.workers:
        commands["pgtf", workers] = ([*ours, "--workers", str(workers)], None)
        if args.against:
            before = {**os.environ, "PYTHONPATH": str(Path(args.against).resolve())}
            commands["against", workers] = ([*ours, "--workers", str(workers)], before)
        if args.peer and task.peer:
            peer = [args.peer, script, *task.peer, "--envs", str(workers), "--turns"]
            commands["peer", workers] = (peer, None)
    return turns.play(commands, args.rounds, args.seconds)


def table(
    name: str, played: dict[tuple[str, int], list[turns.Turn]], args: argparse.Namespace
) -> None:
    """Prints the medians of a task."""
    first = args.workers[0]
    sides = ["against"] * bool(args.against) + ["peer"] * bool(args.peer)
    heads = ["environment", "workers", "steps/s", f"against {first}", "cores", "policy lag"]
    for side in sides:
        heads += [f"{side}'s steps/s", f"ratio to {side}"]
    print(f"\n{os.cpu_count()} cores, {args.rounds} rounds of {args.seconds:g} seconds:\n")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for workers in args.workers:
        mine = played["pgtf", workers]
        cells = [name, str(workers), turns.spread(turns.rates(mine))]
        cells += [turns.ratio(mine, played["pgtf", first])]
        cells += [f"{statistics.median(turn['cores'] for turn in mine):.2f}"]
        cells += [f"{statistics.median(turn['train/policy_lag'] for turn in mine):.2f}"]
        for side in sides:
            other = played.get((side, workers))
            if other:
                cells += [turns.spread(turns.rates(other)), turns.ratio(mine, other)]
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
    parser.add_argument("--against", metavar="CHECKOUT", help="another checkout of pgtf")
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
