"""What docs/lecture.md names exists."""

import ast
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
TEXT = (CHECKOUT / "docs" / "lecture.md").read_text()
NAMES = sorted(set(re.findall(r"`([\w./]+\.(?:py|gin|md))(?:::([\w.]+))?`", TEXT)))
ROWS = re.findall(r"^\| (\d+) \|(.*)\|(.*)\|(.*)\|$", TEXT, re.MULTILINE)


def definitions(path: Path) -> set[str]:
    """Functions, classes and Class.method of a file."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            members = [item for item in node.body if isinstance(item, ast.FunctionDef)]
            found.update(f"{node.name}.{member.name}" for member in members)
    return found


@pytest.mark.parametrize(("file", "name"), NAMES)
def test_every_file_and_every_name_exists(file: str, name: str) -> None:
    path = CHECKOUT / file
    assert path.is_file(), f"docs/lecture.md names {file}"
    if name:
        assert name in definitions(path), f"docs/lecture.md names {file}::{name}"


def test_every_row_of_the_lecture_has_code_and_tests_or_says_that_it_has_not() -> None:
    assert [int(number) for number, *_ in ROWS] == sorted(int(number) for number, *_ in ROWS)
    assert {int(number) for number, *_ in ROWS} == set(range(1, 20))
    for number, _, code, tests in ROWS:
        if "not here yet" in code:
            continue
        assert ".py" in code or ".gin" in code, f"row {number}"
        assert "_test.py::test_" in tests or "under way" in tests, f"row {number}"


def test_the_names_are_found_at_all() -> None:
    """The pattern above sees files, functions and methods."""
    assert len(NAMES) > 60
    assert ("tests/lecture/exact.py", "") in NAMES
    assert ("pgtf/learning/objective.py", "Objective.loss") in NAMES
