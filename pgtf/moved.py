"""Forwards the module names of version 0.1, so that parts written for it still import."""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
import warnings
from collections.abc import Sequence

MOVED = {
    "acting": "learning.acting",
    "baselines": "learning.baselines",
    "binding_types": "configuration.types",
    "bindings": "configuration.bindings",
    "checkpoint": "running.checkpoint",
    "convolutional": "networks.convolutional",
    "critics": "learning.critics",
    "diagnostics": "learning.diagnostics",
    "entropy": "learning.entropy",
    "environments.base": "environments.environment",
    "environments.compiled.environment": "environments.compiled.tensorflow_environment",
    "estimators": "learning.estimators",
    "evaluation": "running.evaluation",
    "exploration": "rollouts.exploration",
    "fitting": "learning.fitting",
    "interruption": "running.interruption",
    "learner": "learning.learner",
    "loop": "running.loop",
    "metrics": "running.metrics",
    "normalization": "networks.normalization",
    "objective": "learning.objective",
    "parameters": "graph.parameters",
    "policies.default": "policies.head",
    "policies.noise": "graph.stateless",
    "population": "evolution.population",
    "progress": "running.progress",
    "rollout": "rollouts.unroll",
    "run_folder": "running.run_folder",
    "runtime": "configuration.runtime",
    "scan": "graph.scan",
    "schedules": "learning.schedules",
    "search": "evolution.search",
    "shaping": "evolution.shaping",
    "silence": "configuration.silence",
    "training": "running.training",
}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the old names, and only those, when no other finder does."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, name = fullname.partition(".")
        if package != "pgtf" or name not in MOVED:
            return None
        return importlib.machinery.ModuleSpec(fullname, _Finder())

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        new = f"pgtf.{MOVED[spec.name.partition('.')[2]]}"
        warnings.warn(f"{spec.name} is {new} now.", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(new)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Restores the spec that the import under the old name replaced."""
        module.__spec__ = self._own_spec


def forward_old_names() -> None:
    """Makes imports of the old names work, with a ``DeprecationWarning``."""
    sys.meta_path.append(_Finder())
