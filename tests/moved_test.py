"""Parts that were written for version 0.1 import what they need by its old name."""

import importlib
import subprocess
import sys

import pytest

from pgtf import moved


@pytest.mark.parametrize("old", moved.MOVED)
def test_an_old_name_is_the_module_of_the_new_one(old: str) -> None:
    sys.modules.pop(f"pgtf.{old}", None)
    with pytest.warns(DeprecationWarning, match=moved.MOVED[old]):
        found = importlib.import_module(f"pgtf.{old}")
    assert found is importlib.import_module(f"pgtf.{moved.MOVED[old]}")
    assert found.__spec__ is not None
    assert found.__spec__.name == f"pgtf.{moved.MOVED[old]}"


def test_a_part_that_imports_old_names_is_the_same_class() -> None:
    code = (
        "from pgtf.learner import Learner as old; from pgtf.learning.learner import Learner as new"
    )
    check = f"{code}; from pgtf.networks import MLP, Network; assert old is new"
    subprocess.run([sys.executable, "-W", "ignore", "-c", check], check=True)
