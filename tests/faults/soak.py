"""Lets runs train for long, and watches what they hold: memory, threads and open files.

python -m tests.faults.soak --minutes=30

The runs go side by side, each in a process of its own, with their curves, evaluations and
checkpoints. Prints a line of JSON for each: the medians over the second tenth of the time, when
everything has been compiled, evaluated and saved once, and over the last tenth.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

WAYS = {
    "A2C": ["a2c.gin"],
    "A3C": ["a3c.gin"],
    "compiled": ["compiled.gin"],
}
ENDLESS = ("train.total_steps = 10_000_000_000", "Evaluation.every = 100_000")


class Held(NamedTuple):
    """What a process holds.

    Attributes:
        memory: resident, in MiB.
        threads: of it.
        files: descriptors that are open.
    """

    memory: float
    threads: int
    files: int


def held(process: int) -> Held:
    """Returns what a process holds now.

    Raises:
        FileNotFoundError: it has ended.
    """
    folder = Path("/proc", str(process))
    lines = (folder / "status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines if ":" in line)
    memory = int(status["VmRSS"].split()[0]) / 1024
    return Held(memory, int(status["Threads"]), len([*(folder / "fd").iterdir()]))


def median(samples: list[Held]) -> Held:
    return Held(*(statistics.median(column) for column in zip(*samples, strict=True)))


def report(way: str, samples: list[Held], logdir: Path) -> dict[str, object]:
    """Returns what a run held early and late, and how much the memory grew."""
    tenth = max(1, len(samples) // 10)
    early, late = median(samples[tenth : 2 * tenth]), median(samples[-tenth:])
    with (logdir / "progress.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    return {
        "way": way,
        "steps": int(rows[-1]["step"]),
        "rows": len(rows),
        "early": early._asdict(),
        "late": late._asdict(),
        "growth of memory": round(late.memory / early.memory - 1, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        processes, samples = dict[str, subprocess.Popen[bytes]](), dict[str, list[Held]]()
        try:
            for way, files in WAYS.items():
                command = [sys.executable, "-m", "pgtf.launch", f"--logdir={folder}/{way}"]
                command += [f"--gin_file={file}" for file in files]
                command += [f"--gin_param={binding}" for binding in ENDLESS]
                with Path(folder, f"{way}.log").open("wb") as log:
                    processes[way] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
                samples[way] = []
            end = time.monotonic() + 60 * args.minutes
            while time.monotonic() < end:
                time.sleep(args.every)
                for way, process in processes.items():
                    if process.poll() is not None:
                        raise SystemExit(f"{way} ended:\n{Path(folder, f'{way}.log').read_text()}")
                    samples[way].append(held(process.pid))
        finally:
            for process in processes.values():
                process.terminate()
                process.wait()
        for way in WAYS:
            print(json.dumps(report(way, samples[way], Path(folder, way))), flush=True)


if __name__ == "__main__":
    main()
