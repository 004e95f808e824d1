"""The folder of one run."""

import contextlib
import datetime
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pgtf.configuration.bindings import first_difference, read_text
from pgtf.configuration.configuration import Configuration
from pgtf.errors import ConfigurationError, cannot_write, here
from pgtf.running.folder_lock import FolderLock

_CONFIG = "config.gin"
_OPERATIVE = "operative_config.gin"
_PATTERNS = frozenset("*?[\\")  # TensorFlow looks for checkpoints by patterns.
_MAY_CHANGE = ("train.total_steps", "TOTAL_STEPS")
# All that pgtf writes into a run folder; the rest is its owner's.
_OWN = re.compile(
    r"(config\.gin|operative_config\.gin|summary\.json)(\.tmp)?|command\.txt|lock|progress\.(csv|tmp)"
    r"|events\.(tmp|out\.tfevents\..*)|checkpoints|policy(\.tmp)?|earlier"
)


def default_folder(configuration: Configuration, environment: str, seed: int) -> Path:
    """Returns ``runs/<first gin file>/<environment>/seed<seed>-<description>-<time>``."""
    task = re.sub(r"[^\w.-]+", "-", environment)
    now = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    name = "-".join(filter(None, (f"seed{seed}", configuration.description, now)))
    return Path("runs") / configuration.name / task / name


def configuration_text(run: Path, flag: str = "--logdir") -> str:
    """Returns the text of a run's ``config.gin``.

    Args:
        run: the run folder.
        flag: what messages call the folder.

    Raises:
        ConfigurationError: there is none, or it cannot be read.
    """
    path = run / _CONFIG
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{flag}={here(run)} holds no run: there is no config.gin in it."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{here(path)} cannot be read: {error.strerror}.") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ConfigurationError(
            f"{here(path)} line {line} is not UTF-8 text: put back the bindings that the run was"
            f" started with ({_OPERATIVE} beside it lists its values), or choose another {flag}."
        ) from error


class RunFolder:
    """Events, configurations, checkpoints and the summary of one run.

    Args:
        path: the folder; ``claim`` makes it.
        new: whether it must not exist yet; if it does, its name gets a number.
    """

    def __init__(self, path: Path, new: bool = False):
        self.path = path
        self._new = new
        self._lock = FolderLock(path)
        self._asked: dict[str, str] = {}

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.path / "checkpoints"

    @property
    def operative(self) -> Path:
        """The configuration in use, defaults included."""
        return self.path / _OPERATIVE

    @property
    def asked(self) -> Path:
        """All bindings that were asked for."""
        return self.path / _CONFIG

    def check(self, configuration: Configuration) -> None:
        """Compares the configuration with that of the run's first start, and locks its folder.

        Nothing is made or changed; a folder that does not exist yet is locked by ``claim``.

        Raises:
            ConfigurationError: the folder belongs to a run with another configuration, to one that
                is under way, or to something else; it has a name under which no checkpoint is found
                again; or a link in it leads elsewhere.
        """
        if set(str(self.path.absolute())) & _PATTERNS:
            raise ConfigurationError(
                f"--logdir={here(self.path)} cannot be resumed, as TensorFlow takes the path for a"
                f" pattern: choose one without {' '.join(sorted(_PATTERNS))}."
            )
        if self._new or not self.path.is_dir():
            return
        self._refuse_links()
        if not self.asked.exists():
            if any(self.path.glob("*tfevents*")) or self.checkpoints.exists():
                raise ConfigurationError(
                    f"--logdir={here(self.path)} holds events or checkpoints of something else (it"
                    " has no config.gin): choose another --logdir."
                )
            return
        asked = configuration_text(self.path)
        read_text(asked, str(here(self.asked)))  # Names the file if it is no longer gin.
        difference = first_difference(asked, configuration.text, _MAY_CHANGE)
        if difference is not None:
            key, old, new = difference
            raise ConfigurationError(
                f"--logdir={here(self.path)} belongs to another configuration: {key} is {old}"
                f" there and {new} here. Choose another --logdir, or go on with"
                f" --gin_file={here(self.asked)}."
            )
        if self._lock.path.exists():
            with self._usable():
                self._lock.acquire()

    def claim(self, configuration: Configuration, command: str) -> None:
        """Makes and locks the folder and records the configuration and the command.

        Raises:
            ConfigurationError: the folder cannot be written to, or someone else has claimed it
                since ``check``.
        """
        with self._usable():
            self._make()
            self._lock.acquire()
        self.check(configuration)
        self._asked = {"command": command, "configuration": configuration.text}
        with self._usable():
            _replace(self.asked, configuration.text)
            with (self.path / "command.txt").open("a", encoding="utf-8") as file:
                file.write(f"{command}\n")

    def release(self) -> None:
        """Lets another process claim the folder."""
        self._lock.release()

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigurationError(
                f"--logdir={here(self.path)} cannot be used: {error}."
            ) from error

    def _make(self) -> None:
        name, number = self.path.name, 1
        while True:
            try:
                self.path.mkdir(parents=True, exist_ok=not self._new)
                break
            except FileExistsError:
                if not self._new:
                    raise
            number += 1
            self.path = self.path.with_name(f"{name}-{number}")
        self._new = False
        self._lock = FolderLock(self.path) if self._lock.path.parent != self.path else self._lock

    def _refuse_links(self) -> None:
        """Refuses links in place of own files: a folder from elsewhere could aim them anywhere."""
        own = [path for path in self.path.iterdir() if _OWN.fullmatch(path.name)]
        for folder in (self.checkpoints, self.path / "policy", self.path / "earlier"):
            for parent, folders, files in os.walk(folder):
                own += [Path(parent) / name for name in (*folders, *files)]
        for path in own:
            if path.is_symlink():
                raise ConfigurationError(
                    f"{here(path)} is a symbolic link, and nothing is written through links inside"
                    " a run folder: put in its place what it leads to, or choose another --logdir."
                )

    def write_operative(self, text: str) -> None:
        """Writes the operative configuration; raises TrainingError if that fails."""
        self._write(self.operative, text)

    def write_summary(self, summary: dict[str, Any]) -> dict[str, Any]:
        """Writes ``summary.json`` and returns what it holds; raises TrainingError if that fails.

        Args:
            summary: the results; what ``claim`` was given is added.
        """
        summary = summary | self._asked
        self._write(self.path / "summary.json", json.dumps(summary, indent=2) + "\n")
        return summary

    def _write(self, path: Path, text: str) -> None:
        try:
            _replace(path, text)
        except OSError as error:
            raise cannot_write(path, error) from error


def _replace(path: Path, text: str) -> None:
    """Writes a file completely or not at all."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
