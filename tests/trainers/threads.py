"""What tests of threaded training share: watched environments, small learners, loose threads."""

import threading
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import keras

from pgtf.environments.gym import GymEnvironment
from pgtf.learning.baselines import StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.a3c.asynchronous import AsynchronousTrainer

ENDLESS = "tests.toy_environments:Endless-v0"
NEVER = 2**62
MADE: list[AsynchronousTrainer] = []  # What tests/trainers/conftest.py closes.


class Watched(gym.Wrapper):
    """Notes the actions that an environment receives, and does something at each step.

    Args:
        env: the environment.
        watch: the wrapper appends itself, so that workers can be told apart by their order.
        at_step: is called with the wrapper before the environment moves.
    """

    def __init__(self, env: gym.Env, watch: list["Watched"], at_step: Callable[["Watched"], None]):
        super().__init__(env)
        self.actions: list[Any] = []
        self._at_step = at_step
        watch.append(self)

    def step(self, action: Any) -> Any:
        self._at_step(self)
        self.actions.append(action)
        return self.env.step(action)


def watched(
    watch: list[Watched],
    at_step: Callable[[Watched], None] = lambda env: None,
    id: str = ENDLESS,
    num_envs: int = 1,
) -> GymEnvironment:
    """An environment of watched copies, the workers' replicas included."""
    return GymEnvironment(id, num_envs, wrappers=(lambda env: Watched(env, watch, at_step),))


def actor_critic(**parts: Any) -> Learner:
    """An actor-critic of two networks with four units."""
    defaults: dict[str, Any] = {
        "policy": Policy(MLP((4,))),
        "critic": VCritic(MLP((4,))),
        "baseline": StateValue(),
        "entropy_bonus": EntropyBonus(0.01),
    }
    return Learner(**(defaults | parts))


def trainer(
    environment: GymEnvironment | None = None,
    learner: Learner | None = None,
    rollout: Any = None,
    seed: int = 0,
    **arguments: Any,
) -> AsynchronousTrainer:
    """A built trainer; not compiled, as that takes longer than all that is tested here."""
    keras.utils.set_random_seed(seed)
    arguments = {"jit_compile": False} | arguments
    made = AsynchronousTrainer(
        learner or actor_critic(),
        environment or GymEnvironment("CartPole-v1", 1),
        rollout or Rollouts(5),
        **arguments,
    )
    MADE.append(made)
    made.build(seed)
    return made


def worker_threads() -> list[str]:
    """The names of the workers' threads that are still alive."""
    return [t.name for t in threading.enumerate() if t.name.startswith("worker ")]
