"""The variables of an objective's parts, by what moves them: an optimizer, or the data itself."""

from collections.abc import Iterable

import keras
import tensorflow as tf

from pgtf.learning.critics import Critic
from pgtf.learning.objective import Objective
from pgtf.trajectory import Trajectory


def learnable(policy: keras.Layer, regressors: Iterable[Critic]) -> list[keras.Variable]:
    """Returns what one optimizer moves: the policy and all that is fitted jointly with it."""
    parts = [policy, *(part for part in regressors if part.fit.joint)]
    return unique(v for part in parts for v in part.trainable_variables)


def running(layers: Iterable[keras.Layer]) -> list[keras.Variable]:
    """Returns what no optimizer moves: running means and the like."""
    return unique(v for part in layers for v in part.non_trainable_variables)


def unique(variables: Iterable[keras.Variable]) -> list[keras.Variable]:
    """Returns each variable once, in order: parts may share a network."""
    return list({id(variable): variable for variable in variables}.values())


def observe(objective: Objective, fresh: Trajectory, returns: tf.Tensor, mask: tf.Tensor) -> None:
    """Moves running statistics: those of baselines, of returns, and of the networks' inputs.

    Args:
        objective: whose parts observe.
        fresh: T steps of B environments, none of which was observed before.
        returns: [T, B] G_t.
        mask: [T, B]; 0 on steps that are not learned from.
    """
    if objective.baseline is not None:
        objective.baseline.update(fresh, returns, mask)
    objective.policy.network.adapt(fresh.acted_on, fresh.mask)
    # Each network once, whichever parts share it.
    adapted = [objective.policy.network]
    for part in objective.regressors:
        part.observe(returns, mask)
        if all(part.network is not network for network in adapted):
            part.adapt(fresh, fresh.mask)
            adapted.append(part.network)
