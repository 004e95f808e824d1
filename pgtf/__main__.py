"""Policy gradients on TensorFlow, wired by gin.

pgtf train      trains what gin files and bindings describe
pgtf evaluate   scores or films what a run has learned
pgtf variance   measures the variance of policy-gradient estimators
pgtf sweep      trains many runs side by side: seeds, grids, random and guided search
pgtf list       prints every part that can be bound, or the parts named
"""

import importlib
import sys
from collections.abc import Sequence

from pgtf import command_line
from pgtf.configuration.bindings import did_you_mean
from pgtf.errors import ConfigurationError

_MODULES = {
    "train": "pgtf.launch",
    "evaluate": "pgtf.evaluate",
    "variance": "pgtf.variance",
    "sweep": "pgtf.sweep",
    "list": "pgtf.list_parts",
}


def main(arguments: Sequence[str]) -> int | None:
    """Runs the command that the first argument names; prints help when there is none.

    Args:
        arguments: of the command line, without ``pgtf``.
    """
    if not arguments or arguments[0] in ("--help", "-h", "-help", "help"):
        print(f"{(__doc__ or '').strip()}\n\nEach of them has --help.")
        return 0 if arguments else 2
    name, *rest = arguments
    if name not in _MODULES:
        hint = did_you_mean(name, _MODULES) or f" There are: {', '.join(_MODULES)}."
        raise ConfigurationError(f"There is no command {name!r}.{hint}")
    module = importlib.import_module(_MODULES[name])
    result: int | None = module.main(rest)
    return result


def cli() -> None:
    """Runs the command line of ``pgtf``."""
    command_line.run_command(main, sys.argv[1:])


if __name__ == "__main__":
    cli()
