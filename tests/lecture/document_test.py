"""The links of README and docs lead somewhere, and docs/lecture.md names code that exists."""

import ast
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *(CHECKOUT / "docs").glob("*.md")]
TEXT = (CHECKOUT / "docs" / "lecture.md").read_text()
NAMES = sorted(set(re.findall(r"\[`([\w.]+)`\]\(\.\./([\w./]+)\)", TEXT)))
FORMULAS, PROOFS = TEXT.split("## Proofs")
FORMULA = re.compile(r"^\| (\d+) \|(.*)\|(.*)\|(.*)\|$", re.MULTILINE)
PROOF = re.compile(r"^\| (\d+) \|(.*)\|$", re.MULTILINE)


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


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if target.startswith("https:"):
            continue
        file, _, anchor = target.partition("#")
        path = page.parent / file if file else page
        assert path.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(path), f"{page.name} links to {target}"


@pytest.mark.parametrize(("name", "file"), NAMES)
def test_every_name_of_the_lecture_is_defined_where_its_link_leads(name: str, file: str) -> None:
    path = CHECKOUT / file
    if name != path.name:
        assert name in definitions(path), f"docs/lecture.md: {name} is not in {file}"


@pytest.mark.parametrize(
    ("part", "pattern", "needed"),
    [(FORMULAS, FORMULA, (".py)", ".gin)")), (PROOFS, PROOF, ("_test.py)",))],
    ids=["formulas", "proofs"],
)
def test_every_row_of_the_lecture_has_code_and_tests_or_says_that_it_has_not(
    part: str, pattern: re.Pattern[str], needed: tuple[str, ...]
) -> None:
    rows = [(int(row[0]), row[-1]) for row in pattern.findall(part)]
    numbers = [number for number, _ in rows]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 20))
    for number, cell in rows:
        assert "not here yet" in cell or any(end in cell for end in needed), f"row {number}"


def test_the_names_are_found_at_all() -> None:
    """The patterns above see files, functions and methods."""
    assert len(NAMES) > 60
    assert ("reinforce.gin", "gin_configs/reinforce.gin") in NAMES
    assert ("Objective.loss", "pgtf/learning/objective.py") in NAMES
