"""Greedy and sampled scores are told apart where they differ, and only there."""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from pgtf.running.both_ways import BothWays
from pgtf.running.evaluation import Score
from tests.short_runs import event_steps, table, train


def scores(*returns: np.ndarray) -> dict[str, Score]:
    return {f"seed_{i}": Score(r, np.ones_like(r)) for i, r in enumerate(returns)}


def differ(greedy: np.ndarray, sampled: np.ndarray) -> bool:
    return BothWays(scores(greedy), scores(sampled)).differ


def test_chance_alone_is_told_as_a_difference_about_once_in_a_thousand() -> None:
    """2,000 pairs of 100 returns each; more than 9 would come by chance in one of 10^4 tests."""
    rng = np.random.default_rng(0)
    pairs = rng.normal(-120, [[[3]], [[40]]], (2, 2000, 100)).swapaxes(0, 1)
    assert sum(differ(*pair) for pair in pairs) <= 9


def test_a_difference_of_five_standard_errors_is_told() -> None:
    rng = np.random.default_rng(0)
    pairs = rng.normal([[[0.0]], [[0.71]]], 1.0, (2, 200, 100)).swapaxes(0, 1)
    assert sum(differ(*pair) for pair in pairs) > 180


@pytest.mark.parametrize(
    ("greedy", "sampled", "expected"),
    [
        ([500.0] * 100, [500.0] * 100, False),
        ([-200.0] * 100, [-135.0] * 100, True),  # tasks without chance
        ([1.0], [2.0], False),  # one episode tells nothing
        ([1.0, 2.0], [], False),
        ([0.0] * 100, [0.0] * 99 + [1.0], False),
    ],
)
def test_returns_that_do_not_vary_and_few_ones(
    greedy: list[float], sampled: list[float], expected: bool
) -> None:
    assert differ(np.array(greedy), np.array(sampled)) is expected


def test_both_are_written_for_all_seeds_together() -> None:
    """Of the means 2, 6, 6 and 10 of four seeds, the middle half counts."""
    seeds = [
        np.array([1.0, 3.0]),
        np.array([5.0, 7.0]),
        np.array([6.0, 6.0]),
        np.array([9.0, 11.0]),
    ]
    both = BothWays(scores(*seeds), scores(np.array([2.0, 2.0])))
    assert both.facts == {
        "eval_greedy_return_mean": 6.0,
        "eval_greedy_return_std": pytest.approx(np.sqrt(8.75)),
        "eval_sampled_return_mean": 2.0,
        "eval_sampled_return_std": 0.0,
    }
    assert both.scalars == {"eval/greedy_mean_reward": 6.0, "eval/sampled_mean_reward": 2.0}


def test_what_was_not_played_is_null_and_in_no_curve() -> None:
    both = BothWays(scores(np.ones(1)), {})
    assert both.facts["eval_greedy_return_mean"] == 1.0
    assert both.facts["eval_sampled_return_mean"] is None
    assert both.scalars == {}


class Coin(gym.Env):
    """One step; the return is the action, whose mode is always the same."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, float(action), True, False, {}


@pytest.mark.parametrize("greedy", [True, False])
def test_a_run_whose_greedy_policy_acts_otherwise_says_so(
    greedy: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gym.register("Coin-v0", entry_point=f"{__name__}:Coin")
    try:
        summary = train(
            tmp_path / "run",
            "ENVIRONMENT = 'Coin-v0'",
            "RMSprop.learning_rate = 1e-9",
            "Evaluation.final_episodes = 100",
            f"Evaluation.greedy = {greedy}",
        )
    finally:
        gym.registry.pop("Coin-v0")
    mode, samples = (summary[f"eval_{name}_return_mean"] for name in ("greedy", "sampled"))
    assert mode in (0.0, 1.0)
    assert 0.3 < samples < 0.7
    assert summary["eval_return_mean"] == (mode if greedy else samples)
    assert summary == json.loads((tmp_path / "run" / "summary.json").read_text())
    last = table(tmp_path / "run")[-1]
    assert float(last["eval/greedy_mean_reward"]) == mode
    assert float(last["eval/sampled_mean_reward"]) == samples
    assert event_steps(tmp_path / "run", "eval/sampled_mean_reward") == [summary["steps"]]
    told = " ".join(capsys.readouterr().out.split())
    assert f"greedy policy returns {mode:.1f} ± 0.0 and its samples {samples:.1f} ± 0.5" in told


def test_a_run_may_leave_the_comparison_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = train(tmp_path / "run", "TOTAL_STEPS = 100", "Evaluation.compare = False")
    assert summary["eval_sampled_return_mean"] is None
    assert summary["eval_greedy_return_mean"] == summary["eval_return_mean"]
    assert "more than chance" not in capsys.readouterr().out


def test_a_policy_without_chance_is_played_once(tmp_path: Path) -> None:
    summary = train(
        tmp_path / "run",
        "POPULATION = 2",
        "TOTAL_STEPS = 100",
        "Policy.head = @Deterministic()",
        files=("es.gin",),
    )
    assert summary["eval_greedy_return_mean"] == summary["eval_return_mean"]
    assert summary["eval_sampled_return_mean"] is None
