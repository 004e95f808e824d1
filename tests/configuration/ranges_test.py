"""A range says which numbers are in it, as TensorFlow computes with them, and names itself."""

import math
import typing
from typing import Any

import pytest

from pgtf.configuration.ranges import (
    Count,
    Positive,
    PositiveProbability,
    Probability,
    ProbabilityBelowOne,
    Range,
    Seed,
    as_computed,
)


def range_of(annotation: Any) -> Range:
    (found,) = typing.get_args(annotation)[1:]
    assert isinstance(found, Range)
    return found


@pytest.mark.parametrize(
    ("annotation", "inside", "outside", "words", "noun"),
    [
        (Count, (1, 2), (0, -1), "at least 1", "a number of at least 1"),
        (Positive, (1e-30,), (0.0, -1.0), "positive", "a positive number"),
        (Probability, (0.0, 1.0), (-0.1, 1.1), "in [0, 1]", "a number in [0, 1]"),
        (ProbabilityBelowOne, (0.0,), (1.0,), "in [0, 1)", "a number in [0, 1)"),
        (
            PositiveProbability,
            (1.0,),
            (0.0,),
            "above 0 and at most 1",
            "a number above 0 and at most 1",
        ),
        (
            Seed,
            (0, 2147483647),
            (-1, 2147483648),
            "from 0 to 2147483647",
            "a number from 0 to 2147483647",
        ),
    ],
)
def test_range_holds_what_it_says(
    annotation: Any, inside: tuple, outside: tuple, words: str, noun: str
) -> None:
    numbers = range_of(annotation)
    assert all(number in numbers for number in inside)
    assert not any(number in numbers for number in outside)
    assert str(numbers) == words
    assert numbers.of("number") == noun


def test_no_range_holds_what_is_not_a_number() -> None:
    assert math.nan not in Range(0.0, 1.0)
    assert math.nan not in Range()


def test_numbers_that_float32_cannot_hold_count_as_0_or_infinite() -> None:
    assert as_computed(1e-300) == 0.0
    assert as_computed(1e300) == math.inf
    assert as_computed(-1e300) == -math.inf
    assert as_computed(0.1) == 0.1
