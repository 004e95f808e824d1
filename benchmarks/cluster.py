"""Environment steps per second on Ray, learning included, beside one process. Needs pgtf[ray].

    python benchmarks/cluster.py                           # every task and mode, 1 and 2 actors
    python benchmarks/cluster.py --only halfcheetah --modes decoupled

Every configuration has a process of its own, with its own cluster on this machine; they take short
turns (``turns.py``). The one process is a ``SynchronousTrainer`` with the copies of all actors
together. ``parameters``, ``put``, ``ask`` and ``learn`` are what an update costs beside acting: the
bytes of all parameters, and the milliseconds of putting them into the object store, of asking an
actor for nothing, and of the learner's own work.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import turns

TASKS = {
    "pong": (["envs/pong.gin"], 8),
    "halfcheetah": (["envs/halfcheetah.gin"], 4),
    "cartpole": ([], 4),
}
COSTS = ("parameters", "put", "ask", "learn")
#: Mode to gin file; the first is the process that the others are compared with.
FILES = {
    "one process": "a2c.gin",
    "synchronous": "ray_a2c.gin",
    "asynchronous": "ray_a3c.gin",
    "decoupled": "ray_impala.gin",
}


def serve(name: str, mode: str, actors: int, rows: int) -> None:
    """Trains in this process, for as many seconds as each line of the standard input says."""
    import gin
    import keras
    import numpy as np

    from pgtf import parts as parts
    from pgtf.configuration import configuration
    from pgtf.configuration.runtime import runtime

    files, copies = TASKS[name]
    bound = [f"Rollouts.num_steps = {rows}"]
    if mode == "one process":
        bound += [f"NUM_ENVS = {actors * copies}"]
    else:
        bound += [f"NUM_ENVS = {copies}", f"NUM_ACTORS = {actors}"]
    configuration.load([FILES[mode], *files], bound)
    gin.get_configurable(runtime)()
    keras.utils.set_random_seed(0)
    trainer = configuration.bound("train.trainer", None)
    trainer.build(0)
    trainer.call_seconds = 0.25
    turns.timed(trainer, 5.0)
    costs = {}
    if mode != "one process":
        central, fleet = trainer._central, trainer.fleet
        costs = {
            "parameters": float(sum(np.asarray(x).nbytes for x in central.values())),
            "put": milliseconds(lambda: fleet.put(central.values())),
            "ask": milliseconds(lambda: fleet.ask_all("layout", [()] * actors, 60.0)),
        }
        learn = "learn" if mode == "decoupled" else "apply"
        spent, learned = list[float](), getattr(central, learn)

        def timed(*args: Any) -> Any:
            began = time.perf_counter()
            result = learned(*args)
            spent.append(1e3 * (time.perf_counter() - began))
            return result

        setattr(central, learn, timed)
        turns.timed(trainer, 2.0)
        costs["learn"] = statistics.median(spent)
        setattr(central, learn, learned)
    turns.serve(lambda seconds: turns.timed(trainer, seconds) | costs)
    trainer.close()


def milliseconds(act: Callable[[], object]) -> float:
    """The median time of fifty calls."""
    times = []
    for _ in range(50):
        began = time.perf_counter()
        act()
        times.append(1e3 * (time.perf_counter() - began))
    return statistics.median(times)


def main() -> None:
    """Measures every configuration, or serves the one asked for in this process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=TASKS, nargs="*", default=list(TASKS))
    parser.add_argument("--modes", choices=FILES, nargs="*", default=list(FILES)[1:])
    parser.add_argument("--actors", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--rows", type=int, default=20, help="T, steps of a rollout")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--here", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.here:
        name, mode, actors = args.here
        serve(name, mode, int(actors), args.rows)
        return
    heads = ["task", "mode", "actors", "steps/s", "against one process", *COSTS]
    print(f"{os.cpu_count()} cores, {args.rounds} rounds of {args.seconds:g} seconds:\n")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for name in args.only:
        for actors in args.actors:
            modes = ["one process", *(mode for mode in args.modes if mode != "one process")]
            here = [sys.executable, __file__, f"--rows={args.rows}", "--here", name]
            commands = {mode: ([*here, mode, str(actors)], None) for mode in modes}
            played = turns.play(commands, args.rounds, args.seconds)
            for mode in modes:
                mine = played[mode]
                cells = [name, mode, str(actors), turns.spread(turns.rates(mine))]
                cells += [turns.ratio(mine, played["one process"])]
                for cost in COSTS:
                    value = mine[0].get(cost)
                    cells.append("" if value is None else f"{value:,.1f}")
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
