"""A run that is killed, wherever it is at that moment, ends as if it had been left alone.

``python -m tests.faults.kills`` does the same two hundred times, with XLA.
"""

import json
from pathlib import Path

import pytest

from tests.short_runs import start


@pytest.mark.slow
def test_killed_runs_end_with_the_variables_of_one_that_was_not(tmp_path: Path) -> None:
    """The other ways to run are resumed in ``repeating_a_run_test.py``."""
    ways = ["synchronous, hosted", "synchronous, compiled"]
    process = start("tests.faults.kills", "--kills=4", "--quick", "--ways", *ways, cwd=tmp_path)
    out, errors = process.communicate(timeout=280)
    assert process.returncode == 0, errors

    results = [json.loads(line) for line in out.splitlines()]
    assert [(result["way"], result["kills"]) for result in results] == [(way, 2) for way in ways]
