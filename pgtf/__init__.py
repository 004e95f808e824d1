"""pgtf: a policy-gradient framework on TensorFlow, wired by gin."""

from pgtf.moved import forward_old_names

__version__ = "0.1.0"

forward_old_names()
