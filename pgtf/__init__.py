"""pgtf: a policy-gradient framework on TensorFlow, wired by gin."""

__version__ = "0.1.0"

# Exports follow here.
