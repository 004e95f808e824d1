"""Every part that can be bound, with its arguments and their meaning, from the docstrings."""

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gin

from pgtf.configuration import types as binding_types
from pgtf.configuration.bindings import did_you_mean
from pgtf.errors import ConfigurationError

# Others' parts, whose documentation is theirs: one line each.
_BRIEF = {
    "keras.optimizers.schedules": "Schedules of Keras",
    "keras.optimizers": "Optimizers of Keras",
    "keras.initializers": "Initializers of Keras",
    "gymnasium.wrappers": "Wrappers of Gymnasium (bound without parentheses)",
}

_OTHERS = {"abc", "builtins", "gymnasium", "keras", "tensorflow"}


@dataclasses.dataclass(frozen=True)
class Argument:
    """An argument that can be bound.

    Attributes:
        name: of the parameter.
        default: as gin text, or None where it has to be bound.
        accepts: the values that can be bound, in words; empty where anything can.
        meaning: from the docstring.
    """

    name: str
    default: str | None
    accepts: str
    meaning: str


@dataclasses.dataclass(frozen=True)
class Part:
    """A registered class or function.

    Attributes:
        name: what gin files call it.
        module: where it is defined, or where its package shows it.
        summary: the first sentence of its docstring.
        details: the other paragraphs before the arguments.
        arguments: those that can be bound.
    """

    name: str
    module: str
    summary: str
    details: str
    arguments: tuple[Argument, ...]

    @property
    def brief(self) -> bool:
        """Whether its documentation is another project's."""
        return self.module in _BRIEF

    @property
    def section(self) -> str:
        """The heading it stands under: its package, or the project it comes from."""
        if self.brief:
            return _BRIEF[self.module]
        package = self.module.split(".")
        return ".".join(package[:2]) if package[0] == "pgtf" else self.module


def parts() -> list[Part]:
    """Returns every registered part, ordered by section and name; gin's own are left out."""
    found = [
        _part(selector, configurable.wrapped)
        for selector, configurable in gin.config._REGISTRY.items()
        if not selector.startswith("gin.")
    ]
    return sorted(found, key=_order)


def named(names: Sequence[str]) -> list[Part]:
    """Returns the parts of these names.

    Raises:
        ConfigurationError: there is none of a name.
    """
    every = parts()
    known = {part.name for part in every}
    for name in names:
        if name not in known:
            raise ConfigurationError(f"There is no part {name!r}.{did_you_mean(name, known)}")
    return [part for part in every if part.name in names]


def description(section: str) -> str:
    """Returns the first paragraph of a package's docstring; empty for other projects."""
    module = sys.modules.get(section)
    return _summary(inspect.getdoc(module) or "")[0] if module else ""


def _order(part: Part) -> tuple[Any, ...]:
    own = part.module.startswith("pgtf.")
    # pgtf's, then the user's, then those of others.
    return (part.brief, not own, part.section, part.name)


def _part(selector: str, wrapped: Any) -> Part:
    module, _, name = selector.rpartition(".")
    if module in _BRIEF:
        summary, _ = _summary(inspect.getdoc(wrapped) or "")
        return Part(name, module, summary, "", ())
    summary, details = _summary(inspect.getdoc(wrapped) or "")
    meanings = _meanings(wrapped)
    closed = gin.config._REGISTRY[selector].denylist or ()
    return Part(
        name,
        wrapped.__module__,
        summary,
        details,
        tuple(
            Argument(
                parameter.name,
                _default(parameter),
                binding_types.accepted(selector, parameter.name),
                meanings[parameter.name],
            )
            for parameter in binding_types.parameters(selector).values()
            # The others are inputs of a function, or a base's of another project.
            if parameter.name in meanings and parameter.name not in closed
        ),
    )


def _summary(text: str) -> tuple[str, str]:
    """The first paragraph of a docstring, and those up to its first section."""
    before = re.split(r"^(?:Args|Attributes|Returns|Raises|Yields):$", text, flags=re.MULTILINE)[0]
    first, _, rest = before.strip().partition("\n\n")
    return " ".join(first.split()), rest.strip()


def _default(parameter: inspect.Parameter) -> str | None:
    value = parameter.default
    if value is parameter.empty or value is gin.REQUIRED:
        return None
    return f"@{value.__name__}" if callable(value) else repr(value)


def _meanings(wrapped: Any) -> dict[str, str]:
    """The arguments' lines of a docstring; a class's bases count for what they document."""
    meanings: dict[str, str] = {}
    for text in _docstrings(wrapped):
        found = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", text, re.MULTILINE)
        if found:
            entries = re.findall(
                r"^    (\w+): ((?:.*\n?)(?:^     +.*\n?|^\n)*)", found[1], re.MULTILINE
            )
            meanings |= {name: " ".join(text.split()) for name, text in entries}
    return meanings


def _docstrings(wrapped: Callable[..., Any]) -> Iterator[str]:
    """The docstrings that may describe the arguments, the weightiest last."""
    if inspect.isclass(wrapped):
        for base in reversed(wrapped.__mro__):
            if base.__module__.partition(".")[0] in _OTHERS:
                continue
            yield inspect.cleandoc(vars(base).get("__doc__") or "")
            yield inspect.cleandoc(getattr(vars(base).get("__init__"), "__doc__", None) or "")
    else:
        yield inspect.getdoc(wrapped) or ""
