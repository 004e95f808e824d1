"""Trains from gin files and bindings.

python -m pgtf.launch --gin_file=a2c.gin
python -m pgtf.launch --gin_file=a2c.gin --gin_param="ENVIRONMENT = 'Acrobot-v1'"
python -m pgtf.launch --list=Learner
python -m pgtf.launch --rerun=runs/a2c/CartPole-v1/seed0-20260101-120000
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
from pgtf.errors import ConfigurationError, here


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


def rerun(original: str, logdir: str | None = None, command: str | None = None) -> dict[str, Any]:
    """Trains what an earlier run trained, and returns the contents of ``summary.json``.

    Args:
        original: the folder of that run.
        logdir: the new run folder; None for the original's name with ``-rerun`` behind it.
        command: what was typed, for ``command.txt``; None for this call.

    Raises:
        ConfigurationError: see its message.
        TrainingError: see its message.
    """
    with quick_start():
        from pgtf.configuration.modules import named_imports
        from pgtf.running.repeating import repeatable
        from pgtf.starting import train_files

    run = Path(original).expanduser().absolute()
    folder = Path(logdir).expanduser().absolute() if logdir else run.with_name(f"{run.name}-rerun")
    command = command or f"pgtf.launch.rerun({original!r}, {logdir!r})"
    with named_imports():
        return train_files(
            [str(repeatable(run))], [], folder, command, again=logdir is None
        ).summary


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
    if asked.rerun is not None:
        return _rerun(asked, command)
    with command_line.imports_of(asked):
        summary = run(asked.gin_file, asked.gin_param, asked.logdir, asked.name, command)
    print(_closing(summary))
    return _code(summary)


def _rerun(asked: flags.FlagValues, command: str) -> int:
    if asked["gin_file"].present or asked.gin_param or asked.name is not None:
        raise ConfigurationError(
            "--rerun repeats a run as it was: leave out --gin_file, --gin_param and --name, or"
            f" start another run with --gin_file={asked.rerun}/config.gin."
        )
    with command_line.imports_of(asked):
        summary = rerun(asked.rerun, asked.logdir, command)
    from pgtf.running.repeating import verdict

    print(_closing(summary))
    print(verdict(Path(asked.rerun).expanduser().absolute(), summary))
    return _code(summary)


def _code(summary: dict[str, Any]) -> int:
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
    flags.DEFINE_string(
        "rerun",
        None,
        "Repeat the run in this folder, in a folder of its own: --logdir, or that name with -rerun"
        " behind it.",
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
    logdir = here(summary["logdir"])
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
