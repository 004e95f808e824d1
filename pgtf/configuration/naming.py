"""Names of run folders: short, safe for any file system, different for different configurations."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pgtf.configuration.bindings import Binding, short

_MOST = 100  # Characters; most file systems allow 255 in a name, and people read fewer.
# The folders above and the seed tell these.
_TOLD = {"ENVIRONMENT", "GymEnvironment.id", "CompiledEnvironment.id", "train.seed"}


def run_name(files: Sequence[str], bindings: Iterable[Binding]) -> str:
    """Tells a run from others of the same algorithm, environment and seed.

    Args:
        files: gin files; all but the first, which is the algorithm's, are named.
        bindings: in force; those of the command line are named.

    Returns:
        ``file-file-Part.argument=value``; what is longer than 100 characters ends in a hash of all.
    """
    parts = [safe(Path(file).stem) for file in files[1:]]
    parts += [
        f"{safe(short(binding.key))}={safe(binding.value)}"
        for binding in bindings
        if binding.line is None and short(binding.key) not in _TOLD
    ]
    return shortened("-".join(parts))


def shortened(name: str) -> str:
    """Returns a name of 100 characters or less; a longer one ends in a hash of it all."""
    if len(name) <= _MOST:
        return name
    return f"{name[: _MOST - 7]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def safe(text: str) -> str:
    """Returns a text with nothing in it that a shell or a file system takes amiss."""
    return re.sub(r"[^\w.+-]+", "_", text, flags=re.ASCII).strip("_")
