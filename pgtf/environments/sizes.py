"""How much memory the copies of an environment take, before they are made."""

import math
import tracemalloc
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import tensorflow as tf

from pgtf.configuration.machine import require_memory
from pgtf.spaces import specification

_MANY = 1000  # Fewer copies are made without asking.
_PROCESS = 16 * 2**20  # Of a process that holds one copy; pages it shares are not counted.


def element_bytes(space: gym.Space[Any]) -> int:
    """Returns the bytes of one element of a space, as a tensor."""
    leaves = tf.nest.flatten(specification(space))
    return sum(math.prod(leaf.shape) * leaf.dtype.size for leaf in leaves)


def require_copies(make: Callable[[], gym.Env], num_envs: int, processes: bool) -> None:
    """Refuses more copies of an environment than the machine has memory for.

    Args:
        make: makes one.
        num_envs: how many there would be.
        processes: whether each has a process of its own.

    Raises:
        ConfigurationError: they would not fit.
    """
    if num_envs > _MANY:
        size = _measured(make) + _PROCESS * processes
        require_memory(num_envs * size, f"GymEnvironment.num_envs = {num_envs}")


def require_vector(make: Callable[[int], gym.vector.VectorEnv], num_envs: int) -> None:
    """Refuses more copies of a vectorised environment than the machine has memory for.

    Args:
        make: makes a number of copies.
        num_envs: how many there would be.

    Raises:
        ConfigurationError: they would not fit.
    """
    if num_envs > _MANY:
        size = _measured(lambda: make(_MANY)) / _MANY
        require_memory(num_envs * size, f"GymEnvironment.num_envs = {num_envs}")


def _measured(make: Callable[[], Any]) -> int:
    """The bytes that Python and NumPy allocate for an environment that has been reset."""
    make().close()  # The first one imports modules, which all share.
    traced = tracemalloc.is_tracing()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    environment = make()
    environment.reset()
    size = tracemalloc.get_traced_memory()[0] - before
    if not traced:
        tracemalloc.stop()
    environment.close()
    return size


def require_batch(num_envs: int, spaces: tuple[gym.Space[Any], ...], key: str) -> None:
    """Refuses more environments than the machine can hold one element of each space for.

    Args:
        num_envs: B.
        spaces: of observations and actions.
        key: the binding that gives B, in messages.

    Raises:
        ConfigurationError: they would not fit.
    """
    size = num_envs * sum(map(element_bytes, spaces))
    require_memory(size, f"{key} = {num_envs}")
