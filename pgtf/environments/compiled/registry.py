"""Chooses a compiled environment by its id."""

import difflib
import inspect
from collections.abc import Mapping
from typing import Any

import gin

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count
from pgtf.environments.compiled.tensorflow_environment import REGISTRY, TensorFlowEnvironment
from pgtf.errors import ConfigurationError


@gin.register("CompiledEnvironment")
@checked
def compiled_environment(
    id: str, num_envs: Count = 8, kwargs: Mapping[str, Any] | None = None
) -> TensorFlowEnvironment:
    """Makes the compiled version of a Gymnasium environment.

    Bindings of the class itself (``CompiledPendulum.g = 9.81``) apply too; ``kwargs`` win.

    Args:
        id: a Gymnasium id that has a compiled version ("CartPole-v1"), or one of our own.
        num_envs: B.
        kwargs: further arguments of the environment, those of ``gymnasium.make`` among them.

    Returns:
        The environment, named ``id``.

    Raises:
        ConfigurationError: no compiled version of that id, or an argument it does not take.
    """
    if id not in REGISTRY:
        near = difflib.get_close_matches(id, REGISTRY, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ConfigurationError(
            f"CompiledEnvironment.id: {id!r} has no compiled version{hint}: bind ENVIRONMENT to "
            f"one of {', '.join(sorted(REGISTRY))}, or use GymEnvironment."
        )
    kind = REGISTRY[id]
    arguments = {**kind.ids[id], **(kwargs or {})}
    known = [name for name in inspect.signature(kind).parameters if name != "num_envs"]
    for name in arguments:
        if name not in known:
            raise ConfigurationError(
                f"CompiledEnvironment.kwargs: {id} takes {', '.join(known)}, not {name!r}."
            )
    environment = gin.get_configurable(kind)(num_envs=num_envs, **arguments)
    environment.name = id
    return environment
