"""The ranges of hyper-parameters, stated in the annotation of each: ``discount: Probability``.

Bindings are compared with them before anything is made (``types``), plain calls when they come
(``checked``), and the page of bindings shows them.
"""

import dataclasses
import math
from typing import Annotated

_LARGEST = 3.4028234663852886e38  # float32: weights, rewards and losses are of this type.
_SMALLEST = 1.1754943508222875e-38  # What is smaller counts as 0 in TensorFlow and XLA.


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers from ``least`` to ``most``.

    Attributes:
        least: the lower bound.
        most: the upper bound.
        above: whether the lower bound itself is out.
        below: whether the upper bound itself is out.
    """

    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, number: float) -> bool:
        low = number > self.least if self.above else number >= self.least
        high = number < self.most if self.below else number <= self.most
        return bool(low and high)

    def __str__(self) -> str:
        """What a number must be."""
        if self.most == math.inf:
            return self._lower
        if self.least == -math.inf:
            return f"{'below' if self.below else 'at most'} {self.most}"
        if isinstance(self.least, int):
            return f"from {self.least} to {self.most}"
        least, most = f"{self.least:g}", f"{self.most:g}"
        if not self.above:
            return f"in [{least}, {most}{')' if self.below else ']'}"
        return f"between {least} and {most}" if self.below else f"above {least} and at most {most}"

    @property
    def _lower(self) -> str:
        if self.above:
            return "positive" if self.least == 0 else f"above {self.least:g}"
        return f"at least {self.least:g}"

    def of(self, noun: str) -> str:
        """The range with what it is a range of, such as "a positive number"."""
        words = str(self)
        if words == "positive":
            return f"a positive {noun}"
        return f"a {noun} {'of ' if words.startswith('at ') else ''}{words}"


def as_computed(number: float) -> float:
    """A number as TensorFlow computes with it: rounded to 0 or infinity where float32 ends."""
    if abs(number) > _LARGEST:
        return math.copysign(math.inf, number)
    return 0.0 if abs(number) < _SMALLEST else number


class NotEmpty:
    """Marks a list that must hold something: ``Annotated[Sequence[float], NOT_EMPTY]``."""


NOT_EMPTY = NotEmpty()

Count = Annotated[int, Range(1)]
CountOrZero = Annotated[int, Range(0)]
Positive = Annotated[float, Range(0.0, above=True)]
NonNegative = Annotated[float, Range(0.0)]
Probability = Annotated[float, Range(0.0, 1.0)]
#: A share that is not everything, such as the weight of the past in a running mean.
ProbabilityBelowOne = Annotated[float, Range(0.0, 1.0, below=True)]
FactorBelowOne = Annotated[float, Range(0.0, 1.0, above=True, below=True)]
PositiveProbability = Annotated[float, Range(0.0, 1.0, above=True)]
#: What TensorFlow and NumPy take as a seed.
Seed = Annotated[int, Range(0, 2**31 - 1)]
