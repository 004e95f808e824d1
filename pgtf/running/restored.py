"""The trainer of a run that is over, or under way, from its folder."""

from collections.abc import Callable, Sequence
from pathlib import Path

import gin

from pgtf.configuration import configuration, modules
from pgtf.configuration.host import check_process
from pgtf.configuration.runtime import runtime
from pgtf.errors import ConfigurationError, TrainingError, here
from pgtf.running.checkpoint import Checkpoints
from pgtf.running.evaluation import Evaluation
from pgtf.running.run_folder import configuration_text
from pgtf.trainers.seeds import SeedsTrainer
from pgtf.trainers.trainer import Trainer


def restored_trainer(
    logdir: Path,
    files: Sequence[str] = (),
    parameters: Sequence[str] = (),
    flag: str = "--logdir",
    trains: Callable[[], bool] = lambda: False,
) -> Trainer:
    """Returns the trainer of a run, with the weights of its last checkpoint.

    Args:
        logdir: the run folder.
        files: gin files on top of the run's configuration.
        parameters: bindings on top of both.
        flag: what messages call the folder.
        trains: whether the trainer is going to train on, and so has to be built and restored as a
            whole, not only its policy; called once gin knows the bindings.

    Raises:
        ConfigurationError: the folder holds no run, or none that has saved, or the files and
            parameters do not fit it.
        TrainingError: no checkpoint can be read.
    """
    # At once: an environment may change the current folder.
    logdir = logdir.absolute()
    # What a run folder imports runs code of whoever made the folder.
    check_process()
    with modules.named_imports():
        return _restored(logdir, files, parameters, flag, trains)


def _restored(
    logdir: Path,
    files: Sequence[str],
    parameters: Sequence[str],
    flag: str,
    trains: Callable[[], bool],
) -> Trainer:
    config = logdir / "config.gin"
    configuration_text(logdir, flag)
    configuration.load([str(config.resolve()), *files], parameters)
    configuration.call(gin.get_configurable(runtime))
    trainer: Trainer | None = configuration.call(lambda: configuration.bound("train.trainer", None))
    if trainer is None:
        raise ConfigurationError(
            f"{here(config)} does not bind train.trainer: a run that was started from Python with"
            " parts of its own is used from Python, by pgtf.load."
        )
    num_seeds = configuration.bound("train.num_seeds", 1)
    if num_seeds > 1:
        trainer = SeedsTrainer(lambda: configuration.bound("train.trainer", None), num_seeds, 0)
    whole = trains()
    if whole:
        trainer.build(run_seed())
    parts = trainer.trackables() if whole else trainer.build_policy()
    checkpoints = Checkpoints(logdir / "checkpoints", parts, trainer.steps)
    try:
        restored = checkpoints.restore(partial=not whole)
    except TrainingError as error:
        if not files and not parameters:
            raise
        raise ConfigurationError(
            f"The run's weights do not fit what is bound on top of its configuration: {error}"
        ) from error
    if restored is None:
        raise ConfigurationError(f"{flag}={here(logdir)} holds no checkpoint yet.")
    if whole:
        trainer.restored(restored.get("trainer", {}))
        set_horizon(trainer, restored.get("horizon"))
    return trainer


def set_horizon(trainer: Trainer, state: dict[str, float] | None = None) -> None:
    """Gives a trainer the length of the run whose configuration is loaded, for its schedules.

    Args:
        trainer: built, and restored if there is a checkpoint.
        state: of the checkpoint's horizon, if there is one.
    """
    length = configuration.bound("train.total_steps", None)
    if length is not None:
        trainer.horizon.resume(state, length, int(trainer.steps.numpy()))


def run_seed() -> int:
    """Returns the seed of the run whose configuration is loaded."""
    seed: int = configuration.bound("train.seed", 0)
    return seed


def run_evaluation() -> Evaluation:
    """Returns the evaluation of the run whose configuration is loaded, not built yet."""
    evaluation: Evaluation | None = configuration.call(
        lambda: configuration.bound("train.evaluation", None)
    )
    # A run that was not to be evaluated can still be scored, as bound.
    return evaluation or configuration.call(gin.get_configurable(Evaluation))
