"""Flags, messages and exit codes, which all commands share.

A command module defines its flags and imports TensorFlow only in its ``main``, once they are
parsed, so that ``--help`` and a mistyped flag answer at once. ``absl.app`` is left out: TensorFlow
adds to its start-up hooks, and would be started before ``runtime`` has configured it.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from absl import flags, logging

from pgtf.configuration.bindings import did_you_mean
from pgtf.configuration.modules import Imports, imports
from pgtf.errors import ConfigurationError, TrainingError

#: Where the scripts of ``launch/`` are, as the user typed it, when one of them started us.
SCRIPTS = "PGTF_LAUNCH"

_MODULES = {"evaluate": "pgtf.evaluate", "tensorboard": "tensorboard.main"}


def gin_flags(files: Sequence[str] | None, gin_file_help: str) -> flags.FlagValues:
    """Returns the flags of every command: a configuration, and help.

    Args:
        files: the gin files when none is given.
        gin_file_help: the role that gin files have in the command.
    """
    values = flags.FlagValues()
    flags.DEFINE_bool("help", False, "Print this.", flag_values=values, short_name="h")
    flags.DEFINE_multi_string("gin_file", files, gin_file_help, flag_values=values)
    flags.DEFINE_multi_string(
        "gin_param",
        [],
        "A binding on top of the files, such as \"ENVIRONMENT = 'Acrobot-v1'\". Repeatable.",
        flag_values=values,
    )
    flags.DEFINE_alias("gin_bindings", "gin_param", flag_values=values)
    flags.DEFINE_bool(
        "imports",
        True,
        "Whether to import the modules of your own that a configuration asks for, which runs their"
        " code; --noimports or --no_imports for the run folder of somebody else.",
        flag_values=values,
    )
    return values


class _MaybeText(flags.ArgumentParser[str]):
    """The value of a flag that may stand bare, and is the empty text then."""

    def parse(self, argument: str) -> str:
        return "" if argument == "true" else argument


def define_maybe_text(values: flags.FlagValues, name: str, help: str) -> None:
    """Defines a flag that is None when it is not given, and takes ``--name`` or ``--name=TEXT``."""
    flags.DEFINE(_MaybeText(), name, None, help, flag_values=values)
    values[name].boolean = True  # For absl it is what needs no value.


def parse(values: flags.FlagValues, arguments: Sequence[str], about: str | None) -> list[str]:
    """Parses the arguments of a command into its flags; prints help and exits when asked for it.

    Args:
        values: the flags.
        arguments: the command line, without the command.
        about: the command's docstring, which opens its help.

    Returns:
        The arguments that are no flags.

    Raises:
        ConfigurationError: a flag is unknown, or its value cannot be.
    """
    names = [f"--{name}" for name in values if len(name) > 1]
    # absl itself knows --noimports alone.
    given = ["--noimports" if each == "--no_imports" else each for each in arguments]
    try:
        _, *rest = values(["pgtf", *given])
    except flags.UnrecognizedFlagError as error:
        name = f"--{error.flagname}"
        hint = did_you_mean(name, names) or f" There are: {', '.join(names)}."
        raise ConfigurationError(f"There is no flag {name}.{hint}") from error
    except flags.Error as error:
        # absl shows an error of several arguments as a tuple.
        message = re.sub(r"\(['\"](.+?)['\"], .*\)$", r"\1", str(error).replace("flag --", "--", 1))
        raise ConfigurationError(f"{message.rstrip('.')}.") from error
    if values.help:
        print(_help(values, about or ""))
        sys.exit()
    return rest


def imports_of(asked: flags.FlagValues) -> contextlib.AbstractContextManager[None]:
    """Returns the context in which a command heeds ``--no_imports``."""
    return imports(Imports.MADE if asked.imports else Imports.REFUSED)


def no_arguments(rest: Sequence[str], example: str) -> None:
    """Refuses arguments that are no flags.

    Args:
        rest: those arguments.
        example: a flag to write instead.

    Raises:
        ConfigurationError: there is one.
    """
    if rest:
        raise ConfigurationError(f"There is no argument {rest[0]!r}; write {example}.")


def run_command(main: Callable[[Sequence[str]], int | None], arguments: Sequence[str]) -> NoReturn:
    """Runs a command and exits: 0, 1 (it could not go on), 2 (misconfigured), 128 + a signal.

    Args:
        main: takes the arguments and may return an exit code.
        arguments: the command line, without the command.
    """
    logging.use_absl_handler()
    logging.set_verbosity(logging.WARNING)
    # So that modules in the current folder can be imported, whichever command this is.
    sys.path.append(os.getcwd())
    _open_streams()
    try:
        with _ctrl_c_ends():
            sys.exit(main(arguments))
    except BrokenPipeError:  # ``head`` has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(0)
    except ConfigurationError as error:
        _fail(str(error), 2)
    except TrainingError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("interrupted.", 128 + signal.SIGINT)


@contextmanager
def _ctrl_c_ends() -> Iterator[None]:
    """Lets Ctrl-C end the process at once, unless something heeds it to save.

    Python's own handler waits for TensorFlow to return, and an import may swallow what it raises.
    """
    own = signal.getsignal(signal.SIGINT)
    in_main_thread = threading.current_thread() is threading.main_thread()
    if own is not signal.default_int_handler or not in_main_thread:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, own)


def command(name: str) -> str:
    """Returns the text that starts another command the way this one was started.

    Args:
        name: ``evaluate`` or ``tensorboard``.
    """
    if folder := os.environ.get(SCRIPTS):
        return shlex.quote(f"{folder}/{name}")
    program = sys.argv[0]
    if name != "tensorboard" and Path(program).name == "pgtf":
        return f"{_typed(program, 'pgtf')} {name}"
    python = _typed(sys.executable, "python", Path(sys.executable).name)
    return f"{python} -m {_MODULES[name]}"


def _typed(program: str, *names: str) -> str:
    """A program by one of its names where the shell finds this very one by it, else by its path."""
    for name in names:
        found = shutil.which(name)
        # Links are not followed: an environment's python is a link to that of the system.
        if found and Path(found).absolute().parent == Path(program).absolute().parent:
            return name
    return shlex.quote(program)


def _open_streams() -> None:
    """Makes the standard streams of a command usable whatever they are.

    A closed one would be replaced by the next file that is opened, a checkpoint perhaps, and get
    what is printed. What a terminal of another encoding has no character for becomes a "?".
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest number that is free.
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _fail(message: str, code: int) -> NoReturn:
    print(f"pgtf: {message}", file=sys.stderr)
    sys.exit(code)


def _help(values: flags.FlagValues, about: str) -> str:
    width = min(100, shutil.get_terminal_size().columns)
    lines = [about.strip(), "", "Flags:"]
    for name in values:
        flag = values[name]
        if name != flag.name:
            continue  # A letter.
        default = "" if flag.default in (None, False, []) else f" Default: {_shown(flag.default)}."
        negated = isinstance(flag.parser, flags.BooleanParser) and name != "help"
        lines.append(f"  --{'[no]' * negated}{name}")
        meaning = flag.help.split(";\n")[0]  # absl adds to that of what may be repeated.
        lines += textwrap.wrap(
            f"{meaning}{default}", width, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    return "\n".join(lines)


def _shown(default: object) -> str:
    return ", ".join(map(str, default)) if isinstance(default, list) else str(default)
