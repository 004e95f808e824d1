"""An environment of our own, and a callback that reports and ends the run.

python examples/own_environment.py [--steps=30000]
"""

import argparse

import gymnasium as gym
import numpy as np

import pgtf


class Thermostat(gym.Env):
    """Keeps a room at 20 °C: the heater is off or on, the cold outside changes."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.room, self.outside = self.np_random.uniform(10.0, 30.0), 5.0
        return self._observe(), {}

    def step(self, action):
        self.outside += self.np_random.normal(0.0, 0.2)
        self.room += 0.1 * (self.outside - self.room) + 3.0 * action
        return self._observe(), -abs(self.room - 20.0), False, False, {}

    def _observe(self):
        return np.array([self.room - 20.0, self.outside - 5.0], np.float32) / 10.0


# The time limit is Gymnasium's: such an episode is truncated, not terminated.
gym.register("Thermostat-v0", f"{__name__}:Thermostat", max_episode_steps=50)


class Reporter(pgtf.Callback):
    """Prints the score of each evaluation."""

    def on_evaluation(self, snapshot):
        # What the policy does now: off when it is far too warm, on when it is far too cold?
        warm, cold = snapshot.policy(np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32))
        score = snapshot.scalars["eval/mean_reward"]
        print(f"{snapshot.steps:,} steps: return {score:.0f}, heater {warm} when warm, {cold} cold")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=30_000)
steps = parser.parse_args().steps

run = pgtf.train(
    "a2c.gin",
    ENVIRONMENT="Thermostat-v0",
    TOTAL_STEPS=steps,
    bindings={"Learner.reward_scale": 0.1, "Learner.discount": 0.9},
    evaluation=pgtf.Evaluation(every=5_000, episodes=10, final_episodes=10),
    callbacks=[Reporter(), pgtf.StopAtReturn(-60.0, of="evaluation")],
)
print(f"ended by {run.summary['stopped_by'] or 'its last step'} at {run.summary['steps']:,} steps")
