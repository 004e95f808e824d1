"""Everything a user binds or builds is a name of pgtf, and asking for none of it costs nothing."""

import subprocess
import sys

import gin
import pytest

import pgtf
from pgtf import parts as parts
from tests.short_runs import CHECKOUT


def test_import_alone_loads_no_tensorflow() -> None:
    code = "import sys, pgtf; dir(pgtf); print([m for m in sys.modules if 'tensorflow' in m])"
    out = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True)

    assert out.stdout == "[]\n", out.stderr


def test_every_name_stands_for_something() -> None:
    for name in dir(pgtf):
        getattr(pgtf, name)
    assert {"Learner", "train", "load", "StopAtReturn"} <= set(dir(pgtf))
    with pytest.raises(AttributeError, match="'Lerner'"):
        pgtf.Lerner  # type: ignore[attr-defined] # noqa: B018


def test_every_part_that_gin_knows_is_exported() -> None:
    registered = {
        selector.split(".")[-1]: configurable.wrapped
        for selector, configurable in gin.config._REGISTRY.items()
        if configurable.wrapped.__module__.startswith("pgtf.")
    }
    assert {"Learner", "CompiledEnvironment", "StopAtReturn"} <= set(registered)

    # ``pgtf.train`` is the way in; what it calls is the root of gin's configuration.
    for name in set(registered) - {"train"}:
        assert getattr(pgtf, name) is registered[name]
