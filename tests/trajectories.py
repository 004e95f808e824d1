"""Trajectories made by hand or at random, and learners whose parts are tables.

A table is a part with one-hot states for features (an ``MLP`` without layers over Discrete states):
its kernel holds one number for each state, or for each state and action.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from pgtf.learning.critics import Bootstrap, QCritic, VCritic
from pgtf.learning.fitting import JointLoss, Regression
from pgtf.learning.learner import Learner
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.trajectory import Trajectory

Array = npt.NDArray[Any]

SEED = tf.constant([11, 7], tf.int32)


def trajectory(
    observation: npt.ArrayLike,
    action: npt.ArrayLike,
    reward: npt.ArrayLike,
    terminated: npt.ArrayLike = False,
    truncated: npt.ArrayLike = False,
    time: int = 0,
) -> Trajectory:
    """Returns a trajectory of rows [T, B, ...], or of one environment's rows [T].

    The row after an episode's end is the one in which the environment resets itself: its mask is 0.

    Args:
        observation: [T+1, B, ...].
        action: [T, B, ...].
        reward: [T, B].
        terminated: [T, B], or one value for all.
        truncated: [T, B], or one value for all.
        time: steps of its episode that each environment has behind it.
    """
    rewards = np.asarray(reward, np.float32)
    single = rewards.ndim == 1
    ends = [np.broadcast_to(np.asarray(x, bool), rewards.shape) for x in (terminated, truncated)]
    observations, actions = np.asarray(observation), np.asarray(action)
    if single:
        observations, actions, rewards = observations[:, None], actions[:, None], rewards[:, None]
        ends = [x[:, None] for x in ends]
    mask, times = np.ones(rewards.shape, np.float32), np.zeros(rewards.shape, np.int32)
    times[0] = time
    for t in range(1, len(rewards)):
        mask[t] = ~((ends[0] | ends[1])[t - 1] & (mask[t - 1] > 0))
        times[t] = np.where(mask[t - 1] > 0, times[t - 1] + 1, 0)
    return Trajectory(
        observation=tf.constant(_single_precision(observations)),
        action=tf.constant(_single_precision(actions)),
        reward=tf.constant(rewards * mask),
        score=tf.constant(rewards * mask),
        terminated=tf.constant(ends[0] & (mask > 0)),
        truncated=tf.constant(ends[1] & (mask > 0)),
        mask=tf.constant(mask),
        time=tf.constant(times),
    )


def random_trajectory(
    seed: int, steps: int, num_envs: int, states: int = 3, actions: int = 2, ends: float = 0.2
) -> Trajectory:
    """Returns random states, actions and rewards; episodes end with this probability each way."""
    rng = np.random.default_rng(seed)
    shape = (steps, num_envs)
    return trajectory(
        rng.integers(states, size=(steps + 1, num_envs)),
        rng.integers(actions, size=shape),
        rng.normal(size=shape),
        rng.random(shape) < ends,
        rng.random(shape) < ends,
    )


def columns(whole: Trajectory, *environments: int) -> Trajectory:
    """Returns the part of a trajectory that belongs to some of the environments."""
    return tf.nest.map_structure(lambda x: tf.gather(x, environments, axis=1), whole)


def table_policy() -> Policy:
    """Returns a policy with one preference for each state and action, once built."""
    return Policy(MLP(hidden=()))


def table_v(fit: JointLoss | Regression | None = None) -> VCritic:
    """Returns a critic with one value for each state, once built."""
    return VCritic(MLP(hidden=()), fit)


def table_q(
    fit: JointLoss | Regression | None = None, bootstrap: Bootstrap = "expected"
) -> QCritic:
    """Returns a critic with one value for each state and action, once built."""
    return QCritic(MLP(hidden=()), fit, bootstrap)


def set_preferences(policy: Any, table: npt.ArrayLike) -> None:
    """Sets h(s, a), [S, A]."""
    policy.head.preferences.kernel.assign(table)


def set_values(critic: Any, table: npt.ArrayLike) -> None:
    """Sets V(s), [S], or Q(s, a), [S, A]."""
    critic.output_layer.kernel.assign(tf.reshape(table, critic.output_layer.kernel.shape))


def tables(preferences: npt.ArrayLike, **parts: Any) -> Any:
    """Returns a built learner with a table policy; ``parts`` are the learner's other arguments.

    Gradients are not clipped unless ``max_gradient_norm`` says so.

    Args:
        preferences: h(s, a), [S, A].
        **parts: of the learner.
    """
    learner = Learner(table_policy(), **{"max_gradient_norm": None, **parts})
    states, actions = np.shape(preferences)
    learner.build(gym.spaces.Discrete(states), gym.spaces.Discrete(actions))
    set_preferences(learner.policy, preferences)
    return learner


def learn(learner: Any, whole: Trajectory, seed: Any = SEED) -> dict[str, Any]:
    """Updates a learner and counts the steps, as trainers do; returns scalars and targets."""
    scalars, targets = learner.update(whole, seed)
    learner.steps.assign_add(int(np.sum(whole.mask)))
    return scalars | targets._asdict()


def loss_of(learner: Any, whole: Trajectory, seed: Any = SEED) -> tuple[Any, dict[str, Any]]:
    """Returns the loss of a trajectory, and its scalars together with its targets, by name."""
    loss = learner.objective.whole_loss(whole, seed)
    return loss.value, loss.scalars | learner.measured(whole, loss.targets) | loss.targets._asdict()


def gradients_of(learner: Any, whole: Trajectory, seed: Any = SEED) -> tuple[Any, dict[str, Any]]:
    """Returns the gradients of a trajectory's loss, and its scalars together with its targets."""
    gradients, scalars, targets = learner.gradients(whole, seed)
    return gradients, scalars | targets._asdict()


def gradient_of(learner: Any, whole: Trajectory, variable: Any) -> Array:
    """Returns the gradient of the learner's loss by one of its variables."""
    gradients, *_ = learner.gradients(whole, SEED)
    index = [id(v) for v in learner.trainable_variables].index(id(variable))
    return gradients[index].numpy()


def weights(learner: Learner) -> list[Array]:
    """Returns copies of every weight of a learner's parts, its statistics included."""
    parts = [part for part in (learner.policy, learner.critic, learner.baseline) if part]
    return [variable.numpy() for part in parts for variable in part.variables]


def softmax(preferences: npt.ArrayLike) -> Array:
    """Returns probabilities, float64, over the last axis."""
    exponentials = np.exp(np.asarray(preferences, np.float64))
    return exponentials / exponentials.sum(-1, keepdims=True)


def _single_precision(x: Array) -> Array:
    return x.astype(np.float32 if np.issubdtype(x.dtype, np.floating) else np.int32)
