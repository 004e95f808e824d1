"""A space that went through JSON is the space it was."""

import json
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from pgtf.errors import ConfigurationError
from pgtf.space_description import described, space_of
from tests.toy_environments import Nested

SPACES: list[spaces.Space[Any]] = [
    spaces.Box(-1.0, np.inf, (2, 3), np.float32),
    spaces.Box(np.array([-0.1, 0.3]), np.array([1e-30, 1 / 3]), dtype=np.float64),
    spaces.Box(0, 255, (84, 84, 4), np.uint8),
    spaces.Box(-(2**62), 2**62, (), np.int64),
    spaces.Discrete(5, start=-2),
    spaces.MultiDiscrete(np.array([[2, 3], [4, 5]]), start=np.array([[0, 1], [2, -3]])),
    spaces.MultiBinary(4),
    spaces.MultiBinary([2, 3]),
    Nested.observation_space,
    Nested.action_space,
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_space_survives_json(space: spaces.Space[Any]) -> None:
    assert space_of(json.loads(json.dumps(described(space)))) == space


def test_pictures_take_little_room() -> None:
    assert len(json.dumps(described(SPACES[2]))) < 100


def test_other_kinds_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="Text"):
        described(spaces.Text(3))
