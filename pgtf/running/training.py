"""The loop around a trainer: metrics, checkpoints, evaluation, progress."""

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gin

from pgtf.configuration.checked import checked
from pgtf.configuration.configuration import Configuration, bound
from pgtf.configuration.host import check_process
from pgtf.configuration.ranges import Count, Seed
from pgtf.configuration.tuned import tuned_file
from pgtf.errors import here
from pgtf.policies.acting_graph import acting_graph, live_policy
from pgtf.policies.numpy_policy import NumpyPolicy
from pgtf.running import policy_files
from pgtf.running.callbacks import Callback, Callbacks
from pgtf.running.evaluation import UNBOUND, Evaluation, NoEvaluation
from pgtf.running.failures import environment_failures
from pgtf.running.idleness import IdlenessWarning
from pgtf.running.interruption import Interruption
from pgtf.running.loop import Loop
from pgtf.running.progress import ProgressDisplay
from pgtf.running.run_folder import RunFolder, default_folder
from pgtf.running.safeguards import Safeguard
from pgtf.trainers.seeds import SeedsTrainer
from pgtf.trainers.trainer import Trainer


@dataclasses.dataclass(frozen=True)
class Request:
    """Who asks for a run, and how it is called back.

    Attributes:
        configuration: what was asked for; a run folder belongs to one configuration.
        command: what was called to ask for it, for ``command.txt``.
        logdir: the run folder; a new one under ``runs`` when None. One with a checkpoint resumes.
        again: whether it repeats a run: its folder, if there already, gets a number at its end.
        started_in: the current folder when the run was asked for: an environment may change it.
        make_trainer: makes a trainer for each of several seeds; what ``train.trainer`` is bound to
            when None.
        built: is called once every part is made and has its initial weights.
    """

    configuration: Configuration
    command: str
    logdir: Path | None = None
    again: bool = False
    started_in: Path = dataclasses.field(default_factory=Path.cwd)
    make_trainer: Callable[[], Trainer] | None = None
    built: Callable[[], None] = lambda: None


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that has ended.

    Attributes:
        logdir: its folder.
        summary: what ``summary.json`` holds, such as ``summary["eval_return_mean"]``.
        policy: the one it ended with, ``action = policy(observation)``; of several seeds the first.
    """

    logdir: Path
    summary: dict[str, Any]
    policy: NumpyPolicy


@gin.configurable(denylist=["request"])
@checked
def train(
    request: Request,
    trainer: Trainer = gin.REQUIRED,
    total_steps: Count = 500_000,
    seed: Seed = 0,
    evaluation: Evaluation | None = UNBOUND,
    num_seeds: Count = 1,
    log_every: Count = 2_000,
    checkpoint_every: Count = 50_000,
    callbacks: Sequence[Callback] = (),
    safeguard: Safeguard | None = None,
) -> Run:
    """Trains, or goes on training, and leaves a run folder.

    Args:
        request: who asks for it.
        trainer: drives environments and learning.
        total_steps: environment steps of the whole run, including those before it was resumed.
        seed: determines the run.
        evaluation: when and how the policy is scored; None for never, with no environments for it.
        num_seeds: how many independent seeds, from ``seed`` on, train as one program; more than one
            needs a compiled environment.
        log_every: environment steps between two points of the curves.
        checkpoint_every: environment steps between two checkpoints.
        callbacks: follow the run and may end it, such as ``StopAtReturn``.
        safeguard: what happens when a loss or a weight is no longer finite; ``StopRun`` when
            unbound.

    Raises:
        ConfigurationError: the parts do not fit each other, or the folder is another run's.
        TrainingError: the run cannot go on; the last good checkpoint is left as it was.
    """
    check_process()
    configuration = request.configuration
    if num_seeds > 1:
        make = request.make_trainer or (lambda: bound("train.trainer", None))
        trainer = SeedsTrainer(make, num_seeds, total_steps)
    called = Callbacks([*callbacks, IdlenessWarning(trainer)])
    default = default_folder(configuration, trainer.environment.name, seed)
    path = request.started_in / (request.logdir or default)
    folder = RunFolder(path, new=request.logdir is None or request.again)
    if evaluation is UNBOUND:
        evaluation = Evaluation()
    elif evaluation is None:
        evaluation = NoEvaluation()
    safeguard = safeguard or Safeguard()
    trainer.undoes_updates = safeguard.undoes_updates
    with contextlib.ExitStack() as stack:
        stack.callback(folder.release)
        folder.check(configuration)
        display = stack.enter_context(ProgressDisplay(total_steps))
        stack.callback(trainer.close)
        with environment_failures(trainer):
            trainer.build(seed)
            evaluation.build(trainer.policy, trainer.environment, seed, trainer.compilation)
            stack.callback(evaluation.close)
        # Parts that follow from the spaces have been made by now.
        for line in [*configuration.warnings(), *trainer.warnings()]:
            print(f"pgtf: warning: {line}", file=sys.stderr)
        tuned = tuned_file(trainer.environment.name, configuration.name, configuration.files)
        if tuned is not None:
            display.say(
                f"There are tuned settings for {trainer.environment.name}: --gin_file={tuned}"
            )
        # Only now, so that parts which do not fit each other leave no run folder behind.
        folder.claim(configuration, request.command)
        request.built()
        policy = _written_policy(trainer, folder)
        loop = Loop(
            folder,
            trainer,
            total_steps,
            evaluation,
            log_every,
            checkpoint_every,
            called,
            policy,
            safeguard,
        )
        stack.callback(loop.close)
        interruption = stack.enter_context(Interruption(loop.stop))
        summary = loop.run(interruption, display, seed)
        next(trainer.members())
        return Run(folder.path, summary, policy)


def _written_policy(trainer: Trainer, folder: RunFolder) -> NumpyPolicy:
    """The policy that is trained, for use from Python; and its graph in the run folder."""
    policy, core = trainer.core_policy, trainer.environment.core
    spaces = (core.observation_space, core.action_space)
    graph = acting_graph(policy, *spaces)
    if not policy_files.holds_policies(folder.path):
        try:
            policy_files.write_graph(graph, spaces, folder.path)
        except ValueError as error:
            line = f"{error}".split("\n")[0].rstrip(".")
            print(
                f"pgtf: warning: {here(folder.path)} will hold no policy that loads by itself:"
                f" {line}.",
                file=sys.stderr,
            )
    return live_policy(graph, policy, *spaces)
