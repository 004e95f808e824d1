"""Compilation: what XLA cannot compile runs without it; every other error stays what it is."""

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from pgtf.graph.compilation import Compilation
from tests.uncompilable import through_python

BINDING = "Part.jit_compile"
ONES = tf.ones((3,))


def grown(x: tf.Tensor) -> tf.Tensor:
    """A loop whose tensor changes its shape: XLA has a kernel for it, which fails."""
    return tf.while_loop(
        lambda i, x: i < 2,
        lambda i, x: (i + 1, tf.concat([x, x], 0)),
        (0, x),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )[1]


@pytest.mark.parametrize(
    ("python", "operation", "size"),
    [(through_python, "PyFunc", 3), (tf.strings.as_string, "AsString", 3), (grown, "while", 12)],
)
@pytest.mark.parametrize("nested", [False, True])
def test_the_log_names_the_operation_and_the_binding_once(
    python: Callable[[tf.Tensor], Any],
    operation: str,
    size: int,
    nested: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    compilation = Compilation(True, BINDING)
    function = compilation.function(python)
    if nested:
        function = compilation.function(function, xla=False)
    restarts: list[bool] = []
    for _ in range(2):
        result = compilation.run(
            lambda: function(ONES), lambda: restarts.append(compilation.enabled)
        )
        assert result.shape == (size,)
    assert restarts == [False]
    assert caplog.text.count("XLA cannot compile") == 1
    assert f"XLA cannot compile {operation}: " in caplog.text
    assert f"{BINDING} = False" in caplog.text


def test_what_is_off_from_the_start_meets_no_xla(caplog: pytest.LogCaptureFixture) -> None:
    compilation = Compilation(False, BINDING)
    function = compilation.function(through_python)
    assert compilation.run(lambda: function(ONES)).shape == (3,)
    assert not caplog.text


def test_what_works_is_compiled() -> None:
    compilation = Compilation(True, BINDING)
    assert _compiled(compilation.function(tf.square))
    assert not _compiled(compilation.function(tf.square, xla=False))
    assert compilation.enabled


def _compiled(function: Callable[[tf.Tensor], Any]) -> bool:
    """Whether XLA compiles a function when it is called from a graph."""
    graph = tf.function(function, autograph=False).get_concrete_function(ONES).graph
    calls = [op for op in graph.get_operations() if op.type.endswith("PartitionedCall")]
    return any(call.get_attr("_XlaMustCompile") for call in calls)


def test_other_errors_are_not_taken_for_it() -> None:
    compilation = Compilation(True, BINDING)
    attempts = []

    def attempt() -> None:
        attempts.append(1)
        raise tf.errors.InvalidArgumentError(None, None, "{{node x}} is not finite")

    with pytest.raises(tf.errors.InvalidArgumentError, match="not finite"):
        compilation.run(attempt)
    assert compilation.enabled
    assert len(attempts) == 1


def test_a_child_follows_its_parent_and_fails_alone() -> None:
    parent = Compilation(True, BINDING)
    one, other = parent.child(), parent.child()
    function = one.function(through_python)
    one.run(lambda: function(ONES))
    assert (parent.enabled, one.enabled, other.enabled) == (True, False, True)
    function = parent.function(through_python)
    parent.run(lambda: function(ONES))
    assert (parent.enabled, other.enabled) == (False, False)
