"""A head, a baseline and a network of our own, trained on Pendulum.

python examples/own_parts.py [--steps=100000]

To bind them in a gin file, decorate each class with ``@gin.register`` and write
``import own_parts`` and ``Policy.head = @Laplace()``.
"""

import argparse

import keras
import tensorflow as tf
import tensorflow_probability as tfp

import pgtf


class Laplace(pgtf.Head):
    """a ~ Laplace(location(features), scale): more actions far from the mean than a Gaussian."""

    def build(self, num_features, action_space):
        size = action_space.shape[0]
        self.location = keras.layers.Dense(size, kernel_initializer="zeros")
        self.location.build((None, num_features))
        self.log_scale = self.add_weight(shape=(size,), initializer="zeros", name="log_scale")

    def distribution(self, features):
        scale = tf.exp(self.log_scale) * tf.ones_like(self.location(features))
        laplace = tfp.distributions.Laplace(self.location(features), scale)
        return tfp.distributions.Independent(laplace, 1)


class Fourier(pgtf.Network):
    """sin and cos of learned projections of the observation."""

    def __init__(self, waves=32):
        super().__init__()
        self.waves = waves

    def build(self, space):
        self.space = space
        self.projection = keras.layers.Dense(self.waves)
        self.projection.build((None, *space.shape))
        self.num_features = 2 * self.waves

    def features(self, element):
        phase = self.projection(element)
        return tf.concat([tf.sin(phase), tf.cos(phase)], axis=-1)


class LinearBaseline(pgtf.Baseline):
    """b(s) = wᵀs + c, fitted to the returns together with the policy."""

    def __init__(self):
        super().__init__()
        # MLP without layers: its features are the observation itself.
        self.linear = self.regressor = pgtf.VCritic(pgtf.MLP(hidden=()))

    def build(self, observation_space, action_space, critic):
        self.linear.build(observation_space, action_space)

    def values(self, trajectory, estimates, policy, seed):
        return self.linear.value(trajectory.acted_on)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=100_000)
steps = parser.parse_args().steps

trainer = pgtf.SynchronousTrainer(
    learner=pgtf.Learner(
        policy=pgtf.Policy(Fourier(), Laplace()),
        # A plain Keras model is a network, too.
        critic=pgtf.VCritic(keras.Sequential([keras.layers.Dense(64, "tanh")])),
        baseline=LinearBaseline(),
        optimizer=keras.optimizers.Adam(1e-3),
        discount=0.9,
        reward_scale=0.1,
    ),
    environment=pgtf.CompiledEnvironment("Pendulum-v1", num_envs=32),
    rollout=pgtf.Rollouts(num_steps=8),
)
run = pgtf.train(trainer=trainer, total_steps=steps, seed=1, name="own_parts")
print(f"greedy return {run.summary['eval_return_mean']:.0f}; the policy is in {run.logdir}")
print("torque for a pendulum that hangs still:", run.policy([-1.0, 0.0, 0.0]))
