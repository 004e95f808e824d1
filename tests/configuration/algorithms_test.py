"""Settings in the scope of an algorithm's name hold for that algorithm."""

from pathlib import Path

import gin
import pytest

from pgtf import parts
from pgtf.configuration import configuration

assert parts  # Registers every part.

TASK = """
NUM_ENVS = 3
a2c/Rollouts.num_steps = 6
ppo/Rollouts.num_steps = 7
ppo/NUM_ENVS = 4
ppo/clip/PolynomialDecay.initial_learning_rate = 0.25
mine/Rollouts.num_steps = 9
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("task.gin").write_text(TASK)


def bound(files: list[str], *parameters: str) -> tuple[object, ...]:
    configuration.load(files, parameters)
    keys = ("Rollouts.num_steps", "GymEnvironment.num_envs")
    return tuple(configuration.bound(key, None) for key in keys)


def test_they_hold_for_the_algorithm_and_for_what_includes_its_file() -> None:
    assert bound(["a2c.gin", "task.gin"]) == (6, 3)
    assert bound(["ppo.gin", "task.gin"]) == (7, 4)
    key = "clip/PolynomialDecay.initial_learning_rate"
    assert configuration.bound(key, None) == 0.25
    assert bound(["vpg.gin", "task.gin"]) == (6, 3)  # As A2C has it, which it includes.
    assert bound(["es.gin", "task.gin"]) == (None, 3)
    Path("own.gin").write_text("include 'ppo.gin'\nRollouts.num_steps = 5\n")
    assert bound(["own.gin"]) == (5, 8)
    assert bound(["own.gin", "task.gin"]) == (7, 4)


def test_what_is_bound_later_without_the_scope_wins() -> None:
    assert bound(["ppo.gin", "task.gin"], "Rollouts.num_steps = 8", "NUM_ENVS = 2") == (8, 2)


def test_other_scopes_and_flags_are_gins_own() -> None:
    asked = configuration.load(["a2c.gin", "task.gin"], ["ppo/Rollouts.num_steps = 2"])
    assert gin.query_parameter("mine/Rollouts.num_steps") == 9
    assert gin.query_parameter("ppo/Rollouts.num_steps") == 2
    assert "clip/PolynomialDecay.initial_learning_rate" not in asked.bindings
    assert configuration.bound("train.trainer", None)
    assert asked.warnings() == [
        "task.gin line 7: nothing uses mine/Rollouts.num_steps. Did you mean 'Rollouts.num_steps'?",
        '--gin_param="ppo/Rollouts.num_steps = 2": nothing uses ppo/Rollouts.num_steps. Did you'
        " mean 'Rollouts.num_steps'?",
    ]


def test_a_run_notes_them_down_without_the_scope() -> None:
    first = configuration.load(["ppo.gin", "task.gin"], [])
    Path("config.gin").write_text(first.text)
    assert bound(["config.gin"]) == (7, 4)
