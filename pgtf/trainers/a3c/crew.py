"""The workers of A3C as a whole: released together, parked together, and what happens to errors."""

import contextlib
import queue
import time
from collections.abc import Sequence

import tensorflow as tf

from pgtf.environments.vector import EnvironmentFailure
from pgtf.trainers.a3c.worker import Outcome, Worker

_POLL = 0.01  # Seconds between two looks at the clock and at ``stopping``.


class Crew:
    """Workers that run for a slice of time and then are all parked.

    Args:
        workers: which report to ``outcomes``.
        outcomes: where they report.
        stop: the flag that they look at after each rollout.
        max_failures: exceptions of environments after which a worker goes on with its environment
            made anew.

    Attributes:
        stopping: once it is set, which a signal handler may do, the workers park for good after
            the rollouts they are in.
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
            An outcome for each worker, and one more for each time that its environment was renewed;
            nothing once ``stopping`` is set.

        Raises:
            EnvironmentFailure: an environment raised once too often, or could not be made anew; it
                names the worker and the environment.
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
            except Exception as fatal:  # It waits until the other workers are parked.
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
            # What has failed may fail again when it is closed, and hide why the run ended.
            failed = worker.environment.failure is not None
            with contextlib.suppress(Exception) if failed else contextlib.nullcontext():
                worker.environment.close()

    def _recover(self, worker: Worker, error: Exception) -> None:
        """Makes a failed environment anew, or raises what cannot be recovered from."""
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
                f"worker {worker.index}, {failure}, and it could not be made anew: {again}"
            ) from again
        worker.restart()
