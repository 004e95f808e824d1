"""Points out shipped settings for the environment of a run that does not use them."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from pgtf.configuration.bindings import read_file, shipped_files

_USE = re.compile(r"# Use: (.*)")
_BEGINNING = re.compile(r"# For: every id that begins with (\S+)")
_ALGORITHM = re.compile(r"(?<![\w/])\w+\.gin")


def tuned_file(environment: str, algorithm: str, files: Iterable[Path]) -> str | None:
    """Returns the shipped gin file that is tuned for an environment, None if there is none.

    A file of ``envs`` binds the environment it is for, or has a comment ``# For:`` with the
    beginning of ids; its comment ``# Use:`` names the algorithms it goes with. One for the run's
    own algorithm comes before one for a file that the algorithm includes.

    Args:
        environment: its id.
        algorithm: the name of the run's first gin file.
        files: the absolute paths of all gin files that the run reads.
    """
    shipped = shipped_files().resolve()
    used = {path.relative_to(shipped).as_posix() for path in files if path.is_relative_to(shipped)}
    tuned = dict(_tuned_for(environment))
    if not used.isdisjoint(tuned):
        return None
    fitting = [name for name, algorithms in tuned.items() if not used.isdisjoint(algorithms)]
    return min(
        fitting, key=lambda name: (f"{algorithm}.gin" not in tuned[name], name), default=None
    )


def _tuned_for(environment: str) -> Iterator[tuple[str, list[str]]]:
    """The files for an environment, with those of the algorithms that each goes with."""
    shipped = shipped_files()
    for path in sorted(shipped.glob("envs/*.gin")):
        text = path.read_text(encoding="utf-8")
        use = _USE.search(text)
        if use and _is_for(environment, path, text):
            yield path.relative_to(shipped).as_posix(), _ALGORITHM.findall(use[1])


def _is_for(environment: str, path: Path, text: str) -> bool:
    beginning = _BEGINNING.search(text)
    if beginning and environment.startswith(beginning[1]):
        return True
    # Reading all that a file includes takes longer, and few name the environment at all.
    if environment not in text:
        return False
    bound = read_file(str(path)).bindings.get("ENVIRONMENT")
    return bound is not None and bound.value.strip("'\"") == environment
