"""Errors whose message is meant for the person who runs pgtf."""

import re
import shutil
from pathlib import Path


class ConfigurationError(ValueError):
    """A configuration that cannot work; the message is one sentence that names what to change."""


class TrainingError(RuntimeError):
    """A run that could not go on: a crashed environment, a full disk, a loss that is not finite."""


def here(path: str | Path) -> Path:
    """Returns a path as messages name it: relative where it lies in the current folder."""
    path = Path(path)
    try:
        return path.relative_to(Path.cwd()) if path != Path.cwd() else path
    except (OSError, ValueError):  # The current folder is gone, or the path is not in it.
        return path


def cannot_write(path: Path, error: Exception) -> TrainingError:
    """Returns the error for a failed write; its message gives the free disk space.

    Args:
        path: a file or folder.
        error: from TensorFlow or the operating system.
    """
    there = next(folder for folder in (path, *path.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free // 2**20
    # TensorFlow puts the operation before and after the reason.
    reason = re.sub(r"^\{\{.*?\}\}\s*| \[Op:\w+\].*$", "", str(error).strip().split("\n")[0])
    return TrainingError(f"{here(path)} cannot be written to ({free} MiB free): {reason}.")
