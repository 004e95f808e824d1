"""What a worker of A3C reports of a slice of time, and its curves."""

from typing import NamedTuple

import numpy as np

from pgtf.rollouts.window import EpisodeWindow


class Outcome(NamedTuple):
    """The results of a worker from its release until it parked, in K rollouts.

    After an error, the last few rollouts before it are counted in ``steps`` only.

    Attributes:
        worker: its index.
        scalars: [K, n], the columns are ``Worker.names``.
        episodes: [K, 3], see ``Report``.
        steps: environment steps.
        seconds: wall time.
        error: the exception that ended it, or None.
    """

    worker: int
    scalars: np.ndarray
    episodes: np.ndarray
    steps: int
    seconds: float
    error: Exception | None


def worker_scalars(worker: int, outcomes: list[Outcome], window: EpisodeWindow) -> dict[str, float]:
    """Returns a worker's scalars for TensorBoard.

    Args:
        worker: its index.
        outcomes: its own, of one slice of time.
        window: its last episodes, to which those of the outcomes are added.
    """
    tag = f"worker_{worker}"
    for outcome in outcomes:
        window.add(outcome.episodes)
    seconds = sum(outcome.seconds for outcome in outcomes)
    scalars = {f"{tag}/steps_per_second": sum(x.steps for x in outcomes) / seconds}
    lags = np.concatenate([outcome.scalars[:, -1] for outcome in outcomes])
    if len(lags):
        scalars[f"{tag}/policy_lag"] = float(lags.mean())
    if (mean := window.scalars().get("rollout/ep_rew_mean")) is not None:
        scalars[f"{tag}/ep_rew_mean"] = mean
    return scalars
