"""Modules that gin files import are found beside the file, by later commands too."""

import sys
from pathlib import Path

import pytest

from pgtf import parts
from pgtf.configuration import configuration
from pgtf.errors import ConfigurationError

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
