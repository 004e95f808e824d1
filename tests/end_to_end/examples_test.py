"""Each example runs as it is, from a folder of the user's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.short_runs import CHECKOUT

EXAMPLES = sorted(path.name for path in (CHECKOUT / "examples").glob("*.py"))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs(name: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(CHECKOUT / "examples" / name), "--steps=3000"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 0, ended.stderr
    assert "warning" not in ended.stderr
    assert list(tmp_path.glob("runs/*/*/*/summary.json"))
