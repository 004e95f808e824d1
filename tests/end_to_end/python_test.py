"""Runs from Python: of gin files or plain parts, in any thread, and none touches another."""

import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gin
import keras
import numpy as np
import pytest

import pgtf
from pgtf.configuration.configuration import load
from pgtf.errors import ConfigurationError
from tests.short_runs import QUICK, TOY, table

COUNTING = f"{TOY}:Counting-v0"
SHARED = (
    "Policy.network = @body/gin.singleton()",
    "VCritic.network = @body/gin.singleton()",
    "body/gin.singleton.constructor = @MLP",
)


def run(logdir: Path, *parameters: str, **arguments: Any) -> pgtf.Run:
    bindings = [*QUICK, f"ENVIRONMENT = '{COUNTING}'", *parameters]
    return pgtf.train("a2c.gin", bindings=bindings, logdir=logdir, **arguments)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> pgtf.Run:
    """A run of the main thread that nothing came before."""
    return run(tmp_path_factory.mktemp("untouched") / "run")


def curves(logdir: Path) -> list[dict[str, str]]:
    """The table without what depends on the clock."""
    return [{k: v for k, v in row.items() if k != "time/fps"} for row in table(logdir)]


def made_by_hand(**learner: Any) -> pgtf.SynchronousTrainer:
    """What ``a2c.gin`` with ``QUICK`` makes."""
    decay = pgtf.PolynomialDecay(7e-4, end_learning_rate=0.0)
    return pgtf.SynchronousTrainer(
        learner=pgtf.Learner(
            policy=pgtf.Policy(pgtf.MLP(hidden=(4,))),
            critic=pgtf.VCritic(pgtf.MLP(hidden=(4,)), pgtf.JointLoss(0.5)),
            baseline=pgtf.StateValue(),
            entropy_bonus=pgtf.EntropyBonus(0.0),
            optimizer=keras.optimizers.RMSprop(decay, rho=0.99, epsilon=1e-5),
            **learner,
        ),
        environment=pgtf.GymEnvironment(COUNTING, num_envs=2),
        rollout=pgtf.Rollouts(num_steps=2),
        jit_compile=False,
    )


def by_hand(logdir: Path, **arguments: Any) -> pgtf.Run:
    return pgtf.train(
        trainer=made_by_hand(),
        total_steps=400,
        log_every=100,
        checkpoint_every=200,
        evaluation=pgtf.Evaluation(every=200, episodes=2, final_episodes=3),
        logdir=logdir,
        **arguments,
    )


def test_parts_made_by_plain_calls_learn_what_gin_makes_learn(tmp_path: Path) -> None:
    of_gin = run(tmp_path / "gin", seed=3)
    plain = by_hand(tmp_path / "plain", seed=3)

    assert curves(plain.logdir) == curves(of_gin.logdir)
    same = plain.summary.keys() - {"logdir", "wall_seconds", "compile_seconds", "steps_per_second"}
    same -= {
        "command",
        "configuration",
    }  # How they were started differs; what was learned does not.
    assert {k: plain.summary[k] for k in same} == {k: of_gin.summary[k] for k in same}


def test_run_of_plain_parts_resumes_and_is_loaded(tmp_path: Path) -> None:
    first = by_hand(tmp_path, callbacks=[_Stop()])
    second = by_hand(tmp_path)

    assert first.summary["steps"] < second.summary["steps"]
    assert second.summary["steps"] >= 400
    observation = np.zeros((5, 4), np.float32)
    loaded = pgtf.load(str(tmp_path))
    np.testing.assert_array_equal(loaded(observation), second.policy(observation))


class _Stop(pgtf.Callback):
    def on_log(self, snapshot: pgtf.Snapshot) -> bool:
        return True


def test_second_run_has_nothing_of_the_first(untouched: pgtf.Run, tmp_path: Path) -> None:
    run(tmp_path / "one", "Policy.head = @Softmax()", "Learner.reward_scale = 0.1", *SHARED)
    after = run(tmp_path / "two")

    for name in ("config.gin", "operative_config.gin"):
        assert (after.logdir / name).read_text() == (untouched.logdir / name).read_text()
    assert curves(after.logdir) == curves(untouched.logdir)


def test_singletons_are_each_run_s_own(tmp_path: Path) -> None:
    first, second = (run(tmp_path / name, *SHARED) for name in ("one", "two"))

    assert curves(first.logdir) == curves(second.logdir)


def test_run_that_failed_leaves_nothing(untouched: pgtf.Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Learner\.discount"):
        run(tmp_path / "bad", "Learner.discount = 2.0", "Learner.reward_scale = 0.5")

    assert pgtf.load(untouched.logdir)([0.0] * 4) in (0, 1)
    assert run(tmp_path / "again").summary["steps"] >= 400


def test_bindings_of_the_user_s_own_stay_and_do_not_reach_a_run(tmp_path: Path) -> None:
    gin.bind_parameter("Learner.discount", 0.25)
    run(tmp_path)

    assert gin.query_parameter("Learner.discount") == 0.25
    assert gin.config_str().count(" = ") == 1
    assert "Learner.discount = 0.99" in (tmp_path / "config.gin").read_text()
    load([], [])
    with pytest.raises(ValueError, match="no bound parameters"):
        gin.query_parameter("Learner.discount")


def in_a_thread(function: Callable[[], pgtf.Run]) -> pgtf.Run:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_thread_trains_as_the_main_thread_does(untouched: pgtf.Run, tmp_path: Path) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    there = in_a_thread(lambda: run(tmp_path / "there"))

    assert curves(there.logdir) == curves(untouched.logdir)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


class _Meeting(pgtf.Callback):
    """Waits at the first log until the other run has come as far: both train at once."""

    def __init__(self, barrier: threading.Barrier):
        self._barrier = barrier
        self._met = False

    def on_log(self, snapshot: pgtf.Snapshot) -> None:
        if not self._met:
            self._barrier.wait(120)
        self._met = True


def test_two_runs_at_once_are_what_each_is_alone(tmp_path: Path) -> None:
    parameters = {"one": ("Learner.reward_scale = 0.1", *SHARED), "two": ("MLP.hidden = (8,)",)}
    alone = {
        name: run(tmp_path / name, *each, callbacks=[_Meeting(threading.Barrier(1))])
        for name, each in parameters.items()
    }
    barrier = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        futures = {
            name: pool.submit(run, tmp_path / f"{name}2", *each, callbacks=[_Meeting(barrier)])
            for name, each in parameters.items()
        }
    together = {name: future.result() for name, future in futures.items()}

    for name in parameters:
        assert curves(together[name].logdir) == curves(alone[name].logdir)
        texts = [(x[name].logdir / "operative_config.gin").read_text() for x in (alone, together)]
        assert texts[0] == texts[1]


def test_what_was_called_is_noted_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    arguments: dict[str, Any] = {"TOTAL_STEPS": np.int64(10), "ENVIRONMENT": COUNTING}
    pgtf.train(
        "a2c.gin",
        **arguments,
        bindings={"MLP.hidden": (4,), "SynchronousTrainer.jit_compile": False},
        evaluation=pgtf.Evaluation(final_episodes=1),
        logdir=tmp_path,
    )

    assert (tmp_path / "command.txt").read_text() == (
        "pgtf.train('a2c.gin', bindings=['MLP.hidden = (4,)',"
        " 'SynchronousTrainer.jit_compile = False', 'TOTAL_STEPS = 10',"
        f" \"ENVIRONMENT = '{COUNTING}'\"])\n"
    )


def test_seeds_of_plain_parts_come_from_a_function(tmp_path: Path) -> None:
    def make() -> pgtf.SynchronousTrainer:
        return pgtf.SynchronousTrainer(
            learner=pgtf.Learner(policy=pgtf.Policy(pgtf.MLP(hidden=(4,)))),
            environment=pgtf.CompiledEnvironment("CartPole-v1", num_envs=2),
            rollout=pgtf.Rollouts(num_steps=2),
        )

    arguments: dict[str, Any] = {
        "total_steps": 100,
        "num_seeds": 2,
        "evaluation": pgtf.Evaluation(final_episodes=2),
        "logdir": tmp_path,
    }
    with pytest.raises(ConfigurationError, match="trainer=make_trainer"):
        pgtf.train(trainer=make(), **arguments)
    ended = pgtf.train(trainer=make, **arguments)

    assert set(ended.summary["eval_return_mean_of_seeds"]) == {"seed_0", "seed_1"}
    observations = np.random.default_rng(0).normal(size=(64, 4))
    first, second = (pgtf.load(tmp_path, seed=i) for i in range(2))
    np.testing.assert_array_equal(ended.policy(observations), first(observations))
    assert np.any(first(observations) != second(observations))
    with pytest.raises(ConfigurationError, match="2 seeds, counted from 0, and so none with"):
        pgtf.load(tmp_path, seed=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs either gin files"),
        ({"NUM_ENVS": 2}, "needs either gin files"),
        ({"trainer": object(), "NUM_ENVS": 2}, "binds NUM_ENVS on top of gin files"),
        ({"trainer": lambda: 3}, r"must be a pgtf\.Trainer, not 3"),
        ({"trainer": lambda: 3, "seed": -1}, r"train\.seed must be from 0"),
    ],
)
def test_call_that_cannot_be_meant_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pgtf.train(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"TASK": pgtf.Rollouts}, r'bindings=\["TASK = @Part\(\)"\]'),
        ({"bindings": ["Learner.discont = 1.0"]}, "^Learner.discont = 1.0: .*'discount'"),
        ({"bindings": {"Learner.discount": "a"}}, "Learner.discount must be a number, not 'a'"),
    ],
)
def test_binding_that_is_wrong_is_named_as_it_was_given(
    arguments: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        pgtf.train("a2c.gin", logdir=tmp_path, **arguments)
