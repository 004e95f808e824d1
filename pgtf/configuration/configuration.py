"""gin: registers Keras, finds files, and explains wrong bindings."""

import copy
import dataclasses
import inspect
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import gin
import keras

from pgtf.configuration import isolation as isolation
from pgtf.configuration import modules, naming
from pgtf.configuration import types as binding_types
from pgtf.configuration.bindings import (
    Binding,
    did_you_mean,
    find,
    read_file,
    read_text,
    shipped_files,
    short,
    used_keys,
)
from pgtf.errors import ConfigurationError, TrainingError

_LOCATION = re.compile(r"\n? *In (?:file|bindings string).*", re.DOTALL)
_CALL = re.compile(r"\n *In call to configurable '(?:[\w./]*[./])?(\w+)'")

_REQUIRED = re.compile(r"Required bindings for `(\w+)` not provided in config: \['(\w+)'")

_T = TypeVar("_T")


def register_keras() -> None:
    """Registers Keras optimizers, schedules and initializers with gin under their names.

    gin 0.5 does this in ``gin.tf``, which cannot be imported with this TensorFlow.
    """
    for module, base in (
        (keras.optimizers, keras.optimizers.Optimizer),
        (keras.optimizers.schedules, keras.optimizers.schedules.LearningRateSchedule),
        (keras.initializers, keras.initializers.Initializer),
    ):
        classes = {
            item.__name__: item
            for item in vars(module).values()
            if inspect.isclass(item) and issubclass(item, base) and item is not base
        }
        for name, item in classes.items():
            if any(part.__name__ == name for part in item.__subclasses__()):
                continue  # A part of pgtf extends it, such as PolynomialDecay.
            if name in binding_types.names():  # A part of pgtf has the name, such as Constant.
                name += base.__name__
            gin.external_configurable(item, name=name, module=module.__name__)


@dataclasses.dataclass(frozen=True)
class Configuration:
    """What the user asked for.

    Attributes:
        name: of the first gin file, without its ending: the algorithm's.
        description: the other gin files and the bindings of the command line, as part of a name.
        text: all bindings in force, as one gin file.
        bindings: where each of them stands, by key.
    """

    name: str
    description: str
    text: str
    bindings: dict[str, Binding]

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

    The folders of the files are put on Python's path, for what they import.

    Args:
        files: looked up in the current folder, then among those that come with pgtf.
        parameters: bindings.
        source: what messages call a parameter.

    Raises:
        ConfigurationError: a file is missing, a binding names something unknown, or a value does
            not have its parameter's type.
    """
    if str(shipped_files()) not in gin.config._LOCATION_PREFIXES:
        gin.add_config_file_search_path(str(shipped_files()))
    gin.clear_config()
    bindings: dict[str, Binding] = {}
    sources = {parameter: source.format(parameter) for parameter in parameters}
    seen: list[Path] = []
    for file in files:
        bindings |= read_file(file, seen)
    for parameter, place in sources.items():
        bindings |= read_text(parameter, place)
    own = [path for path in seen if not path.is_relative_to(shipped_files().resolve())]
    folders = modules.put_on_path(own)
    for file in files:
        with _explained(file):
            gin.parse_config_file(str(find(file)))
    for parameter, place in sources.items():
        with _explained(place):
            gin.parse_config(parameter)
    binding_types.check(bindings)
    return Configuration(
        Path(files[0]).stem if files else "default",
        naming.run_name(files, bindings.values()),
        modules.note(folders) + gin.config_str(),
        bindings,
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
    except (TypeError, ValueError, RuntimeError) as error:
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
def _explained(source: str) -> Iterator[None]:
    """Turns gin's errors about text from a source into one sentence."""
    # gin logs an error for each folder that lacks a file, even if the next folder has it.
    disabled = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    except ConfigurationError:
        raise
    except KeyError as error:  # Two modules have the name; gin loses the message on the way.
        cause = error.__cause__ or error.__context__ or error
        raise ConfigurationError(f"{source}: {cause.args[0]}") from error
    except ModuleNotFoundError as error:
        message = f"{_explain(str(error), source).rstrip('.')}. {modules.looked_for()}"
        raise ConfigurationError(message) from error
    except (ValueError, SyntaxError, OSError, ImportError) as error:
        raise ConfigurationError(_explain(str(error), source)) from error
    finally:
        logging.disable(disabled)


def _explain(message: str, source: str) -> str:
    """Adds the place and the nearest name to gin's message."""
    first = _LOCATION.split(message)[0].strip()
    where = re.search(r'In file "(.*?)", line (\d+)', message)
    place = f"{where[1]} line {where[2]}" if where else source
    configurable = re.search(r"[Nn]o configurable matching (?:reference )?'@?([\w./]+)", first)
    if configurable:
        name = configurable[1].split("/")[-1]
        near = did_you_mean(name.split(".")[-1], binding_types.names())
        return f"{place}: There is nothing called {name!r} to bind.{near}"
    parameter = re.search(r"Configurable '([\w.]+)' doesn't have a parameter named '(\w+)'", first)
    if parameter:
        selector, name = parameter[1], parameter[2]
        known = list(binding_types.parameters(selector))
        hint = did_you_mean(name, known) or f" It has: {', '.join(known) or 'none'}."
        return f"{place}: {selector.split('.')[-1]} has no parameter {name!r}.{hint}"
    return f"{place}: {first}"
