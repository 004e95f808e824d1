"""A run whose environment misbehaves is saved first; it may go on with environments made anew."""

import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import keras
import numpy as np
import pytest

from pgtf import evaluate
from pgtf.environments.border import EnvironmentFailure
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import TrainingError
from pgtf.networks.mlp import MLP
from pgtf.policies.policy import Policy
from pgtf.trainers.evolution import EvolutionTrainer
from pgtf.trainers.synchronous import SynchronousTrainer
from tests.faults.misbehaving import Misbehaving, registered
from tests.short_runs import train


class Worn(Misbehaving):
    """Shows a NaN at the 300th step that any of its copies takes, and at each one after that."""

    steps = 0
    lasts = 300

    def _row(self) -> dict[str, Any]:
        Worn.steps += 1
        shown = np.array([np.nan if Worn.steps > Worn.lasts else 0.0, 1.0])
        return super()._row() | {"observation": shown}


registered("Worn", Worn)


@pytest.fixture(autouse=True)
def _new() -> None:
    Worn.steps, Worn.lasts = 0, 300


@pytest.mark.parametrize(
    ("files", "parameters"),
    [
        (("a2c.gin",), ()),
        (("a3c.gin",), ("NUM_WORKERS = 1",)),
        (("es.gin",), ("POPULATION = 4", "EvolutionTrainer.jit_compile = False")),
    ],
)
def test_the_run_is_saved_and_the_environment_blamed(
    files: tuple[str], parameters: tuple[str], tmp_path: Path
) -> None:
    quick = ("ENVIRONMENT = 'Worn-v0'", "train.log_every = 40", "Evaluation.every = None")
    with pytest.raises(TrainingError) as stopped:
        train(tmp_path, *quick, *parameters, files=files)
    message = str(stopped.value)
    told = (
        r"^Worn-v0 failed after (\d+) steps: .*environment \d+ returned the observation"
        r" array\(\[nan, 1.\]\), which is not finite; expected is a Box of shape \(2,\) and type"
        r" float32\. It was (at step \d+ of its episode|resetting)\. The last checkpoint is"
    )
    found = re.search(told, message)
    assert found is not None, message
    assert (tmp_path / "checkpoints" / f"step-{found[1]}.index").exists()
    assert "learning rate" not in message


class Wobbly(gym.Wrapper):
    """Fails at the n-th step that all of them take, for each n in ``at``."""

    steps = 0
    at: tuple[int, ...] = ()
    made = 0

    def __init__(self, env: gym.Env):
        super().__init__(env)
        Wobbly.made += 1

    def step(self, action: Any) -> Any:
        Wobbly.steps += 1
        if Wobbly.steps in Wobbly.at:
            raise RuntimeError("the wheel came off")
        return self.env.step(action)


@pytest.fixture
def wobbly() -> type[Wobbly]:
    Wobbly.steps, Wobbly.made, Wobbly.at = 0, 0, (7, 50)
    return Wobbly


def task(num_envs: int, id: str = "CartPole-v1") -> GymEnvironment:
    return GymEnvironment(id, num_envs, wrappers=(Wobbly,))


def test_a_synchronous_run_goes_on_with_new_copies(wobbly: type[Wobbly]) -> None:
    environment = task(2, "tests.toy_environments:Endless-v0")
    made = SynchronousTrainer(
        environment=environment, max_environment_failures=2, jit_compile=False
    )
    made.build(0)
    while made.steps < 200:
        report = made.iterate(200)
    assert wobbly.made == 3 * 2
    assert report.counts == {"train/environment_failures": 2.0}
    # Two rollouts of 2 · 5 steps were lost and are counted nowhere.
    assert made.steps == 10 * made.learner.updates == 10 * made.learner.optimizer.iterations
    assert 0 < wobbly.steps - int(made.steps) < 2 * 10
    assert made.saving() == {"failures": 2}

    wobbly.at = (wobbly.steps + 1,)
    with pytest.raises(EnvironmentFailure, match="environment 0 raised RuntimeError: the wheel"):
        made.iterate(10_000)
    made.close()


def test_evolution_plays_a_generation_again_with_new_copies(wobbly: type[Wobbly]) -> None:
    def trained(at: tuple[int, ...]) -> np.ndarray:
        wobbly.steps, wobbly.at = 0, at
        keras.utils.set_random_seed(0)
        made = EvolutionTrainer(
            Policy(MLP((2,))), task(1), population=4, max_environment_failures=1, jit_compile=False
        )
        made.build(0)
        made.iterate(1)
        made.close()
        return made.search.mean.numpy()

    # The same generation: its episodes follow from its seed.
    np.testing.assert_array_equal(trained((7,)), trained(()))
    with pytest.raises(EnvironmentFailure, match="environment 3 raised RuntimeError: the wheel"):
        trained((4, 8))


def test_scoring_says_which_environment_failed(tmp_path: Path) -> None:
    Worn.lasts = 10_000
    train(tmp_path, "ENVIRONMENT = 'Worn-v0'", "TOTAL_STEPS = 20", "Evaluation.every = None")
    Worn.lasts = Worn.steps + 30
    with pytest.raises(TrainingError, match=r"Worn-v0 failed .*: environment \d returned the obs"):
        evaluate.main([f"--logdir={tmp_path}", "--episodes=5"])
