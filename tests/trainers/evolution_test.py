"""Evolution end to end: generations, steps, resumption, and what it finds."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.compiled.noise import Noise
from pgtf.environments.compiled.tensorflow_environment import TensorFlowEnvironment
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.evolution.methods import CrossEntropyMethod, EvolutionStrategy
from pgtf.evolution.search import GaussianSearch
from pgtf.graph.parameters import flattened
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies import Deterministic, Gaussian, Policy
from pgtf.running.checkpoint import Checkpoints
from pgtf.trainers.evolution import EvolutionTrainer
from pgtf.trainers.seeds import SeedsTrainer

NEVER = 2**40


class Steering(TensorFlowEnvironment):
    """One step: the reward is minus the squared distance of the angles from s-dependent best ones.

    The observation x is uniform on [-1, 1) and the best action is [x + ½, −2x], so that a linear
    policy can be perfect: return 0.
    """

    def __init__(self, num_envs: int = 1):
        super().__init__(
            gym.spaces.Box(-1.0, 1.0, (1,), np.float32),
            gym.spaces.Box(-9.0, 9.0, (2,), np.float32),
            num_envs,
            1,
        )

    def initial(self, noise: Noise) -> tf.Tensor:
        return noise.uniform(1, -1.0, 1.0)[0]

    def transition(self, physics: Any, action: tf.Tensor, noise: Noise) -> tuple[Any, Any, Any]:
        best = tf.stack([physics + 0.5, -2.0 * physics], axis=-1)
        reward = -tf.reduce_sum(tf.square(action - best), axis=-1)
        return physics, reward, tf.zeros_like(reward, tf.bool)

    def observe(self, physics: Any) -> tf.Tensor:
        return physics[:, tf.newaxis]


def made(environment: Environment | None = None, seed: int = 0, **bound: Any) -> EvolutionTrainer:
    keras.utils.set_random_seed(seed)
    trainer = EvolutionTrainer(
        bound.pop("policy", None) or Policy(MLP((4,))),
        environment or CompiledCartPole(2),
        **{"population": 8} | bound,
    )
    trainer.build(seed)
    return trainer


def state(trainer: EvolutionTrainer) -> list[np.ndarray]:
    """All that decides what comes next."""
    variables = [*trainer.policy.variables, *trainer.search.trainable_variables]
    if isinstance(trainer.method, EvolutionStrategy):
        variables += trainer.method.optimizer.variables
    return [v.numpy() for v in (*variables, trainer.steps, trainer.generation)]


@pytest.mark.parametrize("method", [EvolutionStrategy, CrossEntropyMethod])
@pytest.mark.parametrize("head", [Deterministic, lambda: Gaussian("fixed", 0.1)])
def test_a_policy_reaches_the_optimum_of_a_quadratic(method: Any, head: Any) -> None:
    """Without a score function: the deterministic one too."""
    search = GaussianSearch("isotropic", "fixed", 0.1)
    arguments: dict[str, Any] = {"method": EvolutionStrategy(optimizer=keras.optimizers.Adam(0.05))}
    if method is CrossEntropyMethod:
        search = GaussianSearch("diagonal", "learned", 2.0)
        arguments = {"method": CrossEntropyMethod(0.25, 0.5)}
        arguments |= {"antithetic": False, "common_random_numbers": "population"}
    trainer = made(
        Steering(16), policy=Policy(MLP(()), head()), search=search, population=64, **arguments
    )
    for _ in range(150):
        trainer.iterate(NEVER)
    weights = [variable.numpy() for variable in trainer.policy.trainable_variables]
    np.testing.assert_allclose(weights[0], [[1.0, -2.0]], atol=0.08)
    np.testing.assert_allclose(weights[1], [0.5, 0.0], atol=0.08)
    assert int(trainer.steps.numpy()) == 150 * 64 * 16


@pytest.mark.parametrize("kind", ["compiled", "gym"])
def test_the_steps_of_all_members_count(kind: str) -> None:
    """In CartPole the return is the number of steps."""
    environment: Environment = CompiledCartPole(2)
    if kind == "gym":
        environment = GymEnvironment("CartPole-v1", 2, vectorization="loop")
    trainer = made(environment)
    expected = 0.0
    for i in range(3):
        report = trainer.iterate(NEVER)
        fitness = report.histograms["train/fitness"]
        assert fitness.shape == (8,)
        expected += 2 * fitness.sum()
        assert int(trainer.steps.numpy()) == expected
        assert int(trainer.generation.numpy()) == i + 1
        (episodes,) = report.episodes
        assert episodes.tolist() == [16, 2 * fitness.sum(), 2 * fitness.sum()]
        scalars = report.scalars
        assert scalars["train/fitness_mean"] == pytest.approx(fitness.mean())
        assert scalars["train/fitness_max"] == fitness.max()
        assert scalars["train/fitness_std"] == pytest.approx(fitness.std(), rel=1e-4)
        assert scalars["train/sigma"] == pytest.approx(0.05)
        assert scalars["train/gradient_norm"] > 0
    trainer.close()


def test_members_and_seeds_of_a_generation() -> None:
    for common, streams in (("none", 8), ("pair", 4), ("population", 1)):
        trainer = made(common_random_numbers=common)
        members, seeds = (x.numpy() for x in trainer.sample())
        mean = trainer.search.mean.numpy()
        np.testing.assert_allclose(members[:4] + members[4:], np.tile(2 * mean, (4, 1)), atol=1e-6)
        assert len(np.unique(seeds, axis=0)) == streams
        if common == "pair":
            np.testing.assert_array_equal(seeds[:4], seeds[4:])
        trainer.iterate(NEVER)
        others, later = (x.numpy() for x in trainer.sample())
        assert not np.any(np.isclose(others - trainer.search.mean.numpy(), members - mean))
        assert not np.any(np.all(seeds == later, axis=1))


def test_the_policy_has_the_mean_of_the_search() -> None:
    trainer = made()
    before = trainer.search.mean.numpy()
    weights = [variable.value for variable in trainer.policy.trainable_variables]
    np.testing.assert_array_equal(flattened(weights), before)
    trainer.iterate(NEVER)
    after = trainer.search.mean.numpy()
    assert np.any(after != before)
    np.testing.assert_array_equal(flattened(weights), after)
    trainer.search.mean.assign(before)
    assert list(trainer.members()) == [""]
    np.testing.assert_array_equal(flattened(weights), before)


@pytest.mark.parametrize("kind", ["compiled", "gym"])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(kind: str, tmp_path: Path) -> None:
    """On Gymnasium too: every generation starts from seeded resets."""

    def run() -> EvolutionTrainer:
        environment: Environment = CompiledCartPole(1)
        if kind == "gym":
            environment = GymEnvironment("CartPole-v1", 1, vectorization="loop")
        policy = Policy(MLP((4,), normalization=RunningNormalization()))
        search = GaussianSearch("diagonal", "learned")
        return made(environment, seed=3, policy=policy, search=search)

    whole, first, resumed = run(), run(), run()
    for _ in range(4):
        whole.iterate(NEVER)
    for _ in range(2):
        first.iterate(NEVER)
    Checkpoints(tmp_path, first.trackables(), first.steps).save({})
    assert Checkpoints(tmp_path, resumed.trackables(), resumed.steps).restore() is not None
    resumed.restored()
    for ours, theirs in zip(state(resumed), state(first), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for _ in range(2):
        resumed.iterate(NEVER)
    assert int(resumed.steps) > int(first.steps)
    for ours, theirs in zip(state(resumed), state(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for trainer in (whole, first, resumed):
        trainer.close()


def test_another_seed_is_another_run() -> None:
    """With the same first weights, other members and other episodes."""
    draws = []
    for seed in (1, 2):
        keras.utils.set_random_seed(0)
        trainer = EvolutionTrainer(Policy(MLP((4,))), CompiledCartPole(1), population=4)
        trainer.build(seed)
        draws.append([x.numpy() for x in trainer.sample()])
    (members, seeds), (others, later) = draws
    assert not np.any(np.isclose(members, others, rtol=1e-6))
    assert not np.any(np.all(seeds == later, axis=1))


def test_episodes_are_cut_at_the_bound_of_steps() -> None:
    trainer = made(max_steps=3)
    trainer.iterate(NEVER)
    assert int(trainer.steps.numpy()) == 8 * 2 * 3


@pytest.mark.parametrize(
    ("bound", "message"),
    [
        ({"population": 7}, r"population \(POPULATION\) is 7: bind it to an even number"),
        ({"population": 1, "antithetic": False}, "even number of 2|at least 2"),
        ({"max_steps": 0}, "max_steps must be at least 1"),
        ({"common_random_numbers": "all"}, "one of 'none', 'pair', 'population'"),
        ({"antithetic": False}, "'pair' needs antithetic pairs"),
        *(
            (
                {"environment": GymEnvironment("CartPole-v1", 1, vectorization=vectorization)},
                r"bind GymEnvironment\.vectorization = 'loop', or EvolutionTrainer\.common_random",
            )
            for vectorization in ("vector_entry_point", "auto")
        ),
    ],
)
def test_what_does_not_fit_is_refused(bound: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        made(**bound)


def test_a_vectorised_implementation_plays_members_with_episodes_of_their_own() -> None:
    environment = GymEnvironment("CartPole-v1", 2, vectorization="vector_entry_point")
    trainer = made(environment, common_random_numbers="none")
    report = trainer.iterate(NEVER)
    assert int(trainer.steps.numpy()) == 2 * report.histograms["train/fitness"].sum()
    trainer.close()


def test_many_seeds_at_once_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"EvolutionTrainer.*one run for each seed"):
        SeedsTrainer(lambda: EvolutionTrainer(environment=CompiledCartPole(1)), 2, 100)
