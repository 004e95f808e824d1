"""The learner on hand-made trajectories: losses, gradients, updates and refusals."""

import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import Constant, ExpectedQ, StateValue, TimeDependent
from pgtf.learning.critics import QCritic, VCritic
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.estimators import TD0, LambdaReturn, MonteCarlo, NStep
from pgtf.learning.fitting import JointLoss, Regression
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.networks.network import Network
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies.deterministic import Deterministic
from pgtf.policies.joint import Joint
from pgtf.policies.policy import Policy
from pgtf.policies.softmax import Softmax
from tests.trajectories import (
    SEED,
    columns,
    gradient_of,
    gradients_of,
    learn,
    loss_of,
    random_trajectory,
    set_values,
    table_policy,
    table_q,
    table_v,
    tables,
    trajectory,
    weights,
)

# The one trajectory, γ = ½: states 0, 1, 0, actions 0, 1, 1, rewards 1, 2, 4, then the end.
# G = 3, 4, 4. π(·|0) = (½, ½) and π(·|1) = (¾, ¼), so that the scores ∇_h log π are
# (½, -½) at h(0, ·), (-¾, ¾) at h(1, ·) and (-½, ½) at h(0, ·).
PREFERENCES = np.array([[0.0, 0.0], [np.log(3.0), 0.0]])
LOG_PROB = np.log([0.5, 0.25, 0.5])
V = np.array([2.0, 6.0])
Q = np.array([[1.0, 2.0], [3.0, 5.0]])


def example(ended: bool = True) -> Any:
    return trajectory([0, 1, 0, 1], [0, 1, 1], [1.0, 2.0, 4.0], [False, False, ended])


def preferences_gradient(advantage: list[float]) -> np.ndarray:
    """The lecture's Σ_t ∇ log π(a_t|s_t) A_t for the example."""
    first, second, third = advantage
    return np.array(
        [[0.5 * first - 0.5 * third, -0.5 * first + 0.5 * third], [-0.75 * second, 0.75 * second]]
    )


@pytest.mark.parametrize("reduction", ["mean_over_steps", "sum_over_time"])
@pytest.mark.parametrize(
    ("algorithm", "advantage"),
    [
        ("REINFORCE", [3.0, 4.0, 4.0]),  # v_t = G_t
        ("Q actor-critic", [1.0, 5.0, 2.0]),  # Q_w(s_t, a_t)
        ("A2C", [1.0, -2.0, 2.0]),  # A_w(s_t, a_t) = G_t - V(s_t)
    ],
)
def test_one_trajectory_three_losses(
    algorithm: str, advantage: list[float], reduction: str
) -> None:
    parts: dict[str, dict[str, Any]] = {
        "REINFORCE": {},
        "Q actor-critic": {"critic": table_q(), "returns": TD0()},
        "A2C": {"critic": table_v(), "baseline": StateValue()},
    }
    learner = tables(PREFERENCES, discount=0.5, reduction=reduction, **parts[algorithm])
    if learner.critic is not None:
        set_values(learner.critic, Q if isinstance(learner.critic, QCritic) else V)
    share = 1 / 3 if reduction == "mean_over_steps" else 1.0  # the lecture's N is 1
    loss, metrics = loss_of(learner, example(), SEED)
    policy_loss = -share * LOG_PROB @ advantage
    np.testing.assert_allclose(metrics["policy_loss"], policy_loss, rtol=1e-5)
    np.testing.assert_allclose(metrics["advantage"][:, 0], advantage)
    np.testing.assert_allclose(metrics["advantage_std"], np.std(advantage), rtol=1e-5)
    value_loss = {
        "REINFORCE": 0.0,
        "Q actor-critic": ((3 - 1) ** 2 + (2.75 - 5) ** 2 + (4 - 2) ** 2) * share,
        "A2C": ((3 - 2) ** 2 + (4 - 6) ** 2 + (4 - 2) ** 2) * share,
    }[algorithm]
    if algorithm == "Q actor-critic":  # expected SARSA: 1 + ½(¾·3 + ¼·5), 2 + ½(½·1 + ½·2), 4
        np.testing.assert_allclose(metrics["returns"][:, 0], [2.75, 2.75, 4.0])
        value_loss = ((2.75 - 1) ** 2 + (2.75 - 5) ** 2 + (4 - 2) ** 2) * share
    np.testing.assert_allclose(loss, policy_loss + 0.5 * value_loss, rtol=1e-5)
    actual = gradient_of(learner, example(), learner.policy.head.preferences.kernel)
    np.testing.assert_allclose(actual, -share * preferences_gradient(advantage), rtol=1e-5)


def test_the_critics_gradient_of_a2c_by_hand() -> None:
    """∂/∂V(s) of ½ Σ_t (G_t - V(s_t))² / 3: (2-3 + 2-4)/3 at state 0, (6-4)/3 at state 1."""
    learner = tables(PREFERENCES, discount=0.5, critic=table_v(), baseline=StateValue())
    set_values(learner.critic, V)
    actual = gradient_of(learner, example(), learner.critic.output_layer.kernel)
    np.testing.assert_allclose(actual[:, 0], [-1.0, 2 / 3], rtol=1e-5)


def test_a2c_bootstraps_where_the_rollout_stops() -> None:
    learner = tables(PREFERENCES, discount=0.5, critic=table_v(), baseline=StateValue())
    set_values(learner.critic, V)
    _, metrics = loss_of(learner, example(ended=False), SEED)
    assert metrics["returns"][:, 0].numpy().tolist() == [3.75, 5.5, 7.0]
    assert metrics["advantage"][:, 0].numpy().tolist() == [1.75, -0.5, 5.0]


def test_reinforce_learns_nothing_from_an_episode_that_has_not_ended() -> None:
    whole = trajectory(
        [[0, 0], [1, 1], [0, 0], [0, 1]],
        [[0, 0], [0, 1], [0, 1]],
        [[50.0, 1.0], [-30.0, 2.0], [70.0, 4.0]],
        [[False, False], [False, False], [False, True]],
    )
    learner = tables(PREFERENCES, discount=0.5)
    actual = gradient_of(learner, whole, learner.policy.head.preferences.kernel)
    np.testing.assert_allclose(actual, -preferences_gradient([3.0, 4.0, 4.0]) / 3, rtol=1e-5)


def test_the_weight_of_a_joint_loss() -> None:
    one, three = (
        tables(PREFERENCES, critic=table_v(JointLoss(weight)), baseline=StateValue())
        for weight in (1.0, 3.0)
    )
    gradients = []
    for learner in (one, three):
        set_values(learner.critic, V)
        gradients.append(gradient_of(learner, example(), learner.critic.output_layer.kernel))
    np.testing.assert_allclose(3.0 * gradients[0], gradients[1], rtol=1e-6)
    assert np.any(gradients[0] != 0)


def value_variables(learner: Any) -> list[Any]:
    return [v.value for part in learner.objective.regressors for v in part.trainable_variables]


@pytest.mark.parametrize(
    "parts",
    [
        {"critic": table_v, "baseline": StateValue},
        {"critic": table_q, "baseline": ExpectedQ},
        {"critic": table_q},
        {"baseline": lambda: StateValue(MLP(hidden=()))},
    ],
    ids=["V", "Q and its mean", "Q", "baseline alone"],
)
def test_policy_and_value_losses_send_each_other_no_gradient(parts: dict[str, Any]) -> None:
    learner = tables(PREFERENCES, **{name: make() for name, make in parts.items()})
    for part in learner.objective.regressors:
        set_values(part, np.arange(1.0, 1.0 + np.size(part.output_layer.kernel)))
    values = value_variables(learner)
    with tf.GradientTape(persistent=True) as tape:
        _, metrics = loss_of(learner, random_trajectory(1, 6, 2, states=2), SEED)
    into_values = tape.gradient(metrics["policy_loss"], values)
    assert all(gradient is None for gradient in into_values)
    policy = [v.value for v in learner.policy.trainable_variables]
    assert all(gradient is None for gradient in tape.gradient(metrics["value_loss"], policy))
    # That they do reach what they are for:
    assert np.any(tape.gradient(metrics["policy_loss"], policy)[0] != 0)
    assert np.any(tape.gradient(metrics["value_loss"], values)[0] != 0)


@pytest.mark.parametrize("make", [table_v, table_q])
def test_no_value_loss_sends_a_gradient_into_its_target(make: Any) -> None:
    """State 2 is only bootstrapped from, never predicted."""
    whole = trajectory([0, 1, 2], [0, 1], [1.0, 1.0])
    learner = tables(np.zeros((3, 2)), critic=make(), returns=LambdaReturn(0.5))
    set_values(learner.critic, np.ones_like(learner.critic.output_layer.kernel))
    gradient = gradient_of(learner, whole, learner.critic.output_layer.kernel)
    assert not np.any(gradient[2])
    assert np.all(np.any(gradient[:2] != 0, axis=-1))


ALGORITHMS: dict[str, Any] = {
    "REINFORCE": lambda: {"baseline": TimeDependent(max_time=3)},
    "REINFORCE, constant": lambda: {"baseline": Constant()},
    "Q actor-critic": lambda: {"critic": table_q(), "baseline": ExpectedQ(), "returns": TD0()},
    "SARSA": lambda: {"critic": table_q(bootstrap="sampled"), "returns": LambdaReturn(0.5)},
    "A2C": lambda: {"critic": table_v(), "baseline": StateValue(), "returns": NStep(2)},
    "VPG": lambda: {
        "critic": table_v(Regression(keras.optimizers.SGD(0.1), num_steps=2)),
        "baseline": StateValue(),
        "returns": LambdaReturn(0.9),
    },
}


def random_tables(algorithm: str, **others: Any) -> Any:
    """A learner with numbers in every table that depend on the algorithm alone."""
    rng = np.random.default_rng(0)
    parts = {"optimizer": keras.optimizers.SGD(0.1), **ALGORITHMS[algorithm](), **others}
    learner = tables(rng.normal(size=(3, 2)), entropy_bonus=EntropyBonus(0.1), **parts)
    if learner.critic is not None:
        set_values(learner.critic, rng.normal(size=learner.critic.output_layer.kernel.shape))
    return learner


@pytest.mark.parametrize("reduction", ["mean_over_steps", "sum_over_time"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_masked_rows_contribute_nothing(algorithm: str, reduction: str) -> None:
    """Whatever a reset row holds for an action, a reward and a time, the update is the same.

    SARSA apart, which bootstraps a cut episode from the action that the policy proposed there.
    """
    whole = random_trajectory(2, 12, 3)
    masked = whole.mask == 0
    assert 5 < np.sum(masked) < 20
    other = whole._replace(
        reward=tf.where(masked, 1e3, whole.reward), time=tf.where(masked, 2, whole.time)
    )
    if algorithm != "SARSA":
        other = other._replace(action=tf.where(masked, 1 - whole.action, whole.action))
    results = []
    for rows in (whole, other):
        learner = random_tables(algorithm, reduction=reduction)
        _, metrics = gradients_of(learner, rows, SEED)
        learn(learner, rows)
        scalars = {k: float(x) for k, x in metrics.items() if not x.shape.rank}
        results.append((scalars, weights(learner)))
    assert results[0][0] == results[1][0]
    for one, two in zip(results[0][1], results[1][1], strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("reduction", ["mean_over_steps", "sum_over_time"])
@pytest.mark.parametrize("algorithm", ["REINFORCE", "Q actor-critic", "A2C"])
def test_the_gradient_over_b_environments_is_the_mean_of_b_single_ones(
    algorithm: str, reduction: str
) -> None:
    rng = np.random.default_rng(3)
    ends = np.zeros((5, 4), bool)
    ends[[1, 2, 1, 2], range(4)] = True  # each column has four steps in two trajectories
    if algorithm == "REINFORCE":
        ends[-1] = True
    whole = trajectory(
        rng.integers(3, size=(6, 4)), rng.integers(2, size=(5, 4)), rng.normal(size=(5, 4)), ends
    )
    learner = random_tables(algorithm, reduction=reduction)
    together, _ = gradients_of(learner, whole, SEED)
    single = [gradients_of(learner, columns(whole, b), SEED)[0] for b in range(4)]
    for i, gradient in enumerate(together):
        mean = np.mean([gradients[i] for gradients in single], axis=0)
        np.testing.assert_allclose(gradient, mean, rtol=1e-4, atol=1e-6)
        assert np.any(mean != 0)


@pytest.mark.parametrize("algorithm", ["Q actor-critic", "A2C"])
def test_a_synchronous_update_moves_by_the_mean_of_the_single_updates(algorithm: str) -> None:
    whole = random_trajectory(4, 5, 3, ends=0.0)
    moves = []
    for part in (whole, *(columns(whole, b) for b in range(3))):
        learner = random_tables(algorithm)
        before = weights(learner)
        learn(learner, part)
        moves.append([now - then for now, then in zip(weights(learner), before, strict=True)])
    for together, *single in zip(*moves, strict=True):
        np.testing.assert_allclose(together, np.mean(single, axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_compiled_update_equals_the_eager_one(algorithm: str) -> None:
    whole = random_trajectory(5, 7, 2)
    eager, compiled = random_tables(algorithm), random_tables(algorithm)
    update = tf.function(compiled.update, autograph=False, jit_compile=True)
    for _ in range(2):
        eager.update(whole, SEED)
        update(whole, SEED)
    for one, two in zip(weights(eager), weights(compiled), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)


def test_rewards_are_scaled_then_clipped() -> None:
    learner = tables(PREFERENCES, discount=0.5, reward_scale=2.0, reward_bound=3.0)
    whole = trajectory([0, 0, 0, 0], [0, 0, 0], [-5.0, 1.0, 2.0], [False, False, True])
    _, metrics = loss_of(learner, whole, SEED)
    assert metrics["returns"][:, 0].numpy().tolist() == [-3.0 + 0.5 * 3.5, 2.0 + 1.5, 3.0]


def one_weight(**parts: Any) -> tuple[Any, Any]:
    """A learner of one state and one action, and its one preference."""
    learner = tables([[0.0]], **parts)
    return learner, learner.policy.head.preferences.kernel


def apply(learner: Any, gradient: float) -> dict[str, tf.Tensor]:
    return learner.apply([tf.constant([[gradient]]), tf.constant([0.0])])


def test_rmsprop_follows_the_papers_form() -> None:
    """g ← ρ g + (1 - ρ) Δθ², θ ← θ - η Δθ / √(g + ε) (Mnih et al. 2016, eq. S2 and S3), from g = 0.

    With ε = 0.1 outside of the root the first step would be 0.0667, and 0.0193 from g = 1.
    """
    learner, weight = one_weight(optimizer=keras.optimizers.RMSprop(0.01, rho=0.99, epsilon=0.1))
    g, expected = 0.0, 0.0
    for gradient in (2.0, -1.0, 0.5):
        g = 0.99 * g + 0.01 * gradient**2
        expected -= 0.01 * gradient / np.sqrt(g + 0.1)
        apply(learner, gradient)
        assert float(weight.numpy()[0, 0]) == pytest.approx(expected, rel=1e-5)


def test_the_optimizer_when_unbound() -> None:
    learner, weight = one_weight()
    apply(learner, 3.0)
    expected = -7e-4 * 3.0 / np.sqrt(0.01 * 9.0 + 1e-5)
    assert float(weight.numpy()[0, 0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("bound", "expected"), [(None, [3.0, 4.0]), (10.0, [3.0, 4.0]), (0.5, [0.3, 0.4])]
)
def test_gradients_are_clipped_by_their_global_norm(
    bound: float | None, expected: list[float]
) -> None:
    learner, _ = one_weight(optimizer=keras.optimizers.SGD(1.0), max_gradient_norm=bound)
    metrics = learner.apply([tf.constant([[3.0]]), tf.constant([4.0])])
    assert float(metrics["gradient_norm"]) == 5.0
    moved = [-float(np.squeeze(v.numpy())) for v in learner.trainable_variables]
    assert moved == pytest.approx(expected)
    assert int(learner.updates) == 1


def test_parts_that_share_a_network_are_optimised_together_and_each_weight_once() -> None:
    network = MLP(hidden=(4,))
    learner = Learner(Policy(network), VCritic(network), StateValue())
    learner.build(gym.spaces.Discrete(2), gym.spaces.Discrete(2))
    names = [id(v) for v in learner.trainable_variables]
    assert len(names) == len(set(names)) == 2 + 2 + 2  # shared layer, preferences, value


def test_a_network_that_critic_and_baseline_share_counts_each_step_once() -> None:
    normalization = RunningNormalization()
    network = MLP(hidden=(), normalization=normalization)
    learner = Learner(table_policy(), VCritic(network), StateValue(network))
    learner.build(gym.spaces.Discrete(3), gym.spaces.Discrete(2))
    whole = random_trajectory(6, 5, 2)
    learn(learner, whole)
    assert normalization.count.numpy() == np.sum(whole.mask)


def test_a_separate_fit_takes_its_weights_out_of_the_joint_loss() -> None:
    joint, separate = table_v(), table_v(Regression())
    assert len(tables(PREFERENCES, critic=joint).trainable_variables) == 4
    learner = tables(PREFERENCES, critic=separate)
    assert len(learner.trainable_variables) == 2
    loss, metrics = loss_of(learner, example(), SEED)
    assert float(loss) == float(metrics["policy_loss"])
    assert float(metrics["value_loss"]) > 0


class RandomFeatures(Network):
    """Fixed random layers: weights in a list that no optimizer knows of."""

    def build(self, space: gym.Space[Any]) -> None:
        self.space, self.num_features = space, 5
        self.layers = [keras.layers.Dense(5, trainable=False) for _ in range(2)]
        for layer, size in zip(self.layers, (3, 5), strict=True):
            layer.build((None, size))

    def features(self, element: Any) -> tf.Tensor:
        x = tf.one_hot(element, 3)
        for layer in self.layers:
            x = layer(x)
        return x


def test_a_checkpoint_holds_every_weight_and_every_optimizers_state(tmp_path: Path) -> None:
    """Also those that Keras layers keep in lists and dicts, and those of separate fits."""

    def made(seed: int) -> Learner:
        keras.utils.set_random_seed(seed)
        learner = Learner(
            Policy(MLP((5, 5), normalization=RunningNormalization()), Joint()),
            VCritic(MLP((6, 6)), Regression()),
            StateValue(RandomFeatures(), JointLoss()),
            optimizer=keras.optimizers.Adam(1e-2),
        )
        actions = gym.spaces.Dict({"a": gym.spaces.Discrete(2), "b": gym.spaces.Box(-1, 1, (2,))})
        learner.build(gym.spaces.Discrete(3), actions)
        return learner

    rng = np.random.default_rng(0)
    whole = random_trajectory(6, 5, 2)
    whole = whole._replace(
        action={"a": whole.action, "b": tf.constant(rng.normal(size=(5, 2, 2)), tf.float32)}
    )
    saved, restored = made(1), made(2)
    saved.update(whole, SEED)
    path = tf.train.Checkpoint(learner=saved).save(tmp_path / "checkpoint")
    tf.train.Checkpoint(learner=restored).restore(path).assert_consumed()
    for _ in range(2):  # the second one has moved by the optimizers' restored state
        for one, two in zip(weights(saved), weights(restored), strict=True):
            np.testing.assert_array_equal(one, two)
        saved.update(whole, SEED)
        restored.update(whole, SEED)


SPACES = (gym.spaces.Discrete(2), gym.spaces.Discrete(2))


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ({"discount": 1.01}, "Learner.discount must be in [0, 1], not 1.01."),
        ({"discount": -0.1}, "Learner.discount must be in [0, 1], not -0.1."),
        (
            {"max_gradient_norm": 0.0},
            "Learner.max_gradient_norm must be positive or None, not 0.0.",
        ),
        ({"reward_bound": -1.0}, "Learner.reward_bound must be positive or None, not -1.0."),
        (
            {"reduction": "sum"},
            "Learner.reduction must be one of 'mean_over_steps', 'sum_over_time', not 'sum'.",
        ),
    ],
)
def test_values_that_cannot_work_are_refused(binding: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        Learner(**binding)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"policy": lambda: Policy(head=Deterministic())},
            "Deterministic has no score function, so a Learner cannot follow its policy gradient:"
            " bind another Policy.head, or train it with train.trainer = @EvolutionTrainer().",
        ),
        (
            {"policy": lambda: Policy(head=Softmax()), "returns": LambdaReturn},
            "LambdaReturn bootstraps from a critic, and there is none: bind"
            " Learner.returns = @MonteCarlo(), or Learner.critic = @VCritic().",
        ),
        (
            {"returns": NStep, "baseline": lambda: StateValue(MLP())},
            "NStep bootstraps from a critic, and there is none: bind"
            " Learner.returns = @MonteCarlo(), or Learner.critic = @VCritic().",
        ),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused_when_built(
    parts: dict[str, Any], message: str
) -> None:
    learner = Learner(**{name: make() for name, make in parts.items()})
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        learner.build(*SPACES)


def test_a_head_that_does_not_fit_the_actions_is_refused_when_built() -> None:
    with pytest.raises(ConfigurationError, match=r"bind Policy\.head=@Gaussian\(\)"):
        Learner(Policy(head=Softmax())).build(SPACES[0], gym.spaces.Box(-1, 1, (1,)))


def test_what_is_unbound_makes_reinforce_and_a_critic_makes_it_bootstrap() -> None:
    assert isinstance(Learner().objective.returns, MonteCarlo)
    returns = Learner(table_policy(), VCritic()).objective.returns
    assert isinstance(returns, LambdaReturn)
    assert returns.lambda_ == 1.0
