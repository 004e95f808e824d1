"""A user's own network, through every trainer."""

import numpy as np
import pytest

from tests.extensions.trainers import (
    LOOP,
    POPULATION,
    WAYS,
    assert_same_weights,
    built,
    trained,
)


@pytest.mark.parametrize("way", WAYS)
def test_one_layer_learns_what_an_mlp_of_one_layer_does(way: str) -> None:
    assert_same_weights(trained(way, ("my_network.gin",)), trained(way, ()))


@pytest.mark.parametrize("compiled", [False, True])
def test_one_layer_evolves_as_an_mlp_of_one_layer_does(compiled: bool) -> None:
    base = ("es.gin", *["envs/compiled.gin"] * compiled)
    kind = () if compiled else LOOP
    fitness = []
    for files in ((), ("my_network.gin",)):
        with built((*base, *files), *POPULATION, *kind) as trainer:
            reports = [trainer.iterate(10**6) for _ in range(3)]
            fitness.append([report.histograms["train/fitness"] for report in reports])
    np.testing.assert_array_equal(fitness[0], fitness[1])
    assert np.std(fitness[0][-1]) > 0
