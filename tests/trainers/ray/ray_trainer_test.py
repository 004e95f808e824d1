"""Training on Ray: two nodes for real, on one machine; what actors learn, lose and count."""

import functools
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.adapters.normalized_observation import NormalizedObservation
from pgtf.environments.border import EnvironmentFailure
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError, TrainingError
from pgtf.learning.baselines import Constant, StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.epochs import Epochs
from pgtf.learning.estimators import VTrace
from pgtf.learning.fitting import Regression
from pgtf.learning.learner import Learner
from pgtf.learning.surrogates import ClippedSurrogate, ImportanceWeighted
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies.policy import Policy
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.ray.ray_trainer import RayTrainer
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trainers.trainer import Trainer
from tests import short_runs

_INSTALLED = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pgtf[ray]"
)


def needs_ray(test: Any) -> Any:
    """Marks a test that starts actors, which import TensorFlow each."""
    return pytest.mark.slow(_INSTALLED(test))


ENDLESS = "tests.toy_environments:Endless-v0"
BROKEN = "tests.toy_environments:Broken-v0"
CPUS = 2  # Of each of the two nodes.


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes; runs of this process join them."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    nodes = Cluster(
        initialize_head=True, head_node_args={"num_cpus": CPUS, "include_dashboard": False}
    )
    nodes.add_node(num_cpus=CPUS)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="error")
    yield nodes
    ray.shutdown()
    nodes.shutdown()


@pytest.fixture
def built(cluster: Any) -> Iterator[Callable[..., RayTrainer]]:
    """Builds trainers, which are closed at the end."""
    made: list[RayTrainer] = []

    def build(make: Callable[..., RayTrainer], seed: int = 0, **arguments: Any) -> RayTrainer:
        keras.utils.set_random_seed(seed)
        made.append(RayTrainer.made_by(functools.partial(make, **arguments)))
        made[-1].build(seed)
        return made[-1]

    yield build
    for each in made:
        each.close()


def a2c(**parts: Any) -> Learner:
    defaults: dict[str, Any] = {
        "policy": Policy(MLP((8,))),
        "critic": VCritic(MLP((8,))),
        "baseline": StateValue(),
        "entropy_bonus": EntropyBonus(0.01),
        "optimizer": keras.optimizers.Adam(0.01),
    }
    return Learner(**(defaults | parts))


def everything() -> Learner:
    """Fits on their own and running statistics, which take more than a gradient."""
    policy = Policy(MLP((8,), normalization=RunningNormalization()))
    return a2c(policy=policy, critic=VCritic(MLP((4,)), Regression(num_steps=2)))


def reinforce() -> Learner:
    return Learner(Policy(MLP((8,))), baseline=Constant(), optimizer=keras.optimizers.Adam(0.01))


def corrected() -> Learner:
    return a2c(returns=VTrace(), surrogate=ImportanceWeighted())


def cartpole(num_envs: int, normalized: bool = False) -> Environment:
    inner = GymEnvironment("CartPole-v1", num_envs, vectorization="loop")
    return NormalizedObservation(inner) if normalized else inner


TWO_COPIES = functools.partial(cartpole, 2)
FIVE_STEPS = functools.partial(Rollouts, 5)


def on_ray(
    learner: Callable[[], Learner] = a2c,
    environment: Callable[[], Environment] = TWO_COPIES,
    rollout: Callable[[], Any] = FIVE_STEPS,
    **arguments: Any,
) -> RayTrainer:
    # Compiling takes longer than all that is tested here.
    return RayTrainer(learner(), environment(), rollout(), jit_compile=False, **arguments)


def variables(trainer: Any) -> list[np.ndarray]:
    learner, environment = trainer.learner, trainer.environment
    every = (*learner.weights, *learner.optimizer.variables, *environment.variables)
    return [np.asarray(v) for v in every]


def under_way(trainer: RayTrainer) -> None:
    """Trains for some updates; of several actors' rollouts two may arrive together."""
    while trainer.updates < 4:
        trainer.iterate(int(trainer.steps.numpy()) + 1)


def after(trainer: Any, updates: int) -> list[np.ndarray]:
    """The variables after exactly so many updates."""
    while trainer.learner.updates < updates:
        trainer.iterate(int(trainer.steps.numpy()) + 1)
    assert trainer.learner.updates == updates
    return [*variables(trainer), trainer.steps.numpy()]


def in_one_process(
    learner: Callable[[], Learner], environment: Environment, rollout: Any, updates: int
) -> list[np.ndarray]:
    keras.utils.set_random_seed(0)
    trainer = SynchronousTrainer(learner(), environment, rollout, jit_compile=False)
    trainer.build(0)
    values = after(trainer, updates)
    trainer.close()
    return values


def assert_close(values: list[np.ndarray], others: list[np.ndarray]) -> None:
    assert len(values) == len(others) > 8
    for x, y in zip(values, others, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)


@needs_ray
@pytest.mark.parametrize(
    ("learner", "normalized", "rollout", "whole", "updates"),
    [
        (a2c, False, FIVE_STEPS, FIVE_STEPS, 50),
        (everything, True, FIVE_STEPS, FIVE_STEPS, 50),
        (reinforce, True, functools.partial(Episodes, 2), functools.partial(Episodes, 4), 10),
    ],
    ids=["a2c", "statistics and fits", "whole episodes"],
)
def test_synchronous_actors_learn_what_all_copies_do_in_one_process(
    built: Callable[..., RayTrainer],
    learner: Callable[[], Learner],
    normalized: bool,
    rollout: Callable[[], Any],
    whole: Callable[[], Any],
    updates: int,
) -> None:
    environment = functools.partial(cartpole, 2, normalized)
    actors = built(on_ray, learner=learner, environment=environment, rollout=rollout)

    together = in_one_process(learner, cartpole(4, normalized), whole(), updates)

    assert_close(after(actors, updates), together)


@needs_ray
def test_a_run_that_is_resumed_is_the_run_that_was_not(
    built: Callable[..., RayTrainer], tmp_path: Path
) -> None:
    whole = after(built(on_ray), 30)
    first = built(on_ray)
    after(first, 12)
    saved = json.dumps(first.saving())
    tf.train.Checkpoint(**first.trackables()).write(str(tmp_path / "saved"))
    first.close()

    other = built(on_ray, seed=0)
    tf.train.Checkpoint(**other.trackables()).read(str(tmp_path / "saved"))
    other.restored(json.loads(saved))

    for x, y in zip(after(other, 30), whole, strict=True):
        np.testing.assert_array_equal(x, y)


@needs_ray
def test_one_decoupled_actor_in_turn_with_the_learner_is_the_synchronous_path(
    built: Callable[..., RayTrainer],
) -> None:
    actor = built(on_ray, learner=corrected, mode="decoupled", num_actors=1)

    together = in_one_process(corrected, cartpole(2), Rollouts(5), 50)

    assert_close(after(actor, 50), together)


@needs_ray
@pytest.mark.parametrize("file", ["ray_a2c.gin", "ray_a3c.gin", "ray_impala.gin"])
@pytest.mark.usefixtures("cluster")
def test_a_file_trains_and_goes_on_where_it_ended(file: str, tmp_path: Path) -> None:
    quick = ("RayTrainer.jit_compile = False", "Evaluation.every = None")
    for total in (200, 400):
        summary = short_runs.train(tmp_path, *quick, f"TOTAL_STEPS = {total}", files=(file,))

        assert total <= summary["steps"] < total + 4 * 2 * 2
    rows = short_runs.table(tmp_path)
    for tag in ("train/policy_loss", "actor_0/steps_per_second", "actor_1/policy_lag"):
        assert any(row[tag] for row in rows), tag
    at = short_runs.event_steps(tmp_path, "train/policy_loss")
    assert at == sorted(set(at))


def process_of(trainer: RayTrainer, actor: int) -> int:
    """The number of an actor's process."""
    import ray

    handle = trainer.fleet._actors[actor]
    number: int = ray.get(handle.__ray_call__.remote(lambda self: os.getpid()))
    return number


@needs_ray
@pytest.mark.parametrize("mode", ["synchronous", "asynchronous", "decoupled"])
def test_a_killed_actor_comes_back_and_no_step_counts_twice(
    built: Callable[..., RayTrainer], mode: str
) -> None:
    environment = functools.partial(GymEnvironment, ENDLESS, 2)
    trainer = built(on_ray, environment=environment, mode=mode, max_restarts=1)
    a_update = 5 * 2 * (2 if mode == "synchronous" else 1)
    under_way(trainer)
    os.kill(process_of(trainer, 0), signal.SIGKILL)
    deadline = time.monotonic() + 200
    while not (trainer.fleet.restarts[0] and trainer.updates >= 30):
        trainer.call_seconds = 0.1
        report = trainer.iterate(10**9)
        # Endless episodes have no masked row: each update is of as many steps.
        assert trainer.steps == a_update * trainer.updates
        assert time.monotonic() < deadline

    assert trainer.fleet.restarts == [1, 0]
    assert report.counts["actor_0/restarts"] == report.counts["actors/restarts"] == 1.0
    os.kill(process_of(trainer, 1), signal.SIGKILL)
    with pytest.raises(TrainingError, match=r"actor 1 was lost, once more than .*restarts = 1"):
        _iterate_for_ever(trainer)


def _iterate_for_ever(trainer: RayTrainer) -> None:
    while True:
        trainer.iterate(10**9)


@needs_ray
def test_an_environment_that_raises_is_named_and_survived_so_many_times(
    built: Callable[..., RayTrainer],
) -> None:
    environment = functools.partial(GymEnvironment, BROKEN, 1)
    rollout = functools.partial(Rollouts, 2)
    trainer = built(
        on_ray,
        learner=corrected,
        environment=environment,
        rollout=rollout,
        mode="decoupled",
        num_actors=1,
        max_environment_failures=2,
    )

    with pytest.raises(EnvironmentFailure, match=r"^actor 0, environment 0 .*the wheel came off"):
        _iterate_for_ever(trainer)

    # It raises at each third step: of three attempts the first rollouts of two steps count.
    assert trainer.steps == 6
    assert trainer.saving()["failures"] == 3


@needs_ray
def test_training_goes_on_without_a_node_that_has_gone(
    built: Callable[..., RayTrainer], cluster: Any
) -> None:
    trainer = built(on_ray, learner=corrected, mode="decoupled")
    under_way(trainer)
    for node in [each for each in cluster.list_all_nodes() if not each.head]:
        cluster.remove_node(node)
    deadline = time.monotonic() + 200
    try:
        while not (sum(trainer.fleet.restarts) and min(trainer._numbers) > 20):
            trainer.call_seconds = 0.1
            trainer.iterate(10**9)
            assert time.monotonic() < deadline
    finally:
        cluster.add_node(num_cpus=CPUS)
    assert sum(trainer.fleet.restarts) == 1


@needs_ray
@pytest.mark.usefixtures("cluster")
def test_a_cluster_that_is_too_small_is_refused() -> None:
    trainer = RayTrainer.made_by(functools.partial(on_ray, num_actors=50))

    with pytest.raises(ConfigurationError, match=r"num_actors = 50 .* need 50, .* has \d"):
        trainer.build(0)
    trainer.close()


def refusal_of(trainer: Trainer) -> str:
    with pytest.raises(ConfigurationError) as refused:
        trainer.build(0)
    trainer.close()
    return str(refused.value)


def test_what_actors_cannot_do_is_refused_in_a_sentence() -> None:
    ppo = functools.partial(a2c, optimization=Epochs(), surrogate=ClippedSurrogate())

    assert "RayTrainer.mode = 'decoupled'" in refusal_of(on_ray(ppo))
    assert "rollouts_in_flight = 2" in refusal_of(on_ray(rollouts_in_flight=2))
    assert "pgtf.RayTrainer.made_by(make)" in refusal_of(on_ray())


def test_a_missing_ray_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    assert "pip install 'pgtf[ray]'" in refusal_of(RayTrainer.made_by(on_ray))


def test_data_of_older_policies_without_weights_is_told() -> None:
    (line,) = on_ray(mode="decoupled").warnings()
    assert "Learner.returns = @VTrace()" in line
    (line,) = on_ray(corrected, mode="asynchronous").warnings()
    assert "every importance weight is 1" in line
    assert on_ray(corrected, mode="decoupled").warnings() == on_ray().warnings() == []
