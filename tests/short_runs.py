"""Runs that are short enough for a test, in this process or as a user starts them."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import gin
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event

from pgtf import command_line, launch

CHECKOUT = Path(__file__).parents[1]
TOY = "tests.toy_environments"
SCRIPTED = f"ENVIRONMENT = '{TOY}:Scripted-v0'"
QUICK = (
    "TOTAL_STEPS = 400",
    "NUM_ENVS = 2",
    "Rollouts.num_steps = 2",
    "MLP.hidden = (4,)",
    "SynchronousTrainer.jit_compile = False",
    "train.log_every = 100",
    "train.checkpoint_every = 200",
    "Evaluation.every = 200",
    "Evaluation.episodes = 2",
    "Evaluation.final_episodes = 3",
)


def train(
    logdir: Path | str | None, *parameters: str, files: Sequence[str] = ("a2c.gin",)
) -> dict[str, Any]:
    """Trains in this process; ``parameters`` come on top of ``QUICK``."""
    gin.clear_config()
    return launch.run(list(files), [*QUICK, *parameters], None if logdir is None else str(logdir))


def flags(*parameters: str) -> list[str]:
    """Bindings as flags of the command line."""
    return [f"--gin_param={parameter}" for parameter in parameters]


def command(main: Callable[[Sequence[str]], int | None], *arguments: str) -> int:
    """Runs a command in this process; returns the code that its own would exit with."""
    gin.clear_config()
    try:
        command_line.run_command(main, arguments)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 0


def start(
    module: str, *arguments: str, cwd: Path, code: str | None = None
) -> "subprocess.Popen[str]":
    """Starts ``python -m module`` (or ``python -c code``) as a user does, in their own folder."""
    # Users have not set a log level, so what TensorFlow prints would be seen.
    inherited = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.Popen(
        [sys.executable, *(("-m", module) if code is None else ("-c", code)), *arguments],
        cwd=cwd,
        env=inherited | {"PYTHONPATH": str(CHECKOUT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def events(logdir: Path) -> Iterator[Event]:
    """The events of a run folder, file after file."""
    for path in sorted(logdir.glob("*tfevents*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            yield Event.FromString(record)


def event_steps(logdir: Path, tag: str) -> list[int]:
    """The steps at which a tag was written, in the order of the files."""
    return [
        event.step for event in events(logdir) for value in event.summary.value if value.tag == tag
    ]


def table(logdir: Path) -> list[dict[str, str]]:
    """The rows of ``progress.csv``."""
    with (logdir / "progress.csv").open(newline="") as file:
        return list(csv.DictReader(file))
