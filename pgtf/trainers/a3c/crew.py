"""Starts and parks the A3C workers together and handles their errors."""

import contextlib
import queue
import time
from collections.abc import Sequence

import tensorflow as tf

from pgtf.environments.vector import EnvironmentFailure
from pgtf.trainers.a3c.worker import Outcome, Worker

_POLL = 0.01  # Seconds between two looks at the clock and at ``stopping``.


class Crew:
    """Workers that run for a slice of time and are then all parked.

    Args:
        workers: they report to ``outcomes``.
        outcomes: the workers' reports.
        stop: the flag that they check after each rollout.
        max_failures: how many exceptions of environments are survived; each time the environment is
            rebuilt.

    Attributes:
        stopping: once a signal handler or another thread sets it, the workers park for good after
            their current rollouts.
        failures: the variable that counts exceptions of environments.
    """

    def __init__(
        self,
        workers: Sequence[Worker],
        outcomes: "queue.SimpleQueue[Outcome]",
        stop: tf.Variable,
        max_failures: int,
    ):
        self.workers = workers
        self.stopping = False
        self.failures = tf.Variable(0, dtype=tf.int64, trainable=False, name="failures")
        self._outcomes = outcomes
        self._stop = stop
        self._failures_left = max_failures

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
                outcome = self._outcomes.get(timeout=_POLL)
            except queue.Empty:
                continue
            outcomes.append(outcome)
            running -= 1
            if outcome.error is None:
                continue
            try:
                self._recover(self.workers[outcome.worker], outcome.error)
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
            # A failed environment may fail again on close, which would hide why the run ended.
            failed = worker.environment.failure is not None
            with contextlib.suppress(Exception) if failed else contextlib.nullcontext():
                worker.environment.close()

    def _recover(self, worker: Worker, error: Exception) -> None:
        """Rebuilds a failed environment, or raises the error that cannot be recovered from."""
        failure = worker.environment.failure
        # TensorFlow wraps what Python code in the graph raises.
        if failure is None or not isinstance(error, tf.errors.OpError):
            raise error
        self.failures.assign_add(1)
        if not self._failures_left:
            raise EnvironmentFailure(f"worker {worker.index}, {failure}") from error
        self._failures_left -= 1
        try:
            worker.environment.renew()
        except Exception as again:
            raise EnvironmentFailure(
                f"worker {worker.index}, {failure}, and it could not be rebuilt: {again}"
            ) from again
        worker.restart()
