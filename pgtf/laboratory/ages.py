"""The age of data: earlier policies, and the importance weights of what they collect."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pgtf.errors import ConfigurationError
from pgtf.laboratory import statistics
from pgtf.laboratory.comparison import Row
from pgtf.laboratory.signals import Sample
from pgtf.laboratory.statistics import Array, Interval
from pgtf.laboratory.value_fit import restore
from pgtf.policies.policy import Policy
from pgtf.trainers.trainer import Trainer

_IDLE_ITERATIONS = 100


class EarlierPolicy(NamedTuple):
    """A policy as it was some updates ago.

    Attributes:
        age: updates since then.
        values: of all its variables.
    """

    age: int
    values: list[np.ndarray]

    @contextlib.contextmanager
    def held_by(self, policy: Policy) -> Iterator[None]:
        """Gives a policy these values for a while."""
        own = _copied(policy)
        restore(policy.variables, self.values)
        try:
            yield
        finally:
            restore(policy.variables, own)


class AgedData(NamedTuple):
    """The trajectories of a policy of some age, weighted under the measured one.

    Attributes:
        age: updates between the two policies.
        mean_return: undiscounted, of the trajectories.
        kl: KL(μ ‖ π) of a step, μ the policy that acted; nats.
        step_share: effective sample size of the steps' weights π/μ, relative to their number.
        trajectory_share: that of whole trajectories' weights, the products of their steps'.
        rows: one for each combination.
    """

    age: int
    mean_return: float
    kl: Interval
    step_share: Interval
    trajectory_share: Interval
    rows: list[Row]

    @classmethod
    def of(
        cls, age: int, data: Sample, rows: list[Row], weights: Array, confidence: float
    ) -> "AgedData":
        """Measures the importance weights.

        Args:
            age: updates between the two policies.
            data: the trajectories.
            rows: one for each combination.
            weights: [1 + R, N] how often each bootstrap sample draws each trajectory.
            confidence: of the intervals.
        """
        mask = data.whole.mask.numpy().astype(np.float64)
        with np.errstate(invalid="ignore"):
            log_ratio = np.where(mask > 0, data.log_prob - data.whole.log_prob, 0.0)
        log_ratio = log_ratio.astype(np.float64)
        ratio = mask * np.exp(log_ratio)
        steps = weights @ mask.sum(0)
        # Schulman's k3, as in ``losses.kl_estimate``.
        kl = weights @ (ratio - mask - log_ratio).sum(0) / steps
        by_step = _sample_share(weights @ ratio.sum(0), weights @ (ratio**2).sum(0), steps)
        # A factor of all weights cancels, and the largest product may be huge.
        product = np.exp(log_ratio.sum(0) - log_ratio.sum(0).max())
        by_trajectory = _sample_share(weights @ product, weights @ product**2, weights.sum(1))
        return cls(
            age,
            float(data.whole.score.numpy().sum(0).mean()),
            statistics.interval(kl, confidence),
            statistics.interval(by_step, confidence),
            statistics.interval(by_trajectory, confidence),
            rows,
        )


def train_on(trainer: Trainer, ages: Sequence[int]) -> list[EarlierPolicy]:
    """Trains for as many updates as the greatest age, and remembers the policies on the way.

    A trainer that makes several updates between two rollouts (``Epochs``, A3C's workers) stops at
    some ages only: then the policies are the youngest that are at least as old as was asked for.

    Args:
        trainer: built. The policy that it ends with has age 0.
        ages: in updates, steps of the learner's optimizer; at least 1.

    Returns:
        The youngest first.

    Raises:
        ConfigurationError: the learner makes no updates, or they do not move its policy.
        TrainingError: the trainer cannot go on.
    """
    learner = trainer.learner
    assert learner is not None
    first = int(learner.updates.numpy())
    last = first + max(ages)
    due = sorted(last - age for age in ages)
    kept: list[tuple[int, list[np.ndarray]]] = []
    now, idle = first, 0
    while now < last:
        before, policy = now, _copied(trainer.policy)
        trainer.iterate(int(trainer.steps.numpy()) + 1)
        now = int(learner.updates.numpy())
        if due and due[0] < now:
            kept.append((before, policy))
            due = [each for each in due if each >= now]
        idle = idle + 1 if now == before else 0
        if idle == _IDLE_ITERATIONS:
            raise ConfigurationError(
                "VarianceLaboratory.ages counts the learner's updates, and"
                f" {type(trainer).__name__} made none in {idle} iterations: measure a run of one"
                " seed, or bind VarianceLaboratory.ages = ()."
            )
    compared = zip(kept[0][1], _copied(trainer.policy), strict=True)
    if all(np.array_equal(*pair) for pair in compared):
        raise ConfigurationError(
            f"{now - first} updates did not move the policy: after {int(trainer.steps.numpy()):,}"
            " steps its learning rate may have fallen to 0. Bind another one, such as"
            " RMSprop.learning_rate = 7e-4, or VarianceLaboratory.ages = ()."
        )
    return [EarlierPolicy(now - updates, policy) for updates, policy in reversed(kept)]


def _copied(policy: Policy) -> list[np.ndarray]:
    return [np.array(variable.numpy()) for variable in policy.variables]


def _sample_share(total: Array, squares: Array, count: Array) -> Array:
    """(Σ w)² / (N Σ w²), as in ``losses.effective_sample_size``."""
    return total**2 / (count * squares)
