r"""Return estimators: pure functions of rewards, flags and values.

All of them are the one recursion, backwards in time,

    G_t = r_t + d_t [(1 - λ_t) v_{t+1} + λ_t G_{t+1}],    G_T = v_T,
    d_t = γ (1 - terminated_t),    λ_t = λ (1 - (terminated_t or truncated_t)).

A terminated step bootstraps 0; a truncated one bootstraps the value of its true successor and cuts
the trace, so that nothing of the next episode leaks into this one. Shapes: T steps of B
environments, time-major. Values are constants here: no gradient flows through a return. Static
shapes that do not fit raise a ValueError while tracing.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pgtf.graph.scan import scan_rows, stacked
from pgtf.shapes import check_alike, check_values


def lambda_returns(
    reward: tf.Tensor,
    terminated: tf.Tensor,
    truncated: tf.Tensor,
    values: tf.Tensor,
    discount: float,
    lambda_: float,
) -> tf.Tensor:
    """λ-returns (Sutton & Barto 2018, eq. 12.20); minus V they are GAE (arXiv:1506.02438, eq. 16).

    Args:
        reward: [T, B] r_t.
        terminated: [T, B] bool.
        truncated: [T, B] bool.
        values: [T+1, B] v_t, estimates of the value of each observation.
        discount: γ.
        lambda_: λ; 0 is TD(0), 1 sums rewards to the end and bootstraps there (A2C, A3C).

    Returns:
        [T, B] G_t.
    """
    check_values(values, reward=reward, terminated=terminated, truncated=truncated)
    values = tf.stop_gradient(values)
    discounts = discount * (1.0 - tf.cast(terminated, tf.float32))
    lambdas = lambda_ * (1.0 - tf.cast(terminated | truncated, tf.float32))

    def backup(later: tf.Tensor, row: tuple[tf.Tensor, ...]) -> tf.Tensor:
        r, d, trace, v = row
        return r + d * ((1.0 - trace) * v + trace * later)

    return _backwards(backup, values[-1], (reward, discounts, lambdas, values[1:]))


def vtrace(
    reward: tf.Tensor,
    terminated: tf.Tensor,
    truncated: tf.Tensor,
    values: tf.Tensor,
    log_ratio: tf.Tensor,
    discount: float,
    lambda_: float = 1.0,
    rho_bar: float | None = 1.0,
    c_bar: float | None = 1.0,
) -> tuple[tf.Tensor, tf.Tensor]:
    r"""V-trace (Espeholt et al. 2018, arXiv:1802.01561, eq. 1): λ-returns from data of a policy μ.

    With ρ_t = min(ρ̄, π/μ), c_t = λ_t min(c̄, π/μ) and d_t as above, backwards in time,

        v_t = V_t + ρ_t (r_t + d_t V_{t+1} - V_t) + d_t c_t (v_{t+1} - V_{t+1}),    v_T = V_T,

    and the estimate of Q(s_t, a_t) is q_t = r_t + d_t [(1 - λ_t) V_{t+1} + λ_t v_{t+1}], which for
    λ = 1 is the paper's r_t + γ v_{t+1}. The fixed point of v is the value of the policy
    π_ρ̄(a | s) ∝ min(ρ̄ μ(a | s), π(a | s)). The ρ_t that multiplies ∇ log π is not in q_t. Where
    π = μ and ρ̄, c̄ ≥ 1, both are ``lambda_returns``, to the bit.

    Args:
        reward: [T, B] r_t.
        terminated: [T, B] bool.
        truncated: [T, B] bool.
        values: [T+1, B] V_t, estimates of the value of each observation.
        log_ratio: [T, B] log π(a_t | s_t) - log μ(a_t | s_t), finite on every row.
        discount: γ.
        lambda_: λ.
        rho_bar: ρ̄, which decides the fixed point; None for ∞, whose fixed point is V of π.
        c_bar: c̄, which decides how far errors travel back; None for ∞.

    Returns:
        [T, B] v_t, the targets for V, and [T, B] q_t.

    Raises:
        ValueError: the shapes do not fit each other.
    """
    rows = {"terminated": terminated, "truncated": truncated, "log_ratio": log_ratio}
    check_values(values, reward=reward, **rows)
    values, ratio = tf.stop_gradient(values), tf.exp(tf.stop_gradient(log_ratio))
    discounts = discount * (1.0 - tf.cast(terminated, tf.float32))
    lambdas = lambda_ * (1.0 - tf.cast(terminated | truncated, tf.float32))
    rho = ratio if rho_bar is None else tf.minimum(rho_bar, ratio)
    trace = lambdas * (ratio if c_bar is None else tf.minimum(c_bar, ratio))

    # Grouped so that weights of 1 leave the arithmetic of ``lambda_returns``.
    def backup(later: tf.Tensor, row: tuple[tf.Tensor, ...]) -> tf.Tensor:
        r, d, weight, c, v, following = row
        return (1.0 - weight) * v + weight * r + d * ((weight - c) * following + c * later)

    targets = _backwards(
        backup, values[-1], (reward, discounts, rho, trace, values[:-1], values[1:])
    )
    later = tf.concat([targets[1:], values[-1:]], axis=0)
    return targets, reward + discounts * ((1.0 - lambdas) * values[1:] + lambdas * later)


def n_step_returns(
    reward: tf.Tensor,
    terminated: tf.Tensor,
    truncated: tf.Tensor,
    values: tf.Tensor,
    discount: float,
    n: int,
) -> tf.Tensor:
    """n-step returns r_t + γ r_{t+1} + … + γⁿ v_{t+n} (Sutton & Barto 2018, eq. 7.1).

    Fewer than n steps are summed where the episode, or the rollout, ends before.

    Args:
        reward: [T, B] r_t.
        terminated: [T, B] bool.
        truncated: [T, B] bool.
        values: [T+1, B] v_t.
        discount: γ.
        n: at least 1.

    Returns:
        [T, B] G_t.
    """
    check_values(values, reward=reward, terminated=terminated, truncated=truncated)
    values = tf.stop_gradient(values)
    discounts = discount * (1.0 - tf.cast(terminated, tf.float32))
    cut = terminated | truncated
    returns = values
    # No more than T rewards follow.
    for _ in range(min(n, reward.shape[0] or n)):
        later = tf.where(cut, values[1:], returns[1:])
        returns = tf.concat([reward + discounts * later, values[-1:]], axis=0)
    return returns[:-1]


def discounted_returns(
    reward: tf.Tensor, terminated: tf.Tensor, truncated: tf.Tensor, discount: float
) -> tf.Tensor:
    """Monte Carlo returns Σ_{k≥t} γ^{k-t} r_k up to the end of the episode, or of the rollout.

    Args:
        reward: [T, B] r_t.
        terminated: [T, B] bool.
        truncated: [T, B] bool.
        discount: γ.

    Returns:
        [T, B] G_t.
    """
    check_alike(reward=reward, terminated=terminated, truncated=truncated)
    nothing = tf.zeros_like(tf.concat([reward, reward[-1:]], axis=0))
    return lambda_returns(reward, terminated, truncated, nothing, discount, 1.0)


def whole_returns(
    reward: tf.Tensor, terminated: tf.Tensor, truncated: tf.Tensor, discount: float
) -> tf.Tensor:
    """Whole returns Σ_{k<t} r_k + Σ_{k≥t} γ^{k-t} r_k; without discounting all of them are R(τ).

    What was received before step t does not depend on a_t: it leaves the expected gradient as it
    is and adds to its variance. With γ < 1 it counts in full, so that the expectation remains that
    of ``discounted_returns``.

    Args:
        reward: [T, B] r_t.
        terminated: [T, B] bool.
        truncated: [T, B] bool.
        discount: γ.

    Returns:
        [T, B]; sums begin where the rollout does.
    """
    check_alike(reward=reward, terminated=terminated, truncated=truncated)

    def add(before: tf.Tensor, row: tuple[tf.Tensor, ...]) -> tf.Tensor:
        r, ended = row
        return tf.where(ended, 0.0, before + r)

    nothing = tf.zeros_like(reward[0])
    ended = terminated | truncated
    after = _backwards(add, nothing, (reward[::-1], ended[::-1]))[::-1]
    before = tf.concat([nothing[tf.newaxis], after[:-1]], axis=0)
    return before + discounted_returns(reward, terminated, truncated, discount)


def completed(terminated: tf.Tensor, truncated: tf.Tensor) -> tf.Tensor:
    """Marks the steps whose episode ends inside the rollout, so that their reward sum is whole.

    Args:
        terminated: [T, B] bool.
        truncated: [T, B] bool.

    Returns:
        [T, B] float32; 0 on the unfinished tail of each column.
    """
    check_alike(terminated=terminated, truncated=truncated)
    ended = tf.cast(terminated | truncated, tf.float32)
    return tf.minimum(tf.cumsum(ended, axis=0, reverse=True), 1.0)


def _backwards(
    step: Callable[[tf.Tensor, Any], tf.Tensor], last: tf.Tensor, rows: tuple[tf.Tensor, ...]
) -> tf.Tensor:
    """Folds ``step`` over the rows from the last to the first and stacks the results."""
    count = rows[0].shape[0]
    length = tf.shape(rows[0])[0] if count is None else count

    def back(later: tf.Tensor, t: Any) -> tuple[tf.Tensor, tf.Tensor]:
        now = step(later, tuple(row[length - 1 - t] for row in rows))
        return now, now

    _, backwards = scan_rows(back, last, length)
    return stacked(backwards[::-1])  # a list of rows, or a tensor
