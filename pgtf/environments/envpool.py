"""EnvPool's environments: compiled C++ that steps all copies in threads of its own."""

import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin
import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode

from pgtf.configuration.checked import checked
from pgtf.configuration.machine import require_threads
from pgtf.configuration.ranges import Count, Positive
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.environments.hosted import Host, HostedEnvironment
from pgtf.environments.sizes import require_batch
from pgtf.environments.vector import LibraryVector
from pgtf.errors import ConfigurationError
from pgtf.spaces import specification

_UNLIMITED = np.iinfo(np.int32).max
_TINY = np.finfo(np.float32).tiny


@gin.register
class EnvPoolEnvironment(HostedEnvironment):
    """B copies of an environment of EnvPool (Weng et al. 2022, arXiv:2206.10558).

    EnvPool has Gymnasium's classic control, toy text, Box2D and MuJoCo tasks under the same ids
    and with the same rewards, Atari, the DeepMind control suite and more, written in C++. It takes
    seeds only when copies are made, so each reset makes them anew: some milliseconds, for Atari a
    tenth of a second a copy. An episode that ends in its last permitted step is truncated, even if
    the task ends in that very step. Films show Gymnasium's picture of the task.

    Args:
        id: one of ``envpool.list_all_envs()``; Atari's may have Gymnasium's namespace (``ALE/…``).
        num_envs: B.
        kwargs: further arguments of ``envpool.make``, such as ``max_episode_steps``.
        num_threads: threads of C++ that step the copies, which works while TensorFlow waits; one a
            core, and at most one a copy, when unbound.
        step_timeout: as of ``GymEnvironment``.

    Raises:
        ConfigurationError: EnvPool is not installed, does not know the id or an argument, or a
            number is out of its range.
    """

    @checked
    def __init__(
        self,
        id: str = "CartPole-v1",
        num_envs: Count = 8,
        kwargs: Mapping[str, Any] | None = None,
        num_threads: Count | None = None,
        step_timeout: Positive | None = None,
    ):
        self.kwargs = dict(kwargs or {})
        self.num_threads = num_threads
        super().__init__(id, num_envs, step_timeout)

    def make_host(self) -> Host:
        """Reads the spaces of the task; the copies are made by the first reset."""
        envpool = _imported()
        id = self.name.removeprefix("ALE/")
        if id not in envpool.list_all_envs():
            raise ConfigurationError(_unknown(self.name, envpool.list_all_envs()))
        threads = self.num_threads or 0
        require_threads(threads, f"EnvPoolEnvironment.num_threads = {threads}")
        own = {"num_envs": self.num_envs, "batch_size": self.num_envs, "num_threads": threads}
        arguments = self.kwargs | own
        try:
            spec = envpool.make_spec(id, **arguments)
        except Exception as error:
            cause = f"{type(error).__name__}: {error}".split("\n")[0]
            raise ConfigurationError(
                f"EnvPoolEnvironment could not make {self.name!r}: {cause}"
            ) from error
        spaces = (spec.gymnasium_observation_space, spec.gymnasium_action_space)
        require_batch(self.num_envs, spaces, "EnvPoolEnvironment.num_envs")
        steps = spec.config.max_episode_steps
        self.time_limit = None if steps >= _UNLIMITED else steps

        def make(seeds: list[int]) -> Any:
            return envpool.make(id, env_type="gymnasium", env_seed=seeds, **arguments)

        pool: Any = _Pool(make, spec, self.num_envs)
        return _PoolHost(pool)

    def replicate(self, num_envs: int, frozen: bool = False) -> "EnvPoolEnvironment":
        """Returns a fresh environment of the same task with another number of copies."""
        del frozen
        return EnvPoolEnvironment(
            self.name, num_envs, self.kwargs, self.num_threads, self.step_timeout
        )

    def drawn(self) -> Environment:
        """Returns one copy that shows what it observes (Atari), or Gymnasium's, which draws itself.

        Raises:
            ConfigurationError: Gymnasium has no such task.
        """
        if self.observes_frames or self.name not in gym.registry:
            return super().drawn()
        twin = GymEnvironment(self.name, 1, self.kwargs, vectorization="loop").drawn()
        if specification(twin.observation_space) != specification(self.observation_space):
            twin.close()
            return super().drawn()
        return twin


class _Pool:
    """A pool behind the calls of a Gymnasium ``VectorEnv``, made anew by each reset.

    Args:
        make: makes the pool, given a seed for each copy.
        spec: EnvPool's account of the task.
        num_envs: B.
    """

    def __init__(self, make: Callable[[list[int]], Any], spec: Any, num_envs: int):
        self.metadata = {"autoreset_mode": AutoresetMode.NEXT_STEP}
        self.num_envs = num_envs
        self.single_observation_space = _mended(spec.gymnasium_observation_space)
        self.single_action_space = spec.gymnasium_action_space
        self._make = make
        self._pool: Any = None

    def reset(self, seed: Sequence[int]) -> Any:
        self.close()  # First, so that there are never twice as many threads.
        self._pool = self._make([word & 0x7FFFFFFF for word in seed])
        return self._pool.reset()

    def step(self, action: Any) -> Any:
        return self._pool.step(action)

    def close(self) -> None:
        """Ends the threads, which go with the pool."""
        self._pool = None


class _PoolHost(LibraryVector):
    """The host of a ``_Pool``; each copy has a seed of its own."""

    seeds_each = True

    def _saved(self) -> Any:
        """Returns None: EnvPool gives no state away."""
        return None


def _imported() -> Any:
    try:
        return importlib.import_module("envpool")
    except ImportError as error:
        raise ConfigurationError(
            "EnvPoolEnvironment needs a package that is not installed: pip install 'pgtf[envpool]'."
        ) from error


def _unknown(id: str, ids: Sequence[str]) -> str:
    names = {known.lower(): known for known in ids}
    near = [names[match] for match in difflib.get_close_matches(id.lower(), names, n=3)]
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"EnvPool has no environment with the id {id!r} (EnvPoolEnvironment.id).{hint}"


def _mended(space: gym.Space) -> gym.Space:
    """Some of EnvPool's bounds are meant to be infinite, but say C++'s smallest positive number."""
    if not isinstance(space, gym.spaces.Box) or space.dtype != np.float32:
        return space
    low = np.where(space.low == _TINY, -np.inf, space.low)
    high = np.where(space.high == np.finfo(np.float32).max, np.inf, space.high)
    return gym.spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
