"""pgtf is a guest in its process: what it cannot work with is told in one sentence."""

import json
import os
import sys
from pathlib import Path

import keras
import pytest

import pgtf
from pgtf.configuration import host
from pgtf.errors import ConfigurationError


@pytest.mark.parametrize(
    ("setting", "other"),
    [("floatx", "float16"), ("floatx", "float64"), ("image_data_format", "channels_first")],
)
def test_other_settings_of_keras_are_refused(
    setting: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = getattr(keras.config, f"set_{setting}")
    before = getattr(keras.config, setting)()
    change(other)
    try:
        with pytest.raises(ConfigurationError, match=rf"keras\.config\.set_{setting}\("):
            pgtf.train("a2c.gin", logdir=tmp_path / "run")
    finally:
        change(before)
    assert not (tmp_path / "run").exists()


def test_half_precision_is_refused() -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        with pytest.raises(ConfigurationError, match="here it is 'mixed_float16'"):
            host.check_process()
    finally:
        keras.config.set_dtype_policy("float32")


def test_another_backend_is_refused_before_keras_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "keras")  # As if it were not imported yet.
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    host.check_backend()
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    with pytest.raises(
        ConfigurationError, match=r"keras\.json asks for 'torch': set KERAS_BACKEND"
    ):
        host.check_backend()
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    host.check_backend()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(ConfigurationError, match="KERAS_BACKEND asks for 'jax'"):
        host.check_backend()


def test_a_fork_of_a_process_that_has_trained_is_refused() -> None:
    host.check_process()
    child = os.fork()
    if child == 0:
        try:
            host.check_process()
        except ConfigurationError as error:
            os._exit(3 if "spawn" in str(error) else 4)
        os._exit(5)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 3
    host.check_process()
