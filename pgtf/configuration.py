"""gin: what can be bound, where files are found, and messages when a binding is wrong."""

import ast
import dataclasses
import difflib
import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import gin
import keras
from absl import logging
from gin import config_parser

import pgtf
from pgtf.errors import ConfigurationError, TrainingError

_LOCATION = re.compile(r"\n? *In (?:file|bindings string).*", re.DOTALL)
_CALL = re.compile(r"\n *In call to configurable '(?:[\w./]*[./])?(\w+)'")

_T = TypeVar("_T")


def shipped_files() -> Path:
    """Returns the folder of the gin files that come with pgtf."""
    package = Path(pgtf.__file__).parent
    installed = package / "gin_configs"
    return installed if installed.is_dir() else package.parent / "gin_configs"


def register_keras() -> None:
    """Makes Keras optimizers, schedules and initializers bindable by their names.

    gin 0.5 brings such registrations in ``gin.tf``, which this TensorFlow cannot import.
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
            gin.external_configurable(item, name=name, module=module.__name__)


@dataclasses.dataclass(frozen=True)
class Binding:
    """One binding of a gin file or of the command line.

    Attributes:
        key: ``scope/Selector.parameter``, or a macro's name.
        value: as gin text.
        file: the file's name, or the flag's.
        line: counted from 1.
    """

    key: str
    value: str
    file: str
    line: int

    @property
    def shipped(self) -> bool:
        """Whether it stands in a file that comes with pgtf."""
        return Path(self.file).is_relative_to(shipped_files())


@dataclasses.dataclass(frozen=True)
class Configuration:
    """What the user asked for.

    Attributes:
        name: of the last gin file, without its ending.
        text: all bindings in force, as one gin file.
        bindings: where each of them stands, by key.
    """

    name: str
    text: str
    bindings: dict[str, Binding]

    def warnings(self) -> list[str]:
        """Returns a line for each binding that nothing has used so far.

        Those of pgtf's own files share one line: they are left over when a part was swapped.
        """
        used = {_short(key) for key in _parse(gin.operative_config_str(), "operative config")}
        unused = [binding for key, binding in self.bindings.items() if _short(key) not in used]
        lines = []
        for binding in unused:
            if not binding.shipped:
                near = difflib.get_close_matches(_short(binding.key), used, n=1, cutoff=0.7)
                hint = f" Did you mean {near[0]}?" if near else ""
                lines.append(
                    f"{binding.file} line {binding.line}: nothing uses {binding.key}.{hint}"
                )
        left_over = [
            f"{binding.key} ({Path(binding.file).name} line {binding.line})"
            for binding in unused
            if binding.shipped
        ]
        if left_over:
            lines.append(f"not used with these parts: {', '.join(left_over)}")
        return lines


def load(files: Sequence[str], parameters: Sequence[str]) -> Configuration:
    """Parses gin files and then the parameters of the command line, later ones winning.

    Args:
        files: looked up in the current folder, then among those that come with pgtf.
        parameters: bindings.

    Raises:
        ConfigurationError: a file is missing, or a binding cannot be.
    """
    gin.add_config_file_search_path(str(shipped_files()))
    bindings: dict[str, Binding] = {}
    for file in files:
        bindings |= _locate(file)
    for parameter in parameters:
        bindings |= _parse(parameter, "--gin_param")
    for file in files:
        _check(lambda file=file: gin.parse_config_file(file))
    for parameter in parameters:
        _check(lambda parameter=parameter: gin.parse_config(parameter))
    name = Path(files[-1]).stem if files else "default"
    return Configuration(name, gin.config_str(), bindings)


def bound(key: str, default: Any) -> Any:
    """Returns the value bound to ``Selector.parameter``, or the default."""
    try:
        return gin.query_parameter(key)
    except ValueError:
        return default


def call(function: Callable[..., _T], **arguments: Any) -> _T:
    """Calls a configurable; gin makes the parts that are bound to it.

    Raises:
        ConfigurationError: a part cannot be made of what is bound to it.
    """
    try:
        return function(**arguments)
    except ConfigurationError as error:
        raise ConfigurationError(_own_message(error)) from error
    except TrainingError as error:
        raise TrainingError(_own_message(error)) from error
    except (TypeError, ValueError, RuntimeError) as error:
        part = _CALL.search(str(error))
        if part is None or part[1] == function.__name__:
            raise
        message = _own_message(error)
        raise ConfigurationError(f"{part[1]} cannot be made: {message}") from error


def first_difference(
    one: str, other: str, ignored: Sequence[str]
) -> tuple[str, str, str] | None:
    """Compares two configurations.

    Args:
        one: gin text.
        other: gin text.
        ignored: keys that may differ.

    Returns:
        The first key that differs with its two values, or None.
    """
    left, right = _parse(one, ""), _parse(other, "")
    for key in sorted({*left, *right} - set(ignored)):
        values = [side[key].value if key in side else "unbound" for side in (left, right)]
        if values[0] != values[1]:
            return key, values[0], values[1]
    return None


def hyperparameters(text: str) -> dict[str, bool | float | str]:
    """Returns the values of a configuration that TensorBoard's table of hyper-parameters can hold.

    Args:
        text: gin text, most often the operative configuration.
    """
    table: dict[str, bool | float | str] = {}
    for key, binding in _parse(text, "").items():
        try:
            value = ast.literal_eval(binding.value)
        except (ValueError, SyntaxError):
            value = binding.value
        table[_short(key)] = value if isinstance(value, bool | int | float) else str(value)
    return table


class _AsText(config_parser.ParserDelegate):
    """Reads references and macros as the text they stand in."""

    def configurable_reference(self, scoped_name: str, evaluate: bool) -> Any:
        return _Text(f"@{scoped_name}{'()' if evaluate else ''}")

    def macro(self, scoped_name: str) -> Any:
        return _Text(f"%{scoped_name}")


class _Text(str):
    def __repr__(self) -> str:
        return str(self)


def _own_message(error: Exception) -> str:
    """An error's message without what gin adds of the calls that led to it."""
    return str(error)[: match.start()] if (match := _CALL.search(str(error))) else str(error)


def _find(file: str) -> Path:
    for folder in (Path(), shipped_files()):
        if (folder / file).is_file():
            return folder / file
    names = sorted(str(p.relative_to(shipped_files())) for p in shipped_files().rglob("*.gin"))
    raise ConfigurationError(
        f"There is no gin file {file!r} in the current folder or among pgtf's own"
        f" ({', '.join(names)})."
    )


def _locate(file: str) -> dict[str, Binding]:
    path = _find(file)
    return _parse(path.read_text(), str(path))


def _parse(text: str, file: str) -> dict[str, Binding]:
    bindings: dict[str, Binding] = {}
    try:
        for statement in config_parser.ConfigParser(text, _AsText()):
            if isinstance(statement, config_parser.IncludeStatement):
                bindings |= _locate(statement.filename)
            elif isinstance(statement, config_parser.BindingStatement):
                scope = f"{statement.scope}/" if statement.scope else ""
                argument = f".{statement.arg_name}" if statement.arg_name else ""
                key = f"{scope}{statement.selector}{argument}"
                line = statement.location.line_num
                bindings[key] = Binding(key, repr(statement.value), file, line)
    except (SyntaxError, ValueError) as error:
        message = getattr(error, "msg", None) or str(error)
        where = f" line {error.lineno}" if getattr(error, "lineno", None) else ""
        raise ConfigurationError(f"{file}{where}: {message}") from error
    return bindings


def _check(parse: Callable[[], Any]) -> None:
    verbosity = logging.get_verbosity()
    # gin logs an error for each folder in which a file is not, also when the next one has it.
    logging.set_verbosity(logging.FATAL)
    try:
        parse()
    except ConfigurationError:
        raise
    except (ValueError, SyntaxError, OSError, ImportError) as error:
        raise ConfigurationError(_explain(str(error))) from error
    finally:
        logging.set_verbosity(verbosity)


def _explain(message: str) -> str:
    """Adds the nearest name to gin's message about an unknown one."""
    first = _LOCATION.split(message)[0].strip()
    where = re.search(r'In (?:file|bindings string) "?(.*?)"?, line (\d+)', message)
    if where and where[1].startswith("<"):
        where = None
    place = f"{where[1]} line {where[2]}: " if where else ""
    configurable = re.search(r"[Nn]o configurable matching (?:reference )?'@?([\w./]+)", first)
    if configurable:
        name = configurable[1].split("/")[-1]
        return f"{place}There is nothing called {name!r} to bind.{_nearest(name, _names())}"
    parameter = re.search(r"Configurable '([\w.]+)' doesn't have a parameter named '(\w+)'", first)
    if parameter:
        selector, name = parameter[1], parameter[2]
        signature = inspect.signature(gin.get_configurable(selector))
        return (
            f"{place}{selector.split('.')[-1]} has no parameter {name!r}."
            f"{_nearest(name, list(signature.parameters))}"
        )
    return place + first


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        return f" Did you mean {near[0]!r}?"
    return f" There are: {', '.join(sorted(names))}." if len(names) < 20 else ""


def _names() -> list[str]:
    # gin has no public list of what is registered.
    return sorted({selector.split(".")[-1] for selector, _ in gin.config._REGISTRY.items()})


def _short(key: str) -> str:
    """A binding's key with the module path cut from its selector."""
    *scope, selector = key.split("/")
    return "/".join([*scope, ".".join(selector.split(".")[-2:])])
