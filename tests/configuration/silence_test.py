"""Imports of a command are quick: Python's garbage collector leaves them alone."""

import gc
import sys

import pytest

from pgtf.configuration.silence import quick_start


def test_imports_are_never_walked_by_the_garbage_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow")  # As if it were not imported yet.
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    before = gc.get_freeze_count()
    try:
        with quick_start():
            assert not gc.isenabled(), "while modules are made"
            made = [[] for _ in range(1000)]  # type: list[list[int]]

        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(made), "and in collections afterwards"
    finally:
        gc.unfreeze()


def test_a_process_that_has_its_imports_is_left_alone() -> None:
    import tensorflow  # noqa: F401

    with quick_start():
        assert gc.isenabled()
    assert gc.get_freeze_count() == 0
