"""A run folder belongs to one process at a time."""

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pgtf.configuration.configuration import Configuration
from pgtf.errors import ConfigurationError
from pgtf.running.run_folder import RunFolder
from tests.short_runs import train

CONFIGURATION = Configuration("mine", "", "A.x = 1\n", {})


def claimed(path: Path) -> RunFolder:
    folder = RunFolder(path)
    folder.check(CONFIGURATION)
    folder.claim(CONFIGURATION, "a command")
    return folder


@contextmanager
def another_process(path: Path) -> Iterator[int]:
    """A process that has claimed a folder, until it is killed."""
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            folder = claimed(path)
            os.write(tell, str(folder.path)[:1].encode())
            signal.pause()
        finally:
            os._exit(1)
    os.close(tell)
    try:
        assert os.read(ready, 1) == b"/"
        yield child
    finally:
        os.close(ready)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_second_process_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with another_process(path) as other:
        with pytest.raises(ConfigurationError) as refused:
            RunFolder(path).check(CONFIGURATION)
        late = RunFolder(path)
        with pytest.raises(ConfigurationError, match="is in use"):
            late.claim(CONFIGURATION, "a command of its own")
    assert str(refused.value).startswith(f"--logdir={path} is in use (by process {other} on ")
    assert str(refused.value).endswith("until that run has ended, or choose another --logdir.")
    assert (path / "command.txt").read_text() == "a command\n"

    claimed(path).release()  # The lock has died with its holder.


def test_second_start_fails_before_anything_is_built_or_written(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(folder, "TOTAL_STEPS = 8", "Evaluation.final_episodes = 1")
    text = (folder / "config.gin").read_text()
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "lock"}
    holder = RunFolder(folder)
    holder.check(Configuration("a2c", "", text, {}))
    try:
        with pytest.raises(ConfigurationError, match="is in use"):
            train(folder, "TOTAL_STEPS = 8", "Evaluation.final_episodes = 1")
    finally:
        holder.release()
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.name != "lock"}
    assert before == after


def test_two_threads_of_one_process_are_two(tmp_path: Path) -> None:
    first = claimed(tmp_path)
    refused = []

    def claim() -> None:
        with pytest.raises(ConfigurationError) as error:
            claimed(tmp_path)
        refused.append(str(error.value))

    thread = threading.Thread(target=claim)
    thread.start()
    thread.join()
    assert "is in use" in refused[0]
    first.release()
    claimed(tmp_path).release()


def test_forked_child_does_not_go_on_holding_the_lock(tmp_path: Path) -> None:
    """Environments in processes of their own may outlive a killed run for a moment."""
    with another_process(tmp_path / "other"):
        first = claimed(tmp_path / "run")
        with another_process(tmp_path / "third"):  # A child that was forked under the lock.
            first.release()
            claimed(tmp_path / "run").release()


def test_file_system_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_locks(file: object, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    claimed(tmp_path).release()

    assert capsys.readouterr().err == (
        f"pgtf: warning: {tmp_path} cannot be locked ([Errno 37] No locks available), so a second"
        " process that trains in it would not be noticed.\n"
    )
