"""Parts that would have to be made before they are made."""

from collections.abc import Iterator

import gin

from pgtf.configuration import gin_values
from pgtf.errors import ConfigurationError

_Node = tuple[str, tuple[str, ...]]


def refuse_circles() -> None:
    """Refuses bound parts that contain themselves, as an adapter round itself.

    Raises:
        ConfigurationError: there are such parts.
    """
    over: set[_Node] = set()
    for root in sorted({selector for _, selector in gin.config._CONFIG}):
        try:
            _visit((root, ()), [], over)
        except RecursionError:
            raise ConfigurationError(f"Parts are nested too deeply within {root}.") from None


def _visit(node: _Node, path: list[_Node], over: set[_Node]) -> None:
    if node in path:
        names = list(filter(None, map(_name, path[path.index(node) :])))
        raise ConfigurationError(
            f"{' contains '.join([*names, *names[:1]])}, which has no end: bind a part within"
            " itself in a scope of its own, such as @inner/Part()."
        )
    if node in over:
        return
    for inner in _inner(node):
        _visit(inner, [*path, node], over)
    over.add(node)


def _inner(node: _Node) -> Iterator[_Node]:
    """The parts that are made for the arguments of a part."""
    selector, scopes = node
    with gin.config_scope(list(scopes)):
        bound = gin.get_bindings(selector, resolve_references=False)
    for name, value in bound.items():
        for reference in gin_values.within(value):
            if reference.evaluate or (selector == "gin.singleton" and name == "constructor"):
                yield reference.configurable.selector, tuple(reference.scopes) or scopes


def _name(node: _Node) -> str:
    """How a part is bound; empty for macros, which others contain in its place."""
    selector, scopes = node
    if selector.startswith("gin."):
        return ""
    return f"@{'/'.join([*scopes, selector.split('.')[-1]])}()"
