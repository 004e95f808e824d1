"""A lock on a run folder, so that two processes never train in one."""

import contextlib
import datetime
import fcntl
import os
import socket
import sys
import weakref
from pathlib import Path
from typing import TextIO

from pgtf.errors import ConfigurationError, here


class FolderLock:
    """Holds ``lock`` in a folder with ``flock``, which ends with the process, however it ends.

    The file stays, and says who held the lock last. Over NFS the lock holds between machines where
    the server keeps locks.

    Args:
        folder: to be locked.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._file: TextIO | None = None

    @property
    def path(self) -> Path:
        """The file that is locked."""
        return self._folder / "lock"

    def acquire(self) -> None:
        """Takes the lock, unless this object holds it already; the folder has to exist.

        Raises:
            ConfigurationError: someone else holds it.
            OSError: the file cannot be opened.
        """
        if self._file is not None:
            return
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        file = os.fdopen(descriptor, "r+", encoding="utf-8", errors="replace")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            with file:
                holder = file.read(200).strip()
            raise ConfigurationError(
                f"--logdir={here(self._folder)} is in use ({holder or 'by another process'}): wait"
                " until that run has ended, or choose another --logdir."
            ) from error
        except OSError as error:
            print(
                f"pgtf: warning: {here(self._folder)} cannot be locked ({error}), so a second"
                " process that trains in it would not be noticed.",
                file=sys.stderr,
            )
        self._file = file
        _HELD.add(self)
        now = datetime.datetime.now().isoformat(" ", "seconds")
        file.truncate(0)
        file.write(f"by process {os.getpid()} on {socket.gethostname()} since {now}\n")
        file.flush()

    def release(self) -> None:
        """Gives the lock back, if this object holds it."""
        if self._file is not None:
            self._file.close()
            self._file = None


_HELD: "weakref.WeakSet[FolderLock]" = weakref.WeakSet()


def _let_go() -> None:
    """Closes the copies of a forked child, with which it would hold the locks of its parent."""
    for lock in list(_HELD):
        with contextlib.suppress(OSError):
            lock.release()


os.register_at_fork(after_in_child=_let_go)
