"""An evolution run leaves the folder that every run leaves, resumes, and can be evaluated."""

from pathlib import Path

import pytest

from pgtf import evaluate
from tests.short_runs import event_steps, table, train

QUICK = (
    "POPULATION = 4",
    "EvolutionTrainer.jit_compile = False",
    "EvolutionTrainer.max_steps = 20",
    "TOTAL_STEPS = 1000",
)


@pytest.mark.parametrize("file", ["es.gin", "cem.gin"])
def test_an_evolution_run_from_start_to_evaluation(
    file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = train(tmp_path, *QUICK, files=(file,))
    assert 1_000 <= first["steps"] < 1_000 + 4 * 2 * 20
    assert first["eval_episodes"] == 3
    for tag in ("fitness_mean", "fitness_std", "fitness_max", "sigma"):
        steps = event_steps(tmp_path, f"train/{tag}")
        assert steps
        assert steps == [int(row["step"]) for row in table(tmp_path) if row[f"train/{tag}"]]
    assert event_steps(tmp_path, "train/fitness")
    assert bool(event_steps(tmp_path, "train/gradient_norm")) == (file == "es.gin")
    assert "GaussianSearch" in (tmp_path / "operative_config.gin").read_text()

    longer = train(tmp_path, *QUICK, "TOTAL_STEPS = 2000", files=(file,))
    assert longer["steps"] >= 2_000
    assert f"Resuming at {first['steps']:,} steps" in capsys.readouterr().out

    evaluate.main([f"--logdir={tmp_path}", "--episodes=3"])
    assert "over 3 episodes" in capsys.readouterr().out
