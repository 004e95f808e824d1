"""Shapes that would broadcast in silence are refused while tracing."""

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf

from pgtf import losses, returns

T, B = 4, 3
FLAGS = {"terminated", "truncated"}
COUNTS = {"time"}
PLAIN = {"discount": 0.9, "lambda_": 0.5, "n": 2, "rho_bar": 1.0, "c_bar": 1.0, "clip": 0.2}


def public_functions() -> list[Callable[..., Any]]:
    return [
        function
        for module in (returns, losses)
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not name.startswith("_")
    ]


def arguments(function: Callable[..., Any]) -> dict[str, Any]:
    """Arguments whose shapes are those that the docstring asks for."""
    made: dict[str, Any] = {}
    for name in inspect.signature(function).parameters:
        dtype = tf.bool if name in FLAGS else tf.int32 if name in COUNTS else tf.float32
        rows = T + 1 if name == "values" else T
        made[name] = PLAIN[name] if name in PLAIN else tf.zeros((rows, B), dtype)
    return made


def wrong() -> list[Any]:
    """Every tensor of every function that takes two or more, in shapes that broadcast."""
    return [
        pytest.param(function, name, cut, id=f"{function.__name__}-{name}-{label}")
        for function in public_functions()
        for name in arguments(function)
        if name not in PLAIN and len(arguments(function).keys() - PLAIN.keys()) > 1
        for label, cut in (("row", lambda x: x[:1]), ("column", lambda x: x[:, :1]))
    ]


@pytest.mark.parametrize(("function", "name", "cut"), wrong())
def test_a_tensor_of_another_shape_is_refused_while_tracing(
    function: Callable[..., Any], name: str, cut: Callable[[tf.Tensor], tf.Tensor]
) -> None:
    fitting = arguments(function)
    with pytest.raises(ValueError, match=r"has the shape"):
        tf.function(function, autograph=False).get_concrete_function(
            **(fitting | {name: cut(fitting[name])})
        )


@pytest.mark.parametrize("function", [f for f in public_functions() if "values" in arguments(f)])
def test_values_without_the_last_observations_are_refused(function: Callable[..., Any]) -> None:
    fitting = arguments(function)
    with pytest.raises(ValueError, match="one row more"):
        function(**(fitting | {"values": fitting["values"][:-1]}))


@pytest.mark.parametrize("function", public_functions())
def test_sizes_that_tracing_does_not_know_fit(function: Callable[..., Any]) -> None:
    fitting = arguments(function)
    specs = {
        name: x if name in PLAIN else tf.TensorSpec((None, None), x.dtype)
        for name, x in fitting.items()
    }
    traced = tf.function(function, autograph=False).get_concrete_function(**specs)
    tensors = {name: x for name, x in fitting.items() if name not in PLAIN}
    tf.debugging.assert_near(traced(**tensors), function(**fitting))
