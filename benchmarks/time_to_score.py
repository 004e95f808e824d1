"""Seconds from the shell's prompt to a solved CartPole-v1, imports and compilation included.

    python benchmarks/time_to_score.py
    python benchmarks/time_to_score.py --peer peer/bin/python    # see peer_sb3.py

Solved is a greedy mean return of 475 over 100 episodes; every 10,000 steps there is such an
evaluation, whose time counts. The ways take turns. All have the settings of a2c.gin.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

SCORE = 475
EVALUATION = ["Evaluation.every = 10000", "Evaluation.episodes = 100"]
OURS = {"compiled": "compiled.gin", "Gymnasium": "a2c.gin"}
PEER = Path(__file__).with_name("peer_sb3.py")


def ours(gin_file: str, seed: int, logdir: Path) -> float | None:
    """Seconds until the first evaluation that reached the score."""
    command = [sys.executable, "-m", "pgtf.launch", f"--gin_file={gin_file}", f"--logdir={logdir}"]
    command += [f"--gin_param={each}" for each in [*EVALUATION, f"train.seed = {seed}"]]
    began = time.time()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    events = EventAccumulator(str(logdir), {"tensors": 0})
    events.Reload()
    for event in events.Tensors("eval/mean_reward"):
        if float(tensor_util.make_ndarray(event.tensor_proto)) >= SCORE:
            return event.wall_time - began
    return None


def peer(python: str, seed: int) -> float | None:
    """The same for Stable-Baselines3."""
    command = [python, str(PEER), "CartPole-v1", f"--score={SCORE}", f"--seed={seed}"]
    began = time.time()
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    solved = json.loads(run.stdout.splitlines()[-1])["solved_at"]
    return None if solved is None else solved - began


def main() -> None:
    """Prints a table with a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peer", help="a Python that has Stable-Baselines3")
    args = parser.parse_args()
    seconds: dict[str, list[float | None]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(args.seeds):
            for name, gin_file in OURS.items():
                taken = ours(gin_file, seed, Path(folder) / name / str(seed))
                seconds.setdefault(name, []).append(taken)
            if args.peer:
                seconds.setdefault("Stable-Baselines3", []).append(peer(args.peer, seed))
    print("| way | seconds, each seed | median |")
    print("|---|---|---|")
    for name, row in seconds.items():
        each = ", ".join("–" if x is None else f"{x:.1f}" for x in row)
        median = statistics.median(float("inf") if x is None else x for x in row)
        print(f"| {name} | {each} | {median:.1f} |")


if __name__ == "__main__":
    main()
