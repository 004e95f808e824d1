"""A run can be scored and filmed from its folder alone."""

import csv
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gin
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from pgtf import evaluate
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.running.film import film
from pgtf.running.restored import restored_trainer
from pgtf.trainers.a3c.worker import Worker
from pgtf.trainers.iteration import Iteration
from tests.short_runs import TOY, command, start, train

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose policy depends on statistics of its observations."""
    logdir = tmp_path_factory.mktemp("runs") / "run"
    train(logdir, "MLP.normalization = @RunningNormalization()")
    return logdir


@pytest.fixture
def evaluated(capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process: its exit code, output and errors."""

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return (command(evaluate.main, *arguments), *capsys.readouterr())

    return run


def test_run_is_scored_from_the_command_line(logdir: Path) -> None:
    process = start("pgtf.evaluate", f"--logdir={logdir.name}", "--episodes=7", cwd=logdir.parent)
    out, err = process.communicate()

    assert (process.returncode, err) == (0, "")
    assert re.fullmatch(r"Return [\d.]+ ± [\d.]+, length [\d.]+, over 7 episodes\n", out)


@pytest.mark.parametrize("greedy", [True, False])
def test_score_of_the_last_evaluation_is_found_again(
    tmp_path: Path, evaluated: Command, greedy: bool
) -> None:
    sizes = ("Evaluation.num_envs = 2", "Evaluation.episodes = 4", "Evaluation.final_episodes = 5")
    summary = train(tmp_path, *sizes, f"Evaluation.greedy = {greedy}", "train.seed = 9")

    code, out, _ = evaluated(f"--logdir={tmp_path}", f"--csv={tmp_path}/scores.csv")

    assert code == 0
    mean, std = (summary[f"eval_return_{name}"] for name in ("mean", "std"))
    assert out.startswith(f"Return {mean:.1f} ± {std:.1f}, ")
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["episode"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert np.mean(np.array([row["return"] for row in rows], np.float32)) == np.float32(mean)
    assert all(float(row["return"]) == int(row["length"]) for row in rows), "CartPole pays 1 a step"


def test_run_is_scored_on_another_variant_of_its_environment(
    logdir: Path, tmp_path: Path, evaluated: Command
) -> None:
    short = "--gin_param=GymEnvironment.kwargs = {'max_episode_steps': 3}"

    code, out, _ = evaluated(f"--logdir={logdir}", short)
    assert (code, "length 3.0, over 3 episodes" in out) == (0, True)

    code, _, err = evaluated(f"--logdir={logdir}", "--gin_param=ENVIRONMENT = 'Acrobot-v1'")
    assert code == 2
    assert err.startswith("pgtf: The run's weights do not fit what is bound on top of its")


def test_sampled_actions_score_differently_from_the_greedy_ones(
    logdir: Path, evaluated: Command
) -> None:
    _, greedy, _ = evaluated(f"--logdir={logdir}", "--episodes=20")
    _, again, _ = evaluated(f"--logdir={logdir}", "--episodes=20")
    _, sampled, _ = evaluated(f"--logdir={logdir}", "--episodes=20", "--nogreedy")

    assert greedy == again
    assert greedy != sampled


def test_film_shows_the_episode(logdir: Path, tmp_path: Path, evaluated: Command) -> None:
    code, out, _ = evaluated(f"--logdir={logdir}", f"--film={tmp_path}/film.gif", "--nogreedy")

    assert code == 0
    told = re.fullmatch(rf"Return ([\d.]+) in (\d+) steps: {tmp_path}/film.gif\n", out)
    assert told is not None
    # CartPole pays 1 a step.
    assert float(told[1]) == int(told[2])
    with Image.open(tmp_path / "film.gif") as film:
        assert film.size == (600, 400)
        # Pictures that look alike are shown as one, for longer.
        assert 5 < getattr(film, "n_frames", 1) <= int(told[2]) + 1
        first = np.asarray(film.convert("RGB"))
        film.seek(getattr(film, "n_frames", 1) - 1)
        last = np.asarray(film.convert("RGB"))
    assert (first != last).any(), "the cart moves"
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 2


def test_compiled_run_is_filmed_in_the_environment_it_copies(
    tmp_path: Path, evaluated: Command
) -> None:
    train(tmp_path, "TOTAL_STEPS = 20", "Evaluation.every = None", files=("compiled.gin",))

    code, out, _ = evaluated(f"--logdir={tmp_path}", f"--film={tmp_path}/film.gif")

    assert code == 0
    assert (tmp_path / "film.gif").stat().st_size > 1_000
    assert "film.gif" in out


def test_an_atari_run_is_filmed_as_the_policy_sees_it(tmp_path: Path, evaluated: Command) -> None:
    short = "{'max_num_frames_per_episode': 400}"
    bindings = (f"AtariEnvironment.kwargs = {short}", "AtariNetwork.units = 4")
    steps = ("TOTAL_STEPS = 4", "Rollouts.num_steps = 2", "Evaluation.every = None")
    train(tmp_path, *bindings, *steps, files=("a3c.gin", "envs/pong.gin"))

    code, _, err = evaluated(f"--logdir={tmp_path}", f"--film={tmp_path}/film.gif", "--nogreedy")

    assert (code, err) == (0, "")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.size == (84, 84)
        assert getattr(film, "n_frames", 1) > 5


def test_what_cannot_be_scored_or_filmed_is_said_in_one_sentence(
    logdir: Path, tmp_path: Path, evaluated: Command
) -> None:
    code, _, err = evaluated(f"--logdir={tmp_path}")
    assert (code, err) == (
        2,
        f"pgtf: --logdir={tmp_path} holds no run: there is no config.gin in it.\n",
    )

    (tmp_path / "config.gin").write_text((logdir / "config.gin").read_text())
    code, _, err = evaluated(f"--logdir={tmp_path}")
    assert (code, err) == (2, f"pgtf: --logdir={tmp_path} holds no checkpoint yet.\n")

    code, _, err = evaluated(f"--logdir={logdir}", f"--film={tmp_path}/nowhere/film.gif")
    assert code == 2
    assert re.fullmatch(r"pgtf: --film=.*/nowhere/film.gif cannot be written: .*\n", err)


def test_environment_without_a_picture_is_refused(tmp_path: Path, evaluated: Command) -> None:
    train(tmp_path, f"ENVIRONMENT = '{TOY}:Counting-v0'", "TOTAL_STEPS = 10")
    gin.clear_config()
    trainer = restored_trainer(tmp_path)

    with pytest.raises(ConfigurationError, match="Counting-v0"):
        film(trainer.policy, trainer.environment, tmp_path / "film.gif", seed=0, greedy=True)


@pytest.mark.parametrize(
    ("file", "bindings", "owner", "trains"),
    [
        ("a3c.gin", ("AsynchronousTrainer.statistics = 'per_worker'",), Worker, "trace"),
        ("a2c.gin", (), Iteration, "traced"),
        ("es.gin", ("POPULATION = 4",), GymEnvironment, "grouped"),
    ],
)
def test_scoring_makes_nothing_that_trains(
    file: str,
    bindings: tuple[str, ...],
    owner: type,
    trains: str,
    tmp_path: Path,
    evaluated: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = ("Asynchronous", "Evolution")
    plain = [f"{kind}Trainer.jit_compile = False" for kind in kinds]
    statistics = "MLP.normalization = @RunningNormalization()"
    train(tmp_path, *plain, *bindings, statistics, "TOTAL_STEPS = 100", files=(file,))

    def refuse(*args: Any) -> None:
        raise AssertionError("this is for training")

    monkeypatch.setattr(owner, trains, refuse)
    # As the command itself does: one process that evaluates many policies is told of retracing.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    code, out, err = evaluated(f"--logdir={tmp_path}", "--episodes=2")
    assert (code, err) == (0, "")
    assert "over 2 episodes" in out

    gin.clear_config()
    trainer = restored_trainer(tmp_path)
    next(trainer.members())
    reader = tf.train.load_checkpoint(str(tmp_path / "checkpoints"))
    saved = [reader.get_tensor(name) for name in reader.get_variable_to_shape_map()]
    arrays = [np.asarray(x) for x in saved if not isinstance(x, bytes)]
    whole = np.concatenate([np.ravel(x) for x in arrays if x.dtype == np.float32])
    for variable in trainer.policy.variables:
        assert np.isin(variable.numpy(), whole).all()
    trainer.close()
