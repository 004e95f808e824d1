"""Says when a run collects steps and learns from none of them."""

import sys

from pgtf.running.callbacks import Callback, Snapshot
from pgtf.trainers.trainer import Trainer


class IdlenessWarning(Callback):
    """Warns once, at the first point of the curves that stands for no learned step.

    Returns that do not bootstrap leave out episodes that have not ended; on a task without end that
    is every step.

    Args:
        trainer: the run's.
    """

    def __init__(self, trainer: Trainer):
        self._trainer = trainer
        self._told = False

    def on_log(self, snapshot: Snapshot) -> None:
        """Looks at the share of steps that were learned from."""
        learner = self._trainer.learner
        if self._told or learner is None or snapshot.scalars.get("train/learned_fraction") != 0.0:
            return
        self._told = True
        print(
            f"pgtf: warning: nothing was learned from the last steps, up to {snapshot.steps:,}: no"
            f" episode ended, and {type(learner.objective.returns).__name__} leaves out those that"
            " have not. Limit episodes (GymEnvironment.kwargs = {'max_episode_steps': 500}),"
            " collect longer ones (Episodes.max_steps), or bind returns that bootstrap (a2c.gin).",
            file=sys.stderr,
        )
