"""An environment outside TensorFlow that is restored goes on bit for bit where it was saved."""

import json
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import FrameStackObservation, TransformReward

from pgtf.environments import state
from pgtf.environments.processes import Processes


class Walk(gym.Env):
    """A random walk with a state of its own kind, behind the hook."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (1,))
    action_space = gym.spaces.Discrete(2)

    class Position:
        x = 0.0

    def __init__(self, **kwargs: Any) -> None:
        self._at = self.Position()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self._at.x = 0.0
        return np.array([0.0], np.float32), {}

    def step(self, action: int) -> Any:
        self._at.x += action + float(self.np_random.normal())
        return np.array([self._at.x], np.float32), self._at.x, abs(self._at.x) > 5, False, {}


class Restorable(Walk):
    """The same, with the hook."""

    def clone_state(self) -> Any:
        return {"x": self._at.x, "random": self.np_random}

    def restore_state(self, state: Any) -> None:
        self._at.x, self.np_random = state["x"], state["random"]


def make(id: str, **kwargs: Any) -> Callable[[], Any]:
    return lambda: gym.make(id, disable_env_checker=True, **kwargs)


def atari(sticky: float = 0.0) -> gym.Env:
    kwargs: Any = {"frameskip": 1, "repeat_action_probability": sticky, "disable_env_checker": True}
    return gym.wrappers.AtariPreprocessing(gym.make("ale_py:ALE/Pong-v5", **kwargs))


RESTORABLE = {
    "CartPole": make("CartPole-v1"),
    "Pendulum": make("Pendulum-v1"),
    "Acrobot": make("Acrobot-v1"),
    "MountainCar": make("MountainCar-v0"),
    "FrozenLake": make("FrozenLake-v1"),
    "Taxi": make("Taxi-v4"),
    "Blackjack": make("Blackjack-v1"),
    "stacked": lambda: FrameStackObservation(gym.make("CartPole-v1"), 3),
    "wrapped": lambda: TransformReward(gym.make("CartPole-v1"), lambda reward: float(reward) / 2),
    "hook": lambda: gym.wrappers.TimeLimit(Restorable(), 20),
    "several": lambda: gym.make_vec("CartPole-v1", 3, vectorization_mode="vector_entry_point"),
    "Atari": atari,
}


def played(env: Any, actions: list[Any]) -> list[Any]:
    """What an environment shows; it is reset after the end of each episode."""
    rows = []
    for action in actions:
        row = env.step(action)
        rows.append([np.asarray(item).tolist() for item in row[:4]])
        if np.ndim(row[2]) == 0 and (row[2] or row[3]):
            rows.append(np.asarray(env.reset()[0]).tolist())
    return rows


@pytest.mark.parametrize("name", RESTORABLE)
def test_restored_environment_goes_on_bit_for_bit(name: str) -> None:
    env, other = RESTORABLE[name](), RESTORABLE[name]()
    env.action_space.seed(1)
    env.reset(seed=3)
    played(env, [env.action_space.sample() for _ in range(37)])
    text = json.dumps(state.cloned(env))
    actions = [env.action_space.sample() for _ in range(150)]
    expected = played(env, actions)

    other.reset(seed=4)
    state.give(other, json.loads(text))
    assert played(other, actions) == expected
    env.close()
    other.close()


def test_environments_in_processes_of_their_own_resume_too() -> None:
    """Just after an end, which Gymnasium counts in the processes."""
    pole = make("CartPole-v1", max_episode_steps=5)
    hosts = [Processes([pole, pole]) for _ in range(2)]
    for seed, host in enumerate(hosts):
        host.reset(np.array([seed, 0], np.int32))
    for _ in range(5):
        hosts[0].step([np.array([0, 1])])
    snapshot = json.loads(json.dumps(hosts[0].snapshot()))
    assert snapshot["ended"] == [True, True]
    hosts[1].resume(snapshot)
    for _ in range(12):
        rows = [host.step([np.array([1, 0])]) for host in hosts]
        for one, other in zip(*rows, strict=True):
            np.testing.assert_array_equal(one, other)
    for host in hosts:
        host.close()


@pytest.mark.parametrize(
    "make_env",
    [
        Walk,
        make("HalfCheetah-v5"),
        lambda: gym.wrappers.NormalizeObservation(gym.make("CartPole-v1")),
        lambda: atari(sticky=0.25),
    ],
    ids=["own", "MuJoCo", "statistics", "sticky"],
)
def test_environment_that_offers_no_state_has_none(make_env: Callable[[], gym.Env]) -> None:
    env = make_env()
    env.reset(seed=0)
    assert state.cloned(env) is None
    env.close()


class Failing(Restorable):
    """A hook that gives what cannot be saved, and takes nothing."""

    broken = True

    def clone_state(self) -> Any:
        return self._at if self.broken else {}

    def restore_state(self, state: Any) -> None:
        raise KeyError("x")


def test_hook_that_fails_is_named_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    env = Failing()
    assert state.cloned(env) is None
    assert state.cloned(env) is None
    monkeypatch.setattr(Failing, "broken", False)
    with pytest.raises(state.Unsaved):
        state.give(env, state.cloned(env))

    after = "so a resumed run starts new episodes."
    assert capsys.readouterr().err.splitlines() == [
        "pgtf: warning: Failing.clone_state fails (Unsaved: Walk.Position is not plain data),"
        f" {after}",
        f"pgtf: warning: Failing.restore_state fails (KeyError: 'x'), {after}",
    ]


def test_state_of_another_environment_is_refused() -> None:
    env = gym.make("CartPole-v1")
    env.reset(seed=0)
    with pytest.raises(state.Unsaved):
        state.give(gym.make("Acrobot-v1"), state.cloned(env))


def test_plain_data_survives_with_its_types_and_its_sharing() -> None:
    shared = [1, 2.5, None, True, "é"]
    value = {
        (1, "key"): shared,
        2: {"again": shared, "set": {1, 2}},
        "array": np.arange(6, dtype=np.int16).reshape(2, 3)[:, ::2],
        "scalar": np.float32(0.1),
        "bytes": b"\x00\xff",
        "deque": deque([np.zeros(2), (1,)], maxlen=5),
        "dates": np.array(["2020-01-01"], "datetime64[D]"),
        "infinite": [float("inf"), -0.0],
        "random": [np.random.default_rng(3), random.Random(4)],
    }
    again = state.decoded(json.loads(json.dumps(state.encoded(value))))

    assert again[(1, "key")] == shared
    assert again[(1, "key")] is again[2]["again"]
    assert again[2]["set"] == {1, 2}
    np.testing.assert_array_equal(again["array"], [[0, 2], [3, 5]])
    assert again["array"].dtype == np.int16
    assert isinstance(again["scalar"], np.float32)
    assert again["scalar"] == np.float32(0.1)
    assert again["bytes"] == b"\x00\xff"
    assert again["deque"].maxlen == 5
    assert again["deque"][1] == (1,)
    assert again["dates"] == value["dates"]
    assert str(again["infinite"]) == "[inf, -0.0]"
    numbers, others = again["random"]
    assert numbers.normal() == np.random.default_rng(3).normal()
    assert others.random() == random.Random(4).random()


@pytest.mark.parametrize("value", [object(), lambda: 0, np.array([object()]), iter([])])
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(state.Unsaved):
        state.encoded([value])


def test_arrays_that_share_memory_are_refused() -> None:
    """Restored, a write to one would no longer show in the other."""
    whole = np.zeros(4)
    with pytest.raises(state.Unsaved):
        state.encoded([whole, whole[:2]])
    state.encoded([whole, whole])
