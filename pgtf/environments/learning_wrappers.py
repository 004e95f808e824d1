"""Wrappers that learn statistics of their own, which no checkpoint and no evaluation would know."""

from typing import Any

import gymnasium as gym

from pgtf.errors import ConfigurationError

# Running moments are known by the name of their class, which Gymnasium, CleanRL and others share.
_MOMENTS = "RunningMeanStd"
_INSTEAD = {
    True: "normalise in the network instead: MLP.normalization = @RunningNormalization()",
    False: "scale rewards by Learner.reward_scale instead",
}


def refuse_learned_statistics(env: gym.Env) -> None:
    """Refuses an environment if one of its wrappers keeps running moments.

    Raises:
        ConfigurationError: names the wrapper, and what to bind in its place.
    """
    layer: Any = env
    while layer is not None and layer is not layer.unwrapped:
        for name, value in vars(layer).items():
            if type(value).__name__ == _MOMENTS:
                observes = bool(getattr(value.mean, "shape", ())) or "obs" in name
                raise ConfigurationError(
                    f"{type(layer).__name__} (GymEnvironment.wrappers) learns statistics that no"
                    " checkpoint holds, and each copy, also of an evaluation, has its own:"
                    f" {_INSTEAD[observes]}."
                )
        layer = getattr(layer, "env", None)
