"""Critics in the units of the returns: closed forms and what stays as it was."""

from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import StateValue
from pgtf.learning.critics import QCritic, VCritic
from pgtf.learning.fitting import JointLoss, Regression
from pgtf.learning.learner import Learner
from pgtf.learning.target_normalization import TargetNormalization
from pgtf.networks.mlp import MLP
from pgtf.trajectory import Trajectory
from tests.extensions.trainers import built

BOX = gym.spaces.Box(-1.0, 1.0, (3,))
OBSERVATION = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
RETURNS = np.random.default_rng(1).normal(200.0, 30.0, (4, 5)).astype(np.float32)


def critic(**bindings: Any) -> Any:
    made = VCritic(MLP((4,)), normalization=TargetNormalization(**bindings))
    made.build(BOX, BOX)
    return made


@pytest.mark.parametrize("centred", [True, False])
def test_units_are_the_mean_and_deviation_of_all_returns_that_count(centred: bool) -> None:
    made, mask = critic(centred=centred), np.ones((4, 5), np.float32)
    mask[2, 1:] = 0.0
    parts = (RETURNS, 3.0 * RETURNS)
    for part in parts:
        made.observe(tf.constant(part), tf.constant(mask))
    counted = np.concatenate([part[mask > 0] for part in parts]).astype(np.float64)
    mean, deviation = made.normalization.units()
    np.testing.assert_allclose(mean, counted.mean() if centred else 0.0, rtol=1e-5)
    np.testing.assert_allclose(deviation, counted.std(), rtol=1e-5)
    value = made.value(OBSERVATION)
    np.testing.assert_allclose(
        made.normalized(value),
        made.output_layer(made.network.features(OBSERVATION))[:, 0],
        rtol=1e-3,
        atol=1e-4,
    )


def test_a_decay_weighs_the_last_returns_by_their_share() -> None:
    made, one = critic(decay=0.75), np.ones((4, 5), np.float32)
    for part in (RETURNS, RETURNS + 100.0):
        made.observe(tf.constant(part), tf.constant(one))
    mean, deviation = made.normalization.units()
    first = RETURNS.astype(np.float64).mean()
    np.testing.assert_allclose(mean, 0.75 * first + 0.25 * (first + 100.0), rtol=1e-5)
    # A mixture of two of one variance, 100 apart.
    variance = RETURNS.astype(np.float64).var() + 0.75 * 0.25 * 100.0**2
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-5)


def test_values_stay_as_they_were_while_the_units_move() -> None:
    mask = np.ones((4, 5), np.float32)
    for bindings, alike in (({}, True), ({"centred": False}, True), ({"preserve": False}, False)):
        made = critic(**bindings)
        # The first returns set the units of outputs that are near 0.
        outputs = made.value(OBSERVATION).numpy()
        made.observe(tf.constant(0.5 * RETURNS), tf.constant(mask))
        mean, deviation = made.normalization.units()
        np.testing.assert_allclose(made.value(OBSERVATION), mean + deviation * outputs, rtol=1e-5)
        for _ in range(3):
            before = made.value(OBSERVATION).numpy()
            made.observe(tf.constant(RETURNS), tf.constant(mask))
            assert np.allclose(made.value(OBSERVATION), before, atol=1e-3) is alike
            if not alike:
                break
            made.output_layer.bias.assign_add([0.3])


def learner(**bindings: Any) -> Any:
    keras.utils.set_random_seed(0)
    made = Learner(
        critic=VCritic(MLP((4,)), **bindings),
        baseline=StateValue(),
        optimizer=keras.optimizers.SGD(0.0),
        max_gradient_norm=None,
    )
    made.build(BOX, gym.spaces.Discrete(2))
    return made


def trajectory() -> Trajectory:
    rng = np.random.default_rng(3)
    no = tf.zeros((4, 5), tf.bool)
    reward = tf.constant(rng.normal(50.0, 5.0, (4, 5)), tf.float32)
    return Trajectory(
        observation=tf.constant(rng.normal(size=(5, 5, 3)), tf.float32),
        action=tf.constant(rng.integers(2, size=(4, 5)), tf.int32),
        reward=reward,
        score=reward,
        terminated=no,
        truncated=no,
        mask=tf.ones((4, 5)),
        time=tf.zeros((4, 5), tf.int32),
    )


def test_the_gradient_is_that_of_values_divided_by_the_variance() -> None:
    """∂/∂n of w ((G − μ)/σ − n)² is 1/σ times that of w (G − V)² by V, and V = μ + σ n."""
    plain, normal = learner(), learner(normalization=TargetNormalization())
    normal.critic.normalization.mean.assign(7.0)
    normal.critic.normalization.variance.assign(16.0)
    layer, same = normal.critic.output_layer, plain.critic.output_layer
    # The same values: V = 7 + 4 n.
    layer.kernel.assign(same.kernel / 4.0)
    layer.bias.assign((same.bias - 7.0) / 4.0)
    seed = tf.constant([0, 0])
    first, _, same_targets = plain.gradients(trajectory(), seed)
    second, _, targets = normal.gradients(trajectory(), seed)
    np.testing.assert_allclose(targets.advantage, same_targets.advantage, rtol=1e-4)
    for one, other, variable in zip(first, second, plain.trainable_variables, strict=True):
        if variable is same.kernel or variable is same.bias:
            np.testing.assert_allclose(other, one / 4.0, rtol=1e-3, atol=1e-4)
        elif any(variable is x for x in plain.critic.trainable_variables):
            np.testing.assert_allclose(other, one / 16.0, rtol=1e-3, atol=1e-4)
        else:  # The policy's.
            np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("fit", ["joint", "regression"])
def test_a_large_constant_return_is_learned_in_few_steps(fit: str) -> None:
    optimizer = keras.optimizers.Adam(1e-2)
    made: Any = Learner(
        critic=VCritic(
            MLP((4,)),
            JointLoss() if fit == "joint" else Regression(optimizer, 5),
            TargetNormalization(),
        ),
        baseline=StateValue(),
        optimizer=keras.optimizers.Adam(1e-2),
        discount=0.0,
    )
    made.build(BOX, gym.spaces.Discrete(2))
    data = trajectory()
    for i in range(3):
        made.update(data, tf.constant([0, i]))
    values = made.critic.value(data.acted_on)
    # Rewards are 50 ± 5, which steps of 0.01 do not reach from 0.
    assert np.all(np.abs(values - 50.0) < 15.0)


def test_a_q_critic_gives_all_actions_the_units() -> None:
    made: Any = QCritic(MLP((4,)), normalization=TargetNormalization())
    made.build(BOX, gym.spaces.Discrete(3))
    made.observe(tf.constant(0.5 * RETURNS), tf.ones((4, 5)))
    before = made.action_values(OBSERVATION).numpy()
    made.observe(tf.constant(RETURNS), tf.ones((4, 5)))
    np.testing.assert_allclose(made.action_values(OBSERVATION), before, atol=1e-3)
    mean, deviation = made.normalization.units()
    expected = mean + deviation * made.output_layer(made.network.features(OBSERVATION))
    np.testing.assert_allclose(made.action_values(OBSERVATION), expected, rtol=1e-5)


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^TargetNormalization\.decay must be in"):
        TargetNormalization(decay=1.0)
    with pytest.raises(ConfigurationError, match=r"^TargetNormalization\.epsilon must be positive"):
        TargetNormalization(epsilon=0.0)
    with pytest.raises(ConfigurationError, match=r"^StateValue\.normalization is for"):
        StateValue(normalization=TargetNormalization())
    shared = TargetNormalization()
    VCritic(MLP((4,)), normalization=shared).build(BOX, BOX)
    with pytest.raises(ConfigurationError, match="belongs to one critic"):
        VCritic(MLP((4,)), normalization=shared).build(BOX, BOX)


BOUND = ("VCritic.normalization = @TargetNormalization()", "ENVIRONMENT = 'Pendulum-v1'")
COMPILED = ("a2c.gin", "envs/compiled.gin")


def test_seeds_have_units_of_their_own_and_refuse_to_move_outputs() -> None:
    with (
        pytest.raises(ConfigurationError, match=r"bind TargetNormalization\.preserve = False"),
        built(COMPILED, *BOUND, num_seeds=2),
    ):
        pass
    plain = (*BOUND, "TargetNormalization.preserve = False")
    with built(COMPILED, *plain, num_seeds=2) as trainer:
        trainer.iterate(500)
        units = []
        for _ in trainer.members():
            units.append([float(x) for x in trainer.learner.critic.normalization.units()])
    assert units[0] != units[1]
    assert all(mean < 0 < deviation for mean, deviation in units)
