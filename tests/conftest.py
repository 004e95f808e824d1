"""What every test runs under: TensorFlow's threads, fixed seeds, no gin bindings."""

import os

# TensorFlow reads this when it is imported. Test processes share the cores, one each.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import hypothesis
import pytest

# Examples depend on the test alone, and the first one may spend seconds in a compiler.
hypothesis.settings.register_profile("pgtf", deadline=None, derandomize=True)
hypothesis.settings.load_profile("pgtf")


@pytest.fixture(autouse=True, scope="session")
def _same_threads() -> None:
    """Starts TensorFlow with a thread for each of two workers.

    Else the first run in a process would choose their number for all the tests after it.
    """
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(2)
    tf.zeros(())


@pytest.fixture(autouse=True)
def _same_start() -> None:
    """Makes a test's outcome independent of the tests that ran before it in the same process."""
    import gin  # here, since the process that hands out the tests needs no TensorFlow
    import keras

    keras.utils.set_random_seed(0)
    gin.clear_config()
