"""What every test runs under: TensorFlow's threads, fixed seeds, no gin bindings."""

import gc
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

# TensorFlow reads these when it starts. Test processes share the cores, one each; two workers of
# A3C take a thread each.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "2")
# Programs run for milliseconds here: compiling them costs more than a slow machine code does. The
# older emitter of fused loops compiles in half the time.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
)

import hypothesis
import pytest

if TYPE_CHECKING:
    from tests.toy_environments import Scripted

# Examples depend on the test alone, and the first one may spend seconds in a compiler.
hypothesis.settings.register_profile("pgtf", deadline=None, derandomize=True)
hypothesis.settings.load_profile("pgtf")


@pytest.fixture(autouse=True, scope="session")
def _started() -> None:
    """Starts TensorFlow before the first run can choose its threads for all the tests after it.

    Graphs run for milliseconds here: optimizing them costs more than it saves, and so does looking
    for garbage after every 700 objects. Runs in processes of their own have what users have.
    """
    import tensorflow as tf

    tf.zeros(())
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


@pytest.fixture(autouse=True)
def _same_start() -> None:
    """Makes a test's outcome independent of the tests that ran before it in the same process."""
    import gin  # here, since the process that hands out the tests needs no TensorFlow
    import keras

    keras.utils.set_random_seed(0)
    gin.clear_config()


@pytest.fixture
def optimized_graphs() -> Iterator[None]:
    """Lets TensorFlow rewrite graphs, as it does for users; products are rounded differently."""
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> "type[Scripted]":
    """The scripted environment before its first step; ``monkeypatch`` writes its script."""
    from tests.toy_environments import Scripted

    monkeypatch.setattr(Scripted, "taken", 0)
    return Scripted
