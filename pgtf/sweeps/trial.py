"""One run of a sweep, in a process of Ray's."""

import json
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pgtf.configuration import naming
from pgtf.configuration.bindings import short
from pgtf.errors import ConfigurationError, TrainingError
from pgtf.running.callbacks import Callback, Snapshot
from pgtf.sweeps.choices import Point

#: Takes score, steps and status, as they change.
Tell = Callable[[Mapping[str, Any]], None]


class SweepPlan(NamedTuple):
    """What all runs of a sweep share.

    Attributes:
        files: gin files.
        parameters: bindings on top of them.
        folder: of the sweep.
        started_in: the current folder of who started it.
        path: where Python looks for modules there.
    """

    files: Sequence[str]
    parameters: Sequence[str]
    folder: Path
    started_in: str
    path: Sequence[str]

    def bindings(self, point: Point, seed: int) -> list[str]:
        """The bindings of a run on top of the files."""
        varied = [f"{key} = {value}" for key, value in point.items()]
        return [*self.parameters, *varied, f"train.seed = {seed}"]


class Reporting(Callback):
    """Hands evaluations on to the sweep.

    Args:
        tell: takes them.
    """

    def __init__(self, tell: Tell):
        self._tell = tell

    def on_evaluation(self, snapshot: Snapshot) -> None:
        """Reports the score so far."""
        score = snapshot.scalars["eval/mean_reward"]
        self._tell({"score": score, "steps": snapshot.steps, "status": "stopped"})


def folder_name(point: Point, seed: int) -> str:
    """The name of a run's folder."""
    varied = [f"{naming.safe(short(k))}={naming.safe(v)}" for k, v in point.items()]
    return naming.shortened("-".join([*varied, f"seed{seed}"]))


def train_one(plan: SweepPlan, point: Point, seed: int, tell: Tell) -> None:
    """Trains a run, or goes on training it, and reports its evaluations and its end.

    A run that has ended before is only reported. One that cannot work, or could not go on, is
    reported with the reason as its status.

    Args:
        plan: of the sweep.
        point: its configuration.
        seed: its seed.
        tell: takes the score.
    """
    if os.path.isdir(plan.started_in):
        os.chdir(plan.started_in)
    sys.path += [entry for entry in plan.path if entry not in sys.path]
    from pgtf.starting import train_from_python

    folder = plan.folder / folder_name(point, seed)
    summary = _ended(folder)
    if summary is None:
        try:
            summary = train_from_python(
                *plan.files,
                bindings=plan.bindings(point, seed),
                callbacks=[Reporting(tell)],
                logdir=folder,
            ).summary
        except (ConfigurationError, TrainingError) as error:
            tell({"score": math.nan, "steps": 0, "status": str(error)})
            return
    score, sampled = summary["eval_return_mean"], summary.get("eval_sampled_return_mean")
    tell(
        {
            "score": math.nan if score is None else score,
            "sampled": math.nan if sampled is None else sampled,
            "steps": summary["steps"],
            "status": "done",
        }
    )


def _ended(folder: Path) -> dict[str, Any] | None:
    """The summary of a run that has come to its end, or None."""
    try:
        summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
    except (OSError, ValueError):
        return None
    return None if summary["interrupted"] else summary
