"""Gin text as data: the bindings and their places, before anything runs."""

import ast
import dataclasses
import difflib
import re
import tokenize
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gin import config_parser

from pgtf.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class Binding:
    """One binding of a gin file or of the command line.

    Attributes:
        key: ``scope/Selector.parameter``, or a macro's name.
        value: as gin text.
        source: the file's path, or the flag as it was written.
        line: counted from 1; None for a flag.
    """

    key: str
    value: str
    source: str
    line: int | None

    @property
    def place(self) -> str:
        """File and line, for messages."""
        name = str(Path(self.source).relative_to(shipped_files())) if self.shipped else self.source
        return name if self.line is None else f"{name} line {self.line}"

    @property
    def shipped(self) -> bool:
        """Whether it is in a file that comes with pgtf."""
        return Path(self.source).is_relative_to(shipped_files())


def shipped_files() -> Path:
    """Returns the folder of the gin files that come with pgtf."""
    package = Path(__file__).parents[1]
    installed = package / "gin_configs"
    return installed if installed.is_dir() else package.parent / "gin_configs"


def find(file: str) -> Path:
    """Returns the path of a gin file, looked up in the current folder, then among pgtf's own.

    Raises:
        ConfigurationError: there is none of that name.
    """
    for folder in (Path(), shipped_files()):
        path = (folder / file).expanduser()
        if path.is_file():
            return path
    own = sorted(str(path.relative_to(shipped_files())) for path in shipped_files().rglob("*.gin"))
    here = ", ".join(sorted(str(path) for path in Path().glob("*.gin")))
    raise ConfigurationError(
        f"There is no gin file {file!r} in the current folder{here and f' ({here})'} or among"
        f" pgtf's own ({', '.join(own)})."
    )


def read_file(
    file: str, seen: list[Path] | None = None, _including: Sequence[Path] = ()
) -> dict[str, Binding]:
    """Reads the bindings of a gin file and of all its includes; later ones win.

    Args:
        file: looked up as in ``find``.
        seen: gets the path of every file that is read.

    Raises:
        ConfigurationError: a file is missing, cannot be read or is not gin.
    """
    path = find(file)
    if path.resolve() in _including:
        raise ConfigurationError(f"{path} includes itself.")
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    seen = [] if seen is None else seen
    seen.append(path.resolve())
    return _read(text, str(path), True, seen, [*_including, path.resolve()])


def read_text(text: str, source: str) -> dict[str, Binding]:
    """Reads the bindings of gin text that has no file.

    Args:
        text: one or many bindings.
        source: its name in messages.

    Raises:
        ConfigurationError: it is not gin.
    """
    return _read(text, source, False, [], [])


def first_difference(one: str, other: str, ignored: Iterable[str]) -> tuple[str, str, str] | None:
    """Compares two configurations.

    A binding to a macro and one to the macro's value are the same.

    Args:
        one: gin text.
        other: gin text.
        ignored: keys that may differ.

    Returns:
        The first key that differs with its two values, or None.
    """
    left, right = read_text(one, "one"), read_text(other, "the other")
    for key in sorted({*left, *right} - set(ignored)):
        values = [side[key].value if key in side else "unbound" for side in (left, right)]
        # A macro that one side does not have shows in what it is bound to.
        if values[0] == values[1] or ("unbound" in values and "." not in key):
            continue
        if _resolved(values[0], left) != _resolved(values[1], right):
            return key, values[0], values[1]
    return None


def _resolved(value: str, bindings: Mapping[str, Binding]) -> str:
    """A value with the macros in it replaced by theirs."""
    for _ in range(len(bindings)):
        found = re.fullmatch(r"%([\w/.]+)", value)
        if found is None or found[1] not in bindings:
            break
        value = bindings[found[1]].value
    return value


def hyperparameters(asked: str, operative: str) -> dict[str, bool | float | str]:
    """Returns what was asked for, as TensorBoard's table of hyper-parameters can hold it.

    Macros stand with the parameters they are bound to. What no part has used is left out, and so
    are the defaults that nobody bound.

    Args:
        asked: gin text, all bindings of files and command line.
        operative: gin text, what was used.
    """
    bindings = read_text(asked, "configuration")
    used = used_keys(operative)
    table: dict[str, bool | float | str] = {}
    for key, binding in bindings.items():
        if "." not in key or short(key) not in used:
            continue
        text = _resolved(binding.value, bindings)
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        table[short(key)] = value if isinstance(value, bool | int | float) else str(value)
    return table


def used_keys(operative: str) -> set[str]:
    """Returns the short keys of bindings that an operative configuration shows to be in use.

    A part that is made in a scope, as a macro's reference is, uses bindings without it, too.
    """
    used = set()
    for key in read_text(operative, "operative configuration"):
        *scopes, selector = short(key).split("/")
        used |= {"/".join([*scopes[i:], selector]) for i in range(len(scopes) + 1)}
    return used


def short(key: str) -> str:
    """A binding's key with the module path cut from its selector."""
    *scope, selector = key.split("/")
    return "/".join([*scope, ".".join(selector.split(".")[-2:])])


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Returns a question with the nearest name, to add to a message; empty if none is near."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return f" Did you mean {near[0]!r}?" if near else ""


class _AsText(config_parser.ParserDelegate):
    """Reads references and macros as their text."""

    def configurable_reference(self, scoped_name: str, evaluate: bool) -> Any:
        return _Text(f"@{scoped_name}{'()' if evaluate else ''}")

    def macro(self, scoped_name: str) -> Any:
        return _Text(f"%{scoped_name}")


class _Text(str):
    def __repr__(self) -> str:
        return str(self)


def _read(
    text: str, source: str, in_file: bool, seen: list[Path], including: Sequence[Path]
) -> dict[str, Binding]:
    bindings: dict[str, Binding] = {}
    line: int | None = None
    try:
        for statement in config_parser.ConfigParser(text, _AsText()):
            line = statement.location.line_num if in_file else None
            if isinstance(statement, config_parser.IncludeStatement):
                bindings |= read_file(statement.filename, seen, including)
            elif isinstance(statement, config_parser.BindingStatement):
                scope = f"{statement.scope}/" if statement.scope else ""
                argument = f".{statement.arg_name}" if statement.arg_name else ""
                key = f"{scope}{statement.selector}{argument}"
                bindings[key] = Binding(key, repr(statement.value), source, line)
    except ConfigurationError as error:
        where = f" line {line}" if line else ""
        raise ConfigurationError(f"{source}{where}: {error}") from error
    except (SyntaxError, ValueError, tokenize.TokenError) as error:
        message, line = _syntax_error(error)
        where = f" line {line}" if line and in_file else ""
        raise ConfigurationError(f"{source}{where}: {message}") from error
    return bindings


def _syntax_error(error: Exception) -> tuple[str, int | None]:
    """Returns an explanation of a syntax error in gin text, and its line."""
    if isinstance(error, tokenize.TokenError):
        return "a bracket or a quote is not closed.", error.args[1][0] - 1
    line = getattr(error, "lineno", None)
    message = getattr(error, "msg", None) or str(error)
    bare = re.search(r"Failed to parse token '(.+?)'", message)
    if bare:
        message = f"{bare[1]} has no meaning here; put text in quotes."
    return message, line
