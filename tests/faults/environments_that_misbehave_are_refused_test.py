"""What an environment returns reaches the learner as it was meant, or not at all.

Each message says which copy returned what, at which step of its episode, and what was expected.
"""

import signal
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from gymnasium import spaces

from pgtf.environments.border import EnvironmentFailure
from pgtf.environments.environment_loop import EnvironmentLoop
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from tests.faults.misbehaving import PLANE, Misbehaving, misbehaving, registered

SEED = tf.constant([1, 2])
BYTES = spaces.Box(0, 255, (1,), np.uint8)
PAIR = spaces.Tuple((PLANE, spaces.Discrete(3)))
KEYS = spaces.Dict({"plane": PLANE, "gear": spaces.Discrete(3)})
ZEROS = np.zeros(2, np.float32)


def played(environment: GymEnvironment, steps: int = 12) -> list[Any]:
    """The rows of so many steps; raises the failure of the environment."""
    try:
        state, _ = environment.reset(SEED)
        rows = []
        for _ in range(steps):
            state, row = environment.step(state, tf.zeros(environment.num_envs, tf.int32))
            rows.append(row)
        return rows
    except tf.errors.OpError:
        failure = environment.failure
        assert isinstance(failure, EnvironmentFailure)
        raise failure from None


OBSERVATIONS = {
    "floats in bytes": (BYTES, np.zeros(1, np.uint8), np.array([0.2]), "type float64"),
    "beyond a byte": (BYTES, np.zeros(1, np.uint8), np.array([256]), "256"),
    "floats in integers": (
        spaces.Box(0, 9, (1,), np.int32),
        np.zeros(1, np.int32),
        np.array([0.8]),
        "0.8",
    ),
    "floats in bits": (spaces.MultiBinary(1), np.zeros(1, np.int8), np.array([0.2]), "0.2"),
    "no bit": (spaces.MultiBinary(1), np.zeros(1, np.int8), np.array([2]), "2"),
    "no such category": (spaces.Discrete(2), 0, 3, r"the observation 3\b"),
    "below the categories": (spaces.Discrete(2, start=1), 1, 0, r"the observation 0\b"),
    "no such choice": (spaces.MultiDiscrete([2, 3]), np.array([1, 2]), np.array([1, 3]), "3"),
    "complex": (PLANE, ZEROS, np.array([1j, 0.0]), r"1\.j"),
    "NaN": (PLANE, ZEROS, np.array([0.0, np.nan]), "nan.*not finite"),
    "infinite": (PLANE, ZEROS, np.array([-np.inf, 0.0], np.float32), "inf.*not finite"),
    "infinite as float32": (PLANE, ZEROS, np.array([1e39, 0.0]), r"1\.e\+39|1e\+39"),
    "None": (PLANE, ZEROS, None, "None"),
    "text": (PLANE, ZEROS, "left", "'left'"),
    "too long": (PLANE, ZEROS, np.zeros(5), r"shape \(5,\)"),
    "a column": (PLANE, ZEROS, np.zeros((2, 1)), r"shape \(2, 1\)"),
    "a row": (PLANE, ZEROS, np.zeros((1, 2)), r"shape \(1, 2\)"),
    "a number for a vector": (PLANE, ZEROS, 0.5, r"shape \(\)"),
    "transposed": (
        spaces.Box(0, 1, (2, 3), np.float32),
        np.zeros((2, 3)),
        np.zeros((3, 2)),
        r"shape \(3, 2\)",
    ),
    "flat": (spaces.Box(0, 1, (2, 3), np.float32), np.zeros((2, 3)), np.zeros(6), r"shape \(6,\)"),
    "an array for a category": (spaces.Discrete(3), 2, np.array([2]), r"shape \(1,\)"),
    "a key is missing": (KEYS, {"plane": ZEROS, "gear": 1}, {"plane": ZEROS}, "'gear'"),
    "a key too many": (
        KEYS,
        {"plane": ZEROS, "gear": 1},
        {"plane": ZEROS, "gear": 1, "c": 1},
        "'c'",
    ),
    "a bad key": (
        KEYS,
        {"plane": ZEROS, "gear": 1},
        {"plane": ZEROS, "gear": 7},
        r"observation\['gear'\] 7",
    ),
    "an array for a Dict": (KEYS, {"plane": ZEROS, "gear": 1}, ZEROS, "Dict with the keys"),
    "a Tuple of three": (PAIR, (ZEROS, 1), (ZEROS, 1, 1), "Tuple of 2"),
    "a bad part": (PAIR, (ZEROS, 1), (np.zeros(3), 1), r"observation\[0\] of shape \(3,\)"),
}


@pytest.mark.parametrize("kind", OBSERVATIONS)
@pytest.mark.parametrize("at", [0, 3])
def test_an_observation_outside_its_space_is_refused(kind: str, at: int) -> None:
    space, good, bad, told = OBSERVATIONS[kind]
    environment = misbehaving(space=space, shown=good, at=at, then={"observation": bad})
    when = "at step 3 of its episode" if at else "resetting"
    with pytest.raises(EnvironmentFailure, match=rf"^environment 1 .*{told}.* It was {when}$"):
        played(environment)


SIGNALS = {
    "NaN as reward": ({"reward": float("nan")}, "the reward nan"),
    "an infinite reward": ({"reward": np.float64("inf")}, "the reward .*inf"),
    "an infinite reward as float32": ({"reward": 1e39}, r"the reward 1e\+39"),
    "no reward": ({"reward": None}, "the reward None"),
    "a text as reward": ({"reward": "1.0"}, "the reward '1.0'"),
    "rewards of two agents": ({"reward": np.array([1.0, 2.0])}, r"the reward array\(\[1., 2.\]\)"),
    "rewards by name": ({"reward": {"agent": 1.0}}, "the reward {'agent': 1.0}"),
    "a complex reward": ({"reward": 1j}, "the reward 1j"),
    "NaN as end": ({"terminated": float("nan")}, "nan as terminated"),
    "None as end": ({"terminated": None}, "None as terminated"),
    "half an end": ({"truncated": 0.5}, "0.5 as truncated"),
    "four values": (
        {"whole": (ZEROS, 1.0, False, {})},
        r"four values from step, as gym's before 0\.26",
    ),
    "nothing": ({"whole": None}, "None from step"),
}


@pytest.mark.parametrize("kind", SIGNALS)
def test_a_step_that_is_none_is_refused(kind: str) -> None:
    then, told = SIGNALS[kind]
    with pytest.raises(
        EnvironmentFailure, match=rf"^environment 1 .*{told}.*; expected is .* It was at step 3"
    ):
        played(misbehaving(then=then))


@pytest.mark.parametrize("whole", [ZEROS, (ZEROS, ZEROS), {"a": 1, "b": 2}, (ZEROS,), None])
def test_a_reset_without_infos_is_refused(whole: Any) -> None:
    with pytest.raises(EnvironmentFailure, match=r"^environment 1 .*reset.*\(observation, info\)"):
        played(misbehaving(at=0, then={"whole": whole}))


@pytest.mark.parametrize("reward", [2, True, np.float64(2), np.array(2.0), np.array([2.0]), [2.0]])
@pytest.mark.parametrize("end", [True, np.bool_(True), 1, np.array([True]), 1.0])
def test_any_plain_number_is_a_reward_and_any_truth_an_end(reward: Any, end: Any) -> None:
    row = played(misbehaving(then={"reward": reward, "terminated": end}))[2]
    assert row.reward.numpy().tolist() == [1.0, float(np.ravel(reward)[0])]
    assert row.terminated.numpy().tolist() == [False, True]


def test_numbers_that_keep_their_value_may_have_another_type() -> None:
    for space, value in (
        (BYTES, np.array([7], np.int64)),
        (BYTES, np.array([7.0])),
        (spaces.Discrete(9), np.int64(7)),
        (PLANE, np.array([7, 7])),
        (PLANE, [7.0, 7.0]),
    ):
        rows = played(misbehaving(space=space, shown=value, at=None))
        np.testing.assert_array_equal(np.ravel(rows[0].observation), np.ravel([value, value]))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (StopIteration(), "StopIteration"),
        (ValueError("the simulator diverged"), "ValueError: the simulator diverged"),
    ],
)
def test_whatever_a_step_raises_is_told_with_copy_place_and_step(
    error: BaseException, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash() -> None:
        raise error

    monkeypatch.setattr(signal, "getsignal", lambda number: signal.SIG_DFL)
    with pytest.raises(
        EnvironmentFailure,
        match=rf"^environment 1 raised {told} \({__file__} line \d+\)\. It was at step 3 of its",
    ):
        played(misbehaving(then=crash))


class Old(gym.Env[Any, Any]):
    """The API of gym before 0.26."""

    observation_space, action_space = PLANE, spaces.Discrete(2)

    def reset(self) -> Any:  # type: ignore[override]
        return ZEROS


class OldStep(Misbehaving):
    """Only its step is old."""

    def step(self, action: Any) -> Any:
        return ZEROS, 1.0, False, {}


@pytest.mark.parametrize(
    ("entry", "limit", "told"),
    [
        (Old, None, "its reset takes no seed"),
        (OldStep, None, "four values"),
        # The error is raised within Gymnasium's wrapper then.
        (OldStep, 5, "four values"),
    ],
)
def test_the_old_api_is_named(
    entry: Callable[[], gym.Env[Any, Any]], limit: int | None, told: str
) -> None:
    environment = GymEnvironment(registered("OldApi", entry, max_episode_steps=limit), 1)
    with pytest.raises(EnvironmentFailure, match=rf"{told}.*, as gym's before 0\.26"):
        played(environment)


def test_copies_with_other_spaces_are_refused() -> None:
    class Growing(Misbehaving):
        def __init__(self) -> None:
            super().__init__()
            self.observation_space = spaces.Box(0.0, 1.0, (Misbehaving.made,), np.float32)

    with pytest.raises(ConfigurationError, match="observation_space: that of environment 1 is"):
        GymEnvironment(registered("Growing", Growing), 2)


def test_observations_beyond_their_bounds_are_told_once(capfd: pytest.CaptureFixture[str]) -> None:
    beyond = np.array([5.0, 9.5], np.float32)
    rows = played(misbehaving(at=2, then={"observation": beyond}), 30)
    np.testing.assert_array_equal(rows[1].observation[1], beyond)
    said = capfd.readouterr().err
    assert said.count("pgtf: warning: observations leave the bounds of their space: 9.5 is") == 1


def test_an_environment_that_raises_on_close_is_told_and_the_others_are_closed(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    def close(self: Misbehaving) -> None:
        closed.append(self)
        if len(closed) == 1:
            raise AttributeError("the window is gone")

    monkeypatch.setattr(Misbehaving, "close", close)
    misbehaving(3).close()
    assert len(closed) == 3
    told = "pgtf: warning: Misbehaving-v0 raised AttributeError: the window is gone when it was"
    assert told in capfd.readouterr().err


def test_an_environment_that_is_bound_to_its_thread_is_told_what_to_bind() -> None:
    class Bound(Misbehaving):
        def __init__(self) -> None:
            super().__init__(at=None)
            self.database = sqlite3.connect(":memory:")

        def _row(self) -> dict[str, Any]:
            self.database.execute("select 1")
            return super()._row()

    loop = EnvironmentLoop([Bound])
    loop.reset(SEED.numpy())
    failures = []

    def step() -> None:
        with pytest.raises(EnvironmentFailure) as failure:
            loop.step([np.array([0])])
        failures.append(str(failure.value))

    thread = threading.Thread(target=step)  # As one of TensorFlow's.
    thread.start()
    thread.join()
    loop.close()
    assert "ProgrammingError" in failures[0]
    assert "bind GymEnvironment.vectorization = 'async'" in failures[0]
