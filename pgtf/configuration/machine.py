"""The memory that there is, and sizes that it cannot hold."""

import contextlib
import os
import resource
from pathlib import Path

from pgtf.errors import ConfigurationError

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_STACK = 8 * 2**20  # Of a thread, where the system sets no limit.


def memory() -> int:
    """Returns the bytes of memory that there are: the machine's, or what a container may have."""
    sizes = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _LIMITS:
        with contextlib.suppress(OSError, ValueError):
            sizes.append(int(Path(path).read_text()))
    return min(sizes)


def require_memory(size: float, what: str) -> None:
    """Refuses what the machine cannot hold, before any of it is made.

    Args:
        size: the bytes that it takes at least.
        what: the binding with its value, such as ``MLP.hidden = (8, 8)``.

    Raises:
        ConfigurationError: there is less memory.
    """
    if size > memory():
        raise ConfigurationError(
            f"{what} would take at least {_in_words(size)} of memory, and this machine has"
            f" {_in_words(memory())}."
        )


def require_threads(count: int, what: str) -> None:
    """Refuses more threads than there is memory for their stacks; see ``require_memory``."""
    limit, _ = resource.getrlimit(resource.RLIMIT_STACK)
    require_memory(count * (_STACK if limit == resource.RLIM_INFINITY else limit), what)


def _in_words(size: float) -> str:
    return f"{size / 2**30:,.1f} GiB" if size < 2**50 else f"{size / 2**50:,.0f} PiB"
