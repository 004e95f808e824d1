"""Stable-Baselines3's A2C with the settings of a2c.gin, to set beside ours.

    python -m venv peer && peer/bin/pip install stable-baselines3==2.9.2 gymnasium==1.4.0 pygame
    peer/bin/python benchmarks/peer_sb3.py CartPole-v1 --envs 8       # steps per second
    peer/bin/python benchmarks/peer_sb3.py CartPole-v1 --score 475    # time to a score

Two networks of 64×64 tanh, T = 5, RMSProp 7e-4 (falling to zero over the run when a score is
sought). Prints a line of JSON; ``solved_at`` is a time of the clock, null when the score was not
reached within 500,000 steps.
"""

import argparse
import json
import time

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import A2C
from stable_baselines3.common.env_util import make_vec_env

TOTAL_STEPS = 500_000


def agent(environment: str, num_envs: int, seed: int, schedule: bool) -> A2C:
    """An A2C on vector environments that are stepped one by one, as ours are."""
    envs = make_vec_env(environment, num_envs, seed=seed)
    rate = (lambda left: 7e-4 * left) if schedule else 7e-4
    return A2C("MlpPolicy", envs, learning_rate=rate, n_steps=5, seed=seed, device="cpu")


def mean_return(model: A2C, environment: str, episodes: int) -> float:
    """Greedy mean return of whole episodes, 20 environments side by side."""
    envs = gym.make_vec(environment, 20, vectorization_mode="sync")
    observation, _ = envs.reset(seed=0)
    running, finished = np.zeros(20), list[float]()
    share = [episodes // 20] * 20
    ended = np.zeros(20, bool)
    while len(finished) < episodes:
        action, _ = model.predict(observation, deterministic=True)
        observation, reward, terminated, truncated, _ = envs.step(action)
        running += np.where(ended, 0.0, reward)
        ended = terminated | truncated
        for i in np.flatnonzero(ended):
            if share[i]:
                finished.append(running[i])
                share[i] -= 1
            running[i] = 0.0
    envs.close()
    return float(np.mean(finished))


def main() -> None:
    """Measures the speed, or the time to a score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("environment")
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--steps", type=int, default=50_000, help="of a measurement of speed")
    parser.add_argument("--score", type=float, help="greedy mean return over 100 episodes")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = agent(args.environment, args.envs, args.seed, args.score is not None)
    if args.score is None:
        model.learn(args.envs * 5 * 20)
        began = time.perf_counter()
        model.learn(args.steps, reset_num_timesteps=False)
        rate = args.steps / (time.perf_counter() - began)
        print(json.dumps({"environment": args.environment, "steps_per_second": round(rate)}))
        return
    solved = None

    def evaluated(local: dict[str, object], _: object) -> bool:
        nonlocal solved
        steps = model.num_timesteps
        due = steps // 10_000 > (steps - args.envs) // 10_000
        if due and mean_return(model, args.environment, 100) >= args.score:
            solved = time.time()
        return solved is None

    model.learn(TOTAL_STEPS, callback=evaluated)
    print(json.dumps({"solved_at": solved, "steps": model.num_timesteps}))


if __name__ == "__main__":
    main()
