"""The wheel holds all that a run needs, and the pinned versions fit what pyproject.toml asks."""

import email.message
import email.parser
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import pgtf

CHECKOUT = Path(__file__).parents[2]
PYTHONS = ["3.11", "3.12", "3.13"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"]
    built = subprocess.run(
        [*command, "--wheel-dir", str(folder), str(CHECKOUT)], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.parser.Parser().parsestr(wheel.read(name).decode())


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def pins() -> dict[str, Version]:
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    exact = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines if line[:1].isalnum()]
    assert None not in exact, "a constraint that is not of the form name==version"
    return {canonicalize_name(match[1]): Version(match[2]) for match in exact if match}


def test_wheel_ships_every_configuration(wheel: zipfile.ZipFile) -> None:
    source = CHECKOUT / "gin_configs"
    expected = {
        f"pgtf/gin_configs/{path.relative_to(source).as_posix()}": path.read_bytes()
        for path in source.rglob("*.gin")
    }
    shipped = {name: wheel.read(name) for name in wheel.namelist() if name.endswith(".gin")}

    assert "pgtf/gin_configs/a2c.gin" in shipped
    assert shipped == expected


def test_wheel_holds_the_package_alone(wheel: zipfile.ZipFile) -> None:
    modules = {path.relative_to(CHECKOUT).as_posix() for path in CHECKOUT.glob("pgtf/**/*.py")}

    assert {name for name in wheel.namelist() if name.endswith(".py")} == modules
    assert {name.split("/")[0] for name in wheel.namelist()} == {
        "pgtf",
        f"pgtf-{pgtf.__version__}.dist-info",
    }


def test_wheel_finds_its_configurations_from_any_folder(
    wheel: zipfile.ZipFile, tmp_path: Path
) -> None:
    installed, elsewhere = tmp_path / "site packages", tmp_path / "elsewhere"
    wheel.extractall(installed)
    elsewhere.mkdir()
    code = "import pathlib, pgtf; print(*pathlib.Path(pgtf.__file__).parent.rglob('a2c.gin'))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert Path(run.stdout.strip()) == installed / "pgtf" / "gin_configs" / "a2c.gin"


def test_metadata_states_version_licence_and_extras(metadata: email.message.Message) -> None:
    assert metadata["Version"] == pgtf.__version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra", [])) == {
        *("atari", "box2d", "classic-control", "envpool", "minigrid", "mujoco"),
        *("all", "dev", "plot", "ray", "sweep"),
    }


def test_wheel_installs_the_command(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))

    assert wheel.read(name).decode().split() == [
        *("[console_scripts]", "pgtf", "=", "pgtf.__main__:cli")
    ]


def test_supported_python_runs_these_tests(project: dict[str, Any]) -> None:
    version = ".".join(map(str, sys.version_info[:3]))

    assert version in SpecifierSet(project["project"]["requires-python"])


def test_supported_pythons_are_those_of_the_classifiers(project: dict[str, Any]) -> None:
    minors = [f"3.{minor}" for minor in range(30)]
    supported = SpecifierSet(project["project"]["requires-python"])

    assert list(supported.filter(minors)) == PYTHONS
    classified = [f"Programming Language :: Python :: {version}" for version in PYTHONS]
    assert set(classified) == {
        text
        for text in project["project"]["classifiers"]
        if text.startswith("Programming Language :: Python :: 3.")
    }


def test_pins_satisfy_pyproject(project: dict[str, Any], pins: dict[str, Version]) -> None:
    table = project["project"]
    texts = [*table["dependencies"], *project["build-system"]["requires"]]
    texts += [text for extra in table["optional-dependencies"].values() for text in extra]
    wanted = [requirement for requirement in map(Requirement, texts) if requirement.name != "pgtf"]
    pinned = [pins[canonicalize_name(requirement.name)] for requirement in wanted]

    assert len(wanted) > 10
    assert [
        (str(requirement), str(pin))
        for requirement, pin in zip(wanted, pinned, strict=True)
        if pin not in requirement.specifier
    ] == []


@pytest.mark.parametrize("python", PYTHONS)
def test_every_package_that_pgtf_reaches_is_pinned(
    python: str, metadata: email.message.Message, pins: dict[str, Version]
) -> None:
    """Also what is needed on another Python than this one."""
    versions = {"python_version": python, "python_full_version": f"{python}.0"}
    extras = tuple(metadata.get_all("Provides-Extra", []))
    pending = [(text, extras) for text in metadata.get_all("Requires-Dist", [])]
    reached: set[tuple[str, str]] = set()
    while pending:
        text, wanted = pending.pop()
        requirement = Requirement(text)
        marker = requirement.marker
        if marker and not any(
            marker.evaluate({"extra": extra, **versions}) for extra in ("", *wanted)
        ):
            continue
        for extra in ("", *requirement.extras):
            name = canonicalize_name(requirement.name)
            if name == "pgtf" or (name, extra) in reached:
                continue
            reached.add((name, extra))
            pending += [(text, (extra,)) for text in _requirements(name)]

    assert {"tensorflow", "tf-keras", "protobuf", "pygame-ce"} <= {name for name, _ in reached}
    assert {name for name, _ in reached} - pins.keys() == set()


@pytest.mark.parametrize("python", PYTHONS)
def test_every_pin_runs_on_every_python(python: str, pins: dict[str, Version]) -> None:
    installed = {canonicalize_name(each.name): each for each in importlib.metadata.distributions()}
    pinned = [each for name, each in installed.items() if name in pins]
    refusing = [
        each.name
        for each in pinned
        if f"{python}.0" not in SpecifierSet(each.metadata["Requires-Python"] or "")
    ]

    assert len(pinned) > 50
    assert refusing == []


def _requirements(name: str) -> list[str]:
    """What an installed package asks for; nothing if an extra that is not installed brings it."""
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
