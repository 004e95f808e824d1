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

from pgtf.errors import TrainingError, cannot_write
from pgtf.graph.finite import FiniteCheck, float_variables
from pgtf.running import policy_files

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
    killed process leaves the last good one intact.

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
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(folder), max_to_keep=_KEPT, checkpoint_name="step"
        )
        self.latest: str | None = None
        self.best_score: float | None = None
        if (folder / "best" / "score.json").exists():
            self.best_score = json.loads((folder / "best" / "score.json").read_text())["score"]

    def broken(self) -> list[str]:
        """Returns the names of variables that hold a number which is not finite."""
        return self._finite.broken()

    def restore(self, partial: bool = False) -> dict[str, Any] | None:
        """Restores the last checkpoint; an older one, with a warning, if that is damaged.

        One that holds numbers which are not finite is as good as damaged: nothing follows from it.

        Args:
            partial: whether checkpoints hold more than the trackables.

        Returns:
            The values that were saved with it, or None without a checkpoint.

        Raises:
            TrainingError: there are checkpoints, and none of them can be read.
        """
        self._remove_unfinished()
        damaged = ""
        for path in reversed(self._manager.checkpoints):
            try:
                status = self._checkpoint.restore(path)
                if partial:
                    status.assert_existing_objects_matched().expect_partial()
                else:
                    status.assert_consumed()
                if broken := self.broken():
                    raise ValueError(f"{broken[0]} is not finite")
            except _UNREADABLE as error:
                damaged = damaged or f"{path} cannot be read: {_first_line(error)}"
                continue
            if damaged:
                print(f"pgtf: warning: {damaged}; using {path} instead.", file=sys.stderr)
            self.latest = path
            return self._progress.values
        if damaged:
            raise TrainingError(f"{damaged}.")
        return None

    def save(
        self, values: dict[str, Any], policies: Mapping[str, list[np.ndarray]] | None = None
    ) -> str:
        """Saves a checkpoint, unless the last one is of this step, and drops the oldest.

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
        weights = policy_files.weights_path(self._folder / f"step-{step}")
        try:
            if policies is not None:
                policy_files.write_weights(self._folder / f"step-{step}", policies)
            path = self._manager.save(checkpoint_number=step)
        except (tf.errors.OpError, OSError) as error:
            weights.unlink(missing_ok=True)
            self._remove_unfinished()
            raise cannot_write(self._folder, error) from error
        assert path is not None
        kept = {policy_files.weights_path(Path(each)).name for each in self._manager.checkpoints}
        for old in self._folder.glob(policy_files.weights_path(Path("step-*")).name):
            if old.name not in kept:
                old.unlink()
        self.latest = path
        return path

    def keep_best(self, score: float) -> None:
        """Copies the latest checkpoint to ``best/``, in place of the one there.

        Args:
            score: the mean return that makes it the best so far.

        Raises:
            TrainingError: it cannot be written.
        """
        assert self.latest is not None
        name, best = Path(self.latest).name, self._folder / "best"
        named = {"step": policy_files.step_of(Path(name)), "score": score}
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

    def _remove_unfinished(self) -> None:
        for folder in self._folder.glob("*_temp"):
            shutil.rmtree(folder, ignore_errors=True)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
