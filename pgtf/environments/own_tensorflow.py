"""Environments that compute with TensorFlow themselves: learned simulators, reward models.

Their ``tf.function`` waits for a thread of TensorFlow's pool, in which the environment itself runs:
without a spare one it waits for ever. The pool is set up before anything is imported that might
start TensorFlow, so the module's text is looked at.
"""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym

from pgtf.configuration.modules import permit

_IMPORT = re.compile(r"^\s*(?:import|from)\s+(?:tensorflow|keras|tf_keras)\b", re.MULTILINE)
_MOST_FILES = 200  # Of a package.


def asks_tensorflow(id: str) -> bool:
    """Returns whether the module of an environment imports TensorFlow or Keras, anywhere in it.

    Args:
        id: of the environment, ``module:Env-v0`` included.
    """
    return any(_IMPORT.search(path.read_text(errors="ignore")) for path in _sources(id))


def _sources(id: str) -> Iterator[Path]:
    """The files of the module that an id names, or else of the one that was registered."""
    module, _, name = id.rpartition(":")
    if not module and name in gym.registry:
        entry: Any = gym.registry[name].entry_point
        module = entry.partition(":")[0] if isinstance(entry, str) else entry.__module__
    if not module or module.partition(".")[0] in ("gymnasium", "__main__"):
        return
    if id.rpartition(":")[0]:
        permit(f"{id} (GymEnvironment.id, ENVIRONMENT)", module)
    try:
        spec = importlib.util.find_spec(module)  # Imports the package round it.
    except (Exception, SystemExit):  # What is wrong with it is said when it is made.
        return
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return
    origin = Path(spec.origin)
    if spec.submodule_search_locations is None:
        yield origin
    else:
        yield from sorted(origin.parent.rglob("*.py"))[:_MOST_FILES]
