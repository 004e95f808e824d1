"""A binding fits its parameter exactly if its value is of the annotated type."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import gin
import numpy as np
import pytest

from pgtf.configuration.bindings import read_text
from pgtf.configuration.ranges import NOT_EMPTY, Count, Positive, Probability
from pgtf.configuration.types import check
from pgtf.errors import ConfigurationError

MODULE = "binding_types_test"


class Animal:
    pass


@gin.register(module=MODULE)
class Dog(Animal):
    pass


@gin.register(module=MODULE)
class Stone:
    def __call__(self, x: int) -> int:
        return x


@gin.register(module=MODULE)
def dog_maker() -> Dog:
    return Dog()


@gin.register(module=MODULE)
def stone_maker() -> Stone:
    return Stone()


@gin.register(module=MODULE)
def nothing_maker() -> None:
    pass


@gin.register(module=MODULE)
def anything_maker():
    return Dog()


@gin.register(module=MODULE)
class Part:
    def __init__(
        self,
        count: int = 1,
        rate: float = 0.5,
        name: str = "",
        flag: bool = False,
        limit: int | None = None,
        sizes: Sequence[int] = (),
        pair: tuple[int, str] = (1, ""),
        table: Mapping[str, Any] | None = None,
        made: Animal | None = None,
        called: Callable[[int], int] | None = None,
        makers: Sequence[Callable[[int], int]] = (),
        share: Probability = 0.5,
        step: Positive | None = None,
        counts: Sequence[Count] = (),
        levels: Annotated[Sequence[float], NOT_EMPTY] = (1.0,),
        scalar: np.floating | np.integer | np.ndarray = 0.0,  # type: ignore[assignment]
        mode: Literal["fast", "slow"] = "fast",
        unknown: "NotDefinedAnywhere" = None,  # type: ignore[name-defined] # noqa: F821
        plain_rate=0.5,
        plain_flag=True,
        plain_name="x",
        plain=None,
        **more,
    ):
        pass


@pytest.fixture(autouse=True, scope="module")
def _forgotten() -> Iterator[None]:
    yield
    makers = ("dog_maker", "stone_maker", "anything_maker", "nothing_maker")
    for name in ("Dog", "Stone", "Part", *makers):
        gin.config._REGISTRY.pop(f"{MODULE}.{name}")


def checked(text: str) -> None:
    gin.parse_config(text)
    check(read_text(text, "here").bindings)


@pytest.mark.parametrize(
    "binding",
    [
        "count = 3",
        "count = -3",
        "rate = 3",
        "rate = 1e-5",
        "name = 'a'",
        "flag = True",
        "limit = None",
        "limit = 4",
        "sizes = (1, 2)",
        "sizes = [1]",
        "sizes = ()",
        "pair = (1, 'a')",
        "table = {'a': 1}",
        "made = @Dog()",
        "made = @scope/Dog()",
        "made = @dog_maker()",
        "made = @anything_maker()",
        "made = None",
        "called = @dog_maker",
        "called = @Stone()",
        "called = @stone_maker()",
        "makers = [@dog_maker, @Dog]",
        "mode = 'slow'",
        "share = 0",
        "share = 1.0",
        "step = 1e-30",
        "step = None",
        "counts = [1, 2]",
        "levels = (0.5, 2)",
        "levels = @anything_maker()",
        "scalar = -1.0",
        "scalar = 3",
        "unknown = 3",
        "plain_rate = 2",
        "plain_rate = @Dog()",
        "plain_flag = False",
        "plain_name = 'y'",
        "plain = 3",
        "another = 3",
        "count = %MACRO\nMACRO = 3",
        "count = %MACRO\nMACRO = %OTHER\nOTHER = 3",
        "sizes = (%MACRO, 4)\nMACRO = 3",
        "count = %s/MACRO\ns/MACRO = 3",
    ],
)
def test_value_of_the_right_type_passes(binding: str) -> None:
    checked(f"Part.{binding}")


@pytest.mark.parametrize(
    ("binding", "wanted"),
    [
        ("count = 3.0", "a whole number, not 3.0. Write 3."),
        ("count = 3.5", "a whole number, not 3.5."),
        ("count = '3'", "a whole number, not '3'."),
        ("count = True", "a whole number, not True."),
        ("count = None", "a whole number, not None."),
        ("count = (1,)", "a whole number, not (1,)."),
        ("count = @Dog()", "a whole number, not @Dog()."),
        ("rate = 'a'", "a number, not 'a'."),
        ("rate = True", "a number, not True."),
        ("name = 3", "text in quotes, not 3."),
        ("flag = 1", "True or False, not 1."),
        ("limit = 'a'", "a whole number or None, not 'a'."),
        ("sizes = 3", "a list or tuple with a whole number for each item, not 3."),
        ("sizes = '12'", "a list or tuple with a whole number for each item, not '12'."),
        ("sizes = (1, 'a')", "a list or tuple with a whole number for each item, not (1, 'a')."),
        ("pair = (1,)", "a list or tuple"),
        ("table = [1]", "a dictionary or None, not [1]."),
        ("made = 3", "@Dog(), @dog_maker() or None, not 3."),
        ("made = @Dog", "@Dog(), @dog_maker() or None, not @Dog. Write @Dog()."),
        ("made = @s/Dog", "@Dog(), @dog_maker() or None, not @s/Dog. Write @s/Dog()."),
        ("made = @dog_maker", "Write @dog_maker()."),
        ("made = @Stone()", "@Dog(), @dog_maker() or None, not @Stone()."),
        ("made = @stone_maker()", "@Dog(), @dog_maker() or None, not @stone_maker()."),
        ("called = @Dog()", "a name with @ and no parentheses or None, not @Dog()."),
        ("called = 'dog'", "a name with @ and no parentheses or None, not 'dog'."),
        ("makers = [@Dog()]", "not [@Dog()]."),
        ("mode = 'middling'", "one of 'fast', 'slow', not 'middling'."),
        ("plain_rate = 'a'", "a number, not 'a'."),
        ("share = 1.5", "in [0, 1], not 1.5."),
        ("share = 'all'", "a number, not 'all'."),
        ("step = 0", "positive or None, not 0."),
        ("step = -1e-3", "positive or None, not -0.001."),
        ("step = 1e-300", "positive or None, not 1e-300, which counts as 0 in 32 bits."),
        ("rate = 1e300", "a number of 32 bits, not 1e+300, which counts as infinity in 32 bits."),
        ("count = 9223372036854775808", "a number of 64 bits, not 9223372036854775808."),
        ("counts = [1, 0]", "with a whole number of at least 1 for each item, not [1, 0]."),
        ("rate = @nothing_maker()", "a number, not @nothing_maker()."),
        ("levels = ()", "a list or tuple that is not empty, with a number for each item, not ()."),
        ("scalar = 'low'", "a number or a whole number or a numpy.ndarray, not 'low'."),
        ("plain_flag = 3", "True or False, not 3."),
        ("plain_name = 3", "text in quotes, not 3."),
    ],
)
def test_value_of_a_wrong_type_is_refused(binding: str, wanted: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked(f"Part.{binding}")

    name = binding.split()[0]
    assert str(refused.value).startswith(f"here: Part.{name} must be ")
    assert wanted in str(refused.value)


def test_macro_is_blamed_with_the_parameter_it_is_for() -> None:
    with pytest.raises(ConfigurationError, match=r"^here: SIZE \(Part\.count\) must be a whole"):
        checked("SIZE = 'a'\nPart.count = %SIZE")


def test_macro_without_a_value_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"no macro is called SIZE in Part\.sizes"):
        checked("SIZES = 3\nPart.sizes = (1, %SIZE)")


def test_macros_in_a_circle_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"The macros (A, B|B, A) refer to each other"):
        checked("A = %B\nB = %A\nPart.count = %A")


def test_dynamic_registration_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^here: dynamic registration is refused"):
        read_text(
            "from __gin__ import dynamic_registration\nimport os\nos.system.command = ''", "here"
        )
