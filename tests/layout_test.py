"""The imports of pgtf point down and form no circle, and a name means one thing.

``python tests/layout_test.py [CHECKOUT]`` prints a checkout's figures.
"""

import ast
import importlib.util
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]

#: The modules and packages in ``pgtf/`` from the ground up; "" is ``pgtf/__init__.py``. A file
#: imports from its own package and from the floors below; the commands also from each other.
FLOORS = (
    {"errors", "moved", "shapes"},
    {"graph"},
    {"spaces", "space_description", "trajectory", "returns", "losses"},
    {"configuration"},
    {"networks"},
    {"policies"},
    {"environments"},
    {"learning"},
    {"rollouts"},
    {"evolution"},
    {"trainers"},
    {"running"},
    {"laboratory"},
    {"command_line", "list_parts", "launch", "evaluate", "variance", "parts", "starting", "loading"}
    | {"sweep", "sweeps", "__main__", ""},
)
#: Arrows that point down and are forbidden all the same.
FORBIDDEN = {
    "configuration": {"graph", "spaces", "trajectory", "returns", "losses"},
    "learning": {"environments"},
}

Arrow = tuple[str, str]


def modules(checkout: Path) -> dict[str, Path]:
    """The files of pgtf by dotted name."""
    found = {}
    for path in sorted((checkout / "pgtf").rglob("*.py")):
        *parents, stem = path.relative_to(checkout).with_suffix("").parts
        found[".".join(parents if stem == "__init__" else [*parents, stem])] = path
    return found


def arrows(found: dict[str, Path]) -> set[Arrow]:
    """Who imports whom, wherever the import stands: at the top or inside a function."""
    return {
        (name, other)
        for name, path in found.items()
        for other in _imported(name, path, found)
        if other != name
    }


def _imported(name: str, path: Path, found: dict[str, Path]) -> Iterator[str]:
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in found)
        elif isinstance(node, ast.ImportFrom):
            origin = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                submodule = f"{origin}.{alias.name}"
                if submodule in found or origin in found:
                    yield submodule if submodule in found else origin


def unit(module: str) -> str:
    """The package or module directly in pgtf/ that a module belongs to."""
    return module.partition(".")[2].partition(".")[0]


def between_units(pairs: Iterable[Arrow]) -> set[Arrow]:
    return {(unit(a), unit(b)) for a, b in pairs if unit(a) != unit(b)}


def circles(pairs: Iterable[Arrow]) -> set[frozenset[str]]:
    """The sets of modules that reach each other."""
    reached = _reached(pairs)
    groups = {frozenset(b for b in reached[a] if a in reached[b]) for a in reached}
    return groups - {frozenset()}


def _reached(pairs: Iterable[Arrow]) -> dict[str, set[str]]:
    following = defaultdict(set)
    for a, b in pairs:
        following[a].add(b)
    reached: dict[str, set[str]] = {}
    for start in list(following):
        reached[start], pending = set(), [start]
        while pending:
            new = following.get(pending.pop(), set()) - reached[start]
            reached[start] |= new
            pending += new
    return {a: {b for b in those if b in reached} for a, those in reached.items()}


def upward(pairs: Iterable[Arrow]) -> set[Arrow]:
    """The arrows that the floors do not allow."""
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    return {
        (a, b)
        for a, b in pairs
        if unit(a) != unit(b)
        and (floor[unit(a)] <= floor[unit(b)] or unit(b) in FORBIDDEN.get(unit(a), set()))
        and not {unit(a), unit(b)} <= FLOORS[-1]
    }


def definitions(path: Path) -> set[str]:
    """The public classes, functions, constants and aliases of a module."""
    names: set[str] = set()
    pending: list[ast.AST] = list(ast.parse(path.read_text()).body)
    while pending:
        match pending.pop():
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.If() | ast.With() | ast.Try() as block:
                pending += list(ast.iter_child_nodes(block))
    return {name for name in names if not name.startswith("_")}


def twice(found: dict[str, Path]) -> set[str]:
    """Names defined in two modules, but for every command's ``main`` and ``cli``."""
    count = Counter(name for path in found.values() for name in definitions(path))
    return {name for name in count if count[name] > 1} - {"main", "cli"}


def stems_twice(found: dict[str, Path]) -> set[str]:
    """Modules of one name in two packages."""
    count = Counter(path.stem for path in found.values() if path.stem != "__init__")
    return {stem for stem in count if count[stem] > 1}


def figures(checkout: Path) -> dict[str, int]:
    """How a checkout is laid out, in numbers."""
    found = modules(checkout)
    pairs = arrows(found)
    packages = between_units(pairs)
    return {
        "packages": sum(path.stem == "__init__" for path in found.values()),
        "modules": sum(path.stem != "__init__" for path in found.values()),
        "modules directly in pgtf/": len(list((checkout / "pgtf").glob("[!_]*.py"))),
        "floors, by the longest chain of imports": _longest(packages),
        "arrows between modules": len(pairs),
        "arrows between packages (and modules in pgtf/)": len(packages),
        "modules in circles": sum(map(len, circles(pairs))),
        "names defined twice": len(twice(found)) + len(stems_twice(found)),
    }


def _longest(pairs: set[Arrow]) -> int:
    """The length of the longest chain; a circle counts as one."""
    circle = {name: group for group in circles(pairs) for name in group}
    chain: dict[str, int] = {}

    def length(name: str) -> int:
        if name not in chain:
            members = circle.get(name, frozenset({name}))
            below = {b for a, b in pairs if a in members and b not in members}
            chain[name] = 1 + max(map(length, below), default=0)
        return chain[name]

    return max(length(a) for a, _ in pairs)


def test_every_package_has_a_floor() -> None:
    assert {unit(name) for name in modules(CHECKOUT)} == set().union(*FLOORS)


def test_imports_point_down() -> None:
    assert upward(arrows(modules(CHECKOUT))) == set()


def test_imports_form_no_circle() -> None:
    assert circles(arrows(modules(CHECKOUT))) == set()


def test_a_name_means_one_thing() -> None:
    assert twice(modules(CHECKOUT)) == set()
    assert stems_twice(modules(CHECKOUT)) == set()


@pytest.mark.parametrize(
    ("file", "text", "arrow"),
    [
        ("policies/a.py", "from pgtf.trainers import b", ("pgtf.policies.a", "pgtf.trainers.b")),
        ("policies/a.py", "import pgtf.trainers.b as b", ("pgtf.policies.a", "pgtf.trainers.b")),
        ("policies/a.py", "from ..trainers import b", ("pgtf.policies.a", "pgtf.trainers.b")),
        ("policies/a.py", "from pgtf.trainers import T", ("pgtf.policies.a", "pgtf.trainers")),
        ("policies/a.py", "def f():\n from pgtf import moved", None),
        ("learning/a.py", "def f():\n from pgtf import launch", ("pgtf.learning.a", "pgtf.launch")),
        (
            "learning/a.py",
            "from pgtf.environments import E",
            ("pgtf.learning.a", "pgtf.environments"),
        ),
        ("errors.py", "from pgtf import moved", ("pgtf.errors", "pgtf.moved")),
        ("errors.py", "import gin, pgtf", ("pgtf.errors", "pgtf")),
        ("launch.py", "from pgtf.trainers import b\nfrom pgtf import parts", None),
    ],
)
def test_an_arrow_that_points_up_is_seen(
    tmp_path: Path, file: str, text: str, arrow: Arrow | None
) -> None:
    empty = ["__init__", "trainers/__init__", "trainers/b", "moved", "launch", "parts"]
    _write(tmp_path, {f"{name}.py": "" for name in [*empty, "environments/__init__"]})
    _write(tmp_path, {file: text})
    assert upward(arrows(modules(tmp_path))) == ({arrow} if arrow else set())


def test_circles_and_doubles_are_seen(tmp_path: Path) -> None:
    _write(
        tmp_path,
        {
            "graph/__init__.py": "",
            "graph/a.py": "from pgtf.graph import b\nAct = int\ndef main(): ...",
            "graph/b.py": "def f():\n import pgtf.graph.c\n",
            "graph/c.py": "if True:\n from pgtf.graph.a import x\n",
            "graph/d.py": "import pgtf.graph.a\ndef main(): ...\n_x = 1",
            "running/d.py": "import pgtf.graph.b\nif True:\n class Act: x = 1\n_x: int = 1",
        },
    )
    found = modules(tmp_path)
    assert circles(arrows(found)) == {frozenset({"pgtf.graph.a", "pgtf.graph.b", "pgtf.graph.c"})}
    assert twice(found) == {"Act"}
    assert stems_twice(found) == {"d"}


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / "pgtf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    for label, number in figures(Path(sys.argv[1]) if sys.argv[1:] else CHECKOUT).items():
        print(f"{number:5}  {label}")
