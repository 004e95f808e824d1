"""What a sweep varies: bindings, each with a list of values or a range."""

import io
import itertools
import math
import re
import tokenize
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pgtf.errors import ConfigurationError

#: A configuration of a sweep: gin key -> value, as gin text.
Point = dict[str, str]

_RANGE = re.compile(r"(uniform|loguniform|randint)\((.*)\)", re.DOTALL)
_HOW = (
    'give it a list, as in --vary="Learner.discount = [0.97, 0.99]", or a range:'
    " uniform(0, 1), loguniform(1e-5, 1e-2), randint(1, 9)"
)


class Choice(NamedTuple):
    """One binding that is varied.

    Attributes:
        key: what is bound.
        values: gin texts to choose from; empty for a range.
        distribution: of a range: 'uniform', 'loguniform' or 'randint'.
        low: the least number of a range.
        high: the end of a range; 'randint' stays below it.
    """

    key: str
    values: tuple[str, ...]
    distribution: str = ""
    low: float = 0.0
    high: float = 0.0

    def drawn(self, rng: np.random.Generator) -> str:
        """A value drawn at random, as gin text."""
        if self.values:
            return self.values[int(rng.integers(len(self.values)))]
        if self.distribution == "randint":
            return str(rng.integers(int(self.low), int(self.high)))
        if self.distribution == "loguniform":
            return number(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))
        return number(rng.uniform(self.low, self.high))


def number(x: float) -> str:
    """A drawn number as gin text, to five digits: names and tables are read by people."""
    return repr(float(f"{x:.5g}"))


def choice(text: str) -> Choice:
    """Reads ``KEY = [value, …]`` or ``KEY = loguniform(low, high)``.

    Raises:
        ConfigurationError: it is neither.
    """
    key, _, value = (part.strip() for part in text.partition("="))
    shown = f"--vary={text!r}"
    if match := _RANGE.fullmatch(value):
        return _range(key, match[1], match[2], shown)
    if key and value.startswith("[") and value.endswith("]"):
        try:
            values = _split(value[1:-1])
        except (tokenize.TokenError, SyntaxError) as error:
            raise ConfigurationError(f"{shown} cannot be read: {error}.") from error
        if values:
            return Choice(key, values)
    raise ConfigurationError(f"{shown} has nothing to vary: {_HOW}.")


def grid(choices: Sequence[Choice]) -> list[Point]:
    """Every combination of the values.

    Raises:
        ConfigurationError: a choice is a range.
    """
    for each in choices:
        if not each.values:
            raise ConfigurationError(
                f"A grid has no value of {each.key} = {each.distribution}(…) to begin with: list"
                " the values, or write --search=random or --search=tpe."
            )
    keys = [each.key for each in choices]
    return [
        dict(zip(keys, values, strict=True))
        for values in itertools.product(*(each.values for each in choices))
    ]


def drawn(choices: Sequence[Choice], number: int, seed: int) -> list[Point]:
    """Configurations drawn at random, the first ones alike whatever their number."""
    rng = np.random.default_rng(seed)
    return [{each.key: each.drawn(rng) for each in choices} for _ in range(number)]


def _range(key: str, distribution: str, ends: str, shown: str) -> Choice:
    try:
        low, high = (float(x) for x in ends.split(","))
    except ValueError as error:
        raise ConfigurationError(f"{shown} needs two numbers: {_HOW}.") from error
    integers = distribution != "randint" or low == int(low) < int(high) == high
    if not (low < high and math.isfinite(low) and math.isfinite(high) and integers):
        raise ConfigurationError(f"{shown} is no range: its numbers have to increase.")
    if distribution == "loguniform" and low <= 0:
        raise ConfigurationError(f"{shown} takes the logarithm of {low:g}: begin above 0.")
    return Choice(key, (), distribution, low, high)


def _split(text: str) -> tuple[str, ...]:
    """Splits at the commas that are in no brackets and no quotes."""
    depth, begin, values = 0, 0, []
    for token in tokenize.generate_tokens(io.StringIO(text.replace("\n", " ")).readline):
        if token.string in ("(", "[", "{"):
            depth += 1
        elif token.string in (")", "]", "}"):
            depth -= 1
        elif token.string == "," and depth == 0:
            values.append(text[begin : token.start[1]])
            begin = token.end[1]
    return tuple(value.strip() for value in (*values, text[begin:]) if value.strip())
