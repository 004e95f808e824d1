"""A user's own compiled environment, bound by gin, runs through every trainer."""

from pathlib import Path

import pytest

from pgtf.errors import ConfigurationError
from pgtf.running.film import film
from tests.extensions.trainers import POPULATION, WORKERS, built, finished


@pytest.mark.parametrize(
    ("algorithm", "bindings", "num_seeds"),
    [
        ("a2c.gin", (), 1),
        ("a2c.gin", (), 2),
        ("reinforce.gin", (), 1),
        ("a3c.gin", WORKERS, 1),
        ("es.gin", POPULATION, 1),
    ],
    ids=["synchronous", "seeds", "episodes", "A3C", "evolution"],
)
def test_every_step_of_the_corridor_costs_one(
    algorithm: str, bindings: tuple[str, ...], num_seeds: int
) -> None:
    files = (algorithm, "my_compiled_environment.gin")
    with built(files, *bindings, num_seeds=num_seeds) as trainer:
        assert trainer.environment.name == "Corridor"
        count, returns, lengths = finished([trainer.iterate(2_000)])
    assert count > 0
    assert returns == -lengths
    assert 1 <= lengths / count <= 20


def test_a_task_that_gymnasium_does_not_have_is_not_filmed(tmp_path: Path) -> None:
    refused = pytest.raises(ConfigurationError, match=r"^Corridor cannot be filmed: .*\.$")
    with built(("a2c.gin", "my_compiled_environment.gin")) as trainer, refused:
        film(trainer.policy, trainer.environment, tmp_path / "film.gif", 0, greedy=True)
