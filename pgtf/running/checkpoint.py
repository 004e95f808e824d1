"""Checkpoints, from which a killed run resumes."""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from pgtf.errors import TrainingError, cannot_write, here
from pgtf.graph.finite import FiniteCheck, float_variables
from pgtf.running import checkpoint_files, policy_files

_KEPT = 3
# TensorFlow's errors for files that are missing, torn or hold other variables.
_UNREADABLE = (tf.errors.OpError, AssertionError, LookupError, RuntimeError, ValueError)


class _Progress(tf.train.experimental.PythonState):
    """Small Python values that belong to a checkpoint, as JSON."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def serialize(self) -> str:
        return json.dumps(self.values)

    def deserialize(self, string: Any) -> None:
        self.values = json.loads(string)


class Checkpoints:
    """The checkpoints of one run.

    A new one is written next to the old ones and counts only when complete, so a full disk or a
    killed process leaves the last good one intact. They are found by their own files alone.

    Args:
        folder: where they are.
        trackables: what they hold, by name.
        steps: the variable that counts environment steps; it numbers the checkpoints.

    Attributes:
        latest: path of the checkpoint that was restored or saved last, without its suffixes.
        best_score: of the checkpoint in ``best/``, or None while there is none.
    """

    def __init__(self, folder: Path, trackables: dict[str, Any], steps: tf.Variable):
        self._folder = folder
        self._progress = _Progress()
        self._steps = steps
        self._finite = FiniteCheck(float_variables(trackables))
        self._checkpoint = tf.train.Checkpoint(progress=self._progress, **trackables)
        self._settled = False
        self.latest: str | None = None
        best = checkpoint_files.best_of(folder)
        self.best_score = None if best is None else best.score

    def broken(self) -> list[str]:
        """Returns the names of variables that hold a number which is not finite."""
        return self._finite.broken()

    def restore(self, partial: bool = False) -> dict[str, Any] | None:
        """Restores the newest checkpoint; an older one, with a warning, if that is damaged.

        Changes nothing in the folder, which may be one that another process is saving into.

        One that holds numbers which are not finite is as good as damaged: nothing follows from it.

        Args:
            partial: whether checkpoints hold more than the trackables.

        Returns:
            The values that were saved with it, or None without a checkpoint.

        Raises:
            TrainingError: there are checkpoints, and none of them can be read.
        """
        self._settled = False
        damaged, tried = "", set[Path]()
        # Looks again each time: a run that goes on replaces its checkpoints.
        while untried := [p for p in checkpoint_files.restorable(self._folder) if p not in tried]:
            path = untried[0]
            tried.add(path)
            try:
                status = self._checkpoint.restore(str(path))
                if partial:
                    status.assert_existing_objects_matched().expect_partial()
                else:
                    status.assert_consumed()
                if broken := self.broken():
                    raise ValueError(f"{broken[0]} is not finite")
            except _UNREADABLE as error:
                if path.with_name(f"{path.name}.index").exists():
                    damaged = damaged or f"{here(path)} cannot be read: {_first_line(error)}"
                continue
            if damaged:
                print(f"pgtf: warning: {damaged}; using {here(path)} instead.", file=sys.stderr)
            self.latest = str(path)
            return self._progress.values
        if damaged:
            raise TrainingError(f"{damaged}.")
        return None

    def save(
        self, values: dict[str, Any], policies: Mapping[str, list[np.ndarray]] | None = None
    ) -> str:
        """Saves a checkpoint, unless the last one is of this step, and drops the oldest.

        The first save sets newer ones aside, in ``damaged/``: those that could not be restored.

        Args:
            values: saved with it; anything JSON can hold.
            policies: name of each policy that is trained -> its weights, for ``pgtf.load``.

        Returns:
            Its path.

        Raises:
            TrainingError: it cannot be written.
        """
        step = int(self._steps.numpy())
        if self.latest is not None and self.latest.endswith(f"-{step}"):
            return self.latest
        self._progress.values = values
        try:
            if not self._settled:
                resumed = None if self.latest is None else checkpoint_files.step_of(self._path)
                checkpoint_files.settle(self._folder, resumed)
                self._settled = True
            unfinished = checkpoint_files.unfinished(self._folder, step)
            self._checkpoint.save_counter.assign_add(1)
            self._checkpoint.write(str(unfinished))
            if policies is not None:
                policy_files.write_weights(unfinished, policies)
            self.latest = str(checkpoint_files.publish(unfinished))
            checkpoint_files.drop(checkpoint_files.whole(self._folder)[_KEPT:])
        except (tf.errors.OpError, OSError) as error:
            checkpoint_files.discard_unfinished(self._folder)
            raise cannot_write(self._folder, error) from error
        return self.latest

    def keep_best(self, score: float) -> None:
        """Copies the latest checkpoint to ``best/``, in place of the one there.

        Args:
            score: the mean return that makes it the best so far.

        Raises:
            TrainingError: it cannot be written.
        """
        name, best = self._path.name, self._folder / "best"
        named = {"step": checkpoint_files.step_of(self._path), "score": score}
        try:
            best.mkdir(exist_ok=True)
            for file in self._folder.glob(f"{name}.*"):
                shutil.copy2(file, best)
            # Only now is it the best: a run that is killed on the way keeps the one before.
            temporary = best / "score.json.tmp"
            temporary.write_text(json.dumps(named) + "\n")
            os.replace(temporary, best / "score.json")
            for file in best.glob("step-*"):
                if not file.name.startswith(f"{name}."):
                    file.unlink()
        except OSError as error:
            raise cannot_write(best, error) from error
        self.best_score = score

    @property
    def _path(self) -> Path:
        assert self.latest is not None
        return Path(self.latest)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
