"""The files of checkpoints: which of them are whole, and how one appears or goes all at once.

A folder of checkpoints is its own table of contents: ``step-N`` exists once ``step-N.index`` does,
which is moved into place after everything else of it. Nothing here reads TensorFlow's file
``checkpoint``, so its loss, its damage or a clock that went back cannot hide a checkpoint.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

DAMAGED = "damaged"
_UNFINISHED = "unfinished"


class Best(NamedTuple):
    """What ``best/score.json`` says.

    Attributes:
        step: environment steps of the checkpoint beside it.
        score: its mean return.
    """

    step: int
    score: float


def step_of(path: Path) -> int:
    """The environment steps in the name of a checkpoint's file, ``step-N.…``; -1 in another's."""
    match = re.match(r"step-(\d+)(\.|$)", path.name)
    return int(match[1]) if match else -1


def whole(folder: Path) -> list[Path]:
    """Returns the whole checkpoints of a folder without suffixes, the newest first."""
    steps = {step_of(index) for index in folder.glob("step-*.index")} - {-1}
    return [folder / f"step-{step}" for step in sorted(steps, reverse=True)]


def restorable(folder: Path) -> list[Path]:
    """Returns the checkpoints to resume from in the order to try them; the best one comes last."""
    best = best_of(folder)
    return whole(folder) + [
        path for path in whole(folder / "best") if best is None or step_of(path) == best.step
    ]


def best_of(folder: Path) -> Best | None:
    """Returns which checkpoint is the best one, or None where none is or that is not readable."""
    try:
        named = json.loads((folder / "best" / "score.json").read_text())
        return Best(int(named["step"]), float(named["score"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def unfinished(folder: Path, step: int) -> Path:
    """Returns where to write a checkpoint, without suffixes, before it is ``published``."""
    place = folder / _UNFINISHED
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    return place / f"step-{step}"


def publish(checkpoint: Path) -> Path:
    """Moves a checkpoint, all of whose files are ``unfinished``, to where it counts."""
    folder = checkpoint.parents[1]
    files = checkpoint.parent.glob(f"{checkpoint.name}.*")
    for file in sorted(files, key=lambda file: file.suffix == ".index"):
        os.replace(file, folder / file.name)
    discard_unfinished(folder)
    _tell_tensorflow(folder)
    return folder / checkpoint.name


def settle(folder: Path, resumed: int | None) -> None:
    """Clears away what killed saves left, and sets aside what the run does not go on from.

    Args:
        folder: of the checkpoints.
        resumed: the step of the checkpoint that the run goes on from; None when it starts over.
    """
    for left in [folder / _UNFINISHED, *folder.glob("*_temp")]:
        shutil.rmtree(left, ignore_errors=True)
    known = {step_of(path) for path in whole(folder)}
    for file in list(folder.glob("step-*")):
        step = step_of(file)
        if resumed is None or step > resumed or step not in known:
            (folder / DAMAGED).mkdir(exist_ok=True)
            os.replace(file, folder / DAMAGED / file.name)


def drop(checkpoints: Iterable[Path]) -> None:
    """Deletes checkpoints, their index first."""
    for checkpoint in checkpoints:
        files = checkpoint.parent.glob(f"{checkpoint.name}.*")
        for file in sorted(files, key=lambda file: file.suffix != ".index"):
            file.unlink(missing_ok=True)


def discard_unfinished(folder: Path) -> None:
    """Removes what a failed save has written."""
    shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)


def _tell_tensorflow(folder: Path) -> None:
    """Writes the file that ``tf.train.latest_checkpoint`` reads; pgtf itself does not."""
    names = [path.name for path in reversed(whole(folder))]
    lines = [f'model_checkpoint_path: "{names[-1]}"']
    lines += [f'all_model_checkpoint_paths: "{name}"' for name in names]
    temporary = folder / "checkpoint.tmp"
    with contextlib.suppress(OSError):
        temporary.write_text("\n".join(lines) + "\n")
        os.replace(temporary, folder / "checkpoint")
