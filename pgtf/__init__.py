"""pgtf: a policy-gradient framework on TensorFlow, wired by gin."""

import ast
import importlib
import sys
from pathlib import Path
from typing import Any

from pgtf.moved import forward_old_names

__version__ = "0.1.0"

forward_old_names()


def _exports() -> dict[str, tuple[str, str]]:
    """The public names, from the stub that type checkers read: name -> module and name there."""
    imported, exports = {}, {}
    for statement in ast.parse(Path(__file__).with_suffix(".pyi").read_text()).body:
        match statement:
            case ast.ImportFrom(module=str(module), names=names):
                for each in names:
                    imported[each.asname or each.name] = (module, each.name)
                    if each.asname:
                        exports[each.asname] = (module, each.name)
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name(id=other)):
                exports[name] = imported[other]
    return exports


_EXPORTS = _exports()
__all__ = ["__version__", *_EXPORTS]


def exporting_modules() -> list[str]:
    """Returns the modules that the public names come from."""
    return sorted({module for module, _ in _EXPORTS.values()})


def __getattr__(name: str) -> Any:
    """Imports what a public name stands for when it is first asked for (PEP 562)."""
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pgtf.configuration.host import check_backend

    check_backend()
    module, attribute = _EXPORTS[name]
    if "tensorflow" in sys.modules:
        value = getattr(importlib.import_module(module), attribute)
    else:
        from pgtf.configuration.silence import silenced_tensorflow

        with silenced_tensorflow():
            value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})
