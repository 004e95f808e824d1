"""What happens to a run when a number of it is no longer finite."""

import gin
import numpy as np

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, FactorBelowOne


class Safeguard:
    """Decides how a run goes on after an update that made a loss or a weight infinite or NaN.

    Such weights are never saved or scored, whichever safeguard is bound to ``train.safeguard``.

    Attributes:
        undoes_updates: whether trainers undo such an update, in the graph.
        retreats: whether it may go back to a checkpoint, so that there has to be one.
    """

    undoes_updates: bool = False
    retreats: bool = False

    def tolerates(self, skipped: np.ndarray) -> bool:
        """Whether the run goes on as it is.

        Args:
            skipped: [K, S], for each update since the last call whether it was undone; S is 1, or
                the number of seeds.
        """
        return not np.any(skipped)

    def retreat(self) -> float | None:
        """Returns the factor of the steps with which the run goes back to its last checkpoint.

        None if it does not. Is called each time the run cannot go on as it is.
        """
        return None


@gin.register
class StopRun(Safeguard):
    """Stops the run, whose last checkpoint is good (the default)."""


@gin.register
class SkipUpdates(Safeguard):
    """Undoes an update after which a number is not finite, and goes on with the next rollout.

    TensorBoard shows their share as ``train/skipped``. A rare overflow costs one update; where the
    cause stays, the run stops. Each update keeps the old values until the new ones are known; with
    A3C, updates wait for each other.

    Args:
        most: updates in a row that may be skipped; one more stops the run.
    """

    undoes_updates = True

    @checked
    def __init__(self, most: Count = 10):
        self.most = most
        self._in_a_row: np.ndarray | int = 0

    def tolerates(self, skipped: np.ndarray) -> bool:
        """Counts the updates that were skipped in a row; see ``Safeguard.tolerates``."""
        for each in skipped:
            self._in_a_row = np.where(each, self._in_a_row + 1, 0)
            if np.any(self._in_a_row > self.most):
                return False
        return True


@gin.register
class GoBack(Safeguard):
    """Goes back to the last checkpoint, with smaller steps of the optimizer.

    The curves are cut off there too. Every learning rate is multiplied by ``factor``, for the rest
    of the run, and ``CrossEntropyMethod.step`` likewise.

    Args:
        factor: of the learning rate, each time.
        most: times; one more stops the run.
    """

    retreats = True

    @checked
    def __init__(self, factor: FactorBelowOne = 0.5, most: Count = 3):
        self.factor = factor
        self.most = most
        self._times = 0

    def retreat(self) -> float | None:
        """Returns the factor, ``most`` times; see ``Safeguard.retreat``."""
        self._times += 1
        return self.factor if self._times <= self.most else None
