"""``pgtf.train``: a run from Python, of gin files or of parts made by plain calls."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import gin
import keras
import numpy as np

from pgtf import parts as parts
from pgtf.configuration import configuration, naming
from pgtf.configuration.configuration import Configuration
from pgtf.configuration.expectations import refusal
from pgtf.configuration.isolation import isolated
from pgtf.configuration.ranges import Seed
from pgtf.configuration.runtime import runtime
from pgtf.errors import ConfigurationError
from pgtf.running.callbacks import Callback
from pgtf.running.evaluation import UNBOUND, Evaluation
from pgtf.running.training import Request, Run, train
from pgtf.trainers.trainer import Trainer

Bindings = Mapping[str, Any] | Sequence[str]


def train_from_python(
    *gin_files: str | Path,
    trainer: Trainer | Callable[[], Trainer] | None = None,
    total_steps: int | None = None,
    seed: int | None = None,
    evaluation: Evaluation | None = UNBOUND,
    num_seeds: int | None = None,
    log_every: int | None = None,
    checkpoint_every: int | None = None,
    callbacks: Sequence[Callback] = (),
    bindings: Bindings = (),
    logdir: str | Path | None = None,
    name: str | None = None,
    **macros: Any,
) -> Run:
    """Trains, or resumes, and returns once the run has ended.

    ``pgtf.train("a2c.gin", ENVIRONMENT="Acrobot-v1", TOTAL_STEPS=200_000)`` or
    ``pgtf.train(trainer=pgtf.SynchronousTrainer(…), total_steps=200_000)``. Works in any thread and
    in several at once; runs see nothing of each other's configuration, nor of what else is bound
    in gin. Ctrl-C, in the main thread, saves and ends the run.

    Args:
        gin_files: looked up in the current folder, then among pgtf's own.
        trainer: in place of gin files: a trainer that has not been built, or a function that makes
            one, which several seeds need.
        total_steps: as ``train.total_steps``; so the next five. None for what is bound, or the
            default. In a gin file of pgtf, ``TOTAL_STEPS`` moves the learning rate's schedule too.
        seed: the run is a function of it.
        evaluation: when and how the policy is scored; left out for what is bound, or the default,
            and None for never.
        num_seeds: independent seeds that are trained as one program.
        log_every: environment steps between two points of the curves.
        checkpoint_every: environment steps between two checkpoints.
        callbacks: follow the run and may end it; in place of those that are bound.
        bindings: on top of the files: a mapping such as ``{"Learner.discount": 0.9}``, or gin text
            such as ``["Policy.head = @Beta()"]``.
        logdir: the run folder; one with a checkpoint resumes. None for a new one.
        name: of the run, in the default run folder, in place of its further files and bindings.
        macros: bound on top of the files, such as ``NUM_ENVS=16``.

    Raises:
        ConfigurationError: the configuration cannot work; nothing has been trained.
        TrainingError: the run could not go on; its last checkpoint says how far it came.
    """
    settings = {
        "total_steps": total_steps,
        "seed": seed,
        "num_seeds": num_seeds,
        "log_every": log_every,
        "checkpoint_every": checkpoint_every,
    }
    settings = {key: value for key, value in settings.items() if value is not None}
    objects: dict[str, Any] = {"callbacks": tuple(callbacks)} if callbacks else {}
    if evaluation is not UNBOUND:
        objects["evaluation"] = evaluation
    folder = None if logdir is None else Path(logdir).expanduser().absolute()
    if (trainer is None) == (not gin_files):
        raise ConfigurationError(
            "pgtf.train needs either gin files, such as 'a2c.gin', or a trainer, such as"
            " trainer=pgtf.SynchronousTrainer()."
        )
    if trainer is not None:
        if bindings or macros:
            key = next(iter(macros), "bindings")
            raise ConfigurationError(
                f"pgtf.train binds {key} on top of gin files, and there are none: give the parts of"
                " the trainer their arguments instead."
            )
        return _train_parts(trainer, settings, objects, folder, name or "")
    files = [str(file) for file in gin_files]
    texts = (
        _texts(bindings) + _texts(macros) + _texts({f"train.{k}": v for k, v in settings.items()})
    )
    arguments = ", ".join([*map(repr, files), *([f"bindings={texts!r}"] if texts else [])])
    return train_files(files, texts, folder, f"pgtf.train({arguments})", "{}", name, **objects)


def train_files(
    files: Sequence[str],
    parameters: Sequence[str],
    logdir: Path | None,
    command: str,
    source: str = '--gin_param="{}"',
    name: str | None = None,
    again: bool = False,
    **objects: Any,
) -> Run:
    """Trains what gin files describe; both ``pgtf.train`` and the command end up here.

    Args:
        files: looked up in the current folder, then among pgtf's own.
        parameters: bindings on top of the files, as text.
        logdir: the run folder, or None for a new one.
        command: what was called, for ``command.txt``.
        source: what messages call a parameter.
        name: of the run, or None for that of its further files and bindings.
        again: whether the one file is another run's ``config.gin``, and ``logdir`` a new folder.
        objects: arguments of the ``train`` of gin, in place of what is bound to them.
    """
    started_in = Path.cwd()
    with isolated() as built:
        asked = configuration.load(files, parameters, source)
        configuration.call(gin.get_configurable(runtime))
        _seed(configuration.bound("train.seed", 0))
        if name is not None:
            asked = asked.called(name)
        if again:  # The original has warned of bindings that nothing uses.
            asked = dataclasses.replace(asked, bindings={})
        request = Request(asked, command, logdir, again, started_in, built=built)
        return configuration.call(train, request=request, **objects)


def _train_parts(
    trainer: Trainer | Callable[[], Trainer],
    settings: dict[str, Any],
    objects: dict[str, Any],
    logdir: Path | None,
    name: str,
) -> Run:
    """Trains parts that were made by plain calls, with nothing bound in gin."""
    seed = settings.get("seed", 0)
    if settings.get("num_seeds", 1) > 1 and isinstance(trainer, Trainer):
        raise ConfigurationError(
            "pgtf.train needs a trainer for each of several seeds: give it a function that makes"
            " one, as trainer=make_trainer."
        )
    text = "\n".join(f"train.{key} = {value!r}" for key, value in sorted(settings.items()))
    text = f"# Started from Python, with parts of its own.\n{text}\n"
    asked = Configuration("python", naming.safe(name), text, {})
    started_in = Path.cwd()
    with isolated() as built:
        _seed(seed)
        make = None if isinstance(trainer, Trainer) else trainer
        made = trainer if isinstance(trainer, Trainer) else trainer()
        if not isinstance(made, Trainer):
            raise ConfigurationError(f"train.trainer must be a pgtf.Trainer, not {made!r}.")
        command = f"pgtf.train(trainer={type(made).__name__}(…))"
        request = Request(asked, command, logdir, False, started_in, make, built)
        return train(request=request, trainer=made, **settings, **objects)


def _seed(seed: int) -> None:
    refused = refusal(seed, Seed, in_gin=False)
    if refused is not None:
        raise ConfigurationError(f"train.seed {refused}")
    # Initializers draw their seeds when parts are made, before the trainer is built.
    keras.utils.set_random_seed(seed)


def _texts(bindings: Bindings) -> list[str]:
    """Bindings as gin text.

    Raises:
        ConfigurationError: gin has no text for a value.
    """
    if isinstance(bindings, str):
        return [bindings]
    if not isinstance(bindings, Mapping):
        return list(bindings)
    texts = []
    for key, value in bindings.items():
        plain = value.item() if isinstance(value, np.generic) else value
        try:
            bindable = gin.config.parse_value(repr(plain)) == plain
        except (ValueError, SyntaxError):
            bindable = False
        if not bindable:
            raise ConfigurationError(
                f"{key} = {value!r} cannot be bound: gin takes numbers, texts, truth values, None,"
                " and lists, tuples and dictionaries of these; bind a part by its name, as"
                f' bindings=["{key} = @Part()"].'
            )
        texts.append(f"{key} = {plain!r}")
    return texts
