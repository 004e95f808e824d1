"""Trains A2C on CartPole, then lets the policy play in an environment of our own making.

python examples/train_and_use.py [--steps=200000]
"""

import argparse

import gymnasium as gym

import pgtf

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=200_000)
steps = parser.parse_args().steps

# compiled.gin is A2C with the environment inside the compiled program: 200,000 steps take seconds.
run = pgtf.train("compiled.gin", ENVIRONMENT="CartPole-v1", TOTAL_STEPS=steps)
print(f"greedy return {run.summary['eval_return_mean']:.1f} after {run.summary['steps']:,} steps")

# In another program, or tomorrow: the folder is all it takes.
policy = pgtf.load(run.logdir, checkpoint="best")

env = gym.make("CartPole-v1")
observation, _ = env.reset(seed=0)
total, ended = 0.0, False
while not ended:
    observation, reward, terminated, truncated, _ = env.step(policy(observation))
    total += float(reward)
    ended = terminated or truncated
print(f"one episode with the best checkpoint: return {total:.0f}")

# A batch of observations gives a batch of actions; greedy=False samples them.
envs = gym.make_vec("CartPole-v1", num_envs=4)
observations, _ = envs.reset(seed=0)
print("four sampled actions:", policy(observations, greedy=False))
