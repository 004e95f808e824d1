"""docs/adding_a_part.md is true: its parts train with the bindings that stand below them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.short_runs import CHECKOUT, QUICK

TEXT = (CHECKOUT / "docs" / "adding_a_part.md").read_text()
# The sections with a part of their own, up to the next heading.
SECTIONS = {
    title: body
    for title, body in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    if "```python" in body
}
SHORT = "TOTAL_STEPS = 100"
BOX = "ENVIRONMENT = 'Pendulum-v1'\n"


def blocks(body: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", body, re.M | re.S)


@pytest.mark.slow
def test_every_part_of_the_page_trains(tmp_path: Path) -> None:
    """All of them in one process, which stands for the user's own: gin knows a name once."""
    parts = [code for body in SECTIONS.values() for code in blocks(body, "python")]
    (tmp_path / "my_parts.py").write_text("\n\n".join(parts))
    runs = []
    for i, (title, body) in enumerate(SECTIONS.items()):
        bindings = BOX * ("head" in title) + "\n".join(blocks(body, ""))
        text = f"include 'a2c.gin'\nimport my_parts\n\n{bindings}"
        (tmp_path / f"part{i}.gin").write_text(text)
        runs.append(f"part{i}.gin")
    code = (
        "import pgtf\n"
        f"for file in {runs!r}:\n"
        f"    run = pgtf.train(file, bindings={[*QUICK, SHORT]!r}, logdir=file[:-4])\n"
        "    assert run.summary['steps'] >= 100, file\n"
        "    pgtf.load(run.logdir)(run.policy.observation_space.sample())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert "warning" not in ended.stderr


def test_the_page_shows_each_kind_of_part() -> None:
    assert list(SECTIONS) == [
        "A network",
        "A network with memory",
        "A head",
        "A return estimator",
        "A surrogate",
        "An optimization",
        "A baseline",
        "An environment adapter",
        "A compiled environment",
    ]
