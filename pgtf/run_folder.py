"""The folder that holds all there is of one run."""

import datetime
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from pgtf.configuration import Configuration, first_difference
from pgtf.errors import ConfigurationError

_MAY_CHANGE = ("train.total_steps", "TOTAL_STEPS")


def default_folder(configuration: Configuration, environment: str, seed: int) -> Path:
    """Returns ``runs/<gin file>/<environment>/seed<seed>-<time>``."""
    name = re.sub(r"[^\w.-]+", "-", environment)
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    return Path("runs") / configuration.name / name / f"seed{seed}-{now}"


class RunFolder:
    """Events, configurations, checkpoints and the summary of one run.

    Args:
        path: the folder; it is made if it is not there.

    Raises:
        ConfigurationError: the folder cannot be written to.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"--logdir={path} cannot be used: {error}.") from error

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.path / "checkpoints"

    def claim(self, configuration: Configuration) -> None:
        """Notes down what was asked for, or checks that it is the same as the first time.

        Raises:
            ConfigurationError: the folder belongs to a run with another configuration.
        """
        asked = self.path / "config.gin"
        if asked.exists():
            difference = first_difference(asked.read_text(), configuration.text, _MAY_CHANGE)
            if difference is not None:
                key, there, here = difference
                raise ConfigurationError(
                    f"--logdir={self.path} belongs to another configuration: {key} is {there}"
                    f" there and {here} here. Choose another --logdir, or go on with"
                    f" --gin_file={asked}."
                )
        self._write("config.gin", configuration.text)
        command = f"python -m pgtf.launch {shlex.join(sys.argv[1:])}\n"
        with (self.path / "command.txt").open("a") as file:
            file.write(command)

    def write_operative(self, text: str) -> None:
        """Notes down what was used, defaults included."""
        self._write("operative_config.gin", text)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Writes ``summary.json``, whole or not at all."""
        self._write("summary.json", json.dumps(summary, indent=2) + "\n")

    def _write(self, name: str, text: str) -> None:
        temporary = self.path / f"{name}.tmp"
        temporary.write_text(text)
        os.replace(temporary, self.path / name)
