"""The objective: constants, shared networks, and one reduction for every term."""

from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.learning.baselines import ExpectedQ, StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.estimators import LambdaReturn
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from tests.trajectories import (
    SEED,
    gradients_of,
    loss_of,
    random_trajectory,
    set_values,
    table_q,
    table_v,
    tables,
)

PREFERENCES = np.array([[0.5, -1.0], [0.0, 2.0], [1.0, 1.0]])


class Ratio(LambdaReturn):
    """Returns weighed by π/μ, as V-trace's are: they depend on the policy."""

    uses_behaviour = True

    def __call__(
        self, trajectory: Any, values: tf.Tensor, discount: float, log_ratio: Any = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        target, estimate = super().__call__(trajectory, values, discount)
        return tf.exp(log_ratio) * target, tf.exp(log_ratio) * estimate


@pytest.mark.parametrize(
    "parts",
    [
        {"critic": table_v, "baseline": StateValue, "returns": Ratio},
        {"critic": table_q, "baseline": ExpectedQ, "returns": Ratio},
        {"critic": table_v, "baseline": lambda: StateValue(MLP(hidden=())), "returns": Ratio},
    ],
    ids=["V", "Q and its mean", "own baseline"],
)
def test_targets_are_constants(parts: dict[str, Any]) -> None:
    learner = tables(PREFERENCES, **{name: make() for name, make in parts.items()})
    for part in learner.objective.regressors:
        set_values(part, np.arange(1.0, 1.0 + np.size(part.output_layer.kernel)))
    whole = random_trajectory(1, 6, 2)
    whole = whole._replace(log_prob=tf.fill((6, 2), -0.7))
    with tf.GradientTape(persistent=True) as tape:
        forward = learner.objective.evaluate(whole, SEED)
        targets = learner.objective.targets(whole, forward, SEED)
    values = [variable.value for variable in learner.weights]
    for name, target in targets._asdict().items():
        assert all(g is None for g in tape.gradient(target, values)), name
    # They do depend on the policy, so that there is something to stop.
    assert np.std(targets.returns / Ratio()(whole, forward.estimates.values, 0.99, 0.0)[0]) > 0.01


class Counting(MLP):
    """Counts how often it is evaluated."""

    calls = 0

    def features(self, element: Any) -> tf.Tensor:
        self.calls += 1
        return super().features(element)


def built(policy: MLP, critic: MLP) -> Any:
    learner = Learner(
        Policy(policy), VCritic(critic), StateValue(), entropy_bonus=EntropyBonus(0.1)
    )
    learner.build(gym.spaces.Discrete(3), gym.spaces.Discrete(2))
    return learner


def test_shared_network_is_evaluated_once_and_gets_the_gradients_of_both() -> None:
    keras.utils.set_random_seed(0)
    torso = Counting(hidden=(5,))
    shared, apart = built(torso, torso), built(Counting(hidden=(5,)), Counting(hidden=(5,)))
    for part in (apart.policy, apart.critic):
        for own, one in zip(part.network.variables, torso.variables, strict=True):
            own.assign(one.value)
    for name, layer in (("policy", "preferences"), ("critic", "output_layer")):
        heads = [getattr(x, name) for x in (shared, apart)]
        layers = [getattr(h.head if name == "policy" else h, layer) for h in heads]
        for own, one in zip(layers[1].variables, layers[0].variables, strict=True):
            own.assign(one.value)
    whole = random_trajectory(3, 7, 2)
    torso.calls = 0

    loss, _ = loss_of(shared, whole)
    assert torso.calls == 1
    np.testing.assert_allclose(loss, loss_of(apart, whole)[0], rtol=1e-5)

    def gradients(learner: Any) -> dict[int, np.ndarray]:
        found, _ = gradients_of(learner, whole)
        return {id(v): g.numpy() for v, g in zip(learner.trainable_variables, found, strict=True)}

    together, separate = gradients(shared), gradients(apart)
    for one, of_policy, of_critic in zip(
        torso.variables, apart.policy.network.variables, apart.critic.network.variables, strict=True
    ):
        both = separate[id(of_policy)] + separate[id(of_critic)]
        np.testing.assert_allclose(together[id(one)], both, rtol=1e-4, atol=1e-6)
        assert np.any(both != 0)


def test_reduction_reaches_every_term() -> None:
    """A sum over time and mean over trajectories is the mean over steps × steps / trajectories.

    Policy, critic, a baseline's own network and entropy: each gradient is scaled by it.
    """
    whole = random_trajectory(4, 9, 3)
    steps = float(tf.reduce_sum(whole.mask))
    begins = whole.mask.numpy() * (whole.time.numpy() == 0)
    trajectories = float(begins.sum())
    assert 3 < trajectories < steps
    found = []
    for reduction in ("mean_over_steps", "sum_over_time"):
        keras.utils.set_random_seed(0)
        learner = tables(
            PREFERENCES,
            critic=table_v(),
            baseline=StateValue(MLP(hidden=())),
            entropy_bonus=EntropyBonus(0.3),
            reduction=reduction,
        )
        loss, _ = loss_of(learner, whole)
        found.append([loss, *gradients_of(learner, whole)[0]])
    for mean, total in zip(*found, strict=True):
        np.testing.assert_allclose(total, mean * steps / trajectories, rtol=1e-4, atol=1e-6)
        assert np.any(total != 0)
