"""Measures the variance of policy-gradient estimators on shared trajectories.

python -m pgtf.variance                                             a fresh policy
python -m pgtf.variance --run=runs/a2c/CartPole-v1/seed0-…          a trained one
python -m pgtf.variance --gin_file=variance_slides.gin              the slides' example
python -m pgtf.variance --gin_file=variance_age.gin                 data of earlier policies
"""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pgtf import command_line
from pgtf.configuration.silence import quick_start
from pgtf.errors import ConfigurationError

if TYPE_CHECKING:
    from pgtf.laboratory.laboratory import Results
    from pgtf.trainers.trainer import Trainer

_GIN_FILE = "variance.gin"


def measure(
    gin_files: list[str] | None, parameters: list[str], run: Path | None, logdir: Path | None
) -> tuple["Results", Path]:
    """Measures the variance under a configuration, and writes CSV and TensorBoard events.

    Args:
        gin_files: looked up in the current folder, then among pgtf's own; ``variance.gin`` if None
            and there is no run.
        parameters: bindings on top of the files.
        run: the folder of the run whose policy is measured, or None for a fresh policy.
        logdir: the folder of the results, or None for a new one.

    Returns:
        The results and their folder.

    Raises:
        ConfigurationError: see its message.
        TrainingError: see its message.
    """
    with quick_start():
        import gin

        from pgtf import parts as parts
        from pgtf.configuration import configuration
        from pgtf.laboratory import age_report, report
        from pgtf.running.metrics import MetricsWriter
        from pgtf.running.restored import restored_trainer, run_seed
        from pgtf.running.run_folder import default_folder

    if run is None:
        asked = configuration.load(gin_files or [_GIN_FILE], parameters)
        results = _results(_fresh_trainer())
        for line in asked.warnings():
            print(f"pgtf: warning: {line}", file=sys.stderr)
        folder = logdir or default_folder(asked, results.environment, run_seed())
    else:
        ages = "VarianceLaboratory.ages"
        results = _results(
            restored_trainer(
                run,
                gin_files or [],
                parameters,
                "--run",
                trains=lambda: bool(configuration.bound(ages, ())),
            )
        )
        folder = logdir or run / f"variance-{results.steps}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"--logdir={folder} cannot be used: {error}.") from error
    report.write(results, folder)
    if results.earlier:
        age_report.write_ages(results, folder)
    writer = MetricsWriter(folder)
    writer.scalars(results.steps, report.scalars(results))
    writer.text("operative_config", gin.operative_config_str(), results.steps)
    writer.close()
    return results, folder


def main(arguments: Sequence[str]) -> None:
    """Measures and shows.

    Args:
        arguments: of the command line, without the command.
    """
    asked = _flags()
    rest = command_line.parse(asked, arguments, __doc__)
    command_line.no_arguments(rest, "--gin_file=… or --run=…")
    run, logdir = [
        None if x is None else Path(x).expanduser().absolute() for x in (asked.run, asked.logdir)
    ]
    if run is None and logdir is not None and (logdir / "checkpoints").exists():
        raise ConfigurationError(
            f"--logdir={logdir} is where the results go, and holds a run: write --run={logdir} to"
            " measure it, or choose another --logdir."
        )
    with quick_start():
        from pgtf.laboratory import age_report, figure, report
        from pgtf.running.progress import console

    if asked.picture:
        figure.require_matplotlib()
    with command_line.imports_of(asked):
        results, folder = measure(asked.gin_file, asked.gin_param, run, logdir)
    report.show(results, console())
    if results.earlier:
        age_report.show_ages(results, console())
    if asked.picture:
        figure.draw(results, folder / "variance.png")
        if results.earlier:
            age_report.draw_ages(results, folder / "ages.png")
    print(f"Tables{' and picture' if asked.picture else ''}: {folder}")


def _flags() -> flags.FlagValues:
    values = command_line.gin_flags(
        None,
        f"A gin file, in this folder or one of pgtf's own ({_GIN_FILE}); with --run, on top of the"
        " run's configuration. Repeatable.",
    )
    flags.DEFINE_string(
        "run", None, "A run folder; its last checkpoint is what is measured.", flag_values=values
    )
    flags.DEFINE_string(
        "logdir",
        None,
        "Where the results go. Default: in the run folder, or under runs/.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "picture", True, "Whether to draw a picture (needs matplotlib).", flag_values=values
    )
    return values


def _fresh_trainer() -> "Trainer":
    import gin
    import keras

    from pgtf.configuration import configuration
    from pgtf.configuration.runtime import runtime
    from pgtf.running.restored import run_seed, set_horizon

    configuration.call(gin.get_configurable(runtime))
    # Initializers draw their seeds when gin makes them.
    keras.utils.set_random_seed(run_seed())
    trainer: Trainer | None = configuration.call(lambda: configuration.bound("train.trainer", None))
    if trainer is None:
        raise ConfigurationError(
            "train.trainer is not bound: bind it, or begin your file with include 'a2c.gin'."
        )
    trainer.build(run_seed())
    set_horizon(trainer)
    return trainer


def _results(trainer: "Trainer") -> "Results":
    """Measures a trainer's learner, after training on if the bindings ask for it; closes it."""
    import gin

    from pgtf.configuration import configuration
    from pgtf.laboratory.ages import train_on
    from pgtf.laboratory.laboratory import VarianceLaboratory
    from pgtf.running.failures import environment_failures
    from pgtf.running.restored import run_seed

    with contextlib.closing(trainer), environment_failures(trainer):
        next(trainer.members())  # Of several seeds the first one is measured.
        if trainer.learner is None:
            raise ConfigurationError(
                f"{type(trainer).__name__} follows no policy gradient, so there is no variance to"
                " measure: bind train.trainer = @SynchronousTrainer()."
            )
        laboratory: VarianceLaboratory = configuration.call(
            gin.get_configurable(VarianceLaboratory)
        )
        earlier = train_on(trainer, laboratory.ages) if laboratory.ages else []
        results: Results = configuration.call(
            laboratory.measure,
            learner=trainer.learner,
            environment=trainer.environment,
            steps=int(trainer.steps.numpy()),
            seed=run_seed(),
            earlier=earlier,
        )
    return results


def cli() -> None:
    """Runs the command line of ``python -m pgtf.variance`` and ``pgtf variance``."""
    command_line.run_command(main, sys.argv[1:])


if __name__ == "__main__":
    cli()
