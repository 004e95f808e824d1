"""The modules that gin files import: where they are looked for, and whether they may be."""

import contextlib
import contextvars
import enum
import importlib
import json
import os
import re
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pgtf.errors import ConfigurationError

_NOTE = "# Imports are looked for in: "


class Imports(enum.Enum):
    """What happens when a configuration asks for a module of the user's."""

    MADE = enum.auto()
    NAMED = enum.auto()  # On stderr, then made: the configuration is that of a run folder.
    REFUSED = enum.auto()


_named: set[str] = set()
_IMPORTS = contextvars.ContextVar("imports", default=Imports.MADE)


@contextlib.contextmanager
def imports(treated: Imports) -> Iterator[None]:
    """A context in which the modules that configurations ask for are treated so."""
    token = _IMPORTS.set(treated)
    try:
        yield
    finally:
        _IMPORTS.reset(token)


@contextlib.contextmanager
def named_imports() -> Iterator[None]:
    """A context in which imports are named before they are made, unless they are refused."""
    with imports(Imports.NAMED if _IMPORTS.get() is Imports.MADE else _IMPORTS.get()):
        yield


def import_for(place: str, module: str) -> None:
    """Imports a module that a configuration asks for.

    Args:
        place: what asks for it, in messages.
        module: its dotted name.

    Raises:
        ConfigurationError: imports are refused, or there is no such module, or it fails.
    """
    permit(place, module)
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{place}: {str(error).rstrip('.')}. {_looked_for()}") from error
    except (Exception, SystemExit) as error:
        raise ConfigurationError(
            f"{place}: {module} cannot be imported: {_in_one_line(error)}."
        ) from error


def permit(place: str, module: str) -> None:
    """Names a module that is about to be imported, or looked for within its package.

    Args:
        place: what asks for it, in messages.
        module: its dotted name.

    Raises:
        ConfigurationError: imports are refused.
    """
    treated = _IMPORTS.get()
    if treated is Imports.REFUSED:
        raise ConfigurationError(
            f"{place}: importing {module} would run its code, which --no_imports refuses."
        )
    if treated is Imports.NAMED and module not in {*sys.modules, *_named}:
        _named.add(module)
        print(f"pgtf: {place} imports {module}, which runs its code", file=sys.stderr)


def put_on_path(files: Iterable[Path]) -> list[Path]:
    """Puts the folders of gin files on Python's path, behind what is there.

    Args:
        files: absolute paths. A run's ``config.gin`` stands for the folders that it notes.

    Returns:
        The folders.
    """
    folders: list[Path] = []
    for file in files:
        folders += _noted(file) or [file.parent]
    folders = list(dict.fromkeys(folders))
    sys.path += [str(folder) for folder in folders if str(folder) not in sys.path]
    return folders


def _noted(file: Path) -> list[Path]:
    """The folders that a run's ``config.gin`` notes."""
    found = re.search(rf"^{_NOTE}(.*)$", file.read_text(encoding="utf-8-sig"), re.MULTILINE)
    if found is None:
        return []
    try:
        return [Path(folder) for folder in json.loads(found[1])]
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"{file}: the line {_NOTE!r} is damaged: remove it, or write a list of folders."
        ) from error


def note(folders: Sequence[Path]) -> str:
    """Returns a comment for a run's ``config.gin``, so that it can be used from another folder."""
    here = [os.getcwd(), *map(str, folders)]
    return f"{_NOTE}{json.dumps(list(dict.fromkeys(here)))}\n"


def _looked_for() -> str:
    """Returns the sentence that says where a missing module was looked for."""
    installed = re.compile(rf"(?:{re.escape(sys.prefix)}|{re.escape(sys.base_prefix)})/")
    places = dict.fromkeys(path or os.getcwd() for path in sys.path)
    own = [path for path in places if os.path.isdir(path) and not installed.match(f"{path}/")]
    return f"It was looked for in {', '.join(own)} and among the installed packages."


def _in_one_line(error: BaseException) -> str:
    """An error of a user's module, with the line that raised it."""
    if isinstance(error, SystemExit):
        reason = f"it calls sys.exit({'' if error.code is None else repr(error.code)})"
    else:
        reason = f"{type(error).__name__}: {error}".split("\n")[0].rstrip(".: ")
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f.filename]
    outer = frames[-1]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{reason.partition(' (')[0]} ({error.filename} line {error.lineno})"
    return f"{reason} ({outer.filename} line {outer.lineno})"
