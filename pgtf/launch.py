"""Trains from gin files and bindings.

python -m pgtf.launch --gin_file=a2c.gin
python -m pgtf.launch --gin_file=a2c.gin --gin_param="ENVIRONMENT = 'Acrobot-v1'"
python -m pgtf.launch --list=Learner
"""

import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from pgtf import command_line, list_parts
from pgtf.configuration.silence import quick_start
from pgtf.errors import ConfigurationError


def run(
    gin_files: list[str],
    parameters: list[str],
    logdir: str | None,
    name: str | None = None,
    command: str | None = None,
) -> dict[str, Any]:
    """Trains, and returns the contents of ``summary.json``.

    Args:
        gin_files: looked up in the current folder, then among pgtf's own.
        parameters: bindings on top of the files.
        logdir: the run folder, or None for a new one.
        name: replaces the description of files and bindings in the name of a new run folder.
        command: what was typed, for ``command.txt``; None for this call.

    Raises:
        ConfigurationError: see its message.
        TrainingError: see its message.
    """
    with quick_start():
        from pgtf.starting import train_files

    folder = None if logdir is None else Path(logdir).expanduser().absolute()
    command = command or f"pgtf.launch.run({gin_files!r}, {parameters!r}, {logdir!r})"
    return train_files(gin_files, parameters, folder, command, name=name).summary


def main(arguments: Sequence[str]) -> int:
    """Trains and prints a closing summary; returns 0, or 128 + n when signal n ended the run.

    Args:
        arguments: of the command line, without the command.
    """
    asked = _flags()
    rest = command_line.parse(asked, arguments, __doc__)
    if asked.list is not None:
        own_files = asked.gin_file if asked["gin_file"].present else []
        names = [*filter(None, [asked.list]), *rest]
        with command_line.imports_of(asked):
            list_parts.print_parts(names, own_files, asked.gin_param)
        return 0
    command_line.no_arguments(rest, "--gin_file=… or --gin_param=…")
    if asked.name is not None and asked.logdir:
        raise ConfigurationError("--logdir names the whole run folder: leave out --name.")
    command = f"python -m pgtf.launch {shlex.join(arguments)}"
    with command_line.imports_of(asked):
        summary = run(asked.gin_file, asked.gin_param, asked.logdir, asked.name, command)
    print(_closing(summary))
    number = summary["interrupted"]
    return 128 + signal.Signals[number] if number else 0


def _flags() -> flags.FlagValues:
    values = command_line.gin_flags(
        ["a2c.gin"], "A gin file, looked up here and among pgtf's own. Repeatable."
    )
    flags.DEFINE_string(
        "logdir",
        None,
        "The run folder; one that holds a checkpoint is resumed. Default:"
        " runs/FIRST_GIN_FILE/ENVIRONMENT/NAME.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "name",
        None,
        "What the run is called between its seed and the time, in place of its other gin files and"
        " bindings.",
        flag_values=values,
    )
    command_line.define_maybe_text(
        values,
        "list",
        "Print every part that can be bound; --list=PART that one, with the meaning of its"
        " arguments.",
    )
    return values


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
            f"Resume:  the same command with --logdir={logdir}",
        ]
    else:
        evaluate = command_line.command("evaluate")
        if summary["eval_episodes"]:
            lines += [
                f"Return {summary['eval_return_mean']:.1f} ± {summary['eval_return_std']:.1f}"
                f" over {summary['eval_episodes']} evaluation episodes"
            ]
        lines += [f"Watch:   {evaluate} --logdir={logdir} --film=film.gif"]
    lines += [f"Curves:  {command_line.command('tensorboard')} --logdir={logdir}"]
    return "\n".join(lines)


def cli() -> None:
    """Runs the command line of ``python -m pgtf.launch`` and ``pgtf train``."""
    command_line.run_command(main, sys.argv[1:])


if __name__ == "__main__":
    cli()
