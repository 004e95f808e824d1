"""Epochs: what PPO's steps are, against a loop in NumPy."""

import re
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf import losses
from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.errors import ConfigurationError
from pgtf.learning import minibatches
from pgtf.learning.baselines import StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.epochs import Epochs
from pgtf.learning.estimators import TD0
from pgtf.learning.fitting import JointLoss
from pgtf.learning.learner import Learner
from pgtf.learning.optimization import OneUpdate
from pgtf.learning.surrogates import ClippedSurrogate, ScoreFunction
from pgtf.learning.targets import Batch
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.a3c.asynchronous import AsynchronousTrainer
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trajectory import Trajectory
from tests.trajectories import (
    SEED,
    Array,
    learn,
    random_trajectory,
    set_values,
    softmax,
    table_v,
    tables,
    trajectory,
    weights,
)

PREFERENCES = np.array([[0.5, -1.0], [0.0, 0.7], [1.0, 1.0]])
VALUES = np.array([0.3, -0.5, 1.2])
RATE = 1.0


def ppo(optimization: Any, surrogate: Any = None, **parts: Any) -> Any:
    made = tables(
        PREFERENCES,
        critic=table_v(JointLoss(0.5, parts.pop("clip", None))),
        baseline=StateValue(),
        returns=TD0(),
        discount=0.9,
        optimizer=keras.optimizers.SGD(RATE),
        surrogate=surrogate or ClippedSurrogate(0.1),
        optimization=optimization,
        **parts,
    )
    set_values(made.critic, VALUES)
    return made


def with_log_probs(whole: Trajectory) -> Trajectory:
    """As the policy of ``PREFERENCES`` collected it."""
    log_prob = np.log(softmax(PREFERENCES))[whole.observation[:-1].numpy(), whole.action.numpy()]
    return whole._replace(log_prob=tf.constant(log_prob, tf.float32))


WHOLE = with_log_probs(random_trajectory(1, 7, 3))


@pytest.mark.parametrize("reduction", ["mean_over_steps", "sum_over_time"])
def test_one_epoch_of_one_minibatch_is_the_step_of_a2c(reduction: str) -> None:
    steps = []
    for optimization, surrogate in (
        (OneUpdate(), ScoreFunction()),
        (Epochs(1, 1, normalize_advantages=False), ClippedSurrogate()),
    ):
        made = ppo(optimization, surrogate, reduction=reduction, entropy_bonus=EntropyBonus(0.1))
        learn(made, WHOLE)
        steps.append(weights(made))
    for ours, theirs in zip(*steps, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-7)


class Loop:
    """PPO of tables, by NumPy: kernels and biases of h(s, a) and V(s)."""

    def __init__(self) -> None:
        self.h, self.h_bias = PREFERENCES.copy(), np.zeros(2)
        self.v, self.v_bias = VALUES.copy(), 0.0

    def targets(self) -> tuple[Array, Array]:
        """TD(0) targets and advantages, flat."""
        values = (self.v + self.v_bias)[WHOLE.observation.numpy()]
        returns = WHOLE.reward.numpy() + 0.9 * np.where(WHOLE.terminated, 0.0, values[1:])
        return returns.reshape(-1), (returns - values[:-1]).reshape(-1)

    def log_prob(self) -> Array:
        state, action = WHOLE.observation[:-1].numpy(), WHOLE.action.numpy()
        return np.log(softmax(self.h + self.h_bias))[state, action].reshape(-1)

    def step(self, index: Array, returns: Array, advantage: Array) -> None:
        index = index[(index >= 0) & (WHOLE.mask.numpy().reshape(-1)[index] > 0)]
        state = WHOLE.observation[:-1].numpy().reshape(-1)[index]
        action = WHOLE.action.numpy().reshape(-1)[index]
        normal = (advantage[index] - advantage[index].mean()) / (advantage[index].std() + 1e-8)
        old = WHOLE.log_prob.numpy().reshape(-1)[index]
        ratio = np.exp(self.log_prob()[index] - old)
        clipped = np.where(normal > 0, ratio > 1.1, ratio < 0.9)
        signal = np.where(clipped, 0.0, ratio * normal) / len(index)
        scores = np.eye(2)[action] - softmax(self.h + self.h_bias)[state]
        error = (returns[index] - (self.v + self.v_bias)[state]) / len(index)
        np.add.at(self.h, state, RATE * signal[:, None] * scores)
        self.h_bias += RATE * signal @ scores
        np.add.at(self.v, state, RATE * error)
        self.v_bias += RATE * error.sum()
        self.clipped = clipped.any()


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(("num_epochs", "parts"), [(3, 1), (4, 2), (2, 4)])
def test_the_steps_are_those_of_a_plain_loop(num_epochs: int, parts: int, recompute: bool) -> None:
    """Targets fixed, or recomputed at the head of each epoch; 21 steps in 2 or 4 minibatches."""
    made = ppo(Epochs(num_epochs, parts, recompute))
    scalars, targets = made.update(WHOLE, SEED)
    seed = tf.random.experimental.stateless_fold_in(SEED, 2)
    order = minibatches.shuffled(21, num_epochs, parts, seed).numpy()
    loop, clipped = Loop(), False
    first = current = loop.targets()
    for t, index in enumerate(order):
        if recompute and t % parts == 0:
            current = loop.targets()
        loop.step(index, *current)
        clipped |= loop.clipped
    assert clipped
    preferences = made.policy.head.preferences
    np.testing.assert_allclose(preferences.kernel, loop.h, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(preferences.bias, loop.h_bias, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made.critic.output_layer.kernel[:, 0], loop.v, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(made.critic.output_layer.bias, loop.v_bias, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tf.reshape(targets.advantage, [-1]), first[1], atol=1e-5)
    assert made.updates == num_epochs * parts
    assert 0 < scalars["clip_fraction"] < 1


def test_masked_rows_contribute_nothing() -> None:
    masked = WHOLE.mask == 0
    assert np.any(masked)
    other = WHOLE._replace(
        reward=tf.where(masked, 1e3, WHOLE.reward),
        log_prob=tf.where(masked, -200.0, WHOLE.log_prob),
    )
    results = []
    for whole in (WHOLE, other):
        made = ppo(Epochs(2, 3))
        learn(made, whole)
        results.append(weights(made))
    for one, two in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_step_too_far_ends_the_update() -> None:
    """The first step is always taken; the scalars are means over the steps taken."""
    wide = ClippedSurrogate(5.0)  # so that the policy goes on and on
    made = ppo(Epochs(5, 1, max_kl=1e-6), wide)
    scalars, _ = made.update(WHOLE, SEED)
    assert made.updates == 1
    assert float(scalars["learning_rate"]) == pytest.approx(RATE)
    assert float(scalars["approx_kl"]) == pytest.approx(0.0, abs=1e-6)

    free = ppo(Epochs(5, 1), wide)
    bounds = []
    for epochs in range(1, 3):
        one = ppo(Epochs(epochs, 1), wide)
        learn(one, WHOLE)
        log_prob, _ = one.policy.evaluate(Batch.whole(WHOLE))
        log_ratio = losses.log_ratio(log_prob, WHOLE.log_prob, WHOLE.mask)
        bounds.append(float(losses.kl_estimate(log_ratio, WHOLE.mask)))
    assert bounds[0] < bounds[1]
    made = ppo(Epochs(5, 1, max_kl=(bounds[0] + bounds[1]) / 2), wide)
    made.update(WHOLE, SEED)
    assert made.updates == 2
    free.update(WHOLE, SEED)
    assert free.updates == 5


@pytest.mark.parametrize("optimization", [Epochs(2, 3, True, max_kl=0.05), Epochs(3, 1)])
def test_a_compiled_update_equals_the_eager_one(optimization: Epochs) -> None:
    eager, compiled = ppo(optimization), ppo(optimization)
    update = tf.function(compiled.update, autograph=False, jit_compile=True)
    for _ in range(2):
        ours, _ = eager.update(WHOLE, SEED)
        theirs, _ = update(WHOLE, SEED)
        for name, value in ours.items():
            np.testing.assert_allclose(theirs[name], value, rtol=1e-3, atol=1e-5, err_msg=name)
    for one, two in zip(weights(eager), weights(compiled), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
    assert eager.updates == compiled.updates


def test_the_clipped_value_loss_by_hand() -> None:
    """V_old = 1, ε = ½: the larger of two squared errors, its gradient 0 where V went too far."""
    for prediction, target, loss, gradient in (
        (1.2, 3.0, 1.8**2, -3.6),  # near V_old
        (2.0, 3.0, 1.5**2, 0.0),  # nearer to G than V_old + ε
        (2.0, 0.0, 4.0, 4.0),  # far on the wrong side
        (0.0, -2.0, 2.5**2, 0.0),
    ):
        x = tf.Variable([prediction])
        with tf.GradientTape() as tape:
            actual = losses.clipped_value_loss(
                tf.convert_to_tensor(x), tf.constant([1.0]), tf.constant([target]), tf.ones(1), 0.5
            )
        assert float(actual) == pytest.approx(loss, rel=1e-6)
        slope = tf.convert_to_tensor(tape.gradient(actual, x))
        assert float(slope[0]) == pytest.approx(gradient, rel=1e-6)


@pytest.mark.parametrize(
    ("clip", "expected"), [(None, 1.0 - 0.8**4), (1e3, 1.0 - 0.8**4), (0.05, 0.2)]
)
def test_a_joint_loss_clips_around_the_values_of_the_targets(
    clip: float | None, expected: float
) -> None:
    """V = 0 goes a fifth of the way to G = 1 in each of four steps; beyond ε it stands still."""
    made = tables(
        [[0.0, 0.0]],
        critic=table_v(JointLoss(0.5, clip)),
        optimizer=keras.optimizers.SGD(0.1),
        surrogate=ClippedSurrogate(),
        optimization=Epochs(4, 1),
    )
    set_values(made.critic, [0.0])
    whole = trajectory([0, 0], [0], [1.0], [True])
    learn(made, whole._replace(log_prob=tf.fill((1, 1), np.float32(np.log(0.5)))))
    layer = made.critic.output_layer
    assert float(layer.kernel[0, 0] + layer.bias[0]) == pytest.approx(expected, rel=1e-5)


def test_the_trainer_takes_all_steps_and_random_numbers_follow_the_seed() -> None:
    results = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(0)
        learner = Learner(
            Policy(MLP((4,))),
            VCritic(MLP((4,))),
            StateValue(),
            surrogate=ClippedSurrogate(),
            optimization=Epochs(2, 4),
        )
        trainer = SynchronousTrainer(learner, CompiledCartPole(2), Rollouts(8), jit_compile=False)
        trainer.build(seed)
        report = trainer.iterate(1)
        assert learner.updates == 8
        assert abs(report.scalars["train/importance_weight_mean"] - 1.0) < 0.2
        results.append([v.numpy() for v in learner.weights])
    for one, two, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, two)
        assert np.any(one != other)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Epochs(0), "Epochs.num_epochs must be at least 1, not 0."),
        (lambda: Epochs(1, 0), "Epochs.num_minibatches must be at least 1, not 0."),
        (lambda: Epochs(max_kl=0.0), "Epochs.max_kl must be positive or None, not 0.0."),
        (lambda: JointLoss(clip=0.0), "JointLoss.clip must be positive or None, not 0.0."),
        (
            lambda: ppo(Epochs(), ScoreFunction()),
            "Epochs goes on with data that the policy has moved away from, and ScoreFunction"
            " does not weight it: bind Learner.surrogate = @ClippedSurrogate() or"
            " @ImportanceWeighted().",
        ),
        (
            lambda: learn(ppo(Epochs(1, 22)), WHOLE),
            "Epochs.num_minibatches = 22 is more than the 21 steps of a rollout: bind it to 21 at"
            " most.",
        ),
        (
            lambda: AsynchronousTrainer(
                Learner(surrogate=ClippedSurrogate(), optimization=Epochs()), CompiledCartPole(1)
            ).build(0),
            "Epochs takes several steps on a rollout, and A3C's workers take one: bind"
            " Learner.optimization = @OneUpdate(), or train.trainer = @SynchronousTrainer().",
        ),
    ],
)
def test_what_cannot_work_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{re.escape(message)}$"):
        make()
