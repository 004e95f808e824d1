"""A sweep whose runs are killed on the way, beside one that is left alone.

    python -m tests.faults.killed_sweep --kills=4

Trains CartPole-v1 over 4 discounts and 4 seeds twice, on a Ray of its own; needs pgtf[sweep].
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from pgtf.sweeps import results

_KEY = "Learner.discount"
_MARK = "PGTF_KILLED_SWEEP"


def sweep(folder: Path, mark: str, steps: int) -> "subprocess.Popen[str]":
    """Starts one; its processes carry the mark in their environment."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "pgtf.sweep", "--gin_file=a2c.gin", f"--logdir={folder}"),
            *(f"--vary={_KEY} = [0.9, 0.95, 0.98, 0.99]", "--seeds=4"),
            *(f"--gin_param=TOTAL_STEPS = {steps}", f"--gin_param=Evaluation.every = {steps // 4}"),
            f"--gin_param=train.checkpoint_every = {steps // 8}",
        ],
        env=os.environ | {_MARK: mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def training(mark: str) -> list[int]:
    """The processes that train a run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes()
            marked = f"{_MARK}={mark}".encode() in (process / "environ").read_bytes()
        except OSError:
            continue
        if marked and title.startswith(b"ray::ImplicitFunc"):
            found.append(int(process.name))
    return found


def main() -> None:
    """Sweeps twice and compares what the runs reached."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--steps", type=int, default=40_000, help="of a run")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        killed, whole = Path(folder) / "killed", Path(folder) / "whole"
        mark, kills = uuid.uuid4().hex, 0
        process = sweep(killed, mark, args.steps)
        while process.poll() is None:
            time.sleep(rng.uniform(4.0, 12.0))
            there = training(mark)
            if there and kills < args.kills:
                os.kill(rng.choice(there), signal.SIGKILL)
                kills += 1
        print(process.communicate()[0])
        print(sweep(whole, uuid.uuid4().hex, args.steps).communicate()[0])
        ours, theirs = (
            sorted(each[:6] for each in results.read(path / "sweep.csv", [_KEY]))
            for path in (killed, whole)
        )
    differ = [(a, b) for a, b in zip(ours, theirs, strict=True) if a[:4] != b[:4]]
    print(f"{kills} kills, {len(ours)} runs; {len(differ)} reached something else: {differ}")


if __name__ == "__main__":
    main()
