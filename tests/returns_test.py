"""Return estimators against hand-worked tables and explicit sums."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from pgtf.returns import (
    completed,
    discounted_returns,
    lambda_returns,
    n_step_returns,
    vtrace,
)

Array = npt.NDArray[Any]


class Case(NamedTuple):
    """Arguments of a return estimator, and a discount."""

    reward: Array
    terminated: Array
    truncated: Array
    values: Array
    discount: float

    @property
    def rows(self) -> tuple[Any, Any, Any]:
        """What every estimator takes first."""
        return tuple(
            tf.constant(x, t) for x, t in zip(self[:3], (tf.float32, tf.bool, tf.bool), strict=True)
        )

    @property
    def v(self) -> tf.Tensor:
        """The values, float32."""
        return tf.constant(self.values, tf.float32)


def random_case(seed: int, steps: int, num_envs: int, ends: float, discount: float) -> Case:
    rng = np.random.default_rng(seed)
    shape = (steps, num_envs)
    return Case(
        rng.normal(size=shape),
        rng.random(shape) < ends,
        rng.random(shape) < ends,
        rng.normal(size=(steps + 1, num_envs)),
        discount,
    )


cases = st.builds(
    random_case,
    seed=st.integers(0, 2**31),
    steps=st.integers(1, 9),
    num_envs=st.integers(1, 3),
    ends=st.sampled_from([0.0, 0.2, 0.6]),
    discount=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
)
lambdas = st.sampled_from([0.0, 0.3, 0.95, 1.0])
few = settings(max_examples=25)


def explicit_n_step(case: Case, t: int, b: int, n: int) -> tuple[float, bool]:
    """r_t + γ r_{t+1} + … + γⁿ v_{t+n}, cut short at an end; and whether it was cut there."""
    total, factor = 0.0, 1.0
    for k in range(t, min(t + n, len(case.reward))):
        total += factor * case.reward[k, b]
        factor *= case.discount
        if case.terminated[k, b]:
            return total, True
        if case.truncated[k, b] or k == len(case.reward) - 1:
            return total + factor * case.values[k + 1, b], True
    return total + factor * case.values[t + n, b], False


def explicit_lambda(case: Case, t: int, b: int, lambda_: float) -> float:
    """(1 - λ) Σ_{n<N} λ^{n-1} G^{(n)} + λ^{N-1} G^{(N)}, N steps being left (eq. 12.3)."""
    total, weight, n = 0.0, 1.0, 1
    while True:
        g, last = explicit_n_step(case, t, b, n)
        if last:
            return total + weight * g
        total += (1.0 - lambda_) * weight * g
        weight *= lambda_
        n += 1


def everywhere(case: Case, function: Any) -> Array:
    return np.array(
        [[function(t, b) for b in range(case.reward.shape[1])] for t in range(len(case.reward))]
    )


# Every number below is exact in binary, and so are its sums.
UNFINISHED = Case(
    np.array([[1.0], [0.0], [2.0], [3.0]]),
    np.zeros((4, 1), bool),
    np.zeros((4, 1), bool),
    np.array([[10.0], [20.0], [4.0], [2.0], [8.0]]),
    0.5,
)


def test_the_lectures_advantages_of_the_last_two_steps() -> None:
    g = lambda_returns(*UNFINISHED.rows, UNFINISHED.v, 0.5, 1.0).numpy()
    advantage = g - UNFINISHED.values[:-1]
    assert advantage[3, 0] == 3.0 + 0.5 * 8.0 - 2.0  # A_3 = r_3 + γ V(s_4) - V(s_3)
    assert advantage[2, 0] == 2.0 + 0.5 * 3.0 + 0.25 * 8.0 - 4.0  # A_2, the slide's two-step one
    assert advantage[:, 0].tolist() == [1.0 + 0.5 * 2.75 - 10.0, 2.75 - 20.0, 1.5, 5.0]


def test_a_table_of_lambda_returns_worked_by_hand() -> None:
    g = lambda_returns(*UNFINISHED.rows, UNFINISHED.v, 0.5, 0.5)
    # Backwards: 3 + ½·8; 2 + ½(½·2 + ½·7); 0 + ½(½·4 + ½·4.25); 1 + ½(½·20 + ½·2.0625).
    assert g[:, 0].numpy().tolist() == [6.515625, 2.0625, 4.25, 7.0]


@pytest.mark.parametrize(
    ("terminated", "truncated", "expected"),
    [
        (False, False, [1.0 + 0.5 * (2.0 + 0.5 * 28.0), 2.0 + 0.5 * 28.0, 4.0 + 24.0]),
        (True, False, [1.0 + 0.5 * 2.0, 2.0, 28.0]),
        (False, True, [1.0 + 0.5 * (2.0 + 0.5 * 8.0), 2.0 + 0.5 * 8.0, 28.0]),
        (True, True, [1.0 + 0.5 * 2.0, 2.0, 28.0]),
    ],
)
def test_what_follows_the_end_of_an_episode(
    terminated: bool, truncated: bool, expected: list[float]
) -> None:
    """Termination bootstraps 0 (also at a time limit), truncation the true successor's value, 8."""
    case = Case(
        np.array([[1.0], [2.0], [4.0]]),
        np.array([[False], [terminated], [False]]),
        np.array([[False], [truncated], [False]]),
        np.array([[16.0], [32.0], [8.0], [48.0]]),
        0.5,
    )
    for g in (
        lambda_returns(*case.rows, case.v, 0.5, 1.0),
        n_step_returns(*case.rows, case.v, 0.5, 3),
    ):
        assert g[:, 0].numpy().tolist() == expected


@settings(max_examples=50)
@given(cases, lambdas)
def test_lambda_returns_are_the_weighted_n_step_returns(case: Case, lambda_: float) -> None:
    actual = lambda_returns(*case.rows, case.v, case.discount, lambda_)
    expected = everywhere(case, lambda t, b: explicit_lambda(case, t, b, lambda_))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@few
@given(cases, st.integers(1, 12))
def test_n_step_returns_are_the_explicit_sums(case: Case, n: int) -> None:
    actual = n_step_returns(*case.rows, case.v, case.discount, n)
    expected = everywhere(case, lambda t, b: explicit_n_step(case, t, b, n)[0])
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@few
@given(cases)
def test_monte_carlo_returns_are_the_explicit_sums_of_rewards(case: Case) -> None:
    def explicit(t: int, b: int) -> float:
        total = 0.0
        for k in range(t, len(case.reward)):
            total += case.discount ** (k - t) * case.reward[k, b]
            if case.terminated[k, b] or case.truncated[k, b]:
                break
        return total

    actual = discounted_returns(*case.rows, case.discount)
    np.testing.assert_allclose(actual, everywhere(case, explicit), rtol=1e-4, atol=1e-4)


@few
@given(cases)
def test_limits(case: Case) -> None:
    """λ = 0 is n = 1 is TD(0); λ = 1 is n ≥ T; Monte Carlo is λ = 1 with v = 0."""
    rows, v, discount = case.rows, case.v, case.discount
    td = case.reward + discount * np.where(case.terminated, 0.0, case.values[1:])
    np.testing.assert_allclose(lambda_returns(*rows, v, discount, 0.0), td, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(n_step_returns(*rows, v, discount, 1), td, rtol=1e-5, atol=1e-5)
    whole = lambda_returns(*rows, v, discount, 1.0)
    for n in (len(case.reward), 1000):
        np.testing.assert_allclose(
            n_step_returns(*rows, v, discount, n), whole, rtol=1e-5, atol=1e-5
        )
    np.testing.assert_array_equal(
        discounted_returns(*rows, discount), lambda_returns(*rows, 0.0 * v, discount, 1.0)
    )


@few
@given(cases, lambdas, st.data())
def test_nothing_of_the_next_episode_leaks_into_this_one(
    case: Case, lambda_: float, data: st.DataObject
) -> None:
    """What happens after a cut changes no return before it, the true successor's value apart."""
    t = data.draw(st.integers(0, len(case.reward) - 1))
    end = data.draw(st.sampled_from(["terminated", "truncated"]))
    cut = np.zeros(case.reward.shape, bool)
    cut[t] = True
    case = case._replace(terminated=cut) if end == "terminated" else case._replace(truncated=cut)
    first = 1 if end == "terminated" else 2
    later = np.arange(len(case.values))[:, None]
    other = case._replace(
        reward=np.where(later[:-1] > t, 100.0, case.reward),
        values=np.where(later >= t + first, -100.0, case.values),
    )
    estimates = [
        (
            lambda_returns(*c.rows, c.v, c.discount, lambda_),
            n_step_returns(*c.rows, c.v, c.discount, 3),
            discounted_returns(*c.rows, c.discount),
        )
        for c in (case, other)
    ]
    for one, two in zip(*estimates, strict=True):
        np.testing.assert_array_equal(one[: t + 1], two[: t + 1])


@pytest.mark.parametrize(
    ("steps", "jit_compile"),
    [(70, False), (70, True), (None, False)],
    ids=["known T", "compiled", "unknown T"],
)
def test_long_rollouts_are_folded_in_a_loop_with_the_same_result(
    steps: int | None, jit_compile: bool
) -> None:
    case = random_case(3, 70, 2, ends=0.05, discount=0.9)
    spec = [tf.TensorSpec((steps, 2), x.dtype) for x in case.rows]
    values = tf.TensorSpec((None if steps is None else steps + 1, 2), tf.float32)
    compiled = tf.function(
        lambda r, end, cut, v: lambda_returns(r, end, cut, v, 0.9, 0.8),
        input_signature=[*spec, values],
        jit_compile=jit_compile,
    )
    actual = compiled(*case.rows, case.v)
    expected = everywhere(case, lambda t, b: explicit_lambda(case, t, b, 0.8))
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


def test_the_loop_equals_the_unrolled_graph() -> None:
    """A rollout whose length the graph does not know cannot be unrolled."""
    case = random_case(4, 20, 3, ends=0.1, discount=0.9)
    inputs = [
        tf.constant(x, tf.bool if x.dtype == bool else tf.float32) for x in (*case.rows, case.v)
    ]

    def returned(r: tf.Tensor, end: tf.Tensor, cut: tf.Tensor, v: tf.Tensor) -> tf.Tensor:
        return lambda_returns(r, end, cut, v, 0.9, 0.8)

    loop = tf.function(returned, [tf.TensorSpec([None, 3], x.dtype) for x in inputs])
    np.testing.assert_allclose(loop(*inputs), returned(*inputs), rtol=1e-6)


def test_returns_are_constants() -> None:
    values = tf.Variable(UNFINISHED.v)
    with tf.GradientTape() as tape:
        whole = lambda_returns(*UNFINISHED.rows, tf.convert_to_tensor(values), 0.9, 0.9)
        total = tf.reduce_sum(
            whole + n_step_returns(*UNFINISHED.rows, tf.convert_to_tensor(values), 0.9, 2)
        )
    assert tape.gradient(total, values) is None


def test_steps_are_complete_up_to_the_last_end_of_their_column() -> None:
    terminated = np.array([[0, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]], bool)
    truncated = np.array([[0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]], bool)
    actual = completed(tf.constant(terminated), tf.constant(truncated))
    assert actual.numpy().tolist() == [[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]]


def test_several_ends_in_one_column_complete_a_step_once() -> None:
    ends = tf.constant([[True], [True], [False], [True], [False]])
    none = tf.zeros_like(ends)
    for actual in (completed(ends, none), completed(none, ends), completed(ends, ends)):
        assert actual[:, 0].numpy().tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 1)])
def test_the_smallest_rollouts(shape: tuple[int, int]) -> None:
    case = random_case(5, *shape, ends=0.3, discount=0.9)
    expected = everywhere(case, lambda t, b: explicit_lambda(case, t, b, 0.5))
    actual = lambda_returns(*case.rows, case.v, 0.9, 0.5)
    assert actual.shape == shape
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


bounds = st.sampled_from([None, 0.5, 1.0, 2.0])


def explicit_vtrace(
    case: Case, ratio: Array, t: int, b: int, rho_bar: float | None, c_bar: float | None
) -> float:
    """V_t + Σ_k γ^k (Π_{i<k} c_i) ρ_k (r_k + γ V_{k+1} - V_k), Espeholt et al. 2018, eq. 1."""
    total, factor = case.values[t, b], 1.0
    for k in range(t, len(case.reward)):
        later = 0.0 if case.terminated[k, b] else case.values[k + 1, b]
        error = case.reward[k, b] + case.discount * later - case.values[k, b]
        total += factor * min(rho_bar or np.inf, ratio[k, b]) * error
        if case.terminated[k, b] or case.truncated[k, b]:
            break
        factor *= case.discount * min(c_bar or np.inf, ratio[k, b])
    return float(total)


@few
@given(cases, bounds, bounds)
def test_vtrace_is_the_papers_sum(case: Case, rho_bar: float | None, c_bar: float | None) -> None:
    log_ratio = np.random.default_rng(len(case.reward)).normal(size=case.reward.shape)
    actual, estimate = vtrace(
        *case.rows,
        case.v,
        tf.constant(log_ratio, tf.float32),
        case.discount,
        rho_bar=rho_bar,
        c_bar=c_bar,
    )
    expected = everywhere(
        case, lambda t, b: explicit_vtrace(case, np.exp(log_ratio), t, b, rho_bar, c_bar)
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3)
    later = np.vstack([expected[1:], case.values[-1:]])
    later = np.where(case.truncated, case.values[1:], later)
    q = case.reward + case.discount * np.where(case.terminated, 0.0, later)
    np.testing.assert_allclose(estimate, q, rtol=1e-3, atol=1e-3)


@few
@given(cases, lambdas, st.sampled_from([None, 1.0, 3.0]))
def test_vtrace_of_fresh_data_is_the_lambda_return_to_the_bit(
    case: Case, lambda_: float, bound: float | None
) -> None:
    fresh = tf.zeros(case.reward.shape)
    expected = lambda_returns(*case.rows, case.v, case.discount, lambda_)
    for actual in vtrace(*case.rows, case.v, fresh, case.discount, lambda_, bound, bound):
        np.testing.assert_array_equal(actual, expected)


def test_vtrace_refuses_values_that_would_broadcast() -> None:
    rows, v = UNFINISHED.rows, UNFINISHED.v
    fresh = tf.zeros((4, 1))
    for values, log_ratio in ((v[:-1], fresh), (v[:, 0], fresh), (v, fresh[0])):
        with pytest.raises(ValueError, match=r"(?i)shape"):
            vtrace(*rows, values, log_ratio, 0.9)
