"""Baselines worked by hand; only earlier batches are in the running ones."""

import re
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import Baseline, Constant, ExpectedQ, StateValue, TimeDependent
from pgtf.learning.critics import QCritic, VCritic
from pgtf.learning.estimators import TD0, LambdaReturn
from pgtf.learning.fitting import JointLoss, Regression
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from tests.trajectories import (
    SEED,
    gradients_of,
    learn,
    loss_of,
    random_trajectory,
    set_values,
    softmax,
    table_q,
    table_v,
    tables,
    trajectory,
)


def built(baseline: Any) -> Any:
    baseline.build(gym.spaces.Discrete(2), gym.spaces.Discrete(2), None)
    return baseline


def rows(time: Any, mask: Any, returns: Any) -> tuple[Any, tf.Tensor, tf.Tensor]:
    """A trajectory with these times and mask, the returns [T, B], and the mask."""
    whole = trajectory(
        np.zeros((len(time) + 1, np.shape(time)[1]), int), np.zeros_like(time), returns
    )
    mask = tf.constant(mask, tf.float32)
    whole = whole._replace(time=tf.constant(time, tf.int32), mask=mask)
    return whole, tf.constant(returns, tf.float32), mask


def values(baseline: Baseline, whole: Any) -> np.ndarray:
    return baseline.values(whole, None, Policy(), SEED).numpy()


TIME = [[0, 7], [1, 8], [2, 0]]
MASK = [[1, 1], [1, 0], [1, 1]]
FIRST = [[1.0, 2.0], [3.0, 999.0], [4.0, 6.0]]
SECOND = [[10.0, 10.0], [10.0, 999.0], [10.0, 20.0]]


def test_a_constant_is_the_running_mean_of_the_unmasked_returns_of_earlier_batches() -> None:
    baseline = built(Constant(decay=0.75))
    whole, returns, mask = rows(TIME, MASK, FIRST)
    assert not np.any(values(baseline, whole))  # nothing is known yet
    baseline.update(whole, returns, mask)
    np.testing.assert_allclose(values(baseline, whole), np.full((3, 2), 16 / 5), rtol=1e-6)
    baseline.update(*rows(TIME, MASK, SECOND))
    # Weights ¾·¼ and ¼ for means 3.2 and 12, divided by their sum as in Adam.
    expected = (0.1875 * 3.2 + 0.25 * 12.0) / 0.4375
    np.testing.assert_allclose(values(baseline, whole), np.full((3, 2), expected), rtol=1e-6)


def test_time_dependent_is_one_running_mean_for_each_step_of_the_episode() -> None:
    """The slide's b_t, with the 1/N it lacks: the mean over the trajectories that reached t."""
    baseline = built(TimeDependent(max_time=4, decay=0.75))
    whole, returns, mask = rows(TIME, MASK, FIRST)
    assert not np.any(values(baseline, whole))
    baseline.update(whole, returns, mask)
    # t = 0: mean of 1 and 6; t = 1: 3; t = 2: 4; t ≥ 3: 2 (from t = 7, the masked 8 left out).
    assert values(baseline, whole).tolist() == [[3.5, 2.0], [3.0, 2.0], [4.0, 3.5]]
    # A batch that reaches only t = 0 leaves the others as they are.
    later, returns, mask = rows([[0, 0]], [[1, 1]], [[10.0, 20.0]])
    baseline.update(later, returns, mask)
    start = (0.1875 * 3.5 + 0.25 * 15.0) / 0.4375
    np.testing.assert_allclose(
        values(baseline, whole), [[start, 2.0], [3.0, 2.0], [4.0, start]], rtol=1e-6
    )


def test_steps_beyond_the_table_share_its_last_entry() -> None:
    baseline = built(TimeDependent(max_time=2))
    baseline.update(*rows([[0], [1], [5], [10**6]], [[1]] * 4, [[1.0], [2.0], [3.0], [10.0]]))
    whole, _, _ = rows([[0], [1], [2], [10**9]], [[1]] * 4, [[0.0]] * 4)
    assert values(baseline, whole)[:, 0].tolist() == [1.0, 5.0, 5.0, 5.0]


def test_a_table_entry_that_no_episode_reached_is_zero() -> None:
    baseline = built(TimeDependent(max_time=5))
    baseline.update(*rows([[0]], [[1]], [[4.0]]))
    whole, _, _ = rows([[0], [1], [4]], [[1]] * 3, [[0.0]] * 3)
    assert values(baseline, whole)[:, 0].tolist() == [4.0, 0.0, 0.0]


@pytest.mark.parametrize("make", [Constant, TimeDependent])
def test_a_batch_that_is_masked_throughout_leaves_a_running_mean_as_it_is(make: Any) -> None:
    baseline = built(make())
    baseline.update(*rows(TIME, MASK, FIRST))
    before = [w.numpy() for w in baseline.weights]
    baseline.update(*rows(TIME, np.zeros_like(MASK), SECOND))
    for now, then in zip(baseline.weights, before, strict=True):
        np.testing.assert_array_equal(now, then)


@pytest.mark.parametrize("make", [Constant, TimeDependent])
def test_a_learner_subtracts_what_earlier_batches_gave_and_not_the_batch_at_hand(make: Any) -> None:
    """One action each step, so that constants and time means are the same numbers by hand."""
    learner = tables(np.zeros((1, 2)), baseline=make(), discount=1.0)
    seen = []
    for reward in (4.0, 6.0, 8.0):
        whole = trajectory(np.zeros((2, 1), int), [[0]], [[reward]], [[True]])
        seen.append(float(learn(learner, whole)["advantage"][0, 0]))
    second = 6.0 - 4.0
    third = 8.0 - (0.09 * 4.0 + 0.1 * 6.0) / 0.19
    assert seen == pytest.approx([4.0, second, third], rel=1e-5)


def test_a_running_mean_leaves_unfinished_returns_out() -> None:
    learner = tables(np.zeros((1, 2)), baseline=Constant(), discount=1.0)
    whole = trajectory(
        np.zeros((3, 2), int), np.zeros((2, 2), int), [[1.0, 50.0], [2.0, 50.0]], [[0, 0], [1, 0]]
    )
    learn(learner, whole)
    following = learn(learner, whole)
    assert float(following["advantage"][0, 0]) == pytest.approx(3.0 - 2.5)


def test_a_state_value_without_a_network_is_the_critics() -> None:
    learner = tables(np.zeros((3, 2)), critic=table_v(), baseline=StateValue(), discount=0.5)
    set_values(learner.critic, [1.0, 10.0, 100.0])
    _, metrics = loss_of(learner, trajectory([0, 1, 2], [0, 0], [5.0, 7.0]), SEED)
    assert metrics["advantage"][:, 0].numpy().tolist() == [5 + 0.5 * 57 - 1, 57.0 - 10]


def test_a_state_value_with_its_own_network_is_subtracted_and_fitted_to_the_same_returns() -> None:
    """REINFORCE with a learned baseline: G = 12, 7; V = 1, 10."""
    baseline: Any = StateValue(MLP(hidden=()), JointLoss(0.5))
    learner = tables(np.zeros((3, 2)), baseline=baseline, discount=5 / 7)
    set_values(baseline.regressor, [1.0, 10.0, 100.0])
    whole = trajectory([0, 1, 2], [0, 0], [7.0, 7.0], [False, True])
    gradients, metrics = gradients_of(learner, whole, SEED)
    np.testing.assert_allclose(metrics["advantage"][:, 0], [11.0, -3.0], rtol=1e-6)
    np.testing.assert_allclose(metrics["value_loss"], (11.0**2 + 3.0**2) / 2, rtol=1e-6)
    np.testing.assert_allclose(gradients[2][:, 0], [-5.5, 1.5, 0.0], rtol=1e-6)


def test_critic_and_baseline_may_be_two_value_functions() -> None:
    """The critic's bootstraps, the baseline's is subtracted, both are fitted to the returns."""
    baseline: Any = StateValue(MLP(hidden=()), Regression(keras.optimizers.SGD(0.5), num_steps=1))
    learner = tables(np.zeros((2, 2)), critic=table_v(), baseline=baseline, discount=0.5)
    set_values(learner.critic, [0.0, 8.0])
    set_values(baseline.regressor, [3.0, 0.0])
    metrics = learn(learner, trajectory([0, 1], [0], [2.0]))
    assert float(metrics["returns"][0, 0]) == 2.0 + 0.5 * 8.0
    assert float(metrics["advantage"][0, 0]) == 6.0 - 3.0
    assert float(metrics["value_loss"]) == 6.0**2 + 3.0**2
    # One step of its own: kernel and bias each gain 0.5 · 2 · (6 - 3).
    moved = baseline.regressor.value(tf.constant([0, 1])).numpy()
    np.testing.assert_allclose(moved, [3.0 + 3.0 + 3.0, 3.0], rtol=1e-6)


PREFERENCES = np.array([[0.5, -1.0, 0.2], [0.0, 3.0, 1.0]])
Q = np.array([[1.0, -2.0, 5.0], [10.0, 20.0, -30.0]])


def test_expected_q_is_the_enumerated_sum_over_actions() -> None:
    learner = tables(PREFERENCES, critic=table_q(), baseline=ExpectedQ(), returns=TD0())
    set_values(learner.critic, Q)
    whole = random_trajectory(0, 5, 4, states=2, actions=3)
    _, metrics = loss_of(learner, whole, SEED)
    states, actions = whole.observation[:-1].numpy(), whole.action.numpy()
    expected = (softmax(PREFERENCES) * Q).sum(-1)
    np.testing.assert_allclose(
        metrics["advantage"], Q[states, actions] - expected[states], rtol=1e-4
    )


def test_a_state_value_that_shares_a_q_critic_is_expected_q() -> None:
    """One binding, Learner.critic = @QCritic(), makes Q actor-critic of A2C."""
    advantages = []
    for make in (StateValue, ExpectedQ):
        learner = tables(PREFERENCES, critic=table_q(), baseline=make(), returns=LambdaReturn())
        set_values(learner.critic, Q)
        whole = random_trajectory(0, 5, 4, states=2, actions=3)
        advantages.append(loss_of(learner, whole, SEED)[1]["advantage"])
        learn(learner, whole)
    np.testing.assert_array_equal(*advantages)


def test_under_expected_q_the_mean_advantage_over_actions_is_zero() -> None:
    learner = tables(PREFERENCES, critic=table_q(), baseline=ExpectedQ(), returns=TD0())
    set_values(learner.critic, Q)
    whole = trajectory([[0] * 3, [0] * 3], [[0, 1, 2]], [[0.0] * 3])
    _, metrics = loss_of(learner, whole, SEED)
    mean = metrics["advantage"][0].numpy() @ softmax(PREFERENCES)[0]
    assert mean == pytest.approx(0.0, abs=1e-5)


def test_a_sampled_baseline_is_independent_of_the_actions_taken() -> None:
    """Also when learner and rollout share a seed: with the same noise the advantage would be 0."""
    critic = QCritic(MLP(hidden=()), num_samples=1)
    learner: Any = Learner(Policy(MLP(hidden=())), critic, ExpectedQ(), LambdaReturn())
    learner.build(gym.spaces.Discrete(1), gym.spaces.Box(-np.inf, np.inf, (1,)))
    set_values(critic, [0.0, 1.0])  # Q(s, a) = a
    observation = np.zeros((2, 1000), int)
    action = learner.policy.act(tf.constant(observation[0]), (), SEED).action
    whole = trajectory(observation, action[tf.newaxis], np.zeros((1, 1000)))
    _, metrics = loss_of(learner, whole, SEED)
    baseline = action[:, 0] - metrics["advantage"][0]
    # Test of zero correlation at error rate 1e-4.
    assert abs(np.corrcoef(action[:, 0], baseline)[0, 1]) < 3.9 / np.sqrt(1000)
    assert np.std(baseline) > 0.5


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: TimeDependent(max_time=0),
            "TimeDependent.max_time must be at least 1, not 0.",
        ),
        (lambda: TimeDependent(decay=1.0), "TimeDependent.decay must be in [0, 1), not 1.0."),
        (lambda: Constant(decay=1.5), "Constant.decay must be in [0, 1), not 1.5."),
        (
            lambda: StateValue(fit=Regression()),
            "StateValue.fit is for StateValue's own network, and there is none: bind"
            " StateValue.network = @MLP(), or VCritic.fit for the one it shares.",
        ),
    ],
)
def test_values_that_cannot_work_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        make()


STATE_VALUE = (
    "StateValue without a network of its own shares the critic's, and there is none:"
    " bind StateValue.network = @MLP(), or Learner.critic = @VCritic()."
)
EXPECTED_Q = (
    "ExpectedQ averages the action values of a QCritic, and there is none: bind"
    " Learner.critic = @QCritic(), or another baseline."
)


@pytest.mark.parametrize(
    ("baseline", "critic", "message"),
    [
        (StateValue, None, STATE_VALUE),
        (ExpectedQ, None, EXPECTED_Q),
        (ExpectedQ, VCritic, EXPECTED_Q),
    ],
)
def test_a_baseline_that_needs_another_critic_is_refused_when_built(
    baseline: Any, critic: Any, message: str
) -> None:
    learner: Any = Learner(critic=None if critic is None else critic(), baseline=baseline())
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        learner.build(gym.spaces.Discrete(2), gym.spaces.Discrete(2))
