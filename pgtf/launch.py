"""Trains what gin files and bindings describe.

python -m pgtf.launch --gin_file=a2c.gin
python -m pgtf.launch --gin_file=a2c.gin --gin_param="ENVIRONMENT = 'Acrobot-v1'"
"""

import os
import shlex
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from absl import app, flags, logging

from pgtf.configuration.silence import silenced_tensorflow

with silenced_tensorflow():
    from pgtf.errors import ConfigurationError, TrainingError
    from pgtf.starting import train_files

_GIN_FILE = flags.DEFINE_multi_string(
    "gin_file", ["a2c.gin"], "A gin file, looked up here and among pgtf's own. Repeatable."
)
_GIN_PARAM = flags.DEFINE_multi_string(
    "gin_param",
    [],
    "A binding on top of the files, such as \"ENVIRONMENT = 'Acrobot-v1'\". Repeatable.",
)
flags.DEFINE_alias("gin_bindings", "gin_param")
_LOGDIR = flags.DEFINE_string(
    "logdir", None, "The run folder; one that holds a checkpoint is resumed. Default: under runs/."
)


def run(gin_files: list[str], parameters: list[str], logdir: str | None) -> dict[str, Any]:
    """Trains, and returns what ``summary.json`` holds.

    Args:
        gin_files: looked up in the current folder, then among pgtf's own.
        parameters: bindings on top of the files.
        logdir: the run folder, or None for a new one.

    Raises:
        ConfigurationError: see its message.
        TrainingError: see its message.
    """
    folder = None if logdir is None else Path(logdir).expanduser()
    command = f"python -m pgtf.launch {shlex.join(sys.argv[1:])}"
    return train_files(gin_files, parameters, folder, command).summary


def main(argv: list[str]) -> None:
    """Runs and prints a closing summary.

    Exits with 0, 1 (the run could not go on), 2 (misconfigured) or 128 + n (ended by signal n).
    """
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    # So that modules in the current folder can be imported, whichever command this is.
    sys.path.append(os.getcwd())
    if len(argv) > 1:
        _fail(f"There is no argument {argv[1]!r}; write --gin_file=… or --gin_param=….", 2)
    try:
        summary = run(_GIN_FILE.value, _GIN_PARAM.value, _LOGDIR.value)
    except ConfigurationError as error:
        _fail(str(error), 2)
    except TrainingError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("interrupted.", 128 + signal.SIGINT)
    print(_closing(summary))
    if summary["interrupted"]:
        sys.exit(128 + signal.Signals[summary["interrupted"]])


def _closing(summary: dict[str, Any]) -> str:
    logdir = summary["logdir"]
    rate = summary["steps_per_second"]
    speed = f", then {rate:,.0f} steps/s" if rate else ""
    lines = [
        f"{summary['steps']:,} steps in {summary['wall_seconds']:.1f} s"
        f" (compiling {summary['compile_seconds']:.1f} s{speed})"
    ]
    if summary["interrupted"]:
        lines += [
            f"Stopped by {summary['interrupted']} and saved.",
            f"Go on:   the same command with --logdir={logdir}",
        ]
    else:
        lines += [
            f"Return {summary['eval_return_mean']:.1f} ± {summary['eval_return_std']:.1f}"
            f" over {summary['eval_episodes']} evaluation episodes",
            f"Watch:   python -m pgtf.evaluate --logdir={logdir} --film=film.gif",
        ]
    lines += [f"Curves:  tensorboard --logdir={logdir}"]
    return "\n".join(lines)


def _fail(message: str, code: int) -> NoReturn:
    print(f"pgtf: {message}", file=sys.stderr)
    sys.exit(code)


def cli() -> None:
    """Entry point of the ``pgtf`` command."""
    app.run(main)


if __name__ == "__main__":
    cli()
