"""Callbacks: code of the user's that follows a run and may end it."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import gin

from pgtf.configuration.checked import checked
from pgtf.errors import TrainingError
from pgtf.policies.numpy_policy import NumpyPolicy


class Snapshot(NamedTuple):
    """Where a run stands when it calls back.

    Attributes:
        steps: environment steps so far, those before a resumption included.
        scalars: tag -> value, as TensorBoard shows them at this step: everything in ``on_log``,
            ``eval/…`` in ``on_evaluation``, and nothing in ``on_checkpoint``.
        episodes: episodes in the window that ``rollout/ep_rew_mean`` is the mean of.
        policy: the one that is trained, as it is now; of several seeds the last.
        logdir: the run folder.
    """

    steps: int
    scalars: Mapping[str, float]
    episodes: int
    policy: NumpyPolicy
    logdir: Path


class Callback:
    """Follows a run. Each method may return True to end it, evaluated and saved; default: no-op.

    Bound by ``train.callbacks = [@MyCallback()]`` or given to ``pgtf.train(callbacks=[…])``. What a
    callback raises ends the run, saved.
    """

    def on_log(self, snapshot: Snapshot) -> bool | None:
        """Is called each time a point is added to the curves (``train.log_every``)."""

    def on_evaluation(self, snapshot: Snapshot) -> bool | None:
        """Is called after each evaluation, the last one included."""

    def on_checkpoint(self, snapshot: Snapshot) -> bool | None:
        """Is called after each checkpoint, the last one included."""


@gin.register
class StopAtReturn(Callback):
    """Ends a run once its mean return is high enough.

    Args:
        threshold: the return to reach.
        of: 'training', the mean of the last 100 episodes, once there are so many, looked at each
            time the run logs; or 'evaluation', the mean of an evaluation (``Evaluation.every``).
    """

    @checked
    def __init__(self, threshold: float, of: Literal["training", "evaluation"] = "training"):
        self.threshold = threshold
        self.of = of

    def on_log(self, snapshot: Snapshot) -> bool:
        """Returns whether the last 100 episodes reach the threshold."""
        return (
            self.of == "training"
            and snapshot.episodes >= 100
            and snapshot.scalars["rollout/ep_rew_mean"] >= self.threshold
        )

    def on_evaluation(self, snapshot: Snapshot) -> bool:
        """Returns whether the evaluation reaches the threshold."""
        return self.of == "evaluation" and snapshot.scalars["eval/mean_reward"] >= self.threshold


class Callbacks:
    """Calls a run's callbacks in their order.

    Attributes:
        stopped_by: name of the callback that asked for the end of the run, or None.
    """

    @checked
    def __init__(self, callbacks: Sequence[Callback]):
        self._callbacks = tuple(callbacks)
        self.stopped_by: str | None = None

    def __bool__(self) -> bool:
        return bool(self._callbacks)

    def log(self, snapshot: Snapshot) -> None:
        """Calls ``on_log``; raises TrainingError if one of them raises."""
        self._call("on_log", [callback.on_log for callback in self._callbacks], snapshot)

    def evaluation(self, snapshot: Snapshot) -> None:
        """Calls ``on_evaluation``; raises TrainingError if one of them raises."""
        self._call("on_evaluation", [each.on_evaluation for each in self._callbacks], snapshot)

    def checkpoint(self, snapshot: Snapshot) -> None:
        """Calls ``on_checkpoint``; raises TrainingError if one of them raises."""
        self._call("on_checkpoint", [each.on_checkpoint for each in self._callbacks], snapshot)

    def _call(
        self, event: str, methods: Sequence[Callable[[Snapshot], bool | None]], snapshot: Snapshot
    ) -> None:
        for callback, method in zip(self._callbacks, methods, strict=True):
            with _named(f"{type(callback).__name__}.{event}", snapshot.steps):
                if method(snapshot):
                    self.stopped_by = type(callback).__name__


@contextlib.contextmanager
def _named(name: str, steps: int) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".split("\n")[0].rstrip(".: ")
        raise TrainingError(
            f"The callback {name} failed after {steps:,} steps: {reason}."
        ) from error
