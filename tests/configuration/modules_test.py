"""Modules that gin files import are found beside the file, by later commands too."""

import sys
from pathlib import Path

import pytest

from pgtf import parts
from pgtf.configuration import configuration
from pgtf.configuration.modules import Imports, imports
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.running.restored import restored_trainer

assert parts.__name__  # Registers every part.


@pytest.fixture(autouse=True)
def _a_path_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_module_beside_a_gin_file_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, project, elsewhere = (tmp_path / name for name in ("here", "project", "elsewhere"))
    for folder in (here, project, elsewhere):
        folder.mkdir()
    (project / "inner.gin").write_text("import beside_the_file\n")
    (here / "mine.gin").write_text(f"include '{project}/inner.gin'\ninclude 'a2c.gin'\n")
    (project / "beside_the_file.py").touch()
    monkeypatch.chdir(here)

    asked = configuration.load(["mine.gin"], [])

    assert sys.modules.pop("beside_the_file").__file__ == str(project / "beside_the_file.py")
    # A run's own copy of the configuration, used by another process from a third folder.
    (elsewhere / "config.gin").write_text(asked.text)
    sys.path.remove(str(project))
    monkeypatch.chdir(elsewhere)
    again = configuration.load(["config.gin"], [])
    assert sys.modules.pop("beside_the_file").__file__ == str(project / "beside_the_file.py")
    assert str(project) in again.text.splitlines()[0]


def test_missing_module_is_told_with_the_places_where_it_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "mine.gin").write_text("import not_there\n")

    with pytest.raises(ConfigurationError) as refused:
        configuration.load([str(tmp_path / "mine.gin")], [])

    message = str(refused.value)
    assert message.startswith(f"{tmp_path}/mine.gin line 1: No module named 'not_there'. It was")
    assert str(tmp_path) in message.split("looked for in")[1]
    assert "site-packages" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("raise RuntimeError('at import')", "RuntimeError: at import ({}/mine_broken.py line 1)"),
        ("import sys\nsys.exit(3)", "it calls sys.exit(3) ({}/mine_broken.py line 2)"),
        ("def f(:", "({}/mine_broken.py line 1)"),
        ("import not_there_either", "No module named 'not_there_either'. It was looked for in"),
    ],
)
def test_module_that_fails_is_told_with_its_line(
    text: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mine_broken", raising=False)
    (tmp_path / "mine_broken.py").write_text(text)
    (tmp_path / "mine.gin").write_text("\nimport mine_broken\n")

    with pytest.raises(ConfigurationError) as refused:
        configuration.load([str(tmp_path / "mine.gin")], [])

    assert str(refused.value).startswith(f"{tmp_path}/mine.gin line 2: ")
    assert expected.format(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_imports_are_refused_before_they_run(tmp_path: Path) -> None:
    (tmp_path / "of_a_stranger.py").write_text("raise SystemExit('has run')")
    (tmp_path / "config.gin").write_text("import of_a_stranger\n")

    with (
        imports(Imports.REFUSED),
        pytest.raises(ConfigurationError, match=r"config\.gin line 1: importing of_a_stranger"),
    ):
        configuration.load([str(tmp_path / "config.gin")], [])


@pytest.mark.parametrize("id", ["of_a_stranger:Env-v0", "of_a.stranger:space/Env-v0"])
def test_ids_that_import_are_refused_too(id: str) -> None:
    with imports(Imports.REFUSED), pytest.raises(ConfigurationError, match="--no_imports refuses"):
        GymEnvironment(id)


def test_imports_of_a_run_folder_are_named_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "named_here.py").write_text("raise RuntimeError")
    (tmp_path / "config.gin").write_text("import named_here\n")

    with pytest.raises(ConfigurationError, match="named_here cannot be imported"):
        restored_trainer(tmp_path)

    line = f"pgtf: {tmp_path}/config.gin line 1 imports named_here, which runs its code\n"
    assert capsys.readouterr().err == line
