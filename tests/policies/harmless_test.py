"""A saved policy computes and does nothing else, or it is not loaded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import tensorflow as tf

from pgtf.networks.mlp import MLP
from pgtf.policies.acting_graph import acting_graph, save_graph
from pgtf.policies.harmless import refuse_effects
from pgtf.policies.policy import Policy

SPACES = gym.spaces.Box(-1.0, 1.0, (3,)), gym.spaces.Discrete(2)


def saved(function: Callable[[tf.Tensor], Any], folder: Path) -> Path:
    module = tf.Module()
    module.greedy = tf.function(function, [tf.TensorSpec((), tf.float32)], autograph=False)
    tf.saved_model.save(module, str(folder))
    return folder


def test_the_graph_of_a_policy_is_harmless(tmp_path: Path) -> None:
    policy = Policy(MLP((4,)))
    policy.build(*SPACES)
    save_graph(acting_graph(policy, *SPACES), tmp_path / "policy")
    refuse_effects(tmp_path / "policy")


def hidden(x: tf.Tensor) -> tf.Tensor:
    """Writes in a function that a branch calls."""

    def write() -> tf.Tensor:
        tf.io.write_file("/tmp/never", "x")
        return x + 1.0

    inner = tf.function(write, autograph=False)
    return tf.cond(x > 0.0, inner, lambda: x)


def printing(x: tf.Tensor) -> tf.Tensor:
    tf.print(x, output_stream="file:///tmp/never")
    return x


@pytest.mark.parametrize(
    ("function", "operation"),
    [
        (lambda x: tf.strings.length(tf.io.read_file("/etc/hostname")), "ReadFile"),
        (lambda x: tf.strings.length(tf.io.matching_files("/*")), "MatchingFiles"),
        (printing, "PrintV2"),
        (hidden, "WriteFile"),
    ],
)
def test_a_graph_that_touches_files_is_refused(
    function: Callable[[tf.Tensor], Any], operation: str, tmp_path: Path
) -> None:
    folder = saved(function, tmp_path / "policy")
    with pytest.raises(ValueError, match=f"does more than compute: it asks for {operation}"):
        refuse_effects(folder)


def test_a_graph_that_runs_something_when_loaded_is_refused(tmp_path: Path) -> None:
    module = tf.Module()
    values = tf.lookup.KeyValueTensorInitializer([1], [2])
    module.table = tf.lookup.StaticHashTable(values, 0)
    module.greedy = tf.function(module.table.lookup, [tf.TensorSpec((), tf.int32)], autograph=False)
    tf.saved_model.save(module, str(tmp_path / "policy"))
    with pytest.raises(ValueError, match="holds more than functions"):
        refuse_effects(tmp_path / "policy")


def test_what_is_no_graph_is_told(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\xff" * 100)
    with pytest.raises(ValueError, match="holds no graph"):
        refuse_effects(tmp_path)
