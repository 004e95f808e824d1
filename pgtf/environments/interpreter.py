"""Cheaper calls into Python from TensorFlow's threads."""

import ctypes
import threading

_thread = threading.local()


def keep_thread_state() -> None:
    """Keeps the calling thread's Python thread state alive between calls from a graph.

    A thread that Python did not start gets a thread state and a stack for each call and loses them
    afterwards (``PyGILState_Ensure``, PEP 311). These system calls take as long as stepping several
    environments. One ``PyGILState_Ensure`` without its release keeps the state for the thread's
    lifetime; TensorFlow's pools live as long as the process.
    """
    if not hasattr(_thread, "kept"):
        _thread.kept = True
        ctypes.pythonapi.PyGILState_Ensure()
