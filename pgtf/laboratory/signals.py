"""The factor of ∇ log π under a combination, with cross-fitted baselines and critics."""

import dataclasses
from typing import Any, NamedTuple

import gymnasium as gym
import keras
import numpy as np
import tensorflow as tf

from pgtf.errors import ConfigurationError
from pgtf.laboratory.collection import log_probs
from pgtf.laboratory.combinations import Combination
from pgtf.laboratory.gradients import columns, score_factor
from pgtf.laboratory.value_fit import ValueFit, restore
from pgtf.learning.critics import Critic, Estimates
from pgtf.learning.estimators import MonteCarlo
from pgtf.learning.learner import Learner
from pgtf.learning.objective import ForwardPass, Objective
from pgtf.learning.targets import Batch
from pgtf.losses import explained_variance
from pgtf.policies.policy import Policy
from pgtf.trajectory import Trajectory

_SEED = (3, 0x1AB)


class Signal(NamedTuple):
    """The factors of all N trajectories.

    Attributes:
        weighted_advantage: [T, N] w A times the importance weight, the input of
            ``column_gradients``.
        share: [N] of each trajectory in the divisor of ĝ.
    """

    weighted_advantage: tf.Tensor
    share: tf.Tensor


class Sample(NamedTuple):
    """A set of trajectories, of the measured policy or of an earlier one.

    Attributes:
        whole: T steps of N trajectories, N even, with the log-probs of the policy that acted.
        halves: the first N / 2 and the others.
        log_prob: [T, N] log π(a_t | s_t) of the measured policy.
    """

    whole: Trajectory
    halves: tuple[Trajectory, Trajectory]
    log_prob: tf.Tensor

    @classmethod
    def of(cls, whole: Trajectory, policy: Policy) -> "Sample":
        """Cuts trajectories in halves; ``policy`` is the measured one."""
        count = whole.mask.shape[1]
        halves = (columns(whole, 0, count // 2), columns(whole, count // 2, count))
        return cls(whole, halves, log_probs(policy, whole))

    def half_log_prob(self, i: int) -> tf.Tensor:
        """Returns ``log_prob`` of one half."""
        return tf.split(self.log_prob, 2, axis=1)[i]


class Signals:
    """Computes signals with the learner's own code.

    Fitted baselines and critics are fitted on one half of the measured policy's trajectories and
    used on the other (cross-fitting): a baseline that has seen the returns it is subtracted from
    would bias the gradient. An earlier policy's trajectories are used with the same baselines and
    critics, so that only the data is old.

    Args:
        learner: built; its policy collected the trajectories. Its weights do not change.
        fresh: its trajectories.
        spaces: of one environment's observations and of its actions.
        fit: of critics, and of baselines with their own network.
        reduction: of the learner as configured.

    Attributes:
        explained_variance: of each fitted critic on the held-out halves, by discount.
    """

    def __init__(
        self,
        learner: Learner,
        fresh: Sample,
        spaces: tuple[gym.Space, gym.Space],
        fit: ValueFit,
        reduction: str,
    ):
        self._learner = learner
        self._objective = dataclasses.replace(
            learner.objective, entropy_bonus=None, reduction=reduction
        )
        self._spaces = spaces
        self._fit = fit
        self._seed = tf.constant(_SEED, tf.int32)
        self._data = fresh
        self._fresh: dict[int, list[np.ndarray]] = {}
        self._fitted: dict[tuple[int, float, int], list[np.ndarray]] = {}
        self._explained: dict[float, list[float]] = {}

    @property
    def explained_variance(self) -> dict[float, float]:
        """Of the fitted values on the held-out half, by discount."""
        return {discount: float(np.mean(each)) for discount, each in self._explained.items()}

    def of(self, combination: Combination, reduction: str, data: Sample | None = None) -> Signal:
        """Returns a combination's signal under a reduction.

        Args:
            combination: its parts are built, and fitted if they have not been.
            reduction: one of ``REDUCTIONS``.
            data: of an earlier policy; the measured policy's when None.

        Raises:
            ConfigurationError: its parts do not fit each other, or share weights with the learner.
        """
        self._build(combination)
        view = dataclasses.replace(
            self._objective,
            critic=combination.critic,
            baseline=combination.baseline,
            returns=combination.returns,
            surrogate=combination.surrogate,
            discount=self._discount(combination),
            reduction=reduction,
        )
        loss = tf.function(_advantage_and_returns(view), autograph=False)
        data = data or self._data
        advantages = []
        for i, half in enumerate(data.halves):
            other = self._data.halves[1 - i]
            for regressor in view.regressors:
                self._install(regressor, combination, i)
            baseline = view.baseline
            if baseline is not None and baseline.regressor is None:
                restore(_own(combination), self._fresh[id(baseline)])
                _, returns = loss(other, self._data.half_log_prob(1 - i), self._seed)
                learned = tf.cast(view.step_weights(other)[0] > 0, tf.float32)
                baseline.update(other, returns, learned)
            advantages.append(loss(half, data.half_log_prob(i), self._seed)[0])
        return _weighted(view, data, tf.concat(advantages, axis=1))

    def as_configured(self, data: Sample | None = None) -> Signal:
        """Returns the signal of the learner itself, with its own critic, baseline and surrogate."""
        data = data or self._data
        loss = tf.function(_advantage_and_returns(self._objective), autograph=False)
        advantage, _ = loss(data.whole, data.log_prob, self._seed)
        return _weighted(self._objective, data, advantage)

    def _build(self, combination: Combination) -> None:
        """Makes the variables of a combination's parts, unless they exist."""
        parts = [part for part in (combination.critic, combination.baseline) if part is not None]
        for part in parts:
            if id(part) in self._fresh:
                continue
            if isinstance(part, Critic):
                part.build(*self._spaces)
            else:
                part.build(*self._spaces, combination.critic)
            shared = {id(variable) for variable in self._learner.weights}
            if any(id(variable) in shared for variable in part.variables):
                raise ConfigurationError(
                    f"{combination.name!r}: {type(part).__name__} shares weights with the measured"
                    " learner, and fitting would change them: bind a network of its own."
                )
            own = part.variables if isinstance(part, Critic) else _own(combination)
            self._fresh[id(part)] = [variable.numpy() for variable in own]

    def _discount(self, combination: Combination) -> float:
        own = combination.discount
        return self._objective.discount if own is None else own

    def _install(self, regressor: Critic, combination: Combination, half: int) -> None:
        """Gives a regressor the weights that were fitted on the other half."""
        discount = self._discount(combination)
        key = (id(regressor), discount, half)
        if key not in self._fitted:
            self._fitted[key] = self._fit_on(regressor, discount, 1 - half, half)
        restore(regressor.variables, self._fitted[key])

    def _fit_on(self, regressor: Critic, discount: float, half: int, other: int) -> list[Any]:
        view = dataclasses.replace(
            self._objective, critic=None, baseline=None, returns=MonteCarlo(), discount=discount
        )
        loss = tf.function(_advantage_and_returns(view), autograph=False)
        halves = self._data.halves
        masks = [tf.cast(view.step_weights(each)[0] > 0, tf.float32) for each in halves]
        returns = [
            loss(each, self._data.half_log_prob(i), self._seed)[1] for i, each in enumerate(halves)
        ]
        fresh = self._fresh.get(id(regressor))
        if fresh is None:  # A baseline's own network.
            fresh = self._fresh[id(regressor)] = [x.numpy() for x in regressor.variables]
        restore(regressor.variables, fresh)
        self._fit.run(regressor, halves[half], returns[half], masks[half])
        prediction = regressor.predict(Batch.whole(halves[other]))
        explained = explained_variance(prediction, returns[other], masks[other])
        self._explained.setdefault(discount, []).append(float(explained))
        return [variable.numpy() for variable in regressor.variables]


def _weighted(view: Objective, data: Sample, advantage: tf.Tensor) -> Signal:
    weight, share = view.step_weights(data.whole)
    surrogate = view.surrogate.at(view.steps)
    factor = score_factor(surrogate, data.log_prob, data.whole.log_prob, advantage, weight)
    return Signal(factor, share)


def _own(combination: Combination) -> list[keras.Variable]:
    """The baseline's own variables; Keras also counts those of the critic it was built with."""
    critic = combination.critic
    others = set() if critic is None else {id(variable) for variable in critic.variables}
    baseline = combination.baseline
    return [v for v in baseline.variables if id(v) not in others] if baseline is not None else []


def _advantage_and_returns(view: Objective) -> Any:
    """Advantages and returns, [T, B] each, from the learner's own loss."""

    def compute(trajectory: Trajectory, log_prob: tf.Tensor, seed: tf.Tensor) -> Any:
        estimates: Estimates | None = None
        if view.critic is not None:
            estimates = view.critic.evaluate(trajectory, view.policy, seed)
        forward = ForwardPass(log_prob, tf.zeros_like(log_prob), estimates)
        targets = view.targets(
            trajectory, forward, tf.random.experimental.stateless_fold_in(seed, 1)
        )
        return targets.advantage, targets.returns

    return compute
