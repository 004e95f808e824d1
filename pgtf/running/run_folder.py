"""The folder of one run."""

import datetime
import json
import os
import re
from pathlib import Path
from typing import Any

from pgtf.configuration.bindings import first_difference
from pgtf.configuration.configuration import Configuration
from pgtf.errors import ConfigurationError, cannot_write

_PATTERNS = frozenset("*?[\\")  # TensorFlow looks for checkpoints by patterns.
_MAY_CHANGE = ("train.total_steps", "TOTAL_STEPS")


def default_folder(configuration: Configuration, environment: str, seed: int) -> Path:
    """Returns ``runs/<first gin file>/<environment>/seed<seed>-<description>-<time>``."""
    task = re.sub(r"[^\w.-]+", "-", environment)
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = "-".join(filter(None, (f"seed{seed}", configuration.description, now)))
    return Path("runs") / configuration.name / task / name


class RunFolder:
    """Events, configurations, checkpoints and the summary of one run.

    Args:
        path: the folder; ``claim`` makes it.
        new: whether it must not exist yet; if it does, its name gets a number.
    """

    def __init__(self, path: Path, new: bool = False):
        self.path = path
        self._new = new

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.path / "checkpoints"

    @property
    def operative(self) -> Path:
        """The configuration in use, defaults included."""
        return self.path / "operative_config.gin"

    @property
    def asked(self) -> Path:
        """All bindings that were asked for."""
        return self.path / "config.gin"

    def check(self, configuration: Configuration) -> None:
        """Compares the configuration with that of the run's first start.

        Raises:
            ConfigurationError: the folder belongs to a run with another configuration, or to
                something else, or has a name under which no checkpoint is found again.
        """
        if set(str(self.path.absolute())) & _PATTERNS:
            raise ConfigurationError(
                f"--logdir={self.path} cannot be resumed, as TensorFlow takes the path for a"
                f" pattern: choose one without {' '.join(sorted(_PATTERNS))}."
            )
        if not self.asked.exists():
            if any(self.path.glob("*tfevents*")) or self.checkpoints.exists():
                raise ConfigurationError(
                    f"--logdir={self.path} holds events or checkpoints of something else (it has"
                    " no config.gin): choose another --logdir."
                )
            return
        difference = first_difference(self.asked.read_text(), configuration.text, _MAY_CHANGE)
        if difference is not None:
            key, old, new = difference
            raise ConfigurationError(
                f"--logdir={self.path} belongs to another configuration: {key} is {old} there"
                f" and {new} here. Choose another --logdir, or go on with"
                f" --gin_file={self.asked}."
            )

    def claim(self, configuration: Configuration, command: str) -> None:
        """Makes the folder and records the configuration and the command.

        Raises:
            ConfigurationError: the folder cannot be written to.
        """
        try:
            self._make()
            _replace(self.asked, configuration.text)
            with (self.path / "command.txt").open("a") as file:
                file.write(f"{command}\n")
        except OSError as error:
            raise ConfigurationError(f"--logdir={self.path} cannot be used: {error}.") from error

    def _make(self) -> None:
        name, number = self.path.name, 1
        while True:
            try:
                self.path.mkdir(parents=True, exist_ok=not self._new)
                return
            except FileExistsError:
                if not self._new:
                    raise
            number += 1
            self.path = self.path.with_name(f"{name}-{number}")

    def write_operative(self, text: str) -> None:
        """Writes the operative configuration; raises TrainingError if that fails."""
        self._write(self.operative, text)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Writes ``summary.json``; raises TrainingError if that fails."""
        self._write(self.path / "summary.json", json.dumps(summary, indent=2) + "\n")

    def _write(self, path: Path, text: str) -> None:
        try:
            _replace(path, text)
        except OSError as error:
            raise cannot_write(path, error) from error


def _replace(path: Path, text: str) -> None:
    """Writes a file completely or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
