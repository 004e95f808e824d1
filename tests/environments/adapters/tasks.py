"""Short tasks to adapt, hosted and compiled, and rollouts in them."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from pgtf.environments.compiled import CompiledMountainCar
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.policies.decision import Decision
from pgtf.rollouts.unroll import Behaviour, Carry, start, unroll
from pgtf.trajectory import Trajectory

SEED = tf.constant([5, 6])
LIMIT = 6


class Costly(CompiledMountainCar):
    """Costs the position, so that rewards differ."""

    def transition(self, physics: Any, action: tf.Tensor, noise: Any) -> Any:
        physics, _, terminated = super().transition(physics, action, noise)
        return physics, physics[0], terminated


def task(kind: str, num_envs: int = 4) -> Environment:
    """Short episodes whose rewards differ."""
    if kind == "compiled":
        return Costly(num_envs, time_limit=LIMIT)
    toy = "tests.toy_environments:Counting-v0"
    return GymEnvironment(toy, num_envs, {"max_length": LIMIT}, vectorization="loop")


def act(observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
    """Acts at random, and no different for another observation."""
    del memory
    copies = tf.shape(tf.nest.flatten(observation)[0])[0]
    return Decision((tf.range(copies) + seed[0]) % 2)


def rollouts(environment: Environment, num_steps: int) -> Callable[[], Trajectory]:
    """Returns a function that plays on from where it stopped, and lets the environment learn."""
    behaviour = Behaviour(act)
    place: list[Carry] = [start(environment, SEED)]

    @tf.function(autograph=False, jit_compile=environment.compiled)
    def run(carry: Carry, seed: tf.Tensor) -> Any:
        carry, trajectory, _ = unroll(environment, behaviour, carry, num_steps, seed)
        environment.adapt(trajectory)
        return carry, trajectory

    def play() -> Trajectory:
        place[0], trajectory = run(place[0], SEED)
        return Trajectory(*tf.nest.map_structure(lambda x: x.numpy(), trajectory))

    return play
