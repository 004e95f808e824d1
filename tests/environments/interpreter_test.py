"""The Python state of TensorFlow's threads."""

import threading

import numpy as np
import tensorflow as tf

from pgtf.environments.interpreter import keep_thread_state


def test_what_a_thread_keeps_in_python_survives_its_calls() -> None:
    """Python forgets a foreign thread after each call, its ``threading.local`` data included."""
    local = threading.local()
    calls: dict[int, int] = {}

    def call() -> np.int32:
        keep_thread_state()
        local.calls = getattr(local, "calls", 0) + 1
        calls[threading.get_native_id()] = local.calls
        return np.int32(0)

    @tf.function(autograph=False)
    def several() -> tf.Tensor:
        return tf.add_n([tf.numpy_function(call, [], tf.int32) for _ in range(4)])

    for _ in range(100):
        several()
    calls.pop(threading.get_native_id(), None)
    assert calls, "TensorFlow ran everything in the thread of the test"
    assert max(calls.values()) > 1
