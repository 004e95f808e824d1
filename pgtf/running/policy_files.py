"""What a run folder keeps of its policies, so that ``pgtf.load`` needs nothing of the trainer.

``policy/`` holds the graph that acts and ``spaces.json``, both for the whole run; beside each
checkpoint ``step-N`` lies ``step-N.policy.npz``, the weights of every member (one, or one a seed).
"""

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import gymnasium as gym
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from pgtf.errors import ConfigurationError, cannot_write
from pgtf.policies import acting_graph
from pgtf.policies.numpy_policy import NumpyPolicy
from pgtf.running.checkpoint_files import best_of, step_of
from pgtf.space_description import described, space_of

_WEIGHTS = ".policy.npz"
# The errors of json, NumPy and TensorFlow for files that are missing, torn or something else.
_UNREADABLE = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, EOFError),
    *(zipfile.BadZipFile, tf.errors.OpError, DecodeError),
)


def write_graph(graph: tf.Module, trainer_spaces: tuple[gym.Space, gym.Space], run: Path) -> None:
    """Writes the part that is the same for the whole run.

    Args:
        graph: of ``acting_graph``.
        trainer_spaces: of one observation and of one action.
        run: the run folder.

    Raises:
        ValueError: the graph cannot be saved; see its message.
        TrainingError: the folder cannot be written to.
    """
    folder = run / "policy"
    try:
        acting_graph.save_graph(graph, folder)
        names = ("observation_space", "action_space")
        text = {name: described(space) for name, space in zip(names, trainer_spaces, strict=True)}
        (folder / "spaces.json").write_text(json.dumps(text, indent=1) + "\n")
    except OSError as error:
        raise cannot_write(folder, error) from error


def write_weights(checkpoint: Path, members: Mapping[str, list[np.ndarray]]) -> None:
    """Writes the weights that belong to a checkpoint, whole or not at all.

    Args:
        checkpoint: its path, without suffixes.
        members: name of each policy that is trained -> a value for each of its variables.

    Raises:
        OSError: they cannot be written.
    """
    path = weights_path(checkpoint)
    temporary = path.with_name(f"{path.name}.tmp")
    arrays = {
        f"{member}/{i}": value
        for member, values in members.items()
        for i, value in enumerate(values)
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def weights_path(checkpoint: Path) -> Path:
    """Returns where the policies of a checkpoint are; ``checkpoint`` is without suffixes."""
    return checkpoint.with_name(checkpoint.name + _WEIGHTS)


def read_policy(run: Path, checkpoint: str | int, member: int) -> NumpyPolicy:
    """Returns a policy of a run folder that ``holds_policies``.

    Args:
        run: the run folder.
        checkpoint: "last", "best" or a number of environment steps.
        member: which of several seeds, counted from 0.

    Raises:
        ConfigurationError: there is no such checkpoint or member, or its weights are not finite.
    """
    path = _weights(run, checkpoint)
    with _readable(run, path), np.load(path) as arrays:
        members: dict[str, dict[int, np.ndarray]] = {}
        for key in arrays.files:
            name, _, index = key.rpartition("/")
            members.setdefault(name, {})[int(index)] = arrays[key]
    if not 0 <= member < len(members):
        raise ConfigurationError(
            f"{run} holds the policies of {len(members)} seeds, counted from 0, and so none with"
            f" seed={member}."
        )
    chosen = list(members.values())[member]
    weights = [chosen[i] for i in range(len(chosen))]
    if not all(np.all(np.isfinite(x)) for x in weights if np.issubdtype(x.dtype, np.floating)):
        raise ConfigurationError(
            f"{path} holds weights that are not finite: the run has diverged. Load an earlier"
            " checkpoint, by its number of steps."
        )
    with _readable(run, run / "policy"):
        text = json.loads((run / "policy" / "spaces.json").read_text())
        return acting_graph.saved_policy(
            run / "policy",
            weights,
            space_of(text["observation_space"]),
            space_of(text["action_space"]),
        )


def holds_policies(run: Path) -> bool:
    """Whether a run folder has the files of this module, as older ones have not."""
    return (run / "policy" / "spaces.json").exists()


@contextmanager
def _readable(run: Path, path: Path) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        reason = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        raise ConfigurationError(
            f"{run} holds a policy that cannot be read: {path.relative_to(run)}: {reason}."
        ) from error


def _weights(run: Path, checkpoint: str | int) -> Path:
    folder = run / "checkpoints"
    last = sorted(folder.glob(f"step-*{_WEIGHTS}"), key=step_of)
    best = _best(folder)
    if checkpoint == "last" and last:
        return last[-1]
    if checkpoint == "best" and best:
        return best[-1]
    for path in (*last, *best):
        if step_of(path) == checkpoint:
            return path
    if checkpoint == "best" and last:
        raise ConfigurationError(
            f"{run} has not been evaluated yet, so that no checkpoint is the best: load 'last'."
        )
    if not last:
        raise ConfigurationError(f"{run} holds no checkpoint yet.")
    known = ", ".join(str(step) for step in sorted({step_of(path) for path in (*last, *best)}))
    raise ConfigurationError(
        f"{run} has no checkpoint {checkpoint!r}: there are 'last', 'best' and the steps {known}."
    )


def _best(folder: Path) -> list[Path]:
    best = best_of(folder)
    path = None if best is None else weights_path(folder / "best" / f"step-{best.step}")
    return [path] if path is not None and path.exists() else []
