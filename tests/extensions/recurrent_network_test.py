"""A user's own network with memory, shared by policy and critic, through every trainer."""

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.errors import ConfigurationError
from tests.extensions.my_recurrent_network import GRU
from tests.extensions.trainers import LOOP, POPULATION, TASK, WAYS, Trained, built, trained

FILES = ("my_recurrent_network.gin", "my_surrogate.gin")
# Episodes of 7 steps: more than one ends in each rollout of 12.
SHORT = ("Rollouts.num_steps = 12", "Gaussian.gain = 1.0")
SHORT_HOSTED = "GymEnvironment.kwargs = {'max_episode_steps': 7}"


def run(way: str, *parameters: str) -> Trained:
    compiled = "envs/compiled.gin" in WAYS[way][0]
    short = "CompiledPendulum.time_limit = 7" if compiled else SHORT_HOSTED
    return trained(way, FILES, *SHORT, short, *parameters)


@pytest.mark.parametrize("way", [way for way in WAYS if way != "seeds"])
def test_what_is_learned_from_is_what_acted_also_across_the_ends_of_episodes(way: str) -> None:
    """log π recomputed from the memory before the rollout is the log μ noted while acting.

    Clipped logs the largest difference of a batch.
    """
    ended = run(way)
    assert ended.episodes > 50
    for scalars in ended.scalars:
        assert scalars["train/log_ratio_max"] < 1e-3
        assert scalars["train/gradient_norm"] > 0


def test_old_rollouts_are_replayed_with_the_memory_they_began_with() -> None:
    """A policy that stands still would take every old action with the probability of then."""
    replay = ("SynchronousTrainer.replay = @RecentRollouts()", "RecentRollouts.capacity = 6")
    ended = run("hosted", *replay, "PolynomialDecay.initial_learning_rate = 0.0")
    assert ended.scalars[-1]["train/replay_age"] > 1
    for scalars in ended.scalars:
        assert scalars["train/log_ratio_max"] < 1e-3
        assert scalars["train/gradient_norm"] > 0


def test_network_that_forgets_to_begin_afresh_is_found_out() -> None:
    wrong = "torso/gin.singleton.constructor = @Forgetful"
    ended = run("hosted", wrong, "Forgetful.units = 5")
    assert max(scalars["train/log_ratio_max"] for scalars in ended.scalars) > 1e-2


def test_many_seeds_at_once_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be combined with a network with memory"):
        run("seeds")


@pytest.mark.parametrize("compiled", [False, True])
def test_a_population_of_equals_with_memory_is_equally_fit(compiled: bool) -> None:
    """Members that do not differ act alike, each with a memory of its own."""
    files = ("es.gin", *["envs/compiled.gin"] * compiled, *FILES)
    alike = (
        "GaussianSearch.initial_scale = 1e-9",
        "EvolutionTrainer.common_random_numbers = 'population'",
    )
    with built(files, TASK, *POPULATION, *alike, *(() if compiled else LOOP)) as trainer:
        fitness = trainer.iterate(10**6).histograms["train/fitness"]
    np.testing.assert_allclose(fitness, fitness[0], rtol=1e-4)


def network() -> GRU:
    gru = GRU(4)
    gru.build(gym.spaces.Box(-1.0, 1.0, (3,)))
    return gru


@pytest.mark.parametrize("rows", [6, 40])  # unrolled in the graph, and a loop
def test_unrolling_is_stepping_and_memory_starts_afresh_on_first_rows(rows: int) -> None:
    gru, rng = network(), np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(rows, 2, 3)), tf.float32)
    first = rng.random((rows, 2)) < 0.3
    before = tf.constant(rng.normal(size=(2, 4)), tf.float32)
    unrolled = tf.function(gru.unroll, autograph=False)(x, tf.constant(first), before)
    for b in range(2):
        memory = before[b : b + 1]
        for t in range(rows):
            memory = tf.zeros((1, 4)) if first[t, b] else memory
            features, memory = gru.step(x[t, b : b + 1], memory)
            np.testing.assert_allclose(unrolled[t, b], features[0], rtol=1e-4, atol=1e-6)


def test_gradients_flow_back_through_the_rollout_to_the_last_reset() -> None:
    gru = network()
    x = tf.Variable(np.random.default_rng(0).normal(size=(5, 1, 3)), dtype=tf.float32)
    first = tf.constant([[False], [False], [True], [False], [False]])
    with tf.GradientTape() as tape:
        last = tf.reduce_sum(gru.unroll(x.value(), first, gru.initial_memory(1))[-1])
    reached = np.any(tape.gradient(last, x) != 0, axis=(1, 2))
    assert reached.tolist() == [False, False, True, True, True]
