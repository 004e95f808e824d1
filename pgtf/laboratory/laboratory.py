"""The experiment: one set of trajectories, many estimators of the gradient."""

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
from pgtf.laboratory.ages import AgedData, EarlierPolicy
from pgtf.laboratory.collection import collect
from pgtf.laboratory.combinations import (
    Combination,
    lecture_combinations,
    off_policy_combinations,
)
from pgtf.laboratory.comparison import Row
from pgtf.laboratory.gradients import trajectory_gradients
from pgtf.laboratory.measurement import Measurement
from pgtf.laboratory.signals import Sample, Signals
from pgtf.laboratory.value_fit import ValueFit
from pgtf.learning.learner import Learner
from pgtf.learning.objective import Reduction
from pgtf.trajectory import Trajectory

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
        ages: the data of the policy itself, of age 0, and of the earlier ones.
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
    ages: list[AgedData]

    @property
    def earlier(self) -> list[AgedData]:
        """The data of earlier policies alone."""
        return self.ages[1:]


@gin.register
class VarianceLaboratory:
    """Estimates the gradient of each trajectory under each combination, and compares their spread.

    All combinations see the same trajectories, so only the estimator differs. The last row of the
    results, ``as configured``, is the learner itself, with the current state of its own critic and
    baseline. All others are fitted on the trajectories, for each half of them on the other half.

    Args:
        combinations: the estimators to compare; ``lecture_combinations`` when unbound, or
            ``off_policy_combinations`` if there are ages.
        num_trajectories: N, even.
        max_steps: of a trajectory, for tasks that may never end.
        reduction: of combinations that bind none, and of the learner as configured.
        fit: how V(s) is fitted.
        batch_sizes: of the sweep, in trajectories.
        resamples: bootstrap samples.
        confidence: of the intervals.
        jit_compile: whether XLA compiles acting and the gradients, and compiled environments with
            them; it costs for convolutions.
        ages: how many updates ago the policies were that collect data for the one that is measured,
            beside its own data. ``pgtf.variance`` trains for as many updates first.

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
        ages: Sequence[Count] = (),
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
        self.ages = tuple(ages)
        self._combinations = combinations
        self.num_trajectories = num_trajectories
        self.max_steps = max_steps
        self.reduction = reduction
        self.fit = fit or gin.get_configurable(ValueFit)()
        self.batch_sizes = tuple(batch_sizes)
        self.resamples = resamples
        self.confidence = confidence
        self._compilation = Compilation(jit_compile, "VarianceLaboratory.jit_compile")

    def measure(
        self,
        learner: Learner,
        environment: Environment,
        steps: int,
        seed: int,
        earlier: Sequence[EarlierPolicy] = (),
    ) -> Results:
        """Collects trajectories and measures every combination on them.

        Args:
            learner: built; its policy acts, and its weights do not change.
            environment: the task; it is replicated.
            steps: environment steps of the policy's training.
            seed: of the trajectories and of the bootstrap.
            earlier: policies to measure the data of, from ``train_on``.

        Raises:
            ConfigurationError: parts of a combination do not fit each other or the task.
        """
        key = tf.constant([seed, _SEED], tf.int32)
        policy, compilation = learner.policy, self._compilation

        def collected() -> Trajectory:
            count = self.num_trajectories
            return collect(environment, policy, count, self.max_steps, key, compilation)

        spaces = (environment.observation_space, environment.action_space)
        fresh = Sample.of(collected(), policy)
        signals = Signals(learner, fresh, spaces, self.fit, self.reduction)
        measurement = Measurement(
            self._chosen(),
            signals,
            fresh,
            trajectory_gradients(policy, compilation),
            self.reduction,
            self.resamples,
            self.confidence,
            seed,
        )

        def aged(age: int, data: Sample, rows: list[Row]) -> AgedData:
            return AgedData.of(age, data, rows, measurement.weights, self.confidence)

        rows = measurement.rows(batch_sizes=self.batch_sizes)
        ages = [aged(0, fresh, rows)]
        for each in earlier:
            with each.held_by(policy):
                whole = collected()
            data = Sample.of(whole, policy)
            ages.append(aged(each.age, data, measurement.rows(data)))
        trajectory = fresh.whole
        ended = trajectory.terminated | trajectory.truncated
        return Results(
            environment=environment.name,
            steps=steps,
            num_trajectories=self.num_trajectories,
            num_parameters=sum(int(np.prod(v.shape)) for v in policy.trainable_variables),
            mean_return=float(trajectory.score.numpy().sum(0).mean()),
            mean_length=float(trajectory.mask.numpy().sum(0).mean()),
            unfinished=int((~ended.numpy().any(0)).sum()),
            explained_variance=signals.explained_variance,
            rows=rows,
            ages=ages,
        )

    def _chosen(self) -> Sequence[Combination]:
        if self._combinations is not None:
            return self._combinations
        default = off_policy_combinations if self.ages else lecture_combinations
        found: list[Combination] = gin.get_configurable(default)()
        return found
