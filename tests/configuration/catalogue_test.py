"""The list of everything that can be bound is whole, and its page in docs/ is current."""

import inspect
import subprocess
import sys
from pathlib import Path

import gin
import pytest

from pgtf import list_parts, parts
from pgtf.configuration import catalogue
from pgtf.errors import ConfigurationError

assert parts.__name__  # Registers every part.

PAGE = Path(__file__).parents[2] / "docs" / "bindings.md"
OWN = [part for part in catalogue.parts() if part.module.startswith("pgtf.")]


def test_page_of_bindings_is_current() -> None:
    # In a process of its own: other tests register parts of users.
    page = subprocess.run(
        [sys.executable, "-m", "pgtf.list_parts", "--markdown"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert PAGE.read_text() == page, "run python -m pgtf.list_parts --markdown > docs/bindings.md"


@pytest.mark.parametrize("part", OWN, ids=lambda part: part.name)
def test_every_argument_is_listed_with_its_default_and_meaning(part: catalogue.Part) -> None:
    configurable = gin.config._REGISTRY.get_match(part.name)  # gin shows no list of its own.
    closed = configurable.denylist or ()
    signature = {
        name: repr(parameter.default)
        for name, parameter in inspect.signature(configurable.wrapped).parameters.items()
        if parameter.kind == parameter.POSITIONAL_OR_KEYWORD
        and parameter.default not in (parameter.empty, gin.REQUIRED)
        and name not in closed
    }

    assert part.summary
    assert signature.keys() <= {argument.name for argument in part.arguments}
    for argument in part.arguments:
        assert argument.meaning
        assert argument.default in (signature.get(argument.name), "@centred_ranks")


def test_what_a_run_gives_itself_is_not_offered() -> None:
    (train,) = catalogue.named(["train"])

    names = [argument.name for argument in train.arguments]
    assert names[:2] == ["trainer", "total_steps"]
    assert train.arguments[0].default is None, "it has to be bound"


def test_part_is_shown_with_what_can_be_bound() -> None:
    """In a process of its own: networks that other tests register would be named too."""
    command = [sys.executable, "-m", "pgtf.list_parts", "Policy"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    assert "Policy.network = None\n" in out
    assert "@MLP()" in out
    assert "Learner" not in out.split()


def test_all_parts_are_shown_without_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    list_parts.print_parts([], [], [])

    out = capsys.readouterr().out
    for name in ("Learner.discount = 0.99", "Adam  ", "TimeAwareObservation  ", "train.trainer"):
        assert name in out


def test_part_that_is_not_there_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(ConfigurationError, match=r"no part 'Lerner'\. Did you mean 'Learner'\?"):
        list_parts.print_parts(["Lerner"], [], [])
