"""``pgtf.load`` gives back the policy that was trained, whatever is left of all around it."""

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
from pgtf.running.restored import restored_trainer
from pgtf.spaces import bounded
from tests.short_runs import CHECKOUT, QUICK, TOY, train

NESTED = f"{TOY}:Nested-v0"
KINDS = {
    "a2c": (("a2c.gin",), (f"ENVIRONMENT = '{NESTED}'",)),
    "normalized": (
        ("a2c.gin",),
        ("ENVIRONMENT = 'Pendulum-v1'", "MLP.normalization = @RunningNormalization()"),
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
    environment = trainer.environment
    assert policy.observation_space == environment.observation_space
    assert policy.action_space == environment.action_space

    elements = observations(environment.observation_space, 3)
    batch = batched(environment.observation_space, elements)
    actions = policy(batch)
    tensors = tf.nest.map_structure(tf.convert_to_tensor, _float32(batch))
    expected = bounded(
        environment.action_space,
        trainer.policy.act_greedily(tensors, (), tf.constant([0, 0])).action,
    )
    for one, other in zip(tf.nest.flatten(actions), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    for i, element in enumerate(elements):
        for greedy in (True, False):
            action = policy(element, greedy=greedy)
            assert environment.action_space.contains(action), action
        single = policy(element)
        rows = gym.vector.utils.iterate(environment.action_space, actions)
        for one, other in zip(tf.nest.flatten(single), tf.nest.flatten(list(rows)[i]), strict=True):
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
    bindings = [*QUICK, "ENVIRONMENT = 'mine:Mine-v0'"]
    code = (
        "import sys; sys.path.append('.')\n"
        "import pgtf\n"
        f"pgtf.train('mine.gin', bindings={bindings!r},"
        " logdir='run')\n"
    )
    use = (
        "import sys, pgtf\n"
        "print(pgtf.load('run')([1.0, 0.0, 0.0]).shape)\n"
        "print([m for m in sys.modules if 'classic_control.pendulum' in m or m == 'mine'])\n"
    )
    environment = {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    for step in (code, use):
        ended = subprocess.run(
            [sys.executable, "-c", step],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        for file in tmp_path.glob("mine*"):
            file.unlink()

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
class CallsPython(pgtf.MLP):
    def features(self, element: Any) -> tf.Tensor:
        features = super().features(element)
        return tf.ensure_shape(
            tf.numpy_function(lambda x: x, [features], tf.float32), features.shape
        )


def test_policy_that_calls_python_is_warned_about_and_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parameters = ("ENVIRONMENT = 'Pendulum-v1'", "CallsPython.hidden = (4,)")
    # The gradient of a call into Python is unknown: evolution needs none.
    files = ("es.gin",)
    small = ("POPULATION = 2", "EvolutionTrainer.max_steps = 10")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf, "vectorized_map", tf.map_fn)
        train(
            tmp_path,
            *parameters,
            *small,
            "Policy.network = @CallsPython()",
            "EvolutionTrainer.jit_compile = False",
            files=files,
        )

    assert "no policy that loads by itself: a part of it calls Python" in capsys.readouterr().err
    assert pgtf.load(tmp_path)([1.0, 0.0, 0.0]).shape == (1,)
