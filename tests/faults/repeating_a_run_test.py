"""A run can be repeated from its folder, and goes on bit for bit where it was interrupted."""

import json
from pathlib import Path
from typing import Any

import pytest

from pgtf import launch
from pgtf.errors import ConfigurationError
from pgtf.running import repeating
from tests.short_runs import train

SHORT = (
    "Evaluation.every = None",
    "Evaluation.final_episodes = 1",
    "train.log_every = 50",
    "Learner.optimizer = @Adam()",
    "AsynchronousTrainer.jit_compile = False",
)
WAYS = {
    "vector": (("a2c.gin",), ()),
    "loop": (("a2c.gin",), ("GymEnvironment.vectorization = 'loop'",)),
    "processes": (("a2c.gin",), ("GymEnvironment.vectorization = 'async'",)),
    "A3C": (("a3c.gin",), ("NUM_WORKERS = 1",)),
    "compiled A3C": (("a3c.gin", "envs/compiled.gin"), ("NUM_WORKERS = 1",)),
}


@pytest.mark.parametrize("way", WAYS)
def test_resumed_run_ends_as_one_that_was_never_stopped(way: str, tmp_path: Path) -> None:
    """Compiled synchronous runs: see the kills. Seeds and evolution: see their trainers' tests."""
    files, bindings = WAYS[way]
    asked = (*SHORT, *bindings, "train.checkpoint_every = 60")
    whole = train(tmp_path / "whole", *asked, "train.total_steps = 200", files=files)
    train(tmp_path / "cut", *asked, "train.total_steps = 100", files=files)
    cut = train(tmp_path / "cut", *asked, "train.total_steps = 200", files=files)

    assert cut["steps"] == whole["steps"]
    assert cut["policy_sha256"] == whole["policy_sha256"]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("original") / "run"
    return folder, train(folder, *SHORT, "train.seed = 3", "TOTAL_STEPS = 60")


def test_summary_tells_all_that_the_numbers_depend_on(original: Any) -> None:
    folder, summary = original
    assert summary["seed"] == 3
    assert summary["configuration"] == (folder / "config.gin").read_text()
    assert summary["command"] == (folder / "command.txt").read_text().rstrip("\n")
    assert {"python", "platform", "pgtf", "tensorflow", "keras", "numpy", "gymnasium"} <= set(
        summary["versions"]
    )


def test_rerun_repeats_a_run_bit_for_bit_beside_it(
    original: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, summary = original
    assert launch.main([f"--rerun={folder}"]) == 0

    again = folder.with_name("run-rerun")
    repeated = json.loads((again / "summary.json").read_text())
    assert repeated["policy_sha256"] == summary["policy_sha256"]
    assert repeated["eval_return_mean"] == summary["eval_return_mean"]
    assert (again / "config.gin").read_text() == (folder / "config.gin").read_text()
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == f"The policy is that of {folder}, bit for bit."
    assert "nothing uses" not in err
    launch.rerun(str(again))
    assert (again.with_name("run-rerun-rerun") / "summary.json").exists()


@pytest.mark.parametrize("flag", ["--gin_file=a2c.gin", "--gin_param=NUM_ENVS = 1", "--name=x"])
def test_rerun_takes_no_other_configuration(original: Any, flag: str) -> None:
    with pytest.raises(ConfigurationError, match="--rerun repeats a run as it was"):
        launch.main([f"--rerun={original[0]}", flag])


def test_what_cannot_be_repeated_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--rerun=.* holds no run"):
        launch.main([f"--rerun={tmp_path}"])
    (tmp_path / "config.gin").write_text("# Started from Python, with parts of its own.\n")
    with pytest.raises(ConfigurationError, match="was started from Python"):
        launch.main([f"--rerun={tmp_path}"])


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({}, "The policy is that of {run}, bit for bit."),
        ({"policy_sha256": "ba"}, "The policy differs from that of {run}."),
        (
            {"policy_sha256": "ba", "versions": {"numpy": "2"}},
            "The policy differs from that of {run} (numpy 1 → 2).",
        ),
        ({"steps": 7}, "{run} ended after 5 steps, so the two do not compare."),
    ],
)
def test_verdict_names_what_changed(tmp_path: Path, changed: dict[str, Any], sentence: str) -> None:
    summary = {"steps": 5, "policy_sha256": "ab", "versions": {"numpy": "1"}}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    assert repeating.verdict(tmp_path, summary | changed) == sentence.format(run=tmp_path)
    (tmp_path / "summary.json").write_text("{")
    assert repeating.verdict(tmp_path, summary).endswith("has no summary.json to compare with.")
