"""Gin text as statements, with the line of each, before anything runs."""

import math
import re
import tokenize
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from gin import config_parser

from pgtf.errors import ConfigurationError


class Statement(NamedTuple):
    """One statement of gin text.

    Attributes:
        kind: what it is.
        name: the key of a binding, ``scope/Selector.parameter`` or a macro's name; the module that
            is imported; the file that is included.
        value: of a binding, as gin text; empty for the others.
        line: counted from 1.
    """

    kind: Literal["binding", "import", "include"]
    name: str
    value: str
    line: int


def statements(text: str, source: str, in_file: bool) -> Iterator[Statement]:
    """Parses gin text.

    Args:
        text: the whole of it.
        source: its name in messages.
        in_file: whether messages give the line, too.

    Raises:
        ConfigurationError: it is not gin, or asks gin to register whatever a file names.
    """
    parser, line = None, None
    try:
        parser = config_parser.ConfigParser(text, _AsText())
        for statement in parser:
            line = statement.location.line_num
            if isinstance(statement, config_parser.ImportStatement):
                _refuse_dynamic_registration(statement.module)
                yield Statement("import", statement.module, "", line)
            elif isinstance(statement, config_parser.IncludeStatement):
                yield Statement("include", statement.filename, "", line)
            elif isinstance(statement, config_parser.BindingStatement):
                scope = f"{statement.scope}/" if statement.scope else ""
                argument = f".{statement.arg_name}" if statement.arg_name else ""
                key = f"{scope}{statement.selector}{argument}"
                _check_finite(statement.value)
                yield Statement("binding", key, repr(statement.value), line)
            line = None
    except (SyntaxError, ValueError, TypeError, RecursionError, tokenize.TokenError) as error:
        message, at = _explained(error, text)
        line = at or line or (parser.current_token.start[0] if parser else None)
        where = f" line {line}" if line and in_file else ""
        raise ConfigurationError(f"{source}{where}: {message}") from error


class _AsText(config_parser.ParserDelegate):
    """Reads references and macros as their text."""

    def configurable_reference(self, scoped_name: str, evaluate: bool) -> Any:
        return _Text(f"@{scoped_name}{'()' if evaluate else ''}")

    def macro(self, scoped_name: str) -> Any:
        return _Text(f"%{scoped_name}")


class _Text(str):
    def __repr__(self) -> str:
        return str(self)


def _refuse_dynamic_registration(module: str) -> None:
    if module.partition(".")[0] == "__gin__":
        raise ValueError(
            "dynamic registration is refused, as it lets a gin file call any function: register"
            " parts with @gin.register in a module, and import that."
        )


def _check_finite(value: Any) -> None:
    """Refuses 1e999, whose text Python would not read again."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("the number is too large for a computer.")
    if isinstance(value, dict):
        value = [*value, *value.values()]
    for item in value if isinstance(value, list | tuple) else ():
        _check_finite(item)


def _explained(error: Exception, text: str) -> tuple[str, int | None]:
    """Returns an explanation of a syntax error in gin text, and its line."""
    if isinstance(error, RecursionError) or "too many nested parentheses" in str(error):
        return "the brackets are nested too deeply.", None  # The latter from Python 3.12 on.
    if isinstance(error, tokenize.TokenError):  # Versions of Python disagree on the line.
        return "a bracket or a quote is not closed.", len(text.splitlines())
    if isinstance(error, TypeError):
        return "a list or a dictionary cannot be a key of a dictionary.", None
    line = getattr(error, "lineno", None)
    message = str(getattr(error, "msg", None) or error)
    bare = re.search(r"Failed to parse token '(.+?)'", message, re.DOTALL)
    if bare:
        token = bare[1] if len(bare[1]) <= 60 else f"{bare[1][:60]}…"
        if token[0].isdigit():
            return f"{token} is no number that Python reads.", line
        message = f"{token} has no meaning here; put text in quotes."
    return message.split("\n")[0], line
