"""Fixtures of the tests of faults."""

import pytest

from tests.faults.scripted import Scripted


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    """The scripted environment before its first step; ``monkeypatch`` writes its script."""
    monkeypatch.setattr(Scripted, "taken", 0)
    return Scripted
