"""Many seeds as one program: each learns what it learns alone."""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import Constant, StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.epochs import Epochs
from pgtf.learning.estimators import MonteCarlo, VTrace
from pgtf.learning.fitting import Regression
from pgtf.learning.learner import Learner
from pgtf.learning.optimization import OneUpdate, Optimization
from pgtf.learning.surrogates import ClippedSurrogate, ScoreFunction
from pgtf.losses import Scalars
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies.policy import Policy
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.replay import RecentRollouts
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.seeds import SeedsTrainer, interquartile_mean
from pgtf.trainers.synchronous import SynchronousTrainer

TOTAL = 96
STEPS = keras.optimizers.schedules.PolynomialDecay


def make(jit_compile: bool = True, num_steps: int = 4) -> SynchronousTrainer:
    learner = Learner(
        Policy(MLP((4,), normalization=RunningNormalization())),
        VCritic(MLP((4,))),
        StateValue(),
        entropy_bonus=EntropyBonus(STEPS(0.1, TOTAL, 0.0)),
        optimizer=keras.optimizers.Adam(STEPS(0.05, TOTAL, 0.01)),
    )
    return SynchronousTrainer(learner, CompiledCartPole(3), Rollouts(num_steps), jit_compile)


def looping(jit_compile: bool) -> SynchronousTrainer:
    return make(jit_compile, 34)


def weighted(
    optimization: Optimization, replay: RecentRollouts | None, jit_compile: bool
) -> SynchronousTrainer:
    learner = Learner(
        Policy(MLP((4,), normalization=RunningNormalization())),
        VCritic(MLP((4,))),
        StateValue(),
        VTrace(),
        optimizer=keras.optimizers.Adam(STEPS(0.05, TOTAL, 0.01)),
        surrogate=ClippedSurrogate(STEPS(0.3, TOTAL, 0.1)),
        optimization=optimization,
    )
    return SynchronousTrainer(learner, CompiledCartPole(3), Rollouts(4), jit_compile, replay)


def ppo(jit_compile: bool) -> SynchronousTrainer:
    return weighted(Epochs(2, 2, recompute_targets=True), None, jit_compile)


def replaying(jit_compile: bool) -> SynchronousTrainer:
    return weighted(OneUpdate(), RecentRollouts(5, 2), jit_compile)


def replaying_ppo(jit_compile: bool) -> SynchronousTrainer:
    return weighted(Epochs(2, 1), RecentRollouts(5, 2), jit_compile)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("maker", "xla", "seeds"),
    [
        (make, True, 3),
        (looping, True, 2),
        (ppo, False, 2),
        (replaying, False, 2),
        (replaying_ppo, True, 2),
    ],
)
def test_each_seed_learns_what_it_learns_alone(
    maker: Callable[[bool], SynchronousTrainer], xla: bool, seeds: int
) -> None:
    """Weights, statistics and schedules, with seeds that end at different moments.

    Four steps of a rollout are unrolled in the graph, 34 are a loop, and so are their returns.
    """
    together = SeedsTrainer(lambda: maker(xla), seeds, TOTAL)
    together.build(5)
    while together.steps.numpy() < TOTAL:
        together.iterate(TOTAL)

    assert together.compilation.enabled is xla
    for i, name in enumerate(together.members()):
        assert name == f"seed_{i}"
        alone = maker(False)
        keras.utils.set_random_seed(5 + i)
        alone.build(5 + i)
        while alone.steps.numpy() < TOTAL:
            alone.iterate(TOTAL)
        member = make_pairs(together, alone)
        assert len(member) == 11
        for ours, theirs in member:
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-6)


class NeedsBehaviour(ScoreFunction):
    """A surrogate that asks for the log-probs of the policy that acted."""

    uses_behaviour = True

    def __call__(
        self,
        log_prob: tf.Tensor,
        behaviour_log_prob: tf.Tensor | None,
        advantage: tf.Tensor,
        weight: tf.Tensor,
    ) -> tuple[tf.Tensor, Scalars]:
        assert behaviour_log_prob is not None
        loss, _ = super().__call__(log_prob, behaviour_log_prob, advantage, weight)
        ratio = tf.reduce_sum(weight * tf.abs(log_prob - behaviour_log_prob))
        return loss, {"ratio": ratio}


def test_seeds_hand_on_the_log_probs_of_the_policy_that_acted() -> None:
    def behaving() -> SynchronousTrainer:
        learner = Learner(Policy(MLP((4,))), surrogate=NeedsBehaviour(), returns=MonteCarlo())
        return SynchronousTrainer(learner, CompiledCartPole(3), Rollouts(4))

    together = SeedsTrainer(behaving, 2, TOTAL)
    together.build(0)
    assert together.iterate(24).scalars["train/ratio"] == pytest.approx(0.0, abs=1e-5)


def make_pairs(
    together: SeedsTrainer, alone: SynchronousTrainer
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The weights and statistics that ``policy`` has now, beside those of a run of one seed."""
    learner = together.learner
    ours = [*learner.trainable_variables, *learner.statistics]
    theirs = [*alone.learner.trainable_variables, *alone.learner.statistics]
    return [(a.numpy(), b.numpy()) for a, b in zip(ours, theirs, strict=True)]


def test_what_cannot_be_vectorised_is_refused() -> None:
    def gymnasium() -> SynchronousTrainer:
        return SynchronousTrainer(Learner(Policy()), GymEnvironment("CartPole-v1", 1))

    def episodes() -> SynchronousTrainer:
        return SynchronousTrainer(Learner(Policy()), CompiledCartPole(1), Episodes())

    def regression() -> SynchronousTrainer:
        learner = Learner(Policy(MLP((2,))), VCritic(MLP((2,)), Regression()), Constant())
        return SynchronousTrainer(learner, CompiledCartPole(1))

    def clipnorm() -> SynchronousTrainer:
        learner = Learner(Policy(MLP((2,))), optimizer=keras.optimizers.Adam(clipnorm=1.0))
        return SynchronousTrainer(learner, CompiledCartPole(1))

    def early_end() -> SynchronousTrainer:
        return weighted(Epochs(2, 2, max_kl=0.01), None, False)

    for maker in (gymnasium, episodes):
        with pytest.raises(ConfigurationError, match=r"envs/compiled\.gin"):
            SeedsTrainer(maker, 2, 10)
    with pytest.raises(ConfigurationError, match="Regression"):
        SeedsTrainer(regression, 2, 10).build(0)
    with pytest.raises(ConfigurationError, match=r"bind Epochs\.max_kl = None"):
        SeedsTrainer(early_end, 2, 10).build(0)
    with pytest.raises(ConfigurationError, match="max_gradient_norm"):
        SeedsTrainer(clipnorm, 2, 10).build(0)


def test_interquartile_mean_is_the_mean_of_the_middle_half() -> None:
    assert interquartile_mean([100.0, 1.0, 2.0, 3.0, 4.0, -50.0, 5.0, 6.0]) == 3.5
    assert interquartile_mean([7.0]) == 7.0


def test_checkpoints_hold_every_seed(tmp_path: Path) -> None:
    """The next step is a function of these variables alone."""
    one, other = SeedsTrainer(make, 2, TOTAL), SeedsTrainer(make, 2, TOTAL)
    one.build(0)
    other.build(7)
    one.steps.assign(30)
    one.windows[1].add(np.array([[2.0, 30.0, 30.0]]))
    path = tf.train.Checkpoint(**one.trackables()).save(str(tmp_path / "step"))
    tf.train.Checkpoint(**other.trackables()).restore(path).assert_consumed()
    for name in ("trainable", "statistics", "carry"):
        ours, theirs = one.trackables()[name], other.trackables()[name]
        assert ours
        for leaf, a in ours.items():
            np.testing.assert_array_equal(a.numpy(), theirs[leaf].numpy())
    assert other.steps.numpy() == 30
    other.restored(json.loads(json.dumps(one.saving())))
    assert [window.scalars() for window in other.windows] == [
        {},
        {"rollout/ep_rew_mean": 15.0, "rollout/ep_len_mean": 15.0},
    ]
