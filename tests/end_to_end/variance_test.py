"""``python -m pgtf.variance`` as a user meets it."""

import csv
from pathlib import Path

import pytest

from pgtf import variance
from pgtf.laboratory.figure import require_matplotlib
from tests.short_runs import command, flags, start, train

SMALL = flags("VarianceLaboratory.num_trajectories = 8", "VarianceLaboratory.batch_sizes = (1, 2)")


def test_a_run_is_measured_from_its_checkpoint(tmp_path: Path) -> None:
    require_matplotlib()  # matplotlib is one of the tests' extras
    train(tmp_path / "run", "Evaluation.every = None", files=("reinforce.gin",))
    bindings = [*SMALL, *flags("VarianceLaboratory.combinations = [@Combination()]")]
    bindings += flags("Combination.name = 'mine'", "Combination.baseline = @TimeDependent()")
    bindings += flags(
        "VarianceLaboratory.ages = (1, 2)", "Combination.surrogate = @ImportanceWeighted()"
    )
    arguments = [f"--run={tmp_path}/run", f"--logdir={tmp_path}/out", *bindings]
    process = start("pgtf.variance", *arguments, cwd=tmp_path)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "tr Cov" in out
    with (tmp_path / "out" / "variance.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["estimator"] for row in rows] == ["mine", "as configured"]
    assert float(rows[0]["trace_low"]) <= float(rows[0]["trace"]) <= float(rows[0]["trace_high"])
    with (tmp_path / "out" / "ages.csv").open(newline="") as file:
        aged = list(csv.DictReader(file))
    assert [row["age"] for row in aged] == ["0", "0", "1", "1", "2", "2"]
    assert aged[0]["trace"] == rows[0]["trace"]
    assert float(aged[0]["kl"]) == 0.0 < float(aged[2]["kl"]) < float(aged[4]["kl"])
    for picture in ("variance.png", "ages.png"):
        assert (tmp_path / "out" / picture).read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "out").glob("*tfevents*"))


def test_what_cannot_be_measured_is_said_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(variance.main, f"--run={tmp_path}") == 2
    said = f"pgtf: --run={tmp_path} holds no run: there is no config.gin in it.\n"
    assert capsys.readouterr().err == said
