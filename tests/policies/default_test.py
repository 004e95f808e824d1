"""The head that is chosen from the action space."""

import gin
import gymnasium as gym
import numpy as np

from pgtf.policies import Gaussian, default_head


def test_chosen_head_takes_its_bindings() -> None:
    gin.parse_config("Gaussian.initial_scale = 0.25")
    head = default_head(gym.spaces.Box(-1, 1, (2,)))
    head.build(3, gym.spaces.Box(-1, 1, (2,)))
    assert isinstance(head, Gaussian)
    np.testing.assert_allclose(head.distribution(np.zeros((1, 3), "f")).stddev(), 0.25, rtol=1e-6)
