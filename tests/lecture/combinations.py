"""Combinations of critic, baseline and return estimator whose critics hold given tables."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from pgtf.learning.baselines import Constant, ExpectedQ, StateValue, TimeDependent
from pgtf.learning.estimators import TD0, LambdaReturn, MonteCarlo, NStep
from pgtf.networks.mlp import MLP
from tests.lecture.exact import Array
from tests.trajectories import set_values, table_q, table_v, tables

RETURNS: dict[str, Any] = {
    "MonteCarlo": MonteCarlo,
    "TD0": TD0,
    "NStep(2)": lambda: NStep(2),
    "LambdaReturn(0.6)": lambda: LambdaReturn(0.6),
    "LambdaReturn(1)": lambda: LambdaReturn(1.0),
}
BASELINES: dict[str, Any] = {
    "none": lambda: None,
    "Constant": Constant,
    "TimeDependent": lambda: TimeDependent(max_time=3),
    "StateValue, own": lambda: StateValue(MLP(hidden=())),
    "StateValue, shared": StateValue,
    "ExpectedQ": ExpectedQ,
}
CRITICS: dict[str, Any] = {"none": lambda: None, "V": table_v, "Q": table_q}


class Combination(NamedTuple):
    """Names of a critic, a baseline and a return estimator."""

    critic: str
    baseline: str
    returns: str

    def __str__(self) -> str:
        return ", ".join(f"{field}: {name}" for field, name in self._asdict().items())


def combinations() -> Iterator[Combination]:
    """All that a learner accepts."""
    for critic in CRITICS:
        for baseline in BASELINES:
            for returns in RETURNS:
                bootstraps = returns != "MonteCarlo"
                needs = {"StateValue, shared": ("V", "Q"), "ExpectedQ": ("Q",)}
                if critic in needs.get(baseline, CRITICS) and not (critic == "none" and bootstraps):
                    yield Combination(critic, baseline, returns)


def learner(
    combination: Combination,
    preferences: Array,
    discount: float,
    values: Array,
    action_values: Array,
    reduction: str = "sum_over_time",
) -> Any:
    """Returns a learner of tables.

    The running means of ``Constant`` and ``TimeDependent``, and a value function of the baseline's
    own, hold arbitrary numbers: none of them is to change the mean of the gradient.

    Args:
        combination: what it consists of.
        preferences: h(s, a), [S, A].
        discount: γ.
        values: [S], what a ``VCritic`` holds.
        action_values: [S, A], what a ``QCritic`` holds.
        reduction: the learner's.
    """
    critic = CRITICS[combination.critic]()
    baseline: Any = BASELINES[combination.baseline]()
    made = tables(
        preferences,
        critic=critic,
        baseline=baseline,
        returns=RETURNS[combination.returns](),
        discount=discount,
        reduction=reduction,
    )
    if critic is not None:
        set_values(critic, values if combination.critic == "V" else action_values)
    if combination.baseline in ("Constant", "TimeDependent"):
        numbers = np.array([0.7, -1.3, 2.1], np.float32)
        baseline.mean.assign(0.7 if combination.baseline == "Constant" else numbers)
        baseline.weight.assign(tf.ones_like(baseline.weight))
    if combination.baseline == "StateValue, own":
        set_values(baseline.regressor, np.linspace(-1.0, 2.0, len(preferences)))
    return made
