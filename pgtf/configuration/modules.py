"""Where the modules that gin files import are looked for."""

import json
import os
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

_NOTE = "# Imports are looked for in: "


def put_on_path(files: Iterable[Path]) -> list[Path]:
    """Puts the folders of gin files on Python's path, behind what is there.

    Args:
        files: absolute paths. A run's ``config.gin`` stands for the folders that it notes.

    Returns:
        The folders.
    """
    folders: list[Path] = []
    for file in files:
        noted = re.search(rf"^{_NOTE}(.*)$", file.read_text(), re.MULTILINE)
        folders += map(Path, json.loads(noted[1])) if noted else [file.parent]
    folders = list(dict.fromkeys(folders))
    sys.path += [str(folder) for folder in folders if str(folder) not in sys.path]
    return folders


def note(folders: Sequence[Path]) -> str:
    """Returns a comment for a run's ``config.gin``, so that it can be used from another folder."""
    here = [os.getcwd(), *map(str, folders)]
    return f"{_NOTE}{json.dumps(list(dict.fromkeys(here)))}\n"


def looked_for() -> str:
    """Returns the sentence that says where a missing module was looked for."""
    installed = re.compile(rf"(?:{re.escape(sys.prefix)}|{re.escape(sys.base_prefix)})/")
    places = dict.fromkeys(path or os.getcwd() for path in sys.path)
    own = [path for path in places if os.path.isdir(path) and not installed.match(f"{path}/")]
    return f"It was looked for in {', '.join(own)} and among the installed packages."
