"""A plain call is held to the annotations that bindings are held to."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import gin
import keras
import numpy as np
import pytest
import tensorflow as tf

import pgtf
from pgtf import parts
from pgtf.configuration import gin_values, keras_parts
from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, NonNegative, Probability
from pgtf.errors import ConfigurationError

assert parts.__name__  # Registers every part.


class Tool:
    @checked
    def __init__(
        self,
        count: Count = 1,
        share: Probability | None = None,
        names: Sequence[str] = (),
        table: Mapping[str, int] | None = None,
        called: Callable[[], None] | None = None,
        other: "Tool | None" = None,
        rate: NonNegative | keras.optimizers.schedules.LearningRateSchedule = 0.0,
        flag: bool = False,
        *,
        anything=None,
    ):
        self.count = count


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"count": 2},
        {"count": np.int64(2)},
        {"share": np.float32(0.5)},
        {"share": 1},
        {"share": None},
        {"rate": tf.constant(0.5)},
        {"rate": keras.optimizers.schedules.CosineDecay(0.1, 10)},
        {"names": ["a"]},
        {"table": {"a": 1}},
        {"called": print},
        {"other": Tool()},
        {"flag": np.bool_(True)},
        {"anything": object()},
    ],
)
def test_what_an_annotation_allows_passes(arguments: dict[str, Any]) -> None:
    assert Tool(**arguments).count == arguments.get("count", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "Tool.count must be at least 1, not 0."),
        ({"count": 1.5}, "Tool.count must be a whole number, not 1.5."),
        ({"count": True}, "Tool.count must be a whole number, not True."),
        ({"count": 2.0}, "Tool.count must be a whole number, not 2.0. Write 2."),
        ({"share": 1.5}, "Tool.share must be in [0, 1] or None, not 1.5."),
        ({"share": float("nan")}, "Tool.share must be in [0, 1] or None, not nan."),
        ({"share": np.float32(-1)}, "Tool.share must be in [0, 1] or None, not -1.0."),
        ({"share": "half"}, "Tool.share must be a number or None, not 'half'."),
        ({"rate": -1e-3}, "Tool.rate must be at least 0, not -0.001."),
        ({"rate": Tool()}, "not a tests.Tool."),
        ({"names": "ab"}, "Tool.names must be a list or tuple with text for each item, not 'ab'."),
        ({"table": {"a": "b"}}, "Tool.table must be a dictionary or None, not {'a': 'b'}."),
        ({"called": 3}, "Tool.called must be a function or None, not 3."),
        ({"other": Tool}, "Tool.other must be a tests.Tool or None, not the class Tool."),
        ({"flag": 1}, "Tool.flag must be True or False, not 1."),
    ],
)
def test_what_it_does_not_allow_is_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Tool(**arguments)
    assert message in str(refused.value)


def test_a_call_that_python_refuses_stays_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'cuont'"):
        Tool(cuont=1)  # type: ignore[call-arg]


def test_a_subclass_goes_by_its_own_name() -> None:
    class Hammer(Tool):
        pass

    with pytest.raises(ConfigurationError, match=r"^Hammer\.count must be"):
        Hammer(0)


def test_the_signature_is_that_of_the_function() -> None:
    assert list(inspect.signature(Tool).parameters)[:2] == ["count", "share"]


def constructions() -> Iterator[Any]:
    """The constructors of pgtf's parts that have annotated arguments."""
    for _, known in gin.config._REGISTRY.items():
        function = gin_values.construction(known.wrapped)
        own = (function.__module__ or "").startswith("pgtf.")
        annotated = any(
            parameter.annotation is not inspect.Parameter.empty
            for parameter in inspect.signature(function).parameters.values()
        )
        tensors = known.wrapped in (pgtf.centred_ranks, pgtf.standardised)
        if own and annotated and not tensors:
            yield pytest.param(function, id=known.selector)


@pytest.mark.parametrize("function", list(constructions()))
def test_every_part_of_pgtf_is_checked(function: Any) -> None:
    assert hasattr(function, "__wrapped__"), "decorate it with @checked"


def test_every_number_and_switch_of_keras_is_declared() -> None:
    kinds = (keras.optimizers.Optimizer, keras.optimizers.schedules.LearningRateSchedule)
    undeclared = {
        f"{known.selector}.{name}"
        for _, known in gin.config._REGISTRY.items()
        if keras_parts.is_one(known.wrapped) and issubclass(known.wrapped, kinds)
        for name, parameter in inspect.signature(known.wrapped).parameters.items()
        if isinstance(parameter.default, int | float) and name not in keras_parts.EXPECTED
    }
    assert undeclared == set()
