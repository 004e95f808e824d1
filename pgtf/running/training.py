"""The loop round a trainer: metrics, checkpoints, evaluation, progress."""

import contextlib
import sys
from pathlib import Path
from typing import Any

import gin

from pgtf.configuration.configuration import Configuration, bound
from pgtf.errors import ConfigurationError
from pgtf.running.evaluation import Evaluation
from pgtf.running.interruption import Interruption
from pgtf.running.loop import Loop, environment_failures
from pgtf.running.progress import ProgressDisplay
from pgtf.running.run_folder import RunFolder, default_folder
from pgtf.trainers.seeds import SeedsTrainer
from pgtf.trainers.trainer import Trainer


@gin.configurable(denylist=["configuration", "logdir"])
def train(
    configuration: Configuration,
    logdir: Path | None = None,
    trainer: Trainer = gin.REQUIRED,
    total_steps: int = 500_000,
    seed: int = 0,
    evaluation: Evaluation | None = None,
    num_seeds: int = 1,
    log_every: int = 2_000,
    checkpoint_every: int = 50_000,
) -> dict[str, Any]:
    """Trains, or goes on training, and leaves a run folder.

    Args:
        configuration: what was asked for; a run folder belongs to one configuration.
        logdir: the run folder; a new one under ``runs`` when None. One with a checkpoint resumes.
        trainer: drives environments and learning.
        total_steps: environment steps of the whole run, those before a resumption included.
        seed: the run is a function of it.
        evaluation: when and how the policy is scored.
        num_seeds: independent seeds, from ``seed`` on, that are trained as one program; more than
            one needs a compiled environment.
        log_every: environment steps between two points of the curves.
        checkpoint_every: environment steps between two checkpoints.

    Returns:
        What ``summary.json`` holds.

    Raises:
        ConfigurationError: the parts do not fit each other, or the folder is another run's.
        TrainingError: the run cannot go on; the last good checkpoint is left as it was.
    """
    counts = {
        "total_steps": total_steps,
        "num_seeds": num_seeds,
        "log_every": log_every,
        "checkpoint_every": checkpoint_every,
    }
    for name, count in counts.items():
        if count < 1:
            raise ConfigurationError(f"train.{name} must be at least 1, not {count}.")
    if num_seeds > 1:
        trainer = SeedsTrainer(lambda: bound("train.trainer", None), num_seeds, total_steps)
    default = default_folder(configuration, trainer.environment.name, seed)
    folder = RunFolder(logdir or default, new=logdir is None)
    folder.check(configuration)
    evaluation = evaluation or Evaluation()
    with contextlib.ExitStack() as stack:
        interruption = stack.enter_context(Interruption(trainer.stop))
        display = stack.enter_context(ProgressDisplay(total_steps))
        stack.callback(trainer.close)
        with environment_failures(trainer):
            trainer.build(seed)
            evaluation.build(trainer.policy, trainer.environment, seed, trainer.compilation)
            stack.callback(evaluation.close)
        # Parts that follow from the spaces have been made by now.
        for line in [*configuration.warnings(), *trainer.warnings()]:
            print(f"pgtf: warning: {line}", file=sys.stderr)
        # Only now, so that parts which do not fit each other leave no run folder behind.
        folder.claim(configuration)
        loop = Loop(folder, trainer, total_steps, evaluation, log_every, checkpoint_every)
        stack.callback(loop.close)
        return loop.run(interruption, display, seed)
