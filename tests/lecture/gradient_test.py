"""The mean of many sampled gradients lies in a confidence region around the exact one.

From environment to gradient with the parts that train: ``CompiledTabular``, ``Episodes`` and
``Rollouts``, the policy's own samples, ``Learner.gradients``. Each test is Hotelling's at error
rate ALPHA; all of them together reject a right implementation with probability below 0.01
(Bonferroni), and the seeds are fixed. The exact gradients are those of ``exact.py``.

``enumeration_test.py`` proves the same of every combination to rounding. Sampling adds that
trajectories come with their probabilities, for which a few combinations are enough: they have
every critic, baseline and return estimator among them.
"""

import functools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled import CompiledTabular
from pgtf.graph.scan import scan
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts as RolloutsOf
from pgtf.rollouts.unroll import Behaviour, start
from pgtf.trajectory import Trajectory
from tests.lecture.combinations import Combination, learner
from tests.lecture.confidence import p_value
from tests.lecture.enumeration import every_trajectory
from tests.lecture.exact import (
    CYCLIC,
    CYCLIC_PREFERENCES,
    EPISODIC,
    EPISODIC_PREFERENCES,
    Array,
    Process,
    Rollouts,
    action_values,
    gradient,
    probabilities,
    score_function_gradient,
    state_values,
    undiscounted_gradient,
    visits,
)
from tests.lecture.variance import covariance, trajectory_gradients

ALPHA = 1e-4  # of each test; fewer than 100 tests
BATCHES, SIZE = 64, 2048  # each batch's mean is one nearly normal vector
NUM_STEPS, TIME_LIMIT = 5, 3  # of rollouts


def environment(process: Process, **arguments: Any) -> CompiledTabular:
    return CompiledTabular(
        process.transition,
        process.reward,
        process.start,
        list(np.flatnonzero(process.terminal)),
        **arguments,
    )


def learn(combination: Combination, process: Process, preferences: Array, discount: float) -> Any:
    """A learner whose critic is exact."""
    policy = probabilities(preferences)
    return learner(
        combination,
        preferences,
        discount,
        state_values(process, policy, discount),
        action_values(process, policy, discount),
    )


def collect(tabular: CompiledTabular, rollout: Any, preferences: Array, seed: int) -> Trajectory:
    """BATCHES trajectories, [BATCHES, T, B], as one XLA program."""
    none = np.zeros(0)
    combination = Combination("none", "none", "MonteCarlo")
    act = learner(combination, preferences, 1.0, none, none).policy.act
    behaviour = Behaviour(act)

    @tf.function(autograph=False, jit_compile=True)
    def program() -> Trajectory:
        def batch(i: Any, _: Any) -> tuple[Any, Trajectory]:
            seeds = tf.random.experimental.stateless_fold_in(tf.constant([seed, 1]), i)
            carry = start(tabular, seeds)
            return i + 1, rollout.collect(tabular, behaviour, carry, seeds)[1]

        return scan(batch, tf.constant(0), BATCHES)[1]

    return program()


@functools.cache
def episodes() -> Trajectory:
    """Two episodes for each environment, of the process without loops."""
    tabular = environment(EPISODIC, num_envs=SIZE // 2)
    return collect(tabular, Episodes(SIZE, max_steps=7), EPISODIC_PREFERENCES, 1)


@functools.cache
def rows() -> Trajectory:
    """Five rows of the process with loops, through terminations, truncations and resets."""
    tabular = environment(CYCLIC, num_envs=SIZE, time_limit=TIME_LIMIT)
    return collect(tabular, RolloutsOf(NUM_STEPS), CYCLIC_PREFERENCES, 2)


def sampled_gradients(made: Any, batches: Trajectory) -> Array:
    """What the learner ascends by its preferences, one row of free numbers for each batch.

    The entries of a state sum to zero and those of terminal states are zero: they are left out.
    """
    seed = tf.constant([5, 6])
    kernel = made.policy.head.preferences.kernel
    index = [id(v) for v in made.trainable_variables].index(id(kernel))

    @tf.function(autograph=False)
    def program() -> tf.Tensor:
        return tf.map_fn(
            lambda batch: made.gradients(batch, seed)[0][index],
            batches,
            fn_output_signature=tf.TensorSpec(kernel.shape, tf.float32),
        )

    return free(-program().numpy().astype(np.float64))


def free(gradients: Array) -> Array:
    """The free numbers of gradients [..., S, A], [..., (S - 1) (A - 1)]."""
    inner = gradients[..., :-1, :-1]
    return inner.reshape(*inner.shape[:-2], -1)


EXACT = gradient(EPISODIC, EPISODIC_PREFERENCES, 1.0)


@pytest.mark.parametrize(
    "combination",
    [
        Combination("none", "TimeDependent", "MonteCarlo"),
        Combination("V", "StateValue, shared", "TD0"),
        Combination("V", "Constant", "NStep(2)"),
        Combination("Q", "StateValue, own", "LambdaReturn(1)"),
        Combination("Q", "ExpectedQ", "LambdaReturn(0.6)"),
    ],
    ids=str,
)
def test_combinations_with_an_exact_critic_are_unbiased(combination: Combination) -> None:
    """The lecture's 1/N Σ_i Σ_t ∇ log π (G - b) over whole episodes, against ∇U(θ)."""
    made = learn(combination, EPISODIC, EPISODIC_PREFERENCES, 1.0)
    samples = sampled_gradients(made, episodes())
    assert p_value(samples, free(EXACT)) > ALPHA


def test_the_region_is_small_enough_to_tell_slips_apart() -> None:
    """It leaves out 5 % too much, the other sign, half of it, and r_t in place of Σ_{k≥t} r_k."""
    made = learn(Combination("none", "none", "MonteCarlo"), EPISODIC, EPISODIC_PREFERENCES, 1.0)
    samples = sampled_gradients(made, episodes())
    policy = probabilities(EPISODIC_PREFERENCES)
    weight = visits(EPISODIC, policy, 1.0)
    immediate = score_function_gradient(policy, weight, EPISODIC.mean_reward)  # r_t for the return
    assert p_value(samples, free(EXACT)) > ALPHA
    for slip in (1.05 * EXACT, -EXACT, 0.5 * EXACT, immediate):
        assert p_value(samples, free(slip)) < 1e-6


def test_discounted_returns_leave_the_states_undiscounted() -> None:
    """The slides' estimators drop γ^t: they follow E Σ_t ∇ log π Q_π, not ∇E Σ_t γ^t r_t."""
    combination = Combination("Q", "ExpectedQ", "MonteCarlo")
    made = learn(combination, EPISODIC, EPISODIC_PREFERENCES, 0.8)
    samples = sampled_gradients(made, episodes())
    followed = undiscounted_gradient(EPISODIC, EPISODIC_PREFERENCES, 0.8)
    assert p_value(samples, free(followed)) > ALPHA
    assert p_value(samples, free(gradient(EPISODIC, EPISODIC_PREFERENCES, 0.8))) < 1e-6


@pytest.mark.parametrize("baseline", ["Constant", "TimeDependent"])
def test_running_means_of_earlier_batches_leave_the_gradient_unbiased(baseline: str) -> None:
    """Batches of two episodes, half of the weight on the last one: with the batch at hand in the
    mean, a quarter of each return would subtract itself."""
    made = learn(Combination("none", baseline, "MonteCarlo"), EPISODIC, EPISODIC_PREFERENCES, 1.0)
    made.baseline.decay = 0.5
    tabular = environment(EPISODIC, num_envs=2)
    rollout = Episodes(max_steps=3)

    @tf.function(autograph=False, jit_compile=True)
    def program() -> tf.Tensor:
        def batch(i: Any, _: Any) -> tuple[Any, tf.Tensor]:
            seeds = tf.random.experimental.stateless_fold_in(tf.constant([3, 1]), i)
            carry = start(tabular, seeds)
            _, trajectory, _ = rollout.collect(tabular, Behaviour(made.policy.act), carry, seeds)
            gradients, _, targets = made.gradients(trajectory, seeds)
            made.observe(trajectory, targets)
            return i + 1, gradients[0]

        return scan(batch, tf.constant(0), 64 * 512)[1]

    each = free(-program().numpy().astype(np.float64))
    samples = each.reshape(64, 512, -1).mean(1)
    assert p_value(samples, free(EXACT)) > ALPHA
    assert p_value(samples, free(0.9 * EXACT)) < 1e-6  # power


ROLLOUTS = Rollouts(CYCLIC, probabilities(CYCLIC_PREFERENCES), 0.9, NUM_STEPS, TIME_LIMIT)
V_PI = state_values(CYCLIC, ROLLOUTS.policy, 0.9)
Q_PI = action_values(CYCLIC, ROLLOUTS.policy, 0.9)
WRONG_V = V_PI + np.array([2.0, -3.0, 1.0, 40.0])
UNBIASED = ROLLOUTS.gradient(np.broadcast_to(Q_PI, (NUM_STEPS, TIME_LIMIT, 4, 2)))


def sampled_sums(combination: Combination, values: Array) -> Array:
    """The learner's gradient of each batch of ``rows``, as a sum over the rows of a rollout."""
    made = learner(combination, CYCLIC_PREFERENCES, 0.9, values, Q_PI, "mean_over_steps")
    learned = rows().mask.numpy()
    if combination.returns == "MonteCarlo":
        ends = rows().terminated.numpy() | rows().truncated.numpy()
        learned = learned * np.logical_or.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    return sampled_gradients(made, rows()) * learned.sum((1, 2))[:, None] / SIZE


@pytest.mark.parametrize(
    "combination",
    [
        Combination("V", "TimeDependent", "LambdaReturn(1)"),
        Combination("Q", "ExpectedQ", "TD0"),
    ],
    ids=str,
)
def test_with_an_exact_critic_rollouts_are_unbiased(combination: Combination) -> None:
    """Through terminations, truncations and resets, whichever row they fall on."""
    samples = sampled_sums(combination, V_PI)
    assert p_value(samples, free(UNBIASED)) > ALPHA
    assert p_value(samples, free(1.1 * UNBIASED)) < 1e-6  # power


def test_with_a_wrong_v_the_bias_is_the_one_of_theory() -> None:
    samples = sampled_sums(Combination("V", "StateValue, shared", "NStep(2)"), WRONG_V)
    signal = ROLLOUTS.n_step_returns(WRONG_V, 2)
    assert p_value(samples, free(ROLLOUTS.gradient(signal))) > ALPHA
    assert p_value(samples, free(UNBIASED)) < 1e-6


def test_monte_carlo_in_rollouts_is_biased_towards_what_ends_within_them() -> None:
    samples = sampled_sums(Combination("none", "none", "MonteCarlo"), V_PI)
    assert p_value(samples, free(ROLLOUTS.gradient(ROLLOUTS.finished_returns()))) > ALPHA
    assert p_value(samples, free(UNBIASED)) < 1e-6


@pytest.mark.parametrize(
    "combination",
    [
        Combination("none", "none", "MonteCarlo"),
        Combination("V", "StateValue, shared", "TD0"),
    ],
    ids=str,
)
def test_the_variance_is_that_of_every_trajectory(combination: Combination) -> None:
    """tr Cov of a mean over N trajectories is 1/N of one's, which is a sum over all there are.

    The trace of the sample covariance of K normal vectors has mean tr Σ and variance
    2 tr Σ² / (K - 1): a z-test at ALPHA.
    """
    made = learn(combination, EPISODIC, EPISODIC_PREFERENCES, 1.0)
    samples = sampled_gradients(made, episodes())
    whole = every_trajectory(EPISODIC, probabilities(EPISODIC_PREFERENCES), 3)
    probability = whole.mask.numpy()[0].astype(np.float64)
    exact = covariance(free(trajectory_gradients(made, whole)), probability) / SIZE
    deviation = np.sqrt(2.0 * np.trace(exact @ exact) / (BATCHES - 1))
    distance = np.trace(np.cov(samples, rowvar=False)) - np.trace(exact)
    assert abs(distance) < 3.9 * deviation
    assert deviation < 0.15 * np.trace(exact)
