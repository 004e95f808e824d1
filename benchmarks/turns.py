"""Processes that stay alive and take short turns: a machine whose speed drifts favours none.

A contestant prints a line when it has compiled and warmed up. From then on it trains for as many
seconds as each line of its standard input says, and answers with a line of JSON. Ratios are taken
within a round of turns.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar

Turn = dict[str, float]
Key = TypeVar("Key", bound=Hashable)


def serve(train: Callable[[float], Turn]) -> None:
    """The contestant's side: trains for the seconds that each line of the standard input gives."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(train(float(line))), flush=True)


def timed(trainer: Any, seconds: float) -> Turn:
    """Trains for a while: steps per second, and processor time over wall time as ``cores``.

    Other scalars are the means of the trainer's own over the turn.
    """
    first, scalars = int(trainer.steps.numpy()), list[dict[str, float]]()
    began, processor = time.perf_counter(), time.process_time()
    while time.perf_counter() < began + seconds:
        scalars.append(dict(trainer.iterate(2**62).scalars))
    wall, busy = time.perf_counter() - began, time.process_time() - processor
    means = {
        name: statistics.mean(each[name] for each in scalars if name in each)
        for name in set().union(*scalars)
    }
    rate = (int(trainer.steps.numpy()) - first) / wall
    return {**means, "steps_per_second": rate, "cores": busy / wall}


class Contestant:
    """A configuration in a process of its own that trains when it is told to."""

    def __init__(self, command: list[str], environment: Mapping[str, str] | None = None):
        self._command = command
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=None if environment is None else dict(environment),
        )

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{' '.join(self._command)} has ended early.")
        return line

    def wait(self) -> None:
        """Returns when it has compiled and warmed up."""
        self._read()

    def train(self, seconds: float) -> Turn:
        """Lets it train for a while."""
        assert self._process.stdin is not None
        print(seconds, file=self._process.stdin, flush=True)
        turn: Turn = json.loads(self._read())
        return turn

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def play(
    commands: Mapping[Key, tuple[list[str], Mapping[str, str] | None]],
    rounds: int,
    seconds: float,
) -> dict[Key, list[Turn]]:
    """Starts the commands one after the other and lets them take turns.

    Args:
        commands: command and environment (None: this process's) of each contestant.
        rounds: turns of each.
        seconds: length of a turn.
    """
    turns: dict[Key, list[Turn]] = {key: [] for key in commands}
    with ExitStack() as stack:
        started = dict[Key, Contestant]()
        for key, (command, environment) in commands.items():
            started[key] = Contestant(command, environment)
            stack.callback(started[key].close)
            started[key].wait()
        for turn in range(rounds):
            order = list(started.items())
            # Every other round goes backwards: nobody always follows the same neighbour.
            for key, contestant in order if turn % 2 == 0 else reversed(order):
                turns[key].append(contestant.train(seconds))
    return turns


def rates(turns: Iterable[Turn]) -> list[float]:
    """Steps per second of each turn."""
    return [turn["steps_per_second"] for turn in turns]


def spread(values: list[float], form: str = ",.0f") -> str:
    """The median and, in brackets, the quartiles."""
    if len(values) == 1:
        return format(values[0], form)
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:{form}} ({low:{form}}–{high:{form}})"


def ratio(turns: list[Turn], others: list[Turn]) -> str:
    """The median of the ratios within each round, and their quartiles."""
    return spread([a / b for a, b in zip(rates(turns), rates(others), strict=True)], ".2f")
