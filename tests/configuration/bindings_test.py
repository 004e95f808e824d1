"""Gin files are read once each, whatever includes them, and every mistake has its place."""

from pathlib import Path

import pytest

from pgtf import parts
from pgtf.configuration.bindings import read_file, read_text
from pgtf.configuration.configuration import load
from pgtf.errors import ConfigurationError

assert parts  # Registers every part.


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(**files: str) -> None:
    for name, text in files.items():
        Path(f"{name}.gin").write_text(text)


def test_a_file_that_is_included_many_times_is_read_once() -> None:
    """60 files that include the next one twice: 2 to the power of 60, if each were read again."""
    for i in range(60):
        written(**{f"f{i}": f"include 'f{i + 1}.gin'\n" * 2})
    written(f60="X = 1")
    reading = read_file("f0.gin")
    assert reading.bindings["X"].place == "f60.gin line 1"
    assert len(reading.files) == 61


def test_the_last_binding_wins_where_an_include_comes_again() -> None:
    written(base="X = 1\nY = 1", mine="include 'base.gin'\nX = 2\nY = 2\ninclude 'base.gin'\nY = 3")
    bindings = read_file("mine.gin").bindings
    assert (bindings["X"].value, bindings["Y"].value) == ("1", "3")


def test_the_last_binding_wins_under_a_longer_name_too() -> None:
    texts = ["Rollouts.num_steps = 1", "pgtf.rollouts.steps.Rollouts.num_steps = 2"]
    assert "num_steps = 2" in load([], texts).text
    assert "num_steps = 1" in load([], texts[::-1]).text
    assert "num_steps = 3" in load([], [*texts, "Rollouts.num_steps = 3"]).text


def test_a_chain_of_includes_ends_somewhere() -> None:
    for i in range(120):
        written(**{f"f{i}": f"include 'f{i + 1}.gin'\n"})
    with pytest.raises(
        ConfigurationError, match=r"^f\d+\.gin line 1: files include each other more"
    ):
        read_file("f0.gin")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("X = " + "[" * 5000 + "]" * 5000, "nested too deeply"),
        ("X = {[1]: 2}", "cannot be a key of a dictionary"),
        ("X = 1e999", "too large for a computer"),
        ("X = [{'a': (1e999,)}]", "too large for a computer"),
        ("X = " + "9" * 5000, "is no number that Python reads"),
        ("from __gin__ import dynamic_registration", "dynamic registration is refused"),
        ("import __gin__.dynamic_registration as x", "dynamic registration is refused"),
    ],
)
def test_text_that_is_no_gin_is_answered_in_one_line(text: str, message: str) -> None:
    written(mine=f"\n{text}\n")
    with pytest.raises(ConfigurationError) as refused:
        read_file("mine.gin")
    assert str(refused.value).startswith("mine.gin line 2: ")
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "~nobody_here/x.gin", "", "."])
def test_a_name_that_no_file_can_have_is_answered_like_a_missing_file(name: str) -> None:
    with pytest.raises(ConfigurationError, match="There is no gin file"):
        read_file(name)


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    Path("mine.gin").write_bytes(b"\xef\xbb\xbfX = 1")
    assert read_file("mine.gin").bindings["X"].value == "1"


@pytest.mark.parametrize(
    "bindings",
    [
        ["Joint.heads = [@Joint()]"],
        ["HEAD = @Joint()", "Policy.head = %HEAD", "Joint.heads = {'a': %HEAD}"],
        ["Joint.heads = [@inner/Joint()]"],
        ["Joint.heads = [@s/gin.singleton()]", "s/gin.singleton.constructor = @Joint"],
    ],
)
def test_a_part_within_itself_is_refused_by_name(bindings: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"Joint\(\) contains @.*which has no end: bind"):
        load(["a2c.gin"], ["Policy.head = @Joint()", *bindings])


def test_a_part_within_another_of_its_kind_is_none_within_itself() -> None:
    load(
        ["a2c.gin"], ["Policy.head = @Joint()", "Joint.heads = [@a/Joint()]", "a/Joint.heads = []"]
    )


def test_a_run_within_a_run_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"train\(\) contains @"):
        load(["a2c.gin"], ["GymEnvironment.kwargs = {'a': @train()}"])


def test_text_of_a_flag_is_named_by_the_flag() -> None:
    with pytest.raises(ConfigurationError, match=r"^--x: Expected|^--x: "):
        read_text("X = (", "--x")
