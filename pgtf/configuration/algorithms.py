"""Settings of a task that hold for one algorithm only."""

import dataclasses

from pgtf.configuration.bindings import Reading, shipped_files


def chosen(reading: Reading) -> Reading:
    """Returns the bindings that hold for the algorithm whose file was read.

    In a file, ``ppo/Rollouts.num_steps = 256`` stands for ``Rollouts.num_steps = 256`` where
    ``ppo.gin`` is read, be it included, and for nothing elsewhere. So one file of settings serves
    many algorithms, and whoever binds ``Rollouts.num_steps`` later still has the last word. The
    scopes are the names of the gin files that come with pgtf; all others are gin's own.

    Args:
        reading: all that was read.
    """
    algorithms = {path.stem for path in shipped_files().glob("*.gin")}
    read = {path.stem for path in reading.files}
    result = Reading(imports=reading.imports, files=reading.files)
    for key, binding in reading.bindings.items():
        scope, _, inner = key.partition("/")
        if not inner or scope not in algorithms or binding.line is None:
            result.bind(binding, key)
        elif scope in read:
            result.bind(dataclasses.replace(binding, key=inner), inner)
    return result
