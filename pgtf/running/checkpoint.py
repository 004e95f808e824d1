"""Checkpoints: what a killed run resumes from."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import tensorflow as tf

from pgtf.errors import TrainingError, cannot_write

_KEPT = 3
# What TensorFlow raises for files that are missing, torn or of other variables.
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

    A new one is written beside the old ones and counts only once it is whole, so a full disk or a
    killed process leaves the last good one as it was.

    Args:
        folder: where they are.
        trackables: what they hold, by name.
        steps: the variable that counts environment steps; it numbers the checkpoints.

    Attributes:
        latest: path of the checkpoint that was restored or saved last, without its suffixes.
    """

    def __init__(self, folder: Path, trackables: dict[str, Any], steps: tf.Variable):
        self._progress = _Progress()
        self._steps = steps
        self._checkpoint = tf.train.Checkpoint(progress=self._progress, **trackables)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(folder), max_to_keep=_KEPT, checkpoint_name="step"
        )
        self.latest: str | None = None

    def restore(self, partial: bool = False) -> dict[str, Any] | None:
        """Restores the last checkpoint; an older one, with a warning, where that is damaged.

        Args:
            partial: whether checkpoints hold more than the trackables.

        Returns:
            The values that were saved with it, or None where there is no checkpoint.

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
            except _UNREADABLE as error:
                damaged = damaged or f"{path} cannot be read: {_first_line(error)}"
                continue
            if damaged:
                print(f"pgtf: warning: {damaged}; going on from {path}.", file=sys.stderr)
            self.latest = path
            return self._progress.values
        if damaged:
            raise TrainingError(f"{damaged}.")
        return None

    def save(self, values: dict[str, Any]) -> str:
        """Saves a checkpoint, unless the last one is of this step, and drops the oldest.

        Args:
            values: to be saved with it; anything JSON can hold.

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
            path = self._manager.save(checkpoint_number=step)
        except (tf.errors.OpError, OSError) as error:
            self._remove_unfinished()
            raise cannot_write(Path(self._manager.directory), error) from error
        assert path is not None
        self.latest = path
        return path

    def _remove_unfinished(self) -> None:
        for folder in Path(self._manager.directory).glob("*_temp"):
            shutil.rmtree(folder, ignore_errors=True)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
