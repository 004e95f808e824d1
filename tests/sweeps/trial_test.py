"""One run of a sweep, without Ray."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pgtf.sweeps.trial import SweepPlan, folder_name, train_one
from tests.short_runs import QUICK


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepPlan:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return SweepPlan(["a2c.gin"], QUICK, tmp_path / "sweep", os.getcwd(), ())


def told(plan: SweepPlan, point: Mapping[str, str], seed: int = 3) -> list[dict[str, Any]]:
    """What a run hands on."""
    facts: list[dict[str, Any]] = []
    train_one(plan, dict(point), seed, lambda each: facts.append(dict(each)))
    return facts


def test_a_run_tells_its_evaluations_and_its_end_and_is_not_trained_twice(plan: SweepPlan) -> None:
    point = {"Learner.discount": "0.9", "Policy.head": "@Softmax()"}

    facts = told(plan, point)

    *during, end = facts
    assert during[0]["steps"] < during[1]["steps"] == end["steps"]
    assert {each["status"] for each in during} == {"stopped"}
    assert end["status"] == "done"
    assert 400 <= end["steps"] < 404, "a rollout is 4 steps"
    config = (plan.folder / folder_name(point, 3) / "config.gin").read_text()
    assert "Learner.discount = 0.9" in config
    assert "train.seed = 3" in config
    assert told(plan, point) == [end]


def test_a_run_that_cannot_work_tells_why(plan: SweepPlan) -> None:
    (only,) = told(plan, {"Learner.discount": "7"})

    assert "Learner.discount" in only["status"]
    assert "7" in only["status"]
    assert only["score"] != only["score"]


def test_names_differ_as_the_configurations_do() -> None:
    points = [{"A.b": "0.9"}, {"A.b": "0.99"}, {"A.b": "@Beta()"}, {"A.b": "1" * 200}]
    points.append({"A.b": "1" * 201})

    names = [folder_name(point, seed) for point in points for seed in (0, 1)]

    assert names[0] == "A.b=0.9-seed0"
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 100
