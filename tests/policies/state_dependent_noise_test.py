"""Noise that is a function of the state: closed forms, and how long it is held."""

import itertools
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from pgtf.environments.compiled import CompiledPendulum
from pgtf.errors import ConfigurationError
from pgtf.policies import Gaussian, Joint, Policy, StateDependentNoise
from pgtf.policies.decision import network_memory
from pgtf.rollouts.unroll import Behaviour, start, unroll
from tests.extensions.trainers import STEPS, WAYS, WORKERS, built

FEATURES = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
SEED = tf.constant([1, 2])
LEAST = 1e-3  # The deviation that is left where all features are 0.


def head(shape: tuple[int, ...] = (2,), **bindings: Any) -> StateDependentNoise:
    made = StateDependentNoise(gain=1.0, **bindings)
    made.build(3, gym.spaces.Box(-1, 1, shape))
    made.log_scale.assign(np.random.default_rng(2).normal(size=made.log_scale.shape))
    return made


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=["scalar", "one", "matrix"])
def test_log_prob_and_entropy_are_those_of_the_linear_map_of_the_noise(
    shape: tuple[int, ...],
) -> None:
    made = head(shape)
    distribution = made.distribution(FEATURES)
    action = np.random.default_rng(3).normal(size=(5, *shape)).astype(np.float32)
    for i in range(5):
        # One row of a matrix for each dimension of the action, one column for each number of ξ.
        scales = np.vstack([np.exp(made.log_scale.numpy()), np.full((1, action[0].size), LEAST)])
        z = np.append(FEATURES[i], 1.0)
        jacobian = np.stack(
            [np.kron(np.eye(len(scales[0]))[a], z * scales[:, a]) for a in range(len(scales[0]))]
        )
        normal = stats.multivariate_normal(np.ravel(distribution.mode()[i]), jacobian @ jacobian.T)
        expected = normal.logpdf(np.ravel(action[i]))
        np.testing.assert_allclose(distribution.log_prob(action)[i], expected, rtol=1e-4)
        np.testing.assert_allclose(distribution.entropy()[i], normal.entropy(), rtol=1e-4)


def test_held_and_single_samples_have_this_distribution() -> None:
    """Kolmogorov and Smirnov's test, 4 of them, each with an error rate of 10⁻⁴."""
    made = head()
    count = 4000
    distribution = made.distribution(np.repeat(FEATURES[:1], count, 0))
    held, _ = made.sample(distribution, made.initial_memory(count), SEED)
    for sample in (held, distribution.sample(seed=SEED)):
        deviation = np.sqrt(FEATURES[0] ** 2 @ np.exp(2 * made.log_scale.numpy()) + LEAST**2)
        standard = (sample - distribution.mode()) / deviation
        for a in range(2):
            assert stats.kstest(standard[:, a], "norm").pvalue > 1e-4


def test_the_noise_is_one_function_of_the_state_while_it_is_held() -> None:
    made = head(hold=3)
    memory: Any = made.initial_memory(5)
    distribution = made.distribution(FEATURES)
    actions = []
    for t in range(7):
        action, memory = made.sample(distribution, memory, SEED + t)
        actions.append(action.numpy())
        if t == 0:
            # Linear in the features, with one matrix for each environment.
            noise = memory["noise"].numpy()[:, :3] * np.exp(made.log_scale.numpy())
            expected = distribution.mode() + np.einsum("bf,bfa->ba", FEATURES, noise)
            np.testing.assert_allclose(action, expected, atol=0.01)
    alike = [np.array_equal(a, b) for a, b in itertools.pairwise(actions)]
    assert alike == [True, True, False, True, True, False]


@pytest.mark.parametrize("hold", [None, 4])
def test_each_episode_draws_its_own(hold: int | None) -> None:
    environment = CompiledPendulum(2, time_limit=6)
    policy = Policy(head=StateDependentNoise(hold))
    policy.build(environment.observation_space, environment.action_space)
    behaviour = Behaviour.of(policy, 2, with_log_prob=True)

    @tf.function(autograph=False, jit_compile=True)
    def play(carry: Any, seed: tf.Tensor) -> Any:
        carry, trajectory, _ = unroll(environment, behaviour, carry, 1, seed)
        return carry, trajectory, carry.memory.head["noise"]

    carry = start(environment, SEED, behaviour.initial)
    noises, masks = [], []
    for t in range(16):
        carry, trajectory, noise = play(carry, SEED + t)
        noises.append(noise.numpy())
        masks.append(trajectory.mask[0, 0] > 0)
        assert trajectory.memory == ()
        now = policy.distribution(trajectory.acted_on).log_prob(trajectory.action)
        np.testing.assert_allclose(trajectory.log_prob, now, rtol=1e-3, atol=1e-3)
    changed = [bool(np.any(a != b)) for a, b in itertools.pairwise(noises)]
    first = [6, 13]  # The rows in which the environments reset themselves, and forget the noise.
    assert [t for t in range(16) if not masks[t]] == first
    inside = [] if hold is None else [3, 10]
    assert [t for t, x in enumerate(changed) if x] == sorted([*inside, 5, 6, 12, 13])


def test_no_gradient_reaches_the_features_through_the_noise() -> None:
    made, features = head(), tf.constant(FEATURES)
    with tf.GradientTape() as tape:
        tape.watch(features)
        entropy = made.distribution(features).entropy()
    assert tape.gradient(entropy, features) is None


def test_a_joint_head_holds_the_noise_of_its_part() -> None:
    space = gym.spaces.Tuple((gym.spaces.Box(-1, 1, (2,)), gym.spaces.Box(-1, 1, (1,))))
    policy = Policy(head=Joint([StateDependentNoise(2), Gaussian()]))
    policy.build(gym.spaces.Box(-1, 1, (3,)), space)
    memory, first = policy.initial_memory(5), []
    for t in range(3):
        action, _, memory = policy.act(FEATURES, memory, SEED + t)
        first.append(action[0].numpy())
    assert network_memory(memory) == ()
    np.testing.assert_allclose(first[0], first[1])
    assert np.all(first[1] != first[2])


@pytest.mark.parametrize(
    ("bindings", "message"),
    [({"hold": 0}, "hold must be at least 1"), ({"initial_scale": 0.0}, "initial_scale must be")],
)
def test_numbers_out_of_range_are_refused(bindings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^StateDependentNoise\.{message}"):
        StateDependentNoise(**bindings)


MORE = {
    "taped": (("a2c.gin", "envs/compiled.gin"), ("NUM_ENVS = 24",), 1),
    "A3C with exploration": (
        ("a3c.gin",),
        (*WORKERS, "AsynchronousTrainer.exploration = @ScaledNoise()"),
        1,
    ),
    "PPO": (
        ("ppo.gin", "envs/compiled.gin"),
        ("Rollouts.num_steps = 4", "Epochs.num_epochs = 2"),
        1,
    ),
    "evolution": (("es.gin", "envs/compiled.gin"), ("POPULATION = 4",), 1),
}


@pytest.mark.parametrize("way", [*WAYS, *MORE])
def test_every_trainer_learns_with_it(way: str) -> None:
    files, bindings, num_seeds = (WAYS | MORE)[way]
    head = ("ENVIRONMENT = 'Pendulum-v1'", "Policy.head = @StateDependentNoise()")
    with built(files, *bindings, *head, num_seeds=num_seeds) as trainer:
        next(trainer.members())
        before = trainer.policy.head.log_scale.numpy()
        report = trainer.iterate(STEPS)
        next(trainer.members())
        assert np.all(np.isfinite(list(report.scalars.values())))
        assert np.any(trainer.policy.head.log_scale.numpy() != before)
