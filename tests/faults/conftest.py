"""Fixtures of the tests of faults."""

import signal
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _hears_hangups() -> Iterator[None]:
    """Undoes ``nohup``, which runs honour and the tests may have been started by."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
