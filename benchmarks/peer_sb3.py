"""Stable-Baselines3's A2C and PPO with the settings of a2c.gin and ppo.gin, to set beside ours.

    python -m venv peer && peer/bin/pip install stable-baselines3==2.9.2 gymnasium==1.4.0 pygame
    peer/bin/python benchmarks/peer_sb3.py CartPole-v1 --envs 8       # steps per second
    peer/bin/python benchmarks/peer_sb3.py CartPole-v1 --score 475    # time to a score

Two networks of 64×64 tanh. A2C: T = 5, RMSProp 7e-4 (falling to zero over the run when a score is
sought). PPO: the settings of RL Baselines3 Zoo for CartPole-v1, rates constant. Prints a line of
JSON; ``solved_at`` is a time of the clock, null when the score was not reached within 500,000
steps. ``throughput.py`` and ``threads.py`` run it with ``--turns``; their environments
need ale-py, opencv-python-headless, mujoco and packaging as well.
"""

import argparse
import json
import sys
import time

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecFrameStack

TOTAL_STEPS = 500_000


class AtariNetwork(BaseFeaturesExtractor):
    """The network of A3C (Mnih et al. 2016), as pgtf's ``AtariNetwork``."""

    def __init__(self, observation_space: gym.spaces.Box):
        super().__init__(observation_space, 256)
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(observation_space.shape[0], 16, 8, 4),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 32, 4, 2),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(32 * 9 * 9, 256),
            torch.nn.ReLU(),
        )

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        return self.layers(observations)


def agent(args: argparse.Namespace) -> A2C | PPO:
    """An agent on environments that are stepped one by one."""
    if args.ppo:
        envs = make_vec_env(args.environment, args.envs, seed=args.seed)
        zoo = {"n_steps": 32, "batch_size": 32 * args.envs, "n_epochs": 20, "gae_lambda": 0.8}
        zoo |= {"gamma": 0.98, "ent_coef": 0.0, "learning_rate": 1e-3, "clip_range": 0.2}
        return PPO("MlpPolicy", envs, seed=args.seed, device="cpu", **zoo)
    rate = (lambda left: 7e-4 * left) if args.score is not None else 7e-4
    settings = {"learning_rate": rate, "n_steps": args.rollout, "seed": args.seed, "device": "cpu"}
    if not args.atari:
        envs = make_vec_env(args.environment, args.envs, seed=args.seed)
        return A2C("MlpPolicy", envs, **settings)
    import ale_py

    gym.register_envs(ale_py)
    envs = VecFrameStack(make_atari_env(args.environment, args.envs, seed=args.seed), 4)
    network = {"features_extractor_class": AtariNetwork, "net_arch": []}
    return A2C("CnnPolicy", envs, policy_kwargs=network, **settings)


def serve(model: A2C | PPO) -> None:
    """Trains for as many seconds as each line of the standard input says."""
    print("ready", flush=True)
    for line in sys.stdin:
        first, began = model.num_timesteps, time.perf_counter()
        until, processor = began + float(line), time.process_time()
        model.learn(
            2**40,
            callback=lambda *_, until=until: time.perf_counter() < until,
            reset_num_timesteps=False,
        )
        wall, busy = time.perf_counter() - began, time.process_time() - processor
        rate = (model.num_timesteps - first) / wall
        print(json.dumps({"steps_per_second": rate, "cores": busy / wall}), flush=True)


def mean_return(model: A2C | PPO, environment: str, episodes: int) -> float:
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
    parser.add_argument("--rollout", type=int, default=5, help="steps between two updates")
    parser.add_argument("--atari", action="store_true", help="frames, and A3C's network for them")
    parser.add_argument("--ppo", action="store_true", help="PPO in place of A2C")
    parser.add_argument("--turns", action="store_true", help="serve turns; see turns.py")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = agent(args)
    if args.score is None:
        model.learn(args.envs * (32 if args.ppo else args.rollout) * 20)
        if args.turns:
            serve(model)
            return
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
