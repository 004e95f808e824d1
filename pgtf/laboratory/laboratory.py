"""The experiment: one set of trajectories, many estimators of the gradient."""

import functools
from collections.abc import Sequence
from typing import Annotated, NamedTuple

import gin
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, Range
from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError
from pgtf.graph.compilation import Compilation
from pgtf.laboratory import statistics
from pgtf.laboratory.batch_sizes import sweep
from pgtf.laboratory.collection import collect
from pgtf.laboratory.combinations import Combination, lecture_combinations, unbiased
from pgtf.laboratory.comparison import Comparison, Row
from pgtf.laboratory.gradients import trajectory_gradients
from pgtf.laboratory.signals import Signal, Signals
from pgtf.laboratory.value_fit import ValueFit
from pgtf.learning.gradient_rows import influences
from pgtf.learning.learner import Learner
from pgtf.learning.objective import Reduction

_SEED = 0x7A12


class Results(NamedTuple):
    """The measurements on one set of trajectories.

    Attributes:
        environment: its name.
        steps: environment steps of the policy's training.
        num_trajectories: N.
        num_parameters: P, trainable numbers of the policy.
        mean_return: undiscounted, of the trajectories.
        mean_length: in steps.
        unfinished: trajectories cut by the laboratory's ``max_steps``.
        explained_variance: of the fitted values on the held-out half, by discount.
        rows: one for each combination.
    """

    environment: str
    steps: int
    num_trajectories: int
    num_parameters: int
    mean_return: float
    mean_length: float
    unfinished: int
    explained_variance: dict[float, float]
    rows: list[Row]


@gin.register
class VarianceLaboratory:
    """Estimates the gradient of each trajectory under each combination, and compares their spread.

    All combinations see the same trajectories, so only the estimator differs. The last row of the
    results, ``as configured``, is the learner itself, with the current state of its own critic and
    baseline. All others are fitted on the trajectories, for each half of them on the other half.

    Args:
        combinations: the estimators to compare; ``lecture_combinations`` when unbound.
        num_trajectories: N, even.
        max_steps: of a trajectory, for tasks that may never end.
        reduction: of combinations that bind none, and of the learner as configured.
        fit: how V(s) is fitted.
        batch_sizes: of the sweep, in trajectories.
        resamples: bootstrap samples.
        confidence: of the intervals.
        jit_compile: whether XLA compiles acting and the gradients, and compiled environments with
            them; it costs for convolutions.

    Raises:
        ConfigurationError: a number is out of range.
    """

    @checked
    def __init__(
        self,
        combinations: Sequence[Combination] | None = None,
        num_trajectories: Annotated[int, Range(4)] = 256,
        max_steps: Count = 10_000,
        reduction: Reduction = "sum_over_time",
        fit: ValueFit | None = None,
        batch_sizes: Sequence[Count] = (1, 2, 4, 8, 16, 32),
        resamples: Count = 1000,
        confidence: Annotated[float, Range(0.0, 1.0, above=True, below=True)] = 0.95,
        jit_compile: bool = True,
    ):
        if num_trajectories % 2:
            raise ConfigurationError(
                f"VarianceLaboratory.num_trajectories must be even, not {num_trajectories}."
            )
        if any(not 1 <= size <= num_trajectories // 4 for size in batch_sizes):
            raise ConfigurationError(
                "VarianceLaboratory.batch_sizes must be from 1 to a quarter of num_trajectories,"
                f" {num_trajectories // 4}, not {tuple(batch_sizes)}."
            )
        self._combinations = combinations
        self.num_trajectories = num_trajectories
        self.max_steps = max_steps
        self.reduction = reduction
        self.fit = fit or gin.get_configurable(ValueFit)()
        self.batch_sizes = tuple(batch_sizes)
        self.resamples = resamples
        self.confidence = confidence
        self._compilation = Compilation(jit_compile, "VarianceLaboratory.jit_compile")

    def measure(self, learner: Learner, environment: Environment, steps: int, seed: int) -> Results:
        """Collects trajectories and measures every combination on them.

        Args:
            learner: built; its policy acts, and its weights do not change.
            environment: the task; it is replicated.
            steps: environment steps of the policy's training.
            seed: of the trajectories and of the bootstrap.

        Raises:
            ConfigurationError: parts of a combination do not fit each other or the task.
        """
        count = self.num_trajectories
        key = tf.constant([seed, _SEED], tf.int32)
        compilation = self._compilation
        trajectory = collect(environment, learner.policy, count, self.max_steps, key, compilation)
        spaces = (environment.observation_space, environment.action_space)
        signals = Signals(learner, trajectory, spaces, self.fit, self.reduction)
        gradients = trajectory_gradients(learner.policy, compilation)
        combinations = self._combinations
        if combinations is None:
            combinations = gin.get_configurable(lecture_combinations)()

        def estimated(signal: Signal) -> _Estimate:
            contributions = gradients(trajectory, signal.weighted_advantage)
            return _Estimate(
                contributions.astype(np.float64), signal.share.numpy().astype(np.float64)
            )

        weights = statistics.resamples(count, self.resamples, seed)

        @functools.cache
        def comparison(reduction: str) -> Comparison:
            plain, *others = (
                estimated(signals.of(each, reduction)).rows() for each in unbiased(combinations)
            )
            # The one whose mean is known most precisely.
            best = min((plain, *others), key=lambda rows: rows.var(axis=0).sum())
            return Comparison(plain, best, weights, self.confidence)

        def row(name: str, curve: str | None, reduction: str, signal: Signal) -> Row:
            estimate = estimated(signal)
            swept = sweep(*estimate, self.batch_sizes, self.resamples, seed, self.confidence)
            return comparison(reduction).row(name, curve, estimate.rows(), swept)

        rows = []
        for each in combinations:
            reduction = each.reduction or self.reduction
            rows.append(row(each.name, each.curve, reduction, signals.of(each, reduction)))
        rows.append(row("as configured", None, self.reduction, signals.as_configured()))
        ended = trajectory.terminated | trajectory.truncated
        return Results(
            environment=environment.name,
            steps=steps,
            num_trajectories=count,
            num_parameters=sum(int(np.prod(v.shape)) for v in learner.policy.trainable_variables),
            mean_return=float(trajectory.score.numpy().sum(0).mean()),
            mean_length=float(trajectory.mask.numpy().sum(0).mean()),
            unfinished=int((~ended.numpy().any(0)).sum()),
            explained_variance=signals.explained_variance,
            rows=rows,
        )


class _Estimate(NamedTuple):
    """Each trajectory's contribution to ĝ, [N, P], and its share of ĝ's divisor, [N]."""

    contributions: statistics.Array
    share: statistics.Array

    def rows(self) -> statistics.Array:
        return influences(*map(tf.constant, self)).numpy()
