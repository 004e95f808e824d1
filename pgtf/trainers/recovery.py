"""Going on after an environment has failed, a bound number of times."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import tensorflow as tf

from pgtf.environments.border import EnvironmentFailure
from pgtf.environments.lifetime import Lifetime

_T = TypeVar("_T")


class Recovery:
    """Rebuilds environments that have failed.

    Args:
        most: how many failures are survived, since the run was started or resumed.

    Attributes:
        failures: the variable that counts all failures of the run.
    """

    def __init__(self, most: int):
        self.failures = tf.Variable(0, dtype=tf.int64, trainable=False, name="failures")
        self._left = most

    def counts(self) -> dict[str, float]:
        """Returns the number of failures for TensorBoard, once there are any."""
        failures = float(self.failures.numpy())
        return {"train/environment_failures": failures} if failures else {}

    def saving(self) -> dict[str, int]:
        """Returns what a checkpoint has to hold; see ``Trainer.saving``."""
        return {"failures": int(self.failures.numpy())}

    def restored(self, saved: Mapping[str, Any]) -> None:
        """Goes on counting from what ``saving`` returned."""
        self.failures.assign(saved.get("failures", 0))

    def run(
        self,
        attempt: Callable[[], _T],
        environment: Lifetime,
        restart: Callable[[], None] = lambda: None,
    ) -> _T:
        """Returns what ``attempt`` returns, which steps an environment in a graph.

        Args:
            attempt: is called again after each failure that is survived.
            environment: rebuilt before that.
            restart: resets it, where ``attempt`` does not.

        Raises:
            EnvironmentFailure: the environment failed once too often, or could not be rebuilt.
        """
        failed = False
        while True:
            try:
                if failed:
                    restart()
                return attempt()
            except tf.errors.OpError as error:
                self.recover(environment, error)
                failed = True

    def recover(self, environment: Lifetime, error: Exception, who: str = "") -> None:
        """Rebuilds an environment, if that is what failed and if it may.

        Args:
            environment: the one that was stepped.
            error: what came out of the graph.
            who: begins the message.

        Raises:
            EnvironmentFailure: see ``run``.
            Exception: ``error``, which did not come from the environment.
        """
        failure = environment.failure
        # TensorFlow wraps what Python code in the graph raises.
        if failure is None or not isinstance(error, tf.errors.OpError):
            raise error
        self.failures.assign_add(1)
        if not self._left:
            raise EnvironmentFailure(f"{who}{failure}") from error
        self._left -= 1
        try:
            environment.renew()
        except Exception as again:
            raise EnvironmentFailure(
                f"{who}{failure}, and it could not be rebuilt: {again}"
            ) from again
