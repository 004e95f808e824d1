"""The variance of the gradient while a run goes on."""

from pathlib import Path

import numpy as np
import pytest

from pgtf.errors import ConfigurationError
from pgtf.learning.diagnostics import GradientVariance, summarised
from tests.short_runs import table, train
from tests.trajectories import SEED, columns, gradients_of, loss_of, random_trajectory, tables

PREFERENCES = np.array([[0.3, -0.2], [0.1, 0.4], [0.0, 0.0]])
BOUND = "Learner.gradient_variance = @GradientVariance()"


def test_the_trace_is_that_of_the_environments_own_gradients() -> None:
    """One environment's gradient alone is what it contributes; their mean is the batch's."""
    made = tables(PREFERENCES, reduction="mean_over_steps", discount=0.9)
    whole = random_trajectory(1, 6, 5, ends=0.0)
    whole = whole._replace(terminated=np.arange(6)[:, None] * np.ones((1, 5)) == 5)
    rows = []
    for b in range(5):
        gradients, _ = gradients_of(made, columns(whole, b), SEED)
        rows.append(-np.concatenate([x.numpy().ravel() for x in gradients]))
    trace = np.trace(np.cov(np.array(rows), rowvar=False)) / 5
    squared_norm = (np.mean(rows, 0) ** 2).sum() - trace
    made.gradient_variance = GradientVariance(1)
    _, metrics = loss_of(made, whole)
    assert float(metrics["variance_trace"]) == pytest.approx(trace, rel=1e-4)
    assert float(metrics["variance_squared_norm"]) == pytest.approx(squared_norm, rel=1e-3)


def test_variances_are_shown_as_ratios_of_means() -> None:
    rows = {
        "train/entropy": np.array([0.25, 0.75]),
        "train/variance_measured": np.array([1.0, 0.0, 0.0, 0.0]),
        "train/variance_squared_norm": np.array([2.0, 0.0, 0.0, 0.0]),
        "train/variance_trace": np.array([4.0, 0.0, 0.0, 0.0]),
        "train/variance_trace_without_baseline": np.array([16.0, 0.0, 0.0, 0.0]),
    }
    assert summarised(rows) == {
        "train/entropy": 0.5,
        "variance/trace": 4.0,
        "variance/squared_norm": 2.0,
        "variance/signal_to_noise": 0.5,
        "variance/ratio_to_no_baseline": 0.25,
    }
    rows = {tag: 0.0 * values if "variance" in tag else values for tag, values in rows.items()}
    assert summarised(rows) == {"train/entropy": 0.5}


@pytest.mark.parametrize("file", ["a2c.gin", "compiled.gin"])
def test_a_run_learns_the_same_with_it(tmp_path: Path, file: str) -> None:
    train(tmp_path / "with", BOUND, files=(file,))
    train(tmp_path / "without", files=(file,))
    own, other = table(tmp_path / "with"), table(tmp_path / "without")
    assert float(own[0]["variance/trace"]) > 0
    assert [row["train/policy_loss"] for row in own] == [row["train/policy_loss"] for row in other]


def test_one_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="NUM_ENVS"):
        train(tmp_path, BOUND, "NUM_ENVS = 1")
