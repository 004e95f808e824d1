"""However a run diverges, its checkpoints hold finite numbers, and nothing else is scored."""

import re
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

import pgtf
from pgtf.errors import ConfigurationError, TrainingError
from pgtf.running.checkpoint import Checkpoints
from tests.short_runs import SCRIPTED, table, train
from tests.toy_environments import Scripted

# Clipped gradients times this are finite; what a network makes of such weights is not.
STEEP = ("Learner.optimizer = @SGD()", "SGD.learning_rate = 1e37", "Evaluation.every = None")
COMPILED = (
    "SynchronousTrainer.environment = @CompiledEnvironment()",
    "SynchronousTrainer.jit_compile = True",
)
WAYS = {
    "hosted": (("a2c.gin",), (SCRIPTED, *STEEP)),
    "compiled": (("compiled.gin",), (*COMPILED, *STEEP)),
    "workers": (
        ("a3c.gin",),
        (SCRIPTED, *STEEP, "AsynchronousTrainer.jit_compile = False", "NUM_WORKERS = 1"),
    ),
    "seeds": (("compiled.gin",), (*COMPILED, *STEEP, "train.num_seeds = 2")),
    "evolution": (
        ("es.gin",),
        (
            *(SCRIPTED, "POPULATION = 4", "EvolutionTrainer.jit_compile = False"),
            *("EvolutionStrategy.optimizer = @SGD()", "SGD.learning_rate = 3e37"),
            *("EvolutionStrategy.shaping = None", "Evaluation.every = None"),
        ),
    ),
}
FINITE_LATER = "GoBack.factor = 1e-37"


def saved_floats(logdir: Path) -> list[np.ndarray]:
    """The float variables of every checkpoint of a run."""
    numbers = []
    for index in (logdir / "checkpoints").glob("*.index"):
        reader = tf.train.load_checkpoint(str(index.with_suffix("")))
        kinds = reader.get_variable_to_dtype_map()
        numbers += [reader.get_tensor(name) for name, kind in kinds.items() if kind == tf.float32]
    return numbers


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_diverges_stops_and_names_what_did(way: str, tmp_path: Path) -> None:
    files, parameters = WAYS[way]
    with pytest.raises(TrainingError) as stopped:
        train(tmp_path, *parameters, "train.checkpoint_every = 4", files=files)

    message = str(stopped.value)
    assert re.search(r"not finite after [\d,]+ steps \((by )?update [\d,]+\)", message), message
    assert ("GaussianSearch" if way == "evolution" else "lower learning rate") in message
    assert all(np.all(np.isfinite(x)) for x in saved_floats(tmp_path))
    last = "The last checkpoint is" if saved_floats(tmp_path) else "There is no checkpoint yet"
    assert last in message


def test_the_first_loss_that_is_not_finite_is_named_with_its_update(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripted, "event", staticmethod(lambda: 3e38))
    monkeypatch.setattr(scripted, "length", None)
    # Two steps of two copies an update: the third one, of ten in a call.
    monkeypatch.setattr(scripted, "at", 10)
    monkeypatch.setattr("pgtf.running.loop._CALL_SECONDS", 1e9)

    with pytest.raises(
        TrainingError, match=r"^train/value_loss is not finite after 100 steps \(update 3\)"
    ):
        train(tmp_path, SCRIPTED, "Evaluation.every = None")


def test_an_update_that_overflows_is_not_saved_though_its_loss_was_finite(tmp_path: Path) -> None:
    overflow = ("Learner.max_gradient_norm = None", "Learner.reward_scale = 1e6", "NUM_ENVS = 1")
    once = ("train.checkpoint_every = 2", "train.log_every = 2")
    with pytest.raises(TrainingError) as stopped:
        train(tmp_path, SCRIPTED, *STEEP, *overflow, *once)

    message = str(stopped.value)
    assert " more variables are not finite after 2 steps (update 1)" in message
    assert re.search(r"the last report had train/\w+_loss \S+ and train/gradient_norm", message)
    assert saved_floats(tmp_path) == []


def test_an_environment_is_not_blamed_for_actions_that_are_not_finite(
    tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripted, "action_space", gym.spaces.Box(-1.0, 1.0, (1,), np.float32))
    with pytest.raises(TrainingError) as stopped:
        train(tmp_path, SCRIPTED, *STEEP)

    assert "not finite after" in str(stopped.value)
    assert "failed" not in str(stopped.value)
    assert all(np.all(np.isfinite(x)) for x in saved_floats(tmp_path))


def test_a_checkpoint_that_is_not_finite_is_as_good_as_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weight, steps = tf.Variable([1.0, 2.0]), tf.Variable(1, dtype=tf.int64)
    earlier = Checkpoints(tmp_path, {"weight": weight, "steps": steps}, steps)
    earlier.save({})
    weight.assign([np.inf, 2.0])
    steps.assign(2)
    earlier.save({})
    later = Checkpoints(tmp_path, {"weight": weight, "steps": steps}, steps)
    later.restore()

    assert (weight.numpy().tolist(), int(steps)) == ([1.0, 2.0], 1)
    assert "step-2 cannot be read: weight is not finite; using" in capsys.readouterr().err
    for file in tmp_path.glob("step-1.*"):
        file.unlink()
    with pytest.raises(TrainingError, match="weight is not finite"):
        Checkpoints(tmp_path, {"weight": weight, "steps": steps}, steps).restore()


def test_a_policy_that_is_not_finite_is_not_loaded(tmp_path: Path) -> None:
    train(tmp_path, SCRIPTED, "TOTAL_STEPS = 20")
    (path,) = (tmp_path / "checkpoints").glob("step-*.policy.npz")
    with np.load(path) as arrays:
        weights = dict(arrays)
    name = next(iter(weights))
    np.savez(path, **weights | {name: np.full_like(weights[name], np.nan)})

    with pytest.raises(ConfigurationError, match=r"policy\.npz holds weights that are not finite"):
        pgtf.load(tmp_path)


@pytest.mark.parametrize("way", ["hosted", "workers"])
def test_a_rare_overflow_may_cost_one_update(
    way: str, tmp_path: Path, scripted: type[Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scripted, "event", staticmethod(lambda: 3e38))
    monkeypatch.setattr(scripted, "at", 150)
    files, parameters = WAYS[way]
    skipping = ("SGD.learning_rate = 0.01", "train.safeguard = @SkipUpdates()")
    summary = train(tmp_path, *parameters, *skipping, files=files)

    assert summary["interrupted"] is None
    assert summary["steps"] >= 400
    shares = [float(row["train/skipped"]) for row in table(tmp_path) if row["train/skipped"]]
    assert sum(share > 0 for share in shares) == 1
    assert all(np.all(np.isfinite(x)) for x in saved_floats(tmp_path))
    losses = [float(row["train/value_loss"]) for row in table(tmp_path) if row["train/value_loss"]]
    assert np.all(np.isfinite(losses))


@pytest.mark.parametrize("way", WAYS)
def test_updates_are_not_skipped_for_ever(way: str, tmp_path: Path) -> None:
    files, parameters = WAYS[way]
    skipping = ["train.safeguard = @SkipUpdates()", "SkipUpdates.most = 3"]
    if way != "evolution":
        skipping += ["Learner.max_gradient_norm = None", "Learner.reward_scale = 1e15"]
    with pytest.raises(TrainingError, match="not finite after"):
        train(tmp_path, *parameters, *skipping, files=files)

    assert all(np.all(np.isfinite(x)) for x in saved_floats(tmp_path))


@pytest.mark.parametrize("way", WAYS)
def test_a_run_goes_back_to_its_last_checkpoint_with_smaller_steps(
    way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files, parameters = WAYS[way]
    going_back = ("train.safeguard = @GoBack()", FINITE_LATER)
    summary = train(tmp_path, *parameters, *going_back, files=files)

    assert summary["steps"] >= 400
    assert "going back to 0 steps, with learning rates times 1e-37" in capsys.readouterr().out
    rates = [float(row["train/learning_rate"]) for row in table(tmp_path)]
    bound = 3.0 if way == "evolution" else 1.0
    assert rates == pytest.approx([bound] * len(rates), rel=1e-4)
    steps = [int(row["step"]) for row in table(tmp_path)]
    assert steps == sorted(set(steps))
    assert all(np.all(np.isfinite(x)) for x in saved_floats(tmp_path))


def test_a_run_goes_back_only_so_often(tmp_path: Path) -> None:
    going_back = ("train.safeguard = @GoBack()", "GoBack.factor = 0.9", "GoBack.most = 2")
    with pytest.raises(TrainingError, match="not finite after"):
        train(tmp_path, SCRIPTED, *STEEP, *going_back)
    (checkpoint,) = (tmp_path / "checkpoints").glob("*.index")

    assert checkpoint.stem == "step-0"


@pytest.mark.parametrize("rate", ["8.0", "@PolynomialDecay()"])
def test_smaller_steps_stay_smaller_when_the_run_is_resumed(
    rate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = (
        *("Learner.optimizer = @SGD()", f"SGD.learning_rate = {rate}", "Evaluation.every = None"),
        *("PolynomialDecay.initial_learning_rate = 8.0", "PolynomialDecay.end_learning_rate = 8.0"),
        *("train.safeguard = @GoBack()", "GoBack.factor = 0.25"),
    )
    monkeypatch.setattr(Scripted, "event", staticmethod(lambda: 3e38))
    monkeypatch.setattr(Scripted, "at", 150)
    monkeypatch.setattr(Scripted, "taken", 0)
    train(tmp_path, SCRIPTED, *numbers, "TOTAL_STEPS = 200")
    train(tmp_path, SCRIPTED, *numbers)

    rates = [float(row["train/learning_rate"]) for row in table(tmp_path)]
    assert rates == [2.0] * 4
