"""gin: finds files, and explains wrong bindings."""

import copy
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import gin

from pgtf.configuration import algorithms, gin_values, modules, naming
from pgtf.configuration import isolation as isolation
from pgtf.configuration import types as binding_types
from pgtf.configuration.bindings import (
    Binding,
    Reading,
    did_you_mean,
    read_file,
    read_text,
    shipped_files,
    short,
    used_keys,
)
from pgtf.configuration.circles import refuse_circles
from pgtf.errors import ConfigurationError, TrainingError

_LOCATION = re.compile(r"\n? *In (?:file|bindings string).*", re.DOTALL)
_CALL = re.compile(r"\n *In call to configurable '(?:[\w./]*[./])?(\w+)'")

_REQUIRED = re.compile(r"Required bindings for `(\w+)` not provided in config: \['(\w+)'")

_SHOWN = 200  # Characters of a parameter in messages.

_T = TypeVar("_T")


@dataclasses.dataclass(frozen=True)
class Configuration:
    """What the user asked for.

    Attributes:
        name: of the first gin file, without its ending: the algorithm's.
        description: the other gin files and the bindings of the command line, as part of a name.
        text: all bindings in force, as one gin file.
        bindings: where each of them stands, by key.
        files: the absolute paths of the gin files that were read.
    """

    name: str
    description: str
    text: str
    bindings: dict[str, Binding]
    files: Sequence[Path] = ()

    def called(self, name: str) -> "Configuration":
        """Returns the same configuration with a name of the user's for its description."""
        return dataclasses.replace(self, description=naming.safe(name))

    def warnings(self) -> list[str]:
        """Returns a line for each of the user's bindings that nothing has used so far.

        Bindings of shipped files do not count: a derived file that swaps a part leaves some unused.
        """
        used = used_keys(gin.operative_config_str())
        return [
            f"{binding.place}: nothing uses {binding.key}.{did_you_mean(short(binding.key), used)}"
            for binding in self.bindings.values()
            if short(binding.key) not in used and not binding.shipped
        ]


def load(
    files: Sequence[str], parameters: Sequence[str], source: str = '--gin_param="{}"'
) -> Configuration:
    """Parses gin files and then the parameters, later ones winning; earlier loads are forgotten.

    Of the bindings in a scope that is an algorithm's name, those of this algorithm hold, without
    the scope; see ``algorithms.chosen``.

    The folders of the files are put on Python's path, for what they import.

    Args:
        files: looked up in the current folder, then among those that come with pgtf.
        parameters: bindings.
        source: what messages call a parameter.

    Raises:
        ConfigurationError: a file is missing, a binding names something unknown, or a value does
            not have its parameter's type.
    """
    gin.clear_config()
    reading, known = Reading(), dict[Path, Reading]()
    for file in files:
        reading.add(read_file(file, known))
    for parameter in parameters:
        shown = parameter if len(parameter) <= _SHOWN else f"{parameter[:_SHOWN]}…"
        reading.add(read_text(parameter, source.format(shown)))
    reading = algorithms.chosen(reading)
    own = [path for path in reading.files if not path.is_relative_to(shipped_files().resolve())]
    folders = modules.put_on_path(own)
    for module, place in reading.imports.items():
        modules.import_for(place, module)
        gin.parse_config(f"import {module}")  # Is noted down in the run's ``config.gin``.
    for key, binding in reading.bindings.items():
        with _explained(binding.place):
            gin.parse_config(f"{key} = {binding.value}")
    binding_types.check(reading.bindings)
    refuse_circles()
    return Configuration(
        Path(files[0]).stem if files else "default",
        naming.run_name(files, reading.bindings.values()),
        modules.note(folders) + gin.config_str(),
        reading.bindings,
        reading.files,
    )


def bound(key: str, default: Any) -> Any:
    """Returns the value bound to ``Selector.parameter``, macros followed, or the default."""
    try:
        value = gin.query_parameter(key)
    except ValueError:
        return default
    return copy.deepcopy(value)  # As gin does before it passes a value on.


def call(function: Callable[..., _T], **arguments: Any) -> _T:
    """Calls a configurable; gin makes the parts that are bound to it.

    Raises:
        ConfigurationError: a part cannot be made from its bindings.
    """
    try:
        return function(**arguments)
    except ConfigurationError as error:
        raise ConfigurationError(_own_message(error)) from error
    except TrainingError as error:
        raise TrainingError(_own_message(error)) from error
    except RecursionError as error:
        raise ConfigurationError(
            f"What is bound to {function.__name__} has no end: a part of it calls itself."
        ) from error
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        if missing := _REQUIRED.match(str(error)):
            raise ConfigurationError(
                f"{missing[1]}.{missing[2]} is not bound: bind it, or begin your file with"
                " include 'a2c.gin'."
            ) from error
        part = _CALL.search(str(error))
        if part is None or part[1] == function.__name__:
            raise
        message = _own_message(error).split("\n")[0].rstrip(".")
        bindings = gin.get_bindings(part[1], resolve_references=False)
        values = ", ".join(f"{name} = {value!r}" for name, value in bindings.items())
        also = f" with {values}" if values else ""
        raise ConfigurationError(f"{part[1]} cannot be made{also}: {message}.") from error


def _own_message(error: Exception) -> str:
    """An error's message without gin's list of the calls that led to it."""
    return str(error)[: match.start()] if (match := _CALL.search(str(error))) else str(error)


@contextmanager
def _explained(place: str) -> Iterator[None]:
    """Turns gin's errors about a binding at a place into one sentence."""
    try:
        yield
    except KeyError as error:  # Two modules have the name; gin loses the message on the way.
        cause = error.__cause__ or error.__context__ or error
        raise ConfigurationError(f"{place}: {cause.args[0]}") from error
    except (ValueError, SyntaxError) as error:
        raise ConfigurationError(f"{place}: {_explain(str(error))}") from error


def _explain(message: str) -> str:
    """Adds the nearest name to gin's message."""
    first = _LOCATION.split(message)[0].strip()
    configurable = re.search(r"[Nn]o configurable matching (?:reference )?'@?([\w./]+)", first)
    if configurable:
        name = configurable[1].split("/")[-1]
        near = did_you_mean(name.split(".")[-1], gin_values.names())
        return f"There is nothing called {name!r} to bind.{near}"
    parameter = re.search(r"Configurable '([\w.]+)' doesn't have a parameter named '(\w+)'", first)
    if parameter:
        selector, name = parameter[1], parameter[2]
        known = list(binding_types.parameters(selector))
        hint = did_you_mean(name, known) or f" It has: {', '.join(known) or 'none'}."
        return f"{selector.split('.')[-1]} has no parameter {name!r}.{hint}"
    return first
