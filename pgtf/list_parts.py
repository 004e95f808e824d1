"""Prints every part that can be bound, or the parts named.

pgtf list
pgtf list Learner SynchronousTrainer
python -m pgtf.list_parts --markdown > docs/bindings.md
"""

import itertools
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from absl import flags

from pgtf import command_line
from pgtf.configuration.silence import quick_start

if TYPE_CHECKING:
    from pgtf.configuration.catalogue import Argument, Part

_HEAD = """# Everything that can be bound

`Part.argument = value` in a gin file or as `--gin_param`; `@Part()` is a part, `%NAME` a macro. An
argument without a default must be bound. `pgtf list Part` prints the same.
Made from the docstrings by `python -m pgtf.list_parts --markdown`."""


def print_parts(names: Sequence[str], gin_files: Sequence[str], parameters: Sequence[str]) -> None:
    """Prints parts in full where they are named, or else all of them.

    Args:
        names: of the parts; all if empty.
        gin_files: files whose own parts are listed too.
        parameters: bindings on top of the files; they may import parts.

    Raises:
        ConfigurationError: there is no part of a name.
    """
    with quick_start():
        from pgtf import parts as parts
        from pgtf.configuration import catalogue, configuration

    if gin_files or parameters:
        configuration.load(gin_files, parameters)
    if names:
        print("\n\n".join(_in_full(part) for part in catalogue.named(names)))
        return
    for section, members in itertools.groupby(catalogue.parts(), lambda part: part.section):
        print(f"{section}  {catalogue.description(section)}".rstrip())
        for part in members:
            print("\n".join(_in_short(part)))
        print()


def markdown() -> str:
    """Returns the page ``docs/bindings.md``: the parts that come with pgtf and its dependencies."""
    with quick_start():
        from pgtf import parts as parts
        from pgtf.configuration import catalogue

    lines = [_HEAD]
    shipped = [part for part in catalogue.parts() if part.brief or part.module.startswith("pgtf.")]
    for section, members in itertools.groupby(shipped, lambda part: part.section):
        lines += ["", f"## {section}", "", catalogue.description(section)]
        for part in members:
            lines += _row(part) if part.brief else _chapter(part)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).replace("``", "`") + "\n"


def main(arguments: Sequence[str]) -> None:
    """Prints the parts.

    Args:
        arguments: of the command line, without the command.
    """
    asked = command_line.gin_flags(None, "A gin file whose own parts are listed too. Repeatable.")
    flags.DEFINE_bool("markdown", False, "Print the page docs/bindings.md.", flag_values=asked)
    names = command_line.parse(asked, arguments, __doc__)
    if asked.markdown:
        print(markdown(), end="")
    else:
        with command_line.imports_of(asked):
            print_parts(names, asked.gin_file or [], asked.gin_param)


def _in_short(part: "Part") -> Iterator[str]:
    yield f"  {part.name}  {part.summary}"
    for argument in part.arguments:
        yield f"    {_signature(part, argument)}"


def _in_full(part: "Part") -> str:
    lines = [f"{part.name} ({part.module})", *_wrapped(part.summary, 2)]
    for paragraph in part.details.split("\n\n") if part.details else ():
        lines += ["", textwrap.indent(paragraph, "  ")]
    for argument in part.arguments:
        lines += ["", f"  {_signature(part, argument)}", *_wrapped(_meaning(argument), 6)]
    return "\n".join(lines)


def _signature(part: "Part", argument: "Argument") -> str:
    default = "" if argument.default is None else f" = {argument.default}"
    return f"{part.name}.{argument.name}{default}"


def _meaning(argument: "Argument") -> str:
    must = " Must be bound." if argument.default is None else ""
    takes = f" Takes {argument.accepts}." if argument.accepts else ""
    return f"{_sentence(argument.meaning)}{takes}{must}".strip()


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}" if text[0].isascii() else text  # β stays β.


def _wrapped(text: str, indent: int) -> list[str]:
    space = " " * indent
    return textwrap.wrap(text, 100, initial_indent=space, subsequent_indent=space)


def _row(part: "Part") -> list[str]:
    return [f"- `{part.name}`: {part.summary}"]


def _chapter(part: "Part") -> list[str]:
    lines = ["", f"### {part.name}", "", part.summary]
    if part.details:
        lines += ["", part.details]
    if part.arguments:
        lines += ["", "| argument | default | takes | meaning |", "|---|---|---|---|"]
    for argument in part.arguments:
        default = "" if argument.default is None else f"`{argument.default}`"
        cells = (f"`{argument.name}`", default, argument.accepts, _sentence(argument.meaning))
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return lines


def cli() -> None:
    """Runs the command line of ``python -m pgtf.list_parts``."""
    command_line.run_command(main, sys.argv[1:])


if __name__ == "__main__":
    cli()
