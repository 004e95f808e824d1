"""Calls of Python from TensorFlow's threads, made cheaper."""

import ctypes
import threading

_thread = threading.local()


def keep_thread_state() -> None:
    """Lets the calling thread keep its Python thread state between two calls out of a graph.

    A thread that Python did not start gets a state, and the memory of a stack, for each call, and
    loses them after it (``PyGILState_Ensure``, PEP 311): system calls that take as long as stepping
    several environments. One call of ``PyGILState_Ensure`` without its release keeps them for as
    long as the thread lives; TensorFlow's pools live as long as the process.
    """
    if not hasattr(_thread, "kept"):
        _thread.kept = True
        ctypes.pythonapi.PyGILState_Ensure()
