"""``pgtf.load`` gives back the policy that was trained, whatever is left of all around it."""

import operator
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

import pgtf
from pgtf.errors import ConfigurationError
from pgtf.policies.acting_graph import acting_graph, live_policy, save_graph, saved_policy
from pgtf.running.restored import restored_trainer
from pgtf.spaces import bounded
from tests.short_runs import CHECKOUT, TOY, train
from tests.uncompilable import PythonMLP

NESTED = f"{TOY}:Nested-v0"
KINDS = {
    "a2c": (("a2c.gin",), (f"ENVIRONMENT = '{NESTED}'",)),
    "normalized": (
        ("a2c.gin",),
        ("ENVIRONMENT = 'Pendulum-v1'", "MLP.normalization = @RunningNormalization()"),
    ),
    "adapted": (
        ("a2c.gin",),
        (
            "ENVIRONMENT = 'Pendulum-v1'",
            "TASK = @NormalizedObservation()",
            "NormalizedObservation.environment = @NormalizedReward()",
            "NormalizedReward.environment = @GymEnvironment()",
        ),
    ),
    "beta": (("a2c.gin",), ("ENVIRONMENT = 'Pendulum-v1'", "Policy.head = @Beta()")),
    "a3c": (("a3c.gin",), (f"ENVIRONMENT = '{NESTED}'",)),
    "es": (
        ("es.gin",),
        ("ENVIRONMENT = 'Pendulum-v1'", "POPULATION = 4", "EvolutionTrainer.max_steps = 20"),
    ),
}


def observations(space: gym.Space[Any], count: int) -> list[Any]:
    space.seed(0)
    return [space.sample() for _ in range(count)]


def batched(space: gym.Space[Any], elements: list[Any]) -> Any:
    batch: Any = gym.vector.utils.create_empty_array(space, len(elements))
    return gym.vector.utils.concatenate(space, elements, batch)


@pytest.mark.parametrize("kind", KINDS)
def test_loaded_policy_acts_as_the_one_that_was_trained(kind: str, tmp_path: Path) -> None:
    files, parameters = KINDS[kind]
    train(tmp_path, *parameters, files=files)
    before = gin.config_str()
    policy = pgtf.load(tmp_path)
    assert gin.config_str() == before
    trainer = restored_trainer(tmp_path)
    next(trainer.members())
    environment = trainer.environment.core
    assert policy.observation_space == environment.observation_space
    assert policy.action_space == environment.action_space

    elements = observations(environment.observation_space, 3)
    batch = batched(environment.observation_space, elements)
    actions = policy(batch)
    tensors = tf.nest.map_structure(tf.convert_to_tensor, _float32(batch))
    _, seen = trainer.environment.first_sight(tensors)
    expected = bounded(
        environment.action_space,
        trainer.policy.act_greedily(seen, (), tf.constant([0, 0])).action,
    )
    for one, other in zip(tf.nest.flatten(actions), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    for i, element in enumerate(elements):
        for greedy in (True, False):
            action = policy(element, greedy=greedy)
            assert environment.action_space.contains(action), action
        single = policy(element)
        row = tf.nest.map_structure(operator.itemgetter(i), actions)
        for one, other in zip(tf.nest.flatten(single), tf.nest.flatten(row), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    trainer.close()


def _float32(batch: Any) -> Any:
    return tf.nest.map_structure(
        lambda x: np.asarray(x, np.float32) if x.dtype == np.float64 else x, batch
    )


@pytest.fixture(scope="module")
def pendulum(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose policy samples far beyond the bounds."""
    logdir = tmp_path_factory.mktemp("pendulum") / "run"
    train(logdir, "ENVIRONMENT = 'Pendulum-v1'", "Gaussian.initial_scale = 50.0")
    return logdir


def test_observation_may_be_of_any_type_but_not_of_any_shape(pendulum: Path) -> None:
    policy = pgtf.load(pendulum)
    expected = policy(np.array([1.0, 0.0, 0.5], np.float32))

    for same in ([1.0, 0.0, 0.5], (1, 0, 0.5), np.array([1.0, 0.0, 0.5])):
        np.testing.assert_array_equal(policy(same), expected)
    assert policy(np.zeros((0, 3))).shape == (0, 1)
    for wrong in (np.zeros(2), np.zeros((3, 1)), np.zeros((2, 2, 3)), 1.0):
        with pytest.raises(ValueError, match=r"takes \(3,\), or a batch of \(N, 3\)\.$"):
            policy(wrong)
    with pytest.raises(ValueError, match="not an array of numbers"):
        policy([[1.0], [1.0, 2.0]])


def test_sampled_actions_stay_within_the_bounds_and_begin_again_with_the_seed(
    pendulum: Path,
) -> None:
    policy = pgtf.load(pendulum)
    batch = np.zeros((500, 3), np.float32)
    policy.reset(seed=7)
    first, second = (policy(batch, greedy=False) for _ in range(2))
    policy.reset()
    third = policy(batch, greedy=False)
    policy.reset(seed=7)

    assert np.abs(first).max() == 2.0
    assert np.unique(first).size > 10
    assert np.any(first != second)
    assert np.any(first != third)
    np.testing.assert_array_equal(policy(batch, greedy=False), first)


def test_threads_may_share_policies(pendulum: Path) -> None:
    def play(_: int) -> list[np.ndarray]:
        policy = pgtf.load(pendulum)
        return [policy(np.full(3, i)) for i in range(5)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(play, range(4)))

    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_nothing_of_the_user_s_is_needed(tmp_path: Path) -> None:
    """Neither the environment's module nor that of the head: they are gone."""
    (tmp_path / "mine.py").write_text(
        "import gin, gymnasium, pgtf\n"
        "@gin.register\n"
        "class MyHead(pgtf.Gaussian): pass\n"
        "gymnasium.register('Mine-v0', 'gymnasium.envs.classic_control:PendulumEnv',"
        " max_episode_steps=20)\n"
    )
    (tmp_path / "mine.gin").write_text("import mine\ninclude 'a2c.gin'\nPolicy.head = @MyHead()\n")
    parameters = ("ENVIRONMENT = 'mine:Mine-v0'", "Evaluation.every = None")
    train(tmp_path / "run", *parameters, files=[str(tmp_path / "mine.gin")])
    for file in tmp_path.glob("mine*"):
        file.unlink()
    use = (
        "import sys, pgtf\n"
        "print(pgtf.load('run')([1.0, 0.0, 0.0]).shape)\n"
        "print([m for m in sys.modules if 'classic_control.pendulum' in m or m == 'mine'])\n"
    )
    environment = {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", use], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "(1,)\n[]\n"


def test_best_checkpoint_outlives_the_last_ones(tmp_path: Path) -> None:
    # The first evaluation is the best one: every episode of this environment is alike, and of
    # equal scores the last counts, so that its score is put out of reach.
    arguments = (f"ENVIRONMENT = '{TOY}:Counting-v0'", "train.checkpoint_every = 50")
    train(tmp_path, *arguments, "train.total_steps = 200")
    score = tmp_path / "checkpoints" / "best" / "score.json"
    first = int(score.read_text().split(":")[1].split(",")[0])
    score.write_text(score.read_text().replace('"score": ', '"score": 1000'))
    train(tmp_path, *arguments)

    (best,) = (tmp_path / "checkpoints" / "best").glob("*.index")
    assert best.stem == f"step-{first}"
    last = sorted(int(path.stem[5:]) for path in (tmp_path / "checkpoints").glob("*.index"))
    assert first not in last
    assert len(list((tmp_path / "checkpoints").glob("*.npz"))) == len(last) == 3
    for checkpoint in ("last", "best", first, last[0]):
        assert pgtf.load(tmp_path, checkpoint)([0.0] * 4) in (0, 1)
    with pytest.raises(ConfigurationError, match=rf"no checkpoint 7: .* the steps {first}, "):
        pgtf.load(tmp_path, 7)


def test_best_of_a_run_without_an_evaluation_is_not_guessed(pendulum: Path, tmp_path: Path) -> None:
    run = shutil.copytree(pendulum, tmp_path / "run")
    shutil.rmtree(run / "checkpoints" / "best")

    with pytest.raises(ConfigurationError, match="has not been evaluated yet"):
        pgtf.load(run, "best")


def test_run_of_before_loads_by_making_its_environment(pendulum: Path, tmp_path: Path) -> None:
    run = shutil.copytree(pendulum, tmp_path / "run")
    shutil.rmtree(run / "policy")
    for path in run.rglob("*.npz"):
        path.unlink()
    gin.bind_parameter("MLP.hidden", (7,))

    batch = np.random.default_rng(0).normal(size=(9, 3))
    np.testing.assert_allclose(pgtf.load(run)(batch), pgtf.load(pendulum)(batch), rtol=1e-5)
    assert gin.query_parameter("MLP.hidden") == (7,)
    with pytest.raises(ConfigurationError, match="only its last checkpoint"):
        pgtf.load(run, "best")


def test_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no run"):
        pgtf.load(tmp_path)


@gin.register
class CallsPython(PythonMLP):
    """Registered here alone, as other tests use it without gin."""


def test_policy_that_calls_python_is_warned_about_and_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tmp_path, "ENVIRONMENT = 'Pendulum-v1'", "Policy.network = @CallsPython()")

    assert "no policy that loads by itself: a part of it calls Python" in capsys.readouterr().err
    assert pgtf.load(tmp_path)([1.0, 0.0, 0.0]).shape == (1,)


@gin.register
class Sum(pgtf.Network):
    """Remembers the sum of the observations of an episode; the features are that sum."""

    def build(self, space: gym.Space[Any]) -> None:
        self.space = space
        self.num_features = 3

    def initial_memory(self, num_envs: int) -> Any:
        return {"sum": tf.zeros((num_envs, 3))}

    def step(self, element: Any, memory: Any) -> tuple[tf.Tensor, Any]:
        total = memory["sum"] + element
        return total, {"sum": total}


def test_policy_remembers_until_it_is_reset() -> None:
    space = gym.spaces.Box(-9.0, 9.0, (3,))
    live = pgtf.Policy(Sum(), pgtf.Deterministic(gain=1.0))
    live.build(space, space)
    policy = live_policy(acting_graph(live, space, space), live, space, space)
    one, two = np.array([1.0, 0.0, 0.5]), np.array([0.0, 2.0, 1.0])
    first = policy(one)
    second = policy(two)
    policy.reset()

    np.testing.assert_allclose(policy(one), first, rtol=1e-5)
    policy.reset()
    np.testing.assert_allclose(policy(one + two), second, rtol=1e-5)
    # Another number of observations is other episodes.
    np.testing.assert_allclose(policy(np.stack([one, one])), [first, first], rtol=1e-5)


def test_memory_is_part_of_what_is_saved(tmp_path: Path) -> None:
    space = gym.spaces.Box(-9.0, 9.0, (3,))
    live = pgtf.Policy(Sum(), pgtf.Deterministic(gain=1.0))
    live.build(space, space)
    graph = acting_graph(live, space, space)
    save_graph(graph, tmp_path / "policy")
    weights = [variable.numpy() for variable in live.variables]
    saved = saved_policy(tmp_path / "policy", weights, space, space)
    unsaved = live_policy(graph, live, space, space)

    for _ in range(3):
        np.testing.assert_allclose(saved([1.0, 2.0, 3.0]), unsaved([1.0, 2.0, 3.0]), rtol=1e-5)
