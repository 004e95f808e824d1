"""A user's own baseline with a running statistic, through every trainer that learns."""

import pytest

from tests.extensions.trainers import WAYS, assert_same_weights, trained

SHIPPED = ("Learner.baseline = @Constant()", "Constant.decay = 0.0")


@pytest.mark.parametrize("way", WAYS)
def test_mean_of_the_last_batch_is_the_shipped_constant_that_forgets_all_but_it(way: str) -> None:
    mine = trained(way, ("my_baseline.gin",))
    shipped = trained(way, (), *SHIPPED)

    # Constant holds a second number beside the mean: how much of the past is in it.
    assert [weights.pop() for weights in shipped.weights] == [1.0] * len(shipped.weights)
    assert_same_weights(mine, shipped)
    assert all(weights[-1] < -1.0 for weights in mine.weights)  # Pendulum's steps cost up to 16.3.
