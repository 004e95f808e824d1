"""Gymnasium environments: how they are found, made and wrapped."""

import contextlib
import difflib
import importlib
import inspect
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import gin
import gymnasium as gym

from pgtf.configuration.checked import checked
from pgtf.configuration.modules import import_for
from pgtf.configuration.ranges import Count, Positive
from pgtf.configuration.unmade import Needs, Unmade
from pgtf.environments import mujoco_warnings
from pgtf.environments.environment import Environment
from pgtf.environments.environment_loop import EnvironmentLoop
from pgtf.environments.hosted import Host, HostedEnvironment
from pgtf.environments.learning_wrappers import refuse_learned_statistics
from pgtf.environments.own_reward import OwnReward
from pgtf.environments.own_tensorflow import asks_tensorflow
from pgtf.environments.processes import Processes
from pgtf.environments.sizes import require_copies, require_vector
from pgtf.environments.vector import LibraryVector
from pgtf.errors import ConfigurationError

Vectorization = Literal["auto", "loop", "async", "vector_entry_point"]
# Text in an error about a missing package, and the extra of pgtf that installs the package.
_EXTRAS = {
    "[box2d]": "box2d",
    "[mujoco]": "mujoco",
    "ale_py": "atari",
    "minigrid": "minigrid",
    "opencv": "atari",
    "pygame": "classic-control",
}
# Vectorised implementations of a task, and the number of copies up to which stepping single
# environments is faster (the vectorised CartPole takes as long as six single ones).
_FASTER_ONE_BY_ONE = {"gymnasium.envs.classic_control.cartpole:CartPoleVectorEnv": 4}
# Beginnings of ids, and the module whose import registers them.
_MODULES = {"ALE/": "ale_py", "BabyAI-": "minigrid", "MiniGrid-": "minigrid"}


@gin.register
class GymEnvironment(HostedEnvironment):
    """B copies of any Gymnasium environment.

    Args:
        id: a registered id; ``module:Env-v0`` imports the module that registers it. ``ALE/…``,
            ``MiniGrid-…`` and ``BabyAI-…`` need no module.
        num_envs: B.
        kwargs: keyword arguments of the environment.
        wrappers: callables from environment to environment, applied to each copy in this order.
            What they make of the reward is learned from; returns add up the environment's own.
        vectorization: how the copies are stepped. 'loop': one after the other in this process;
            'async': each in its own process; 'vector_entry_point': by the environment's own
            vectorised implementation; 'auto': 'vector_entry_point' if there is one and no wrapper
            is bound, else 'loop'. 'auto' also loops over up to 4 copies of CartPole, which is
            faster for so few.
        step_timeout: seconds that a step or a reset of one copy may take, after which it counts as
            failed and is left alone; None for any number. Steps then go through a thread of their
            own, which costs some 50 µs each.

    Raises:
        ConfigurationError: the id is unknown, a package it needs is missing, the environment
            cannot be made, a wrapper learns statistics of its own, or a count is not positive.
    """

    @checked
    def __init__(
        self,
        id: str = "CartPole-v1",
        num_envs: Count = 8,
        kwargs: Mapping[str, Any] | None = None,
        wrappers: Sequence[Callable[[gym.Env], gym.Env]] = (),
        vectorization: Vectorization = "auto",
        step_timeout: Positive | None = None,
    ):
        self.kwargs = dict(kwargs or {})
        self.wrappers = tuple(wrappers)
        self._vectorization = vectorization
        super().__init__(id, num_envs, step_timeout)

    @classmethod
    def needs(cls, bound: Unmade) -> Needs:
        """Returns a spare thread, where the environment asks TensorFlow; see ``Unmade.needs``."""
        inner = bound.needs_of_parts()
        id = bound.argument("id")
        asks = isinstance(id, str) and asks_tensorflow(id)
        return inner._replace(spare=1) if asks else inner

    def make_host(self) -> Host:
        """Makes the copies as ``vectorization`` says."""
        with _clear_errors(self.name):
            return self._make(self._vectorization)

    def _make(self, vectorization: str) -> Host:
        spec = _imported_spec(self.name)
        if vectorization == "auto":
            few = _FASTER_ONE_BY_ONE.get(str(spec.vector_entry_point), 0)
            offered = spec.vector_entry_point is not None and not self.wrappers
            # With keyword arguments the two implementations may differ.
            alone = not self.kwargs and self.num_envs <= few
            vectorization = "vector_entry_point" if offered and not alone else "loop"
        if vectorization != "vector_entry_point":
            require_copies(self.make, self.num_envs, processes=vectorization == "async")
        if vectorization == "loop":
            return EnvironmentLoop([self.make] * self.num_envs)
        if vectorization == "async":
            with _terminal_ignored():
                return Processes([self.make] * self.num_envs, self.step_timeout is not None)
        if self.wrappers:
            raise ConfigurationError(
                "GymEnvironment.wrappers wrap single environments, and 'vector_entry_point' has"
                " none: bind GymEnvironment.vectorization = 'loop'."
            )

        def vector(num_envs: int) -> gym.vector.VectorEnv:
            return gym.make_vec(
                self.name, num_envs, vectorization_mode=vectorization, **self.kwargs
            )

        require_vector(vector, self.num_envs)
        return self.vector_host(vector(self.num_envs))

    def vector_host(self, envs: gym.vector.VectorEnv) -> Host:
        """Returns the host of the task's own vectorised implementation."""
        return LibraryVector(envs)

    def make(self, **kwargs: Any) -> gym.Env:
        """Makes one wrapped copy; ``kwargs`` are added to the bound ones."""
        env = gym.make(self.name, disable_env_checker=True, **(self.kwargs | kwargs))
        if self.wrappers:
            env = OwnReward(env)
        for wrapper in self.wrappers:
            env = wrapper(env)
        refuse_learned_statistics(env)
        return env

    def replicate(self, num_envs: int, frozen: bool = False) -> "GymEnvironment":
        """Returns a fresh environment of the same task with another number of copies."""
        del frozen
        return self._again(num_envs, self.kwargs, self._vectorization)

    def _again(
        self, num_envs: int, kwargs: Mapping[str, Any], vectorization: Vectorization
    ) -> "GymEnvironment":
        return GymEnvironment(
            self.name, num_envs, kwargs, self.wrappers, vectorization, self.step_timeout
        )

    def drawn(self) -> Environment:
        """Returns one copy that draws itself, or shows what it observes (Atari)."""
        if self.observes_frames:
            return super().drawn()
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # A picture needs no screen.
        kwargs = self.kwargs | {"render_mode": "rgb_array"}
        return self._again(1, kwargs, "loop")

    def render(self) -> Any:
        """Returns a picture of the first copy; see ``HostedEnvironment.render``."""
        with _clear_errors(self.name):
            return super().render()


def register_wrappers() -> None:
    """Registers Gymnasium's wrappers with gin under their names, arguments included."""
    for name in gym.wrappers.__all__:
        try:
            wrapper = getattr(gym.wrappers, name)
        except ImportError:  # Gymnasium imports what a wrapper needs only when it is asked for.
            continue
        if inspect.isclass(wrapper) and issubclass(wrapper, gym.Wrapper):
            gin.external_configurable(wrapper, name=name, module="gymnasium.wrappers")


def _imported_spec(id: str) -> gym.envs.registration.EnvSpec:
    """Returns the spec of an id, after importing the module that registers it."""
    module, _, name = id.rpartition(":")
    if module:
        import_for(f"{id} (GymEnvironment.id, ENVIRONMENT)", module)
    for beginning, own in _MODULES.items():
        if id.startswith(beginning):
            importlib.import_module(own)
    spec = gym.spec(name)
    if "mujoco" in str(spec.entry_point):
        mujoco_warnings.tell_once()
    return spec


@contextlib.contextmanager
def _terminal_ignored() -> Iterator[None]:
    """Child processes started here ignore what a terminal sends to all: the parent has to save."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGHUP)
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _clear_errors(id: str) -> Iterator[None]:
    """Turns exceptions from making an environment into one sentence."""
    try:
        yield
    except ConfigurationError:
        raise
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        raise ConfigurationError(_missing(id, error)) from error
    except (Exception, SystemExit) as error:
        if id.rpartition(":")[2] not in gym.registry:
            raise ConfigurationError(_unknown(id)) from error
        cause = f"{type(error).__name__}: {error}"
        raise ConfigurationError(f"GymEnvironment could not make {id!r}: {cause}") from error


def _unknown(id: str) -> str:
    module, colon, name = id.rpartition(":")
    names = {known.lower(): known for known in gym.registry}
    near = difflib.get_close_matches(name.lower(), names, n=3, cutoff=0.6)
    suggestions = [module + colon + names[match] for match in near]
    hint = f" Did you mean {' or '.join(suggestions)}?" if near else ""
    return f"There is no environment with the id {id!r} (GymEnvironment.id, ENVIRONMENT).{hint}"


def _missing(id: str, error: Exception) -> str:
    for word, extra in _EXTRAS.items():
        if word in str(error):
            return f"{id} needs a package that is not installed: pip install 'pgtf[{extra}]'."
    return f"{id} (GymEnvironment.id, ENVIRONMENT) cannot be imported: {error}"
