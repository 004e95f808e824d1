"""Starts and parks the A3C workers together and handles their errors."""

import queue
import time
from collections.abc import Sequence

import tensorflow as tf

from pgtf.trainers.a3c.outcome import Outcome
from pgtf.trainers.a3c.worker import Worker
from pgtf.trainers.recovery import Recovery

_POLL = 0.01  # Seconds between two looks at the clock and at ``stopping``.


class Crew:
    """Workers that run for a slice of time and are then all parked.

    Args:
        workers: they report to ``outcomes``.
        outcomes: the workers' reports.
        stop: the flag that they check after each rollout.
        recovery: rebuilds their environments.

    Attributes:
        outcomes: the ones given.
        stopping: once a signal handler or another thread sets it, the workers park for good after
            their current rollouts.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        outcomes: "queue.SimpleQueue[Outcome]",
        stop: tf.Variable,
        recovery: Recovery,
    ):
        self.workers = workers
        self.stopping = False
        self.outcomes = outcomes
        self._stop = stop
        self._recovery = recovery

    @property
    def failures(self) -> tf.Variable:
        """The variable that counts failures of environments."""
        return self._recovery.failures

    def run(self, limit: int, seconds: float) -> list[Outcome]:
        """Releases all workers and waits until all are parked again.

        Args:
            limit: of the shared counter T, at which they park.
            seconds: after which they park.

        Returns:
            An outcome for each worker, and one more for each time its environment was rebuilt;
            nothing once ``stopping`` is set.

        Raises:
            EnvironmentFailure: an environment raised once too often, or could not be rebuilt; names
                the worker and the environment.
            Exception: any other error of a worker.
        """
        if self.stopping:
            return []
        self._stop.assign(False)
        for worker in self.workers:
            worker.release(limit)
        deadline = time.monotonic() + seconds
        outcomes: list[Outcome] = []
        error: Exception | None = None
        running, told = len(self.workers), False
        while running:
            over = self.stopping or error is not None or time.monotonic() > deadline
            if over and not told:
                self._stop.assign(True)
                told = True
            try:
                outcome = self.outcomes.get(timeout=_POLL)
            except queue.Empty:
                continue
            outcomes.append(outcome)
            running -= 1
            if outcome.error is None:
                continue
            try:
                worker = self.workers[outcome.worker]
                self._recovery.recover(
                    worker.environment, outcome.error, f"worker {worker.index}, "
                )
                worker.restart()
            except Exception as fatal:  # Raised once the other workers are parked.
                error = error or fatal
            else:
                if not told:
                    self.workers[outcome.worker].release(limit)
                    running += 1
        if error is not None:
            raise error
        return outcomes

    def close(self) -> None:
        """Ends all threads, and then closes their environments."""
        self._stop.assign(True)
        for worker in self.workers:
            worker.end()
        for worker in self.workers:
            worker.environment.close()
