"""Repeating a run: what is noted down for it, and whether it came out the same."""

import hashlib
import importlib.metadata
import json
import platform
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pgtf.errors import ConfigurationError, here
from pgtf.running.run_folder import configuration_text

_PACKAGES = ("pgtf", "tensorflow", "keras", "tensorflow-probability", "gin-config", "numpy")
_ENVIRONMENTS = {
    "gymnasium": "gymnasium",
    "ale_py": "ale-py",
    "mujoco": "mujoco",
    "Box2D": "box2d",
    "minigrid": "minigrid",
    "envpool": "envpool",
}


def versions() -> dict[str, str]:
    """Returns the versions that a run's numbers depend on, by name of the package."""
    packages = [*_PACKAGES, *(p for module, p in _ENVIRONMENTS.items() if module in sys.modules)]
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def fingerprint(policies: Iterable[Iterable[np.ndarray]]) -> str:
    """Returns a SHA-256 of the weights of policies, to tell whether two are equal bit for bit."""
    digest = hashlib.sha256()
    for weights in policies:
        for weight in weights:
            digest.update(f"{weight.dtype}{weight.shape}".encode())
            digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()


def repeatable(run: Path) -> Path:
    """Returns the gin file that repeats a run.

    Raises:
        ConfigurationError: the folder holds no run, or one of parts made in Python.
    """
    text = configuration_text(run, "--rerun")
    if text.startswith("# Started from Python, with parts of its own."):
        raise ConfigurationError(
            f"--rerun={here(run)} was started from Python with parts of its own: repeat it from"
            " there."
        )
    return run / "config.gin"


def verdict(run: Path, summary: Mapping[str, Any]) -> str:
    """Returns a sentence that compares a repeated run with the original.

    Args:
        run: the folder of the original.
        summary: of the repetition.
    """
    try:
        original = json.loads((run / "summary.json").read_text(encoding="utf-8"))
        steps, policy = original["steps"], original["policy_sha256"]
        before = original["versions"]
    except (OSError, ValueError, LookupError, TypeError):
        return f"{here(run)} has no summary.json to compare with."
    if steps != summary["steps"]:
        return f"{here(run)} ended after {steps:,} steps, so the two do not compare."
    if policy == summary["policy_sha256"]:
        return f"The policy is that of {here(run)}, bit for bit."
    now = summary["versions"]
    changed = ", ".join(
        f"{name} {before.get(name, 'none')} → {now.get(name, 'none')}"
        for name in sorted({*before, *now})
        if before.get(name) != now.get(name)
    )
    because = f" ({changed})" if changed else ""
    return f"The policy differs from that of {here(run)}{because}."
