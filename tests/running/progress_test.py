"""A bar on a terminal, plain lines in a file, and nothing else in either."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from pgtf.running import progress
from pgtf.running.progress import ProgressDisplay
from tests.short_runs import CHECKOUT

SHOW = """
import time
from pgtf.running.progress import ProgressDisplay
with ProgressDisplay(1_000_000) as display:
    display.say("Training: [runs]/a")
    display.stage("compiling")
    time.sleep(0.3)
    display.update(500, None, None)
    time.sleep(0.3)
    display.update(250_000, 12_345.6, 21.25)
    time.sleep(0.3)
print("done")
"""


class Clock:
    """Time that passes when told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_file_gets_a_line_every_few_seconds(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProgressDisplay(1_000) as display:
        display.say("Training: [runs]/a")
        for second in range(13):
            clock.now = second
            display.update(second * 100, 50.0 if second else None, None if second < 8 else 20.0)

    assert capsys.readouterr().out.splitlines() == [
        "Training: [runs]/a",
        "600 of 1,000 steps, 50 steps/s, 8 s left",
        "1,200 of 1,000 steps, 50 steps/s, return 20.0, 0 s left",
    ]


def on_a_terminal(code: str, columns: int) -> str:
    """What a program writes to a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        env=environment | {"TERM": "xterm-256color", "PYTHONPATH": str(CHECKOUT)},
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # The other end is closed.
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    assert process.wait() == 0
    return written.decode()


@pytest.mark.parametrize("columns", [60, 100])
def test_terminal_shows_a_bar_that_goes_away(columns: int) -> None:
    written = on_a_terminal(SHOW, columns)

    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written)
    lines = [line.rstrip() for part in plain.split("\n") for line in part.split("\r")]
    assert "Training: [runs]/a" in lines, "brackets are text, not markup"
    assert any("compiling" in line for line in lines)
    assert any("500 of 1,000,000 steps" in line and "steps/s" not in line for line in lines)
    assert all(len(line) <= columns for line in lines)
    if columns == 100:
        last = next(line for line in lines if "250,000" in line)
        assert "25%" in last
        assert "250,000 of 1,000,000 steps, 12,346 steps/s, return 21.2" in last
    # The last thing before "done" erases the bar.
    assert written.rstrip().endswith("\x1b[2Kdone")


def test_lines_are_not_broken_in_a_file() -> None:
    code = f"""
from pgtf.running.progress import ProgressDisplay
with ProgressDisplay(10) as display:
    display.say({"x" * 300!r})
"""
    written = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT
    ).stdout

    assert written == "x" * 300 + "\n"
