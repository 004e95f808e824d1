"""Critics: targets worked by hand on tables, continuous actions, and what Q_w converges to."""

import re
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.learning.critics import Bootstrap, QCritic, VCritic
from pgtf.learning.estimators import TD0, LambdaReturn, MonteCarlo, NStep, ReturnEstimator
from pgtf.learning.fitting import Regression
from pgtf.learning.learner import Learner
from pgtf.learning.targets import Batch
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
    table_policy,
    table_q,
    table_v,
    tables,
    trajectory,
)

# γ = ½. π(·|0) = (½, ½), π(·|1) = (¾, ¼), π(·|2) = (0, 1).
PREFERENCES = np.array([[0.0, 0.0], [np.log(3.0), 0.0], [-40.0, 40.0]])
Q = np.array([[4.0, 8.0], [16.0, 32.0], [64.0, 128.0]])
EXPECTED = np.array([6.0, 20.0, 128.0])  # Σ_b π(b|s) Q(s, b)
# States 0, 1, 0, 2; actions 0, 1, 1, and 1 would be next.
STATES, ACTIONS, REWARDS = [0, 1, 0, 2], [0, 1, 1], [1.0, 2.0, 3.0]


def targets(critic: Any, returns: ReturnEstimator, **flags: Any) -> list[float]:
    learner = tables(PREFERENCES, critic=critic, returns=returns, discount=0.5)
    set_values(critic, Q if isinstance(critic, QCritic) else EXPECTED)
    _, metrics = loss_of(learner, trajectory(STATES, ACTIONS, REWARDS, **flags), SEED)
    return metrics["returns"][:, 0].numpy().tolist()


@pytest.mark.parametrize(
    ("bootstrap", "returns", "expected"),
    [
        # r + γ Q(s', a'): the last a' is drawn from π(·|2), which leaves no choice.
        ("sampled", TD0(), [1 + 0.5 * 32, 2 + 0.5 * 8, 3 + 0.5 * 128]),
        # r + γ Σ_b π(b|s') Q(s', b)
        ("expected", TD0(), [1 + 0.5 * 20, 2 + 0.5 * 6, 3 + 0.5 * 128]),
        ("sampled", NStep(2), [1 + 0.5 * 2 + 0.25 * 8, 2 + 0.5 * 67, 3 + 0.5 * 128]),
        ("expected", NStep(2), [1 + 0.5 * 2 + 0.25 * 6, 2 + 0.5 * 67, 3 + 0.5 * 128]),
        # G = r + γ [(1 - λ) v' + λ G'], from the end: 67; 2 + ½(½·8 + ½·67); …
        ("sampled", LambdaReturn(0.5), [1 + 0.25 * (32 + 20.75), 20.75, 67.0]),
        ("expected", LambdaReturn(0.5), [1 + 0.25 * (20 + 20.25), 20.25, 67.0]),
        ("expected", LambdaReturn(1.0), [1 + 0.5 * 35.5, 2 + 0.5 * 67, 67.0]),
        ("expected", MonteCarlo(), [1 + 0.5 * 3.5, 2 + 0.5 * 3, 3.0]),
    ],
)
def test_targets_of_q_by_hand(
    bootstrap: Bootstrap, returns: ReturnEstimator, expected: list[float]
) -> None:
    assert targets(table_q(bootstrap=bootstrap), returns) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("bootstrap", ["sampled", "expected"])
def test_targets_of_q_where_an_episode_ends(bootstrap: Bootstrap) -> None:
    """Row 2 resets the environment. SARSA's next action there is the one the policy proposed."""
    end = [False, True, False]
    terminated = targets(table_q(bootstrap=bootstrap), TD0(), terminated=end)
    truncated = targets(table_q(bootstrap=bootstrap), TD0(), truncated=end)
    assert terminated[1] == 2.0
    assert truncated[1] == 2.0 + 0.5 * (8.0 if bootstrap == "sampled" else 6.0)
    assert terminated[0] == truncated[0] == 1.0 + 0.5 * (32.0 if bootstrap == "sampled" else 20.0)


def test_targets_of_v_with_the_same_state_values_are_those_of_expected_sarsa() -> None:
    for returns in (TD0(), NStep(2), LambdaReturn(0.7)):
        assert targets(table_v(), returns) == pytest.approx(targets(table_q(), returns), rel=1e-6)


def test_predictions_are_of_the_states_and_actions_taken() -> None:
    whole = trajectory(STATES, ACTIONS, REWARDS)
    q = tables(PREFERENCES, critic=table_q()).critic
    set_values(q, Q)
    assert q.predict(Batch.whole(whole))[:, 0].numpy().tolist() == [4.0, 32.0, 8.0]
    v = tables(PREFERENCES, critic=table_v()).critic
    set_values(v, EXPECTED)
    assert v.predict(Batch.whole(whole))[:, 0].numpy().tolist() == [6.0, 20.0, 6.0]


def test_what_multiplies_the_score_is_q_itself_and_with_v_the_return() -> None:
    returns, prediction = tf.constant([[1.0]]), tf.constant([[2.0]])
    assert QCritic().estimate(returns, prediction) == prediction
    assert VCritic().estimate(returns, prediction) == returns


def test_evaluating_and_predicting_agree() -> None:
    whole = random_trajectory(0, 6, 3)
    for critic in (table_v(), table_q(), table_q(bootstrap="sampled")):
        learner = tables(PREFERENCES, critic=critic)
        estimates = critic.evaluate(whole, learner.policy, SEED)
        assert estimates.values.shape == (7, 3)
        np.testing.assert_allclose(
            estimates.prediction, critic.predict(Batch.whole(whole)), rtol=1e-6
        )


def test_an_action_space_that_starts_elsewhere_than_zero() -> None:
    """Heads, and so trajectories, number actions from 0."""
    learner: Any = Learner(table_policy(), table_q(), returns=TD0(), discount=0.5)
    learner.build(gym.spaces.Discrete(3), gym.spaces.Discrete(2, start=5))
    set_values(learner.critic, Q)
    predicted = learner.critic.predict(Batch.whole(trajectory(STATES, ACTIONS, REWARDS)))
    assert predicted[:, 0].numpy().tolist() == [4.0, 32.0, 8.0]


BOX = gym.spaces.Box(-1.0, 1.0, (2,))


def continuous(num_samples: int = 8, bootstrap: Bootstrap = "expected") -> Any:
    """Q(s, a) = s + 10 a_0 + 100 a_1 for one number s, and a ~ N(μ(s), σ²)."""
    critic = QCritic(MLP(hidden=()), num_samples=num_samples, bootstrap=bootstrap)
    learner: Any = Learner(Policy(MLP(hidden=())), critic, returns=TD0(), discount=0.5)
    learner.build(gym.spaces.Box(-9.0, 9.0, (1,)), BOX)
    set_values(critic, [1.0, 10.0, 100.0])
    return learner


def gaussian(learner: Any, mean: list[float], scale: float) -> None:
    head = learner.policy.head
    head.mean.kernel.assign(tf.zeros_like(head.mean.kernel))
    head.mean.bias.assign(mean)
    head.log_scale.assign(np.full(2, np.log(scale)))


def test_continuous_actions_are_inputs_as_the_environment_receives_them() -> None:
    """Clipped to the bounds, ±1 here: a sample of 3 is the action 1."""
    critic = continuous().critic
    q = critic.action_value(tf.constant([[2.0], [2.0]]), tf.constant([[0.5, -0.25], [3.0, -7.0]]))
    assert q.numpy().tolist() == [2.0 + 5.0 - 25.0, 2.0 + 10.0 - 100.0]


@pytest.mark.parametrize("bootstrap", ["sampled", "expected"])
def test_continuous_targets_where_the_policy_leaves_no_choice(bootstrap: Bootstrap) -> None:
    learner = continuous(bootstrap=bootstrap)
    gaussian(learner, [0.5, 0.25], 1e-6)
    whole = trajectory([[1.0], [2.0], [3.0]], [[0.1, 0.2], [0.3, 0.4]], [7.0, 8.0])
    _, metrics = loss_of(learner, whole, SEED)
    # Q(2, ·) is of the next action taken, (0.3, 0.4), or of the policy's, (0.5, 0.25).
    following = 2.0 + (3.0 + 40.0 if bootstrap == "sampled" else 5.0 + 25.0)
    expected = [7.0 + 0.5 * following, 8.0 + 0.5 * (3.0 + 5.0 + 25.0)]
    np.testing.assert_allclose(metrics["returns"][:, 0], expected, rtol=1e-5)


def test_the_expectation_over_continuous_actions_is_a_mean_over_samples() -> None:
    """z-test of E Q = s + 10 μ_0 + 100 μ_1 at error rate 1e-4; and its error falls with √n."""
    observation, spread = tf.zeros((400, 1)), []
    for num_samples in (1, 16):
        learner = continuous(num_samples)
        gaussian(learner, [0.1, 0.02], 0.05)
        values = learner.critic.expected_value(
            observation, learner.policy.distribution(observation), learner.policy, SEED
        ).numpy()
        spread.append(values.std())
        assert abs(values.mean() - 3.0) < 3.9 * values.std() / np.sqrt(400)
    assert spread[0] == pytest.approx(0.05 * np.hypot(10.0, 100.0), rel=0.2)
    assert spread[0] / spread[1] == pytest.approx(4.0, rel=0.2)


@pytest.mark.parametrize(
    "action_space",
    [
        BOX,
        gym.spaces.Box(-1.0, 1.0, ()),
        gym.spaces.MultiBinary(3),
        gym.spaces.MultiDiscrete([2, 3], start=[1, 0]),
        gym.spaces.Dict({"b": gym.spaces.Discrete(2, start=4), "a": BOX}),
        gym.spaces.Tuple((gym.spaces.Discrete(2), gym.spaces.Discrete(3))),
    ],
    ids=str,
)
def test_every_action_space_has_a_q_that_depends_on_the_action(
    action_space: gym.Space[Any],
) -> None:
    learner: Any = Learner(Policy(MLP((4,))), QCritic(MLP((8,)), num_samples=3), returns=TD0())
    learner.build(gym.spaces.Discrete(3), action_space)
    whole = random_trajectory(1, 4, 20)
    action = learner.policy.act(whole.observation[:-1], (), SEED).action
    whole = whole._replace(action=action)
    predicted = learner.critic.predict(Batch.whole(whole))
    reverse = tf.nest.map_structure(lambda x: tf.reverse(x, [1]), action)
    other = learner.critic.predict(Batch.whole(whole._replace(action=reverse)))
    assert predicted.shape == (4, 20)
    assert np.any(np.abs(predicted - other) > 1e-3)
    gradients, metrics = gradients_of(learner, whole, SEED)
    assert metrics["returns"].shape == (4, 20)
    assert all(np.all(np.isfinite(gradient)) for gradient in gradients)


def test_fitted_expected_sarsa_converges_to_q_pi() -> None:
    """Every transition of a deterministic process as one column; Q_π by solving its equations."""
    successor = np.array([[1, 2], [2, 0], [0, 1]])
    reward = np.array([[1.0, 0.0], [-2.0, 3.0], [0.5, 4.0]])
    terminated = np.array([[0, 0], [0, 1], [0, 0]], bool)
    states, actions = (x.ravel() for x in np.mgrid[:3, :2])
    whole = trajectory(
        np.stack([states, successor.ravel()]),
        actions[None],
        reward.reshape(1, -1),
        terminated.reshape(1, -1),
    )
    preferences = np.array([[0.3, -0.5], [1.0, 0.0], [0.0, 2.0]])
    fit = Regression(keras.optimizers.SGD(1.0), num_steps=20)
    learner = tables(
        preferences,
        critic=table_q(fit),
        returns=TD0(),
        discount=0.8,
        optimizer=keras.optimizers.SGD(0.0),  # π stays
    )
    update = tf.function(lambda: learn(learner, whole)["value_loss"])
    for _ in range(60):
        update()

    follow = np.zeros((6, 6))  # P(s', a' | s, a)
    for i, (s, a) in enumerate(zip(states, actions, strict=True)):
        following = successor[s, a]
        follow[i, 2 * following : 2 * following + 2] = softmax(preferences)[following]
    follow *= ~terminated.reshape(-1, 1)
    q_pi = np.linalg.solve(np.eye(6) - 0.8 * follow, reward.ravel()).reshape(3, 2)
    np.testing.assert_allclose(
        learner.critic.action_values(tf.range(3)), q_pi, rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        (
            {"bootstrap": "greedy"},
            "QCritic.bootstrap must be one of 'expected', 'sampled', not 'greedy'.",
        ),
        ({"num_samples": 0}, "QCritic.num_samples must be at least 1, not 0."),
    ],
)
def test_values_that_cannot_work_are_refused(binding: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        QCritic(**binding)


def test_a_network_cannot_be_shared_between_observations_and_observations_with_actions() -> None:
    network = MLP()
    learner: Any = Learner(Policy(network), QCritic(network))
    message = "bind QCritic.network to a network of its own."
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        learner.build(gym.spaces.Box(-9.0, 9.0, (1,)), BOX)
