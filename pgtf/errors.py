"""Errors whose message is meant for the person who runs pgtf."""


class ConfigurationError(ValueError):
    """A configuration that cannot work; the message is one sentence that names what to change."""


class TrainingError(RuntimeError):
    """A run that could not go on (a crashed environment, a full disk, a loss that is not finite)."""
