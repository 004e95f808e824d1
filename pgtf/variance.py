"""Measures the variance of policy-gradient estimators, on trajectories that they share.

python -m pgtf.variance                                             a fresh policy
python -m pgtf.variance --run=runs/a2c/CartPole-v1/seed0-…          a trained one
python -m pgtf.variance --gin_file=variance_slides.gin              the slides' example
"""

import contextlib
import os
import sys
from pathlib import Path
from typing import NoReturn

from absl import app, flags, logging

from pgtf.configuration.silence import silenced_tensorflow

with silenced_tensorflow():
    import gin
    import keras

    from pgtf import parts as parts
    from pgtf.configuration import configuration
    from pgtf.configuration.runtime import runtime
    from pgtf.errors import ConfigurationError, TrainingError
    from pgtf.evaluate import restored_trainer
    from pgtf.laboratory import figure, report
    from pgtf.laboratory.laboratory import Results, VarianceLaboratory
    from pgtf.running.failures import environment_failures
    from pgtf.running.metrics import MetricsWriter
    from pgtf.running.progress import console
    from pgtf.running.run_folder import default_folder
    from pgtf.trainers.trainer import Trainer

_GIN_FILE = "variance.gin"


def define_flags() -> None:
    """Defines the flags, unless another command of pgtf has defined some of them already."""
    flags.DEFINE_multi_string(
        "gin_file",
        None,
        f"A gin file, looked up here and among pgtf's own ({_GIN_FILE}); with --run, on top of the"
        " run's configuration. Repeatable.",
    )
    flags.DEFINE_multi_string("gin_param", [], "A binding on top of the files. Repeatable.")
    flags.DEFINE_alias("gin_bindings", "gin_param")
    flags.DEFINE_string("run", None, "A run folder; its last checkpoint is what is measured.")
    flags.DEFINE_string(
        "logdir", None, "Where the results go. Default: in the run folder, or under runs/."
    )
    flags.DEFINE_bool("picture", True, "Whether to draw a picture (needs matplotlib).")


def measure(
    gin_files: list[str] | None, parameters: list[str], run: Path | None, logdir: Path | None
) -> tuple[Results, Path]:
    """Measures what gin files and bindings describe, and writes CSV and TensorBoard events.

    Args:
        gin_files: looked up in the current folder, then among pgtf's own; ``variance.gin`` if None
            and there is no run.
        parameters: bindings on top of the files.
        run: the folder of the run whose policy is measured, or None for a fresh one.
        logdir: where the results go, or None for a new folder.

    Returns:
        The results and their folder.

    Raises:
        ConfigurationError: see its message.
        TrainingError: see its message.
    """
    asked = None
    if run is None:
        asked = configuration.load(gin_files or [_GIN_FILE], parameters)
        trainer = _fresh_trainer()
        folder = logdir or default_folder(asked, trainer.environment.name, _seed())
    else:
        trainer = restored_trainer(run, gin_files or [], parameters, "--run")
        folder = logdir or run / f"variance-{int(trainer.steps.numpy())}"
    with contextlib.closing(trainer), environment_failures(trainer):
        next(trainer.members())  # Of several seeds the first one is measured.
        if trainer.learner is None:
            raise ConfigurationError(
                f"{type(trainer).__name__} follows no policy gradient whose variance could be"
                " measured: bind train.trainer = @SynchronousTrainer()."
            )
        laboratory: VarianceLaboratory = configuration.call(
            gin.get_configurable(VarianceLaboratory)
        )
        results = configuration.call(
            laboratory.measure,
            learner=trainer.learner,
            environment=trainer.environment,
            steps=int(trainer.steps.numpy()),
            seed=_seed(),
        )
    if asked is not None:
        for line in asked.warnings():
            print(f"pgtf: warning: {line}", file=sys.stderr)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--logdir={folder} cannot be used: {error}.") from error
    report.write(results, folder)
    writer = MetricsWriter(folder)
    writer.scalars(results.steps, report.scalars(results))
    writer.text("operative_config", gin.operative_config_str(), results.steps)
    writer.close()
    return results, folder


def main(argv: list[str]) -> None:
    """Measures and shows; exits with 2 where that cannot be asked for, with 1 where it fails."""
    asked = flags.FLAGS
    if not asked["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    # So that modules in the current folder can be imported, whichever command this is.
    sys.path.append(os.getcwd())
    if len(argv) > 1:
        _fail(f"There is no argument {argv[1]!r}; write --gin_file=… or --run=….", 2)
    paths = [None if x is None else Path(x).expanduser() for x in (asked.run, asked.logdir)]
    try:
        if asked.picture:
            figure.check()
        results, folder = measure(asked.gin_file, asked.gin_param, *paths)
        report.show(results, console())
        if asked.picture:
            figure.draw(results, folder / "variance.png")
    except ConfigurationError as error:
        _fail(str(error), 2)
    except TrainingError as error:
        _fail(str(error), 1)
    print(f"Tables{' and picture' if asked.picture else ''}: {folder}")


def _fresh_trainer() -> Trainer:
    configuration.call(gin.get_configurable(runtime))
    # Initializers draw their seeds when gin makes them.
    keras.utils.set_random_seed(_seed())
    trainer: Trainer | None = configuration.call(lambda: configuration.bound("train.trainer", None))
    if trainer is None:
        raise ConfigurationError(
            "train.trainer is not bound: bind it, or begin your file with include 'a2c.gin'."
        )
    trainer.build(_seed())
    return trainer


def _seed() -> int:
    return configuration.bound("train.seed", 0)


def _fail(message: str, code: int) -> NoReturn:
    print(f"pgtf: {message}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    define_flags()
    app.run(main)
