"""Gin text as data: the bindings and their places, before anything runs."""

import ast
import contextlib
import dataclasses
import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from pgtf.configuration.gin_text import statements
from pgtf.errors import ConfigurationError

_DEEPEST = 100  # Includes within includes.
_LONGEST_NAME = 255  # Characters of a file's name, in most file systems and in messages.


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
        # A name may be too long for the system, or of a user it does not know.
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            path = (folder / file).expanduser()
            if path.is_file():
                return path
    own = sorted(str(path.relative_to(shipped_files())) for path in shipped_files().rglob("*.gin"))
    here = ", ".join(sorted(str(path) for path in Path().glob("*.gin")))
    raise ConfigurationError(
        f"There is no gin file {file[:_LONGEST_NAME]!r} in the current"
        f" folder{here and f' ({here})'} or among pgtf's own ({', '.join(own)})."
    )


@dataclasses.dataclass(frozen=True)
class Reading:
    """What gin text says, that of the files it includes in its place.

    Attributes:
        bindings: by key, in the order in which they were last bound.
        imports: the place of each module that is imported.
        files: the absolute paths of the files that were read.
    """

    bindings: dict[str, Binding] = dataclasses.field(default_factory=dict)
    imports: dict[str, str] = dataclasses.field(default_factory=dict)
    files: list[Path] = dataclasses.field(default_factory=list)

    def add(self, other: "Reading") -> None:
        """Lets another reading follow; its bindings win."""
        for key, binding in other.bindings.items():
            self.bind(binding, key)
        self.imports.update(other.imports)
        self.files.extend(path for path in other.files if path not in self.files)

    def bind(self, binding: Binding, key: str) -> None:
        """Adds a binding, behind all others: a name may have a longer form, and the last wins."""
        self.bindings.pop(key, None)
        self.bindings[key] = binding


def read_file(file: str, known: dict[Path, Reading] | None = None) -> Reading:
    """Reads a gin file and all it includes; later bindings win.

    Args:
        file: looked up as in ``find``.
        known: files that have been read before, by absolute path; gets those that are read now.

    Raises:
        ConfigurationError: a file is missing, cannot be read or is not gin.
    """
    return _read_file(file, {} if known is None else known, [])


def read_text(text: str, source: str) -> Reading:
    """Reads gin text that has no file.

    Args:
        text: one or many statements.
        source: its name in messages.

    Raises:
        ConfigurationError: it is not gin.
    """
    return _read(text, source, False, {}, [])


def _read_file(file: str, known: dict[Path, Reading], including: list[Path]) -> Reading:
    path = find(file)
    resolved = path.resolve()
    if resolved in including:
        raise ConfigurationError(f"{path} includes itself.")
    if len(including) >= _DEEPEST:
        raise ConfigurationError(f"files include each other more than {_DEEPEST} deep.")
    # A file may be included from many places, and these again: each is read once.
    if resolved not in known:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}") from error
        known[resolved] = _read(text, str(path), True, known, [*including, resolved])
        known[resolved].files.append(resolved)
    return known[resolved]


def _read(
    text: str, source: str, in_file: bool, known: dict[Path, Reading], including: list[Path]
) -> Reading:
    reading = Reading()
    for statement in statements(text, source, in_file):
        line = statement.line if in_file else None
        binding = Binding(statement.name, statement.value, source, line)
        if statement.kind == "binding":
            reading.bind(binding, statement.name)
        elif statement.kind == "import":
            reading.imports[statement.name] = binding.place
        else:
            try:
                reading.add(_read_file(statement.name, known, including))
            except ConfigurationError as error:
                # Of a long chain of includes the last link tells enough.
                raise (
                    error
                    if " line " in str(error)
                    else ConfigurationError(f"{source}{f' line {line}' if line else ''}: {error}")
                ) from error
    return reading


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
    left, right = read_text(one, "one").bindings, read_text(other, "the other").bindings
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
    bindings = read_text(asked, "configuration").bindings
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
    for key in read_text(operative, "operative configuration").bindings:
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
