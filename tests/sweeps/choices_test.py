"""What a sweep varies is read from one line, and drawn alike each time."""

import numpy as np
import pytest
from scipy import stats

from pgtf.errors import ConfigurationError
from pgtf.sweeps.choices import Choice, choice, drawn, grid


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Learner.discount = [0.9, 0.99]", ("0.9", "0.99")),
        ("MLP.hidden=[(64, 64), (8,),]", ("(64, 64)", "(8,)")),
        ("Policy.head = [@Beta(), @Gaussian()]", ("@Beta()", "@Gaussian()")),
        ("ENVIRONMENT = ['a, b', \"c]\"]", ("'a, b'", '"c]"')),
        ("a/B.c = [{'x': [1, 2]}, %M]", ("{'x': [1, 2]}", "%M")),
    ],
)
def test_list_is_split_into_gin_values(text: str, values: tuple[str, ...]) -> None:
    assert choice(text) == Choice(text.partition("=")[0].strip(), values)


def test_range_has_its_numbers() -> None:
    assert choice("A.b = loguniform(1e-5, 1e-2)") == Choice("A.b", (), "loguniform", 1e-5, 1e-2)
    assert choice("A.b = randint(2, 5)") == Choice("A.b", (), "randint", 2, 5)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Learner.discount", "has nothing to vary"),
        ("Learner.discount = 0.9", "give it a list"),
        ("Learner.discount = []", "has nothing to vary"),
        ("= [1, 2]", "has nothing to vary"),
        ("A.b = [(1, 2]", "cannot be read|has nothing|--vary"),
        ("A.b = uniform(1)", "needs two numbers"),
        ("A.b = uniform(2, 1)", "have to increase"),
        ("A.b = uniform(0, inf)", "have to increase"),
        ("A.b = randint(0.5, 3)", "have to increase"),
        ("A.b = loguniform(0, 1)", "begin above 0"),
    ],
)
def test_what_cannot_be_varied_is_told(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        choice(text)


def test_grid_is_every_combination() -> None:
    points = grid([choice("A.b = [1, 2]"), choice("C.d = ['x', 'y', 'z']")])

    assert len(points) == 6
    assert points[0] == {"A.b": "1", "C.d": "'x'"}
    assert {tuple(point.values()) for point in points} == {
        (a, b) for a in ("1", "2") for b in ("'x'", "'y'", "'z'")
    }


def test_grid_without_choices_is_the_one_configuration() -> None:
    assert grid([]) == [{}]


def test_grid_takes_no_range() -> None:
    with pytest.raises(ConfigurationError, match="--search=random"):
        grid([choice("A.b = uniform(0, 1)")])


def test_drawn_points_follow_the_seed_and_begin_alike() -> None:
    choices = [choice("A.b = uniform(0, 1)"), choice("C.d = [1, 2, 3]")]

    assert drawn(choices, 5, 0) == drawn(choices, 9, 0)[:5]
    assert drawn(choices, 5, 0) != drawn(choices, 5, 1)


@pytest.mark.parametrize(
    ("text", "distribution"),
    [
        ("A.b = uniform(-1, 3)", stats.uniform(-1, 4)),
        ("A.b = loguniform(1e-5, 1e-2)", stats.loguniform(1e-5, 1e-2)),
    ],
)
def test_drawn_numbers_have_the_distribution(text: str, distribution: object) -> None:
    """Kolmogorov and Smirnov's test at a fixed seed; wrong in 1 of 1,000 choices of it."""
    numbers = [float(point["A.b"]) for point in drawn([choice(text)], 2_000, 3)]

    assert stats.kstest(numbers, distribution.cdf).pvalue > 1e-3  # type: ignore[attr-defined]


def test_drawn_integers_stay_below_the_end() -> None:
    numbers = [int(point["A.b"]) for point in drawn([choice("A.b = randint(2, 5)")], 300, 0)]

    assert set(numbers) == {2, 3, 4}
    counts = np.bincount(numbers)[2:]
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_drawn_number_has_five_digits() -> None:
    (point,) = drawn([choice("A.b = loguniform(1e-9, 1e-8)")], 1, 0)
    mantissa, _, exponent = point["A.b"].partition("e")

    assert exponent == "-09"
    assert len(mantissa.replace(".", "")) == 5
