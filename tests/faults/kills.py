"""Kills runs again and again, wherever they are, and compares how they end.

python -m tests.faults.kills --kills=200               # with XLA; about 20 minutes
python -m tests.faults.kills --kills=10 --quick        # without XLA and on short runs

Prints a line of JSON for each way to run. A way that is exact ends with the very variables of a run
that was left alone: weights, optimizers, counters, environments.
"""

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pgtf import launch
from pgtf.running import checkpoint_files, curves, policy_files
from pgtf.running.checkpoint import Checkpoints
from pgtf.running.evaluation import Evaluation
from pgtf.running.metrics import MetricsWriter
from tests.short_runs import table

#: Where runs are killed: inside the n-th call of one of these. None is a moment of its own.
PLACES: dict[str, tuple[Any, str] | None] = {
    "while it starts": None,
    "while it trains": None,
    "writing a checkpoint": (tf.train.Checkpoint, "write"),
    "writing the policy": (policy_files, "write_weights"),
    "publishing a checkpoint": (checkpoint_files, "publish"),
    "dropping a checkpoint": (checkpoint_files, "drop"),
    "settling": (checkpoint_files, "settle"),
    "keeping the best": (Checkpoints, "keep_best"),
    "evaluating": (Evaluation, "score"),
    "writing a row": (MetricsWriter, "scalars"),
    "cutting the curves": (curves, "cut"),
}
#: The same through one file's move into its place.
MOVING = ("publishing a checkpoint", "keeping the best")


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to run.

    Attributes:
        files: gin files.
        bindings: on top of them.
        every: environment steps between two checkpoints.
        exact: whether a run that was killed ends as one that was not.
    """

    files: tuple[str, ...]
    bindings: tuple[str, ...]
    every: int
    exact: bool = True


WAYS = {
    "synchronous, hosted": Way(("a2c.gin",), (), 400),
    "synchronous, compiled": Way(("compiled.gin",), ("NUM_ENVS = 16",), 2_000),
    "A3C, one worker": Way(("a3c.gin",), ("NUM_WORKERS = 1",), 300),
    "A3C, two workers": Way(("a3c.gin",), ("NUM_WORKERS = 2",), 300, exact=False),
    "seeds": Way(("compiled.gin",), ("NUM_ENVS = 8", "train.num_seeds = 2"), 1_000),
    "evolution": Way(("es.gin",), ("POPULATION = 4",), 400),
}
COMMON = (
    "MLP.hidden = (8,)",
    "Evaluation.episodes = 2",
    "Evaluation.final_episodes = 2",
    "Evaluation.max_steps = 50",
)
QUICK = tuple(
    f"{way}Trainer.jit_compile = False" for way in ("Synchronous", "Asynchronous", "Evolution")
)


def bindings(way: Way, checkpoints: int, quick: bool) -> list[str]:
    periods = {
        "TOTAL_STEPS": checkpoints * way.every,
        "train.checkpoint_every": way.every,
        "train.log_every": way.every // 2,
        "Evaluation.every": 2 * way.every,
    }
    return [*COMMON, *way.bindings, *(QUICK * quick), *(f"{k} = {v}" for k, v in periods.items())]


def started(way: Way, logdir: Path, asked: list[str], arm: Callable[[], None]) -> int:
    """Runs in a forked process, which ``arm`` prepares, and returns how that ended.

    This process has imported TensorFlow and never used it, so a start costs no import.
    """
    child = os.fork()
    if child == 0:
        log = os.open(f"{logdir}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        try:
            arm()
            launch.run(list(way.files), asked, str(logdir))
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_after(seconds: float) -> None:
    timer = threading.Timer(seconds, die)
    timer.daemon = True
    timer.start()


def armed(place: str, chance: random.Random, start: float) -> Callable[[], None]:
    """Returns what makes a process kill itself at a place.

    Args:
        place: one of ``PLACES``.
        chance: chooses which call, and when in it.
        start: seconds that a process takes to start.
    """
    count, seconds = chance.randint(1, 3), chance.uniform(0, 0.004)
    point = PLACES[place]
    if point is None:
        begin, end = (0, start) if place == "while it starts" else (start, start + 0.5)
        moment = chance.uniform(begin, end)
        return lambda: die_after(moment)
    if place in ("settling", "cutting the curves"):
        count = 1
    at_a_move = place in MOVING and chance.random() < 0.5
    moves = chance.randint(1, 3)

    def arm() -> None:
        owner, name = point
        function = getattr(owner, name)
        calls = itertools.count(1)

        def fatal(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == count:
                if at_a_move:
                    _die_at_a_move(moves)
                else:
                    die_after(seconds)
            return function(*args, **kwargs)

        setattr(owner, name, fatal)

    return arm


def _die_at_a_move(count: int) -> None:
    replace, calls = os.replace, itertools.count(1)

    def fatal(*args: Any) -> None:
        if next(calls) == count:
            die()
        replace(*args)

    os.replace = fatal  # type: ignore[assignment]


def killed(
    way: Way,
    logdir: Path,
    asked: list[str],
    kills: Iterator[str],
    chance: random.Random,
    start: float,
) -> list[str]:
    """Kills one run until it ends by itself, and returns where it was killed."""
    places: list[str] = []
    for place in kills:
        code = started(way, logdir, asked, armed(place, chance, start))
        if code == 0:
            return places
        assert code == -signal.SIGKILL, (code, Path(f"{logdir}.log").read_text()[-2000:])
        places.append(place)
    code = started(way, logdir, asked, lambda: None)
    assert code == 0, (code, Path(f"{logdir}.log").read_text()[-2000:])
    return places


def state(logdir: Path) -> dict[str, np.ndarray]:
    """All variables of a run's last checkpoint."""
    reader = tf.train.load_checkpoint(str(checkpoint_files.whole(logdir / "checkpoints")[0]))
    names = [n for n in reader.get_variable_to_shape_map() if "save_counter" not in n]
    values = {name: reader.get_tensor(name) for name in names}
    return {name: value for name, value in values.items() if not isinstance(value, bytes)}


def compared(way: Way, run: Path, whole: Path) -> None:
    """Asserts that a run that was killed ended as it should."""
    mine, theirs = state(run), state(whole)
    assert set(mine) == set(theirs)
    assert sum(value.size for value in mine.values()) > 50
    for name, value in mine.items():
        assert np.all(np.isfinite(value)), name
        if way.exact:
            np.testing.assert_array_equal(value, theirs[name], err_msg=f"{run}: {name}")
    steps = [int(row["step"]) for row in table(run)]
    assert steps == sorted(set(steps)), "rows are neither doubled nor disordered"
    summaries = [json.loads((path / "summary.json").read_text()) for path in (run, whole)]
    assert steps[-1] == summaries[0]["steps"]
    if way.exact:
        rows = [
            [row["step"] for row in table(path) if row["eval/mean_reward"]] for path in (run, whole)
        ]
        assert rows[0] == rows[1], "evaluated at the same steps"
        assert summaries[0]["policy_sha256"] == summaries[1]["policy_sha256"]
    assert not list((run / "checkpoints").glob("*unfinished*"))


def campaign(
    folder: Path, name: str, kills: int, quick: bool, seed: int
) -> tuple[dict[str, Any], Any]:
    """Kills runs of one way; the second value checks them, once no more processes are forked."""
    way, chance = WAYS[name], random.Random(f"{name} {seed}")
    asked = bindings(way, 4 if quick else 12, quick)
    folder /= name.replace(", ", "-").replace(" ", "_")
    folder.mkdir()
    began = time.monotonic()
    code = started(way, folder / "whole", asked, lambda: None)
    assert code == 0, (folder / "whole.log").read_text()[-2000:]
    start = 0.6 * min(time.monotonic() - began, 8.0)
    # Every place in turn, the order by chance.
    order = [place for _ in range(kills) for place in chance.sample(list(PLACES), len(PLACES))]
    places: list[str] = []
    runs: list[Path] = []
    while len(places) < kills:
        runs.append(folder / f"run{len(runs)}")
        left = iter(order[len(places) : kills])
        places += killed(way, runs[-1], asked, left, chance, start)
        if len(runs) > 3 * kills:
            break
    count = {place: places.count(place) for place in PLACES if place in places}
    result = {
        "way": name,
        "exact": way.exact,
        "kills": len(places),
        "runs": len(runs),
        "places": count,
    }

    def check() -> None:
        for run in runs:
            compared(way, run, folder / "whole")

    return result, check


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--kills", type=int, default=200, help="in all, over the ways to run")
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--quick", action="store_true", help="without XLA, on short runs")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    sys.argv[1:] = []
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        results = []
        for i, name in enumerate(asked.ways):
            kills = len(range(i, asked.kills, len(asked.ways)))
            results.append(campaign(folder, name, kills, asked.quick, asked.seed))
        for result, check in results:
            check()
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
