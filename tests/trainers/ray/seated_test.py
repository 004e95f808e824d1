"""Actors with a share of the copies each draw what one process with all of them does."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.elements import environment_seeds
from pgtf.environments.gym import GymEnvironment
from pgtf.networks.mlp import MLP
from pgtf.policies.gaussian import Gaussian
from pgtf.policies.head import Head
from pgtf.policies.policy import Policy
from pgtf.policies.state_dependent_noise import StateDependentNoise
from pgtf.trainers.ray.seated import Seat, SeatedEnvironment, SeatedPolicy

N, B = 3, 2
SEED = tf.constant([7, 11])


def test_seeds_of_a_block_are_those_of_its_place() -> None:
    together = environment_seeds(np.array([5, 6]), 9)
    apart = [seed for first in (0, 3, 6) for seed in environment_seeds(np.array([5, 6, first]), 3)]

    assert apart == together
    assert len(set(together)) == 9


BOX = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
NEST = gym.spaces.Tuple((gym.spaces.Discrete(3), BOX))


@pytest.mark.parametrize(
    ("head", "space"),
    [
        (None, gym.spaces.Discrete(4)),
        (Gaussian(), BOX),
        (StateDependentNoise(hold=2), BOX),
        (None, NEST),
    ],
    ids=["categories", "numbers", "noise that is held", "nest"],
)
def test_actors_sample_what_all_copies_do_in_one_batch(head: Head | None, space: Any) -> None:
    policy = Policy(MLP((4,)), head)
    policy.build(gym.spaces.Box(-1.0, 1.0, (3,), np.float32), space)
    observations = tf.random.stateless_normal((4, N * B, 3), [1, 2])

    def acted(actor: Any, rows: slice) -> list[list[np.ndarray]]:
        memory, taken = actor.initial_memory(len(range(N * B)[rows])), []
        for t, observation in enumerate(observations):
            decision = actor.act(observation[rows], memory, SEED + tf.constant([1 + t, 0]), True)
            memory = decision.memory
            taken.append([x.numpy() for x in tf.nest.flatten((decision.action, decision.log_prob))])
        return taken

    whole = acted(policy, slice(None))
    for i in range(N):
        rows = slice(i * B, (i + 1) * B)
        seat = SeatedPolicy(policy, Seat(i, N))
        for own, together in zip(acted(seat, rows), whole, strict=True):
            for x, y in zip(own, together, strict=True):
                np.testing.assert_allclose(x, y[rows], rtol=1e-5, atol=1e-6)
    # Whoever sits elsewhere draws something else.
    assert any(
        np.any(x != y[:B])
        for own, together in zip(
            acted(SeatedPolicy(policy, Seat(1, N)), slice(B)), whole, strict=True
        )
        for x, y in zip(own, together, strict=True)
    )


def test_environments_start_where_their_place_does() -> None:
    whole = GymEnvironment("CartPole-v1", N * B, vectorization="loop")
    together = whole.reset(SEED)[1].numpy()
    for i in range(N):
        own = GymEnvironment("CartPole-v1", B, vectorization="loop")
        seated = SeatedEnvironment(own, Seat(i, N))
        np.testing.assert_array_equal(seated.reset(SEED)[1], together[i * B : (i + 1) * B])
        seated.close()
    whole.close()


def test_compiled_environments_of_two_seats_differ() -> None:
    starts = [
        SeatedEnvironment(CompiledCartPole(B), Seat(i, N)).reset(SEED)[1].numpy() for i in range(N)
    ]

    assert len({start.tobytes() for start in starts}) == N
    np.testing.assert_array_equal(starts[0], CompiledCartPole(B).reset(SEED)[1])
