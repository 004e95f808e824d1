"""The buffer of recent rollouts: what is drawn, and what an update learns from it."""

import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import Constant, ExpectedQ, StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.diagnostics import GradientVariance
from pgtf.learning.estimators import MonteCarlo, VTrace
from pgtf.learning.fitting import Regression
from pgtf.learning.learner import Learner
from pgtf.learning.surrogates import ImportanceWeighted
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies.policy import Policy
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.replay import RecentRollouts, ReplayBuffer, rollout_spec
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Behaviour
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trajectory import Trajectory
from tests.trajectories import (
    SEED,
    columns,
    random_trajectory,
    softmax,
    table_q,
    table_v,
    tables,
    trajectory,
    weights,
)

PREFERENCES = np.array([[0.5, -1.0], [0.0, 2.0], [1.0, 1.0]])


def numbered(number: float) -> Trajectory:
    """Two steps of two environments that say which rollout they are of."""
    rows = 10.0 * number + np.array([[0.0, 1.0], [0.0, 1.0]])
    made = trajectory(np.full((3, 2), number), rows.astype(int), rows)
    return made._replace(log_prob=-made.reward, memory=tf.constant([[number], [number + 0.5]]))


def buffer_of(replay: RecentRollouts, like: Trajectory) -> ReplayBuffer:
    return ReplayBuffer(
        replay, tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), like)
    )


def test_old_rollouts_are_replayed_as_they_were_collected() -> None:
    """Capacity 3: before rollout n they are n - 3 to n - 1, and never the fresh one."""
    buffer = buffer_of(RecentRollouts(3, 2), numbered(0.0))
    for n in range(6):
        fresh = numbered(float(n))
        taken, filled, age = buffer.taken(tf.constant([n, 5]))
        old = buffer.replay.beside(taken, filled, fresh)
        assert old.reward.shape == (2, 4)
        found = [int(old.memory[2 * i, 0]) for i in range(2) if old.mask[0, 2 * i] > 0]
        assert len(set(found)) == min(n, 2)
        assert set(found) <= set(range(max(n - 3, 0), n))
        assert age == (np.mean([n - i for i in found]) if found else 0.0)
        for i, number in enumerate(found):
            for x, y in zip(
                tf.nest.flatten(columns(old._replace(memory=()), 2 * i, 2 * i + 1)),
                tf.nest.flatten(numbered(float(number))._replace(memory=())),
                strict=True,
            ):
                np.testing.assert_array_equal(x, y)
            np.testing.assert_array_equal(old.memory[2 * i : 2 * i + 2, 0], [number, number + 0.5])
        buffer.add(fresh)


def test_rollouts_are_drawn_uniformly_and_none_twice() -> None:
    """χ² of 4,000 draws of 2 of 5 slots; fails by chance once in 10,000 seeds."""
    replay = RecentRollouts(8, 2)
    seeds = tf.constant([[i, 3] for i in range(4_000)])
    slots = tf.vectorized_map(lambda seed: replay.draw(tf.constant(5), seed).slot, seeds).numpy()
    assert np.all(slots < 5)
    assert np.all(slots[:, 0] != slots[:, 1])
    pairs = np.bincount(5 * slots.min(axis=1) + slots.max(axis=1), minlength=25)
    pairs = pairs[pairs > 0]
    assert len(pairs) == 10
    assert stats.chisquare(pairs).pvalue > 1e-4


def with_log_prob(whole: Trajectory, preferences: Any) -> Trajectory:
    policy = np.log(softmax(np.asarray(preferences)))
    log_prob = policy[whole.observation[:-1].numpy(), whole.action.numpy()]
    return whole._replace(log_prob=tf.constant(log_prob, tf.float32))


FRESH = with_log_prob(random_trajectory(1, 7, 3), PREFERENCES)
OLD = with_log_prob(random_trajectory(2, 7, 4), 0.3 * PREFERENCES)
PARTS: dict[str, Any] = {
    "V-trace": lambda: {"critic": table_v(), "baseline": StateValue(), "returns": VTrace()},
    "Q": lambda: {"critic": table_q(), "baseline": ExpectedQ()},
    "separate Q": lambda: {"critic": table_q(Regression(num_steps=2))},
    "Monte Carlo": lambda: {"returns": MonteCarlo(), "baseline": Constant()},
}


@pytest.mark.parametrize("reduction", ["mean_over_steps", "sum_over_time"])
@pytest.mark.parametrize("parts", PARTS)
def test_an_update_learns_from_all_data_and_observes_the_fresh(parts: str, reduction: str) -> None:
    """Against one batch put together by hand; a rollout that is missing yet weighs nothing."""

    def made() -> Any:
        keras.utils.set_random_seed(0)
        surrogate = ImportanceWeighted(None)
        return tables(PREFERENCES, surrogate=surrogate, reduction=reduction, **PARTS[parts]())

    learner, other, whole = made(), made(), FRESH.beside(OLD)
    missing = OLD._replace(mask=tf.zeros_like(OLD.mask))
    scalars, targets = learner.update(FRESH, SEED, OLD.beside(missing))

    gradients, expected, of_whole = other.gradients(whole, SEED)
    other.apply(gradients)
    other.fit(whole, of_whole)
    other.observe(FRESH, of_whole.first(3))
    for x, y in zip(weights(learner), weights(other), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
    assert targets.returns.shape == FRESH.reward.shape
    np.testing.assert_allclose(targets.advantage, of_whole.advantage[:, :3], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(scalars["policy_loss"], expected["policy_loss"], rtol=1e-5)


def test_a_running_baseline_is_the_mean_of_fresh_returns() -> None:
    """OLD's rewards are a thousand times as large and leave the mean alone."""
    learner, alone = (
        tables(
            PREFERENCES, surrogate=ImportanceWeighted(), returns=MonteCarlo(), baseline=Constant()
        )
        for _ in range(2)
    )
    learner.update(FRESH, SEED, OLD._replace(reward=1000.0 * OLD.reward))
    alone.update(FRESH, SEED)
    assert learner.baseline.mean != 0.0
    np.testing.assert_array_equal(learner.baseline.mean, alone.baseline.mean)


def replaying(environment: Any, **options: Any) -> SynchronousTrainer:
    keras.utils.set_random_seed(0)
    learner = Learner(
        Policy(MLP((4,), normalization=RunningNormalization())),
        VCritic(MLP((4,))),
        StateValue(),
        VTrace(),
        surrogate=ImportanceWeighted(),
    )
    made = SynchronousTrainer(
        learner, environment, Rollouts(3), replay=RecentRollouts(4, 2), **options
    )
    made.build(0)
    return made


@pytest.mark.parametrize("compiled", [False, True])
def test_counters_and_statistics_are_those_of_fresh_data(compiled: bool) -> None:
    environment = CompiledCartPole(5) if compiled else GymEnvironment("CartPole-v1", 5)
    made = replaying(environment, jit_compile=compiled)
    reports = []
    while made.steps < 600:
        reports.append(made.iterate(600))
    steps, updates = int(made.steps.numpy()), int(made.learner.updates.numpy())
    episodes = np.concatenate([report.episodes for report in reports])
    assert made.iteration.buffer is not None
    assert updates == made.iteration.buffer.added
    finished = episodes.sum(axis=0)
    assert finished[0] > 0
    assert finished[1] == finished[2] <= steps < 600 + 15
    # Each episode costs one row that is no transition, but for those in which it would be due.
    assert 15 * updates - finished[0] <= steps <= 15 * updates - finished[0] + 5
    (normalization,) = (x for x in made.learner.statistics if "count" in x.path)
    assert normalization.numpy() == pytest.approx(steps, abs=1)
    assert 1.0 <= reports[-1].scalars["train/replay_age"] <= 4.0
    assert reports[-1].histograms["train/advantages"].shape == (3, 5)


def test_resuming_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = replaying(CompiledCartPole(2), jit_compile=False)
    whole.iterate(60)
    whole.saving()
    path = tf.train.Checkpoint(**whole.trackables()).save(str(tmp_path / "step"))
    resumed = replaying(CompiledCartPole(2), jit_compile=False)
    tf.train.Checkpoint(**resumed.trackables()).restore(path).assert_consumed()
    resumed.restored()
    for made in (whole, resumed):
        made.iterate(200)
    for x, y in zip(weights(whole.learner), weights(resumed.learner), strict=True):
        np.testing.assert_array_equal(x, y)


def test_one_rollouts_shape_is_that_of_its_trajectory() -> None:
    environment = CompiledCartPole(2)
    policy = Policy(MLP((4,)))
    policy.build(environment.observation_space, environment.action_space)
    spec = rollout_spec(environment, Rollouts(3), Behaviour.of(policy, 2, True))
    assert spec.observation.shape == (4, 2, 4)
    assert spec.log_prob.shape == spec.reward.shape == (3, 2)
    assert spec.memory == ()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RecentRollouts(4, 0), "RecentRollouts.replayed must be at least 1, not 0"),
        (lambda: RecentRollouts(4, 5), "capacity must be at least RecentRollouts.replayed = 5"),
        (
            lambda: SynchronousTrainer(
                Learner(Policy()), CompiledCartPole(1), replay=RecentRollouts()
            ),
            "ScoreFunction does not weight it: bind Learner.surrogate = @ImportanceWeighted",
        ),
        (
            lambda: SynchronousTrainer(
                Learner(Policy(), surrogate=ImportanceWeighted()),
                GymEnvironment("CartPole-v1", 1),
                Episodes(),
                replay=RecentRollouts(),
            ),
            "RecentRollouts needs rollouts of one shape",
        ),
        (
            lambda: SynchronousTrainer(
                Learner(
                    Policy(), surrogate=ImportanceWeighted(), gradient_variance=GradientVariance()
                ),
                CompiledCartPole(2),
                replay=RecentRollouts(),
            ),
            "bind Learner.gradient_variance = None",
        ),
    ],
)
def test_what_cannot_replay_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        make().build(0)
