"""Gymnasium environments, stepped from inside the graph by one Python call a step."""

import contextlib
import difflib
import importlib
import inspect
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gin
import gymnasium as gym
import tensorflow as tf

from pgtf.environments import mujoco_warnings
from pgtf.environments.environment import Environment
from pgtf.environments.interpreter import keep_thread_state
from pgtf.environments.vector import EnvironmentFailure, EnvironmentLoop, LibraryVector
from pgtf.errors import ConfigurationError
from pgtf.spaces import bounded, specification
from pgtf.trajectory import TimeStep

# What a complaint about a missing package contains, and the extra of pgtf that brings the package.
_EXTRAS = {
    "[box2d]": "box2d",
    "[mujoco]": "mujoco",
    "ale_py": "atari",
    "opencv": "atari",
    "pygame": "classic-control",
}
# Vectorised implementations of the very task of the single environment, and the number of copies up
# to which stepping these one by one is faster (the vectorised CartPole takes as long as six).
_FASTER_ONE_BY_ONE = {"gymnasium.envs.classic_control.cartpole:CartPoleVectorEnv": 4}
# Namespaces of ids that a module registers when it is imported.
_MODULES = {"ALE": "ale_py"}


@gin.register
class GymEnvironment(Environment):
    """B copies of any Gymnasium environment.

    Args:
        id: a registered id; ``module:Env-v0`` imports the module that registers it, and ``ALE/…``
            needs no module.
        num_envs: B.
        kwargs: keyword arguments of the environment.
        wrappers: callables from environment to environment, applied to each copy in this order.
        vectorization: how the copies are stepped. 'loop': one after the other in this process;
            'async': each in a process of its own; 'vector_entry_point': by the vectorised
            implementation that comes with the environment; 'auto': the last where there is one
            and no wrapper is bound, else the first. Up to 4 copies of CartPole are stepped one
            after the other all the same, which is faster for so few.

    Raises:
        ConfigurationError: the id is unknown, a package it needs is missing, the environment
            cannot be made, or a count is not positive.
    """

    def __init__(
        self,
        id: str = "CartPole-v1",
        num_envs: int = 8,
        kwargs: Mapping[str, Any] | None = None,
        wrappers: Sequence[Callable[[gym.Env], gym.Env]] = (),
        vectorization: str = "auto",
    ):
        if num_envs < 1:
            raise ConfigurationError(
                f"GymEnvironment.num_envs (NUM_ENVS) must be at least 1, not {num_envs}."
            )
        modes = ("auto", "loop", "async", "vector_entry_point")
        if vectorization not in modes:
            raise ConfigurationError(
                f"GymEnvironment.vectorization must be one of {', '.join(modes)}, not"
                f" {vectorization!r}."
            )
        self.name = id
        self.num_envs = num_envs
        self.kwargs = dict(kwargs or {})
        self.wrappers = tuple(wrappers)
        self._vectorization = vectorization
        with _clear_errors(id):
            self._host = self._make(vectorization)
        self.observation_space = self._host.observation_space
        self.action_space = self._host.action_space
        self._observation_spec = specification(self.observation_space)
        specification(self.action_space)

    def _make(self, vectorization: str) -> EnvironmentLoop | LibraryVector:
        spec = _imported_spec(self.name)
        if vectorization == "auto":
            few = _FASTER_ONE_BY_ONE.get(str(spec.vector_entry_point), 0)
            offered = spec.vector_entry_point is not None and not self.wrappers
            # With arguments of their own the two may differ.
            alone = not self.kwargs and self.num_envs <= few
            vectorization = "vector_entry_point" if offered and not alone else "loop"
        if vectorization == "loop":
            return EnvironmentLoop([self.make] * self.num_envs)
        if vectorization == "async":
            with _ctrl_c_ignored():
                return LibraryVector(gym.vector.AsyncVectorEnv([self.make] * self.num_envs))
        if self.wrappers:
            raise ConfigurationError(
                "GymEnvironment.wrappers wrap single environments, which 'vector_entry_point' has"
                " not: bind GymEnvironment.vectorization = 'loop'."
            )
        envs = gym.make_vec(
            self.name, self.num_envs, vectorization_mode=vectorization, **self.kwargs
        )
        return LibraryVector(envs)

    def make(self, **kwargs: Any) -> gym.Env:
        """Makes one copy, wrapped; ``kwargs`` are added to those bound."""
        env = gym.make(self.name, disable_env_checker=True, **(self.kwargs | kwargs))
        for wrapper in self.wrappers:
            env = wrapper(env)
        return env

    def reset(self, seed: tf.Tensor) -> tuple[Any, Any]:
        """Resets every copy, each with a seed of its own.

        Args:
            seed: int32 [2]; or [N, 2], one for each of N equal blocks of copies, which then start
                alike where their seeds are alike (if ``seeds_each``).
        """
        leaves = self._numpy(lambda seed: self._host.reset(seed), [seed], with_signals=False)
        return tf.zeros(()), tf.nest.pack_sequence_as(self._observation_spec, leaves)

    def step(self, state: Any, action: Any, held: tf.Tensor | None = None) -> tuple[Any, TimeStep]:
        """Steps every copy; the state is a token, the environments keep their own."""
        inputs = tf.nest.flatten(bounded(self.action_space, action))
        if held is None:

            def move(*action: Any) -> Any:
                return self._host.step(action)
        else:
            inputs = [held, *inputs]

            def move(*held_and_action: Any) -> Any:
                return self._host.step(held_and_action[1:], held_and_action[0])

        *observation, signals = self._numpy(move, inputs, with_signals=True)
        signals.set_shape((4, self.num_envs))
        reward, terminated, truncated, mask = tf.unstack(signals)
        observation = tf.nest.pack_sequence_as(self._observation_spec, observation)
        return state, TimeStep(observation, reward, terminated > 0, truncated > 0, mask)

    def _numpy(
        self, function: Callable[..., Any], inputs: list[tf.Tensor], with_signals: bool
    ) -> list[tf.Tensor]:
        specs = tf.nest.flatten(self._observation_spec)
        dtypes = [spec.dtype for spec in specs] + [tf.float32] * with_signals

        def call(*arrays: Any) -> Any:
            keep_thread_state()
            return function(*arrays)

        outputs = tf.numpy_function(call, inputs, dtypes)
        if not isinstance(outputs, list):  # Outside a graph, TensorFlow unwraps a list of one.
            outputs = [outputs]
        for output, spec in zip(outputs, specs, strict=False):
            output.set_shape((self.num_envs, *spec.shape))
        return outputs

    def replicate(self, num_envs: int) -> "GymEnvironment":
        """Returns a fresh environment of the same task with another number of copies."""
        return GymEnvironment(self.name, num_envs, self.kwargs, self.wrappers, self._vectorization)

    @property
    def seeds_each(self) -> bool:
        """Whether a reset can give each copy the seed that is meant for it."""
        return self._host.seeds_each

    @property
    def observes_frames(self) -> bool:
        """Whether a vectorised implementation makes the pictures that are observed (Atari)."""
        return isinstance(self._host, LibraryVector) and self._host.stacks_frames

    def render(self) -> Any:
        """Returns a picture of the first copy, [height, width, 3] uint8.

        Of stacked grey frames, [frames, height, width], it is the newest, [height, width].

        Raises:
            ConfigurationError: the copies cannot draw themselves.
        """
        with _clear_errors(self.name):
            frame = self._host.render()
        if frame is None:
            raise ConfigurationError(f"{self.name} has no picture of itself to render.")
        return frame

    @property
    def failure(self) -> EnvironmentFailure | None:
        """What the environment's own code raised in the last call, if it did."""
        return self._host.failure

    def renew(self) -> None:
        """Makes every copy anew; graphs that step them go on with the new ones, from a reset."""
        # What has failed may fail again when it is closed.
        with contextlib.suppress(Exception):
            self._host.close()
        with _clear_errors(self.name):
            self._host = self._make(self._vectorization)

    def close(self) -> None:
        """Closes every copy."""
        self._host.close()


def register_wrappers() -> None:
    """Makes Gymnasium's own wrappers bindable by their names, arguments included."""
    for name in gym.wrappers.__all__:
        try:
            wrapper = getattr(gym.wrappers, name)
        except ImportError:  # Gymnasium imports what a wrapper needs only when it is asked for.
            continue
        if inspect.isclass(wrapper) and issubclass(wrapper, gym.Wrapper):
            gin.external_configurable(wrapper, name=name, module="gymnasium.wrappers")


def _imported_spec(id: str) -> gym.envs.registration.EnvSpec:
    """Finds what is registered under an id, after importing the module that registers it."""
    module, _, name = id.rpartition(":")
    module = module or _MODULES.get(id.partition("/")[0], "")
    if module:
        importlib.import_module(module)
    spec = gym.spec(name)
    if "mujoco" in str(spec.entry_point):
        mujoco_warnings.tell_once()
    return spec


@contextlib.contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    """Processes that start here leave Ctrl-C to their parent, which still needs them to save."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@contextlib.contextmanager
def _clear_errors(id: str) -> Iterator[None]:
    """Turns what is raised while an environment is made into one sentence."""
    try:
        yield
    except ConfigurationError:
        raise
    except (gym.error.DependencyNotInstalled, ImportError) as error:
        raise ConfigurationError(_missing(id, error)) from error
    except Exception as error:
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
