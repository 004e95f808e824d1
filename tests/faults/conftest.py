"""Fixtures of the tests of faults."""

import signal
from collections.abc import Iterator

import pytest

from tests.faults.scripted import Scripted


@pytest.fixture(autouse=True)
def _hears_hangups() -> Iterator[None]:
    """Undoes ``nohup``, which runs honour and the tests may have been started by."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    """The scripted environment before its first step; ``monkeypatch`` writes its script."""
    monkeypatch.setattr(Scripted, "taken", 0)
    return Scripted
