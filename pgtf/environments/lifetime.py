"""What holds something outside TensorFlow: it may fail, is halted, rebuilt and closed."""

from typing import Protocol


class Lifetime(Protocol):
    """The contract of what may hold something outside TensorFlow; by default there is nothing."""

    @property
    def failure(self) -> Exception | None:
        """The exception that the environment's own code raised in the last call, or None."""
        return None

    def renew(self) -> None:
        """Rebuilds whatever lives outside TensorFlow, after the environment's code has raised."""
        return

    def halt(self, grace: float = 0.0) -> None:
        """Makes steps and resets raise Halted, as the run is to end; called in any thread.

        Compiled environments need not: no call of theirs lasts.

        Args:
            grace: seconds from now in which rollouts may still come to their end.
        """
        del grace

    def close(self) -> None:
        """Frees resources outside TensorFlow."""
        return


class LifetimeOfAnother(Lifetime):
    """What goes round an environment and holds nothing else.

    Attributes:
        environment: the one inside.
    """

    environment: Lifetime

    @property
    def failure(self) -> Exception | None:
        """That of the environment inside."""
        return self.environment.failure

    def renew(self) -> None:
        """Rebuilds the environment inside."""
        self.environment.renew()

    def halt(self, grace: float = 0.0) -> None:
        """Halts the environment inside; see ``Lifetime.halt``."""
        self.environment.halt(grace)

    def close(self) -> None:
        """Closes the environment inside."""
        self.environment.close()
