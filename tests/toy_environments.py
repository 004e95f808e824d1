"""Small environments whose best policy, values and episodes are known, registered with Gymnasium.

``tests.toy_environments:Identity-v0`` is an id that needs this module to be imported first.
"""

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

TWO: spaces.Space[Any] = spaces.Discrete(2)
THREE: spaces.Space[Any] = spaces.Discrete(3)


def elements(space: spaces.Space[Any], count: int) -> list[Any]:
    """Elements of a space, the same in every call, and different ones if it has as many."""
    chosen: dict[str, Any] = {}
    for k in range(100):
        space.seed(k)
        element = space.sample()
        chosen.setdefault(str(element), element)
    return list(itertools.islice(itertools.cycle(chosen.values()), count))


def right_actions(space: spaces.Space[Any], count: int) -> list[Any]:
    """Elements of a space whose numbers are in the inner half of its bounds.

    Close to a bound there is a second optimum: a mean so far beyond it that all is clipped.
    """

    def inner(space: spaces.Space[Any], element: Any) -> Any:
        match space:
            case spaces.Dict():
                return {key: inner(part, element[key]) for key, part in space.items()}
            case spaces.Tuple():
                return tuple(inner(part, x) for part, x in zip(space, element, strict=True))
            case spaces.Box():
                return element / 2
            case _:
                return element

    return [inner(space, element) for element in elements(space, count)]


def agreement(space: spaces.Space, action: Any, target: Any) -> float:
    """1 where two elements are equal; less by the squared distance, or the share that differs."""
    match space:
        case spaces.Dict():
            return float(np.mean([agreement(s, action[k], target[k]) for k, s in space.items()]))
        case spaces.Tuple():
            parts = zip(space, action, target, strict=True)
            return float(np.mean([agreement(s, a, b) for s, a, b in parts]))
        case spaces.Box():
            return 1.0 - float(np.mean(np.square(action - target)))
        case _:
            return float(np.mean(np.asarray(action) == np.asarray(target)))


class Identity(gym.Env[Any, Any]):
    """The observation says which action is right; the best return of an episode is its length.

    Each step shows one of ``count`` elements of the observation space; each belongs to an element
    of the action space, and the reward is how far the action agrees with it. What comes next does
    not depend on the action.

    Args:
        observation_space: any space.
        action_space: any space.
        count: different observations.
        length: steps of an episode, which then terminates.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any] = THREE,
        action_space: spaces.Space[Any] = THREE,
        count: int = 3,
        length: int = 8,
    ):
        self.observation_space = observation_space
        self.action_space = action_space
        self.length = length
        self.shown = elements(observation_space, count)
        self.right = right_actions(action_space, count)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return self._show(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        reward = agreement(self.action_space, action, self.right[self.state])
        self.time += 1
        return self._show(), reward, self.time == self.length, False, {}

    def _show(self) -> Any:
        self.state = int(self.np_random.integers(len(self.shown)))
        return self.shown[self.state]


class Endless(gym.Env[np.ndarray, int]):
    """Reward 1 at every step, the same observation for ever; the task never ends by itself.

    Args:
        terminates_after: steps after which it does end, or None.
    """

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = TWO

    def __init__(self, terminates_after: int | None = None):
        self.terminates_after = terminates_after

    def reset(
        self, *, seed: int | None = None, options: Any = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return np.ones(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.time += 1
        return np.ones(1, np.float32), 1.0, self.time == self.terminates_after, False, {}


class Scripted(Endless):
    """Something happens at one step of the whole run; ``monkeypatch`` writes the script.

    Attributes:
        length: of an episode, which then terminates; None for one without end.
        seconds: that each step takes.
        at: the step at which ``event`` is called, counted over all copies.
        event: may return a reward, raise, or send a signal.
        taken: steps so far.
        counting: held while a step is counted; A3C's workers step at once.
    """

    length: int | None = 10
    seconds = 0.0
    at = 0
    event: Callable[[], float] = staticmethod(lambda: 1.0)
    taken = 0
    counting = threading.Lock()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        with Scripted.counting:
            Scripted.taken += 1
            number = Scripted.taken
        time.sleep(self.seconds)
        observation, reward, *_ = super().step(action)
        if number == Scripted.at:
            reward = Scripted.event()
        return observation, reward, self.time == self.length, False, {}


class Counting(gym.Env[np.ndarray, Any]):
    """Shows where it stands: [episode, step, length of this episode, sum of the last action].

    Lengths are drawn uniformly from 1 … ``max_length`` at each reset, and each episode ends by
    termination or truncation with equal chance. The reward is 10 · episode + step, so that sums
    tell which steps are in them.

    Args:
        action_space: any but Tuple and Dict.
        max_length: the longest episode.
    """

    observation_space = spaces.Box(-np.inf, np.inf, (4,), np.float32)

    def __init__(self, action_space: spaces.Space[Any] = TWO, max_length: int = 6):
        self.action_space = action_space
        self.max_length = max_length
        self.episode = -1

    def reset(
        self, *, seed: int | None = None, options: Any = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.episode = 0 if seed is not None else self.episode + 1
        self.length = int(self.np_random.integers(1, self.max_length + 1))
        self.truncates = bool(self.np_random.integers(2))
        self.time = 0
        return self._where(0.0), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        self.time += 1
        ended = self.time == self.length
        reward = 10.0 * self.episode + self.time
        where = self._where(float(np.sum(action)))
        return where, reward, ended and not self.truncates, ended and self.truncates, {}

    def _where(self, received: float) -> np.ndarray:
        return np.array([self.episode, self.time, self.length, received], np.float32)


class Nested(gym.Env[Any, Any]):
    """Dict observations and actions with parts of every kind; observations are random.

    The observation's "received" repeats the last action, so that nothing can be mixed up on the
    way in or out unseen.
    """

    action_space = spaces.Dict(
        {
            "torque": spaces.Box(-1.0, 1.0, (2,), np.float64),
            "gear": spaces.Tuple((spaces.Discrete(3, start=-1), spaces.MultiBinary(2))),
        }
    )
    observation_space = spaces.Dict(
        {
            "torque": spaces.Box(-1.0, 1.0, (2,), np.float64),
            "picture": spaces.Box(0, 255, (2, 3), np.uint8),
            "gear": spaces.Tuple((spaces.Discrete(3, start=-1), spaces.MultiBinary(2))),
            "lights": spaces.MultiDiscrete(np.array([[2, 3], [4, 5]])),
        }
    )

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        nothing = {"torque": np.zeros(2), "gear": (0, np.zeros(2, np.int8))}
        return self._observe(nothing), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), f"{action!r} is not in {self.action_space}"
        reward = float(np.sum(action["torque"]) + 10 * action["gear"][0])
        ended = bool(self.np_random.random() < 0.2)
        return self._observe(action), reward, ended, False, {}

    def _observe(self, action: Any) -> dict[str, Any]:
        return {
            "torque": action["torque"],
            "picture": self.np_random.integers(0, 256, (2, 3)).astype(np.uint8),
            "gear": action["gear"],
            "lights": self.np_random.integers([[2, 3], [4, 5]]),
        }


class Broken(gym.Env[np.ndarray, int]):
    """Raises at its third step."""

    observation_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    action_space = TWO

    def reset(
        self, *, seed: int | None = None, options: Any = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.time = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.time += 1
        if self.time == 3:
            raise RuntimeError("the wheel came off")
        return np.zeros(1, np.float32), 0.0, False, False, {}


for _name in ("Identity", "Endless", "Scripted", "Counting", "Nested", "Broken"):
    if f"{_name}-v0" not in gym.registry:
        gym.register(f"{_name}-v0", entry_point=f"{__name__}:{_name}")
