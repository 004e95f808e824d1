"""Scores or films a trained run.

python -m pgtf.evaluate --logdir=runs/a2c/CartPole-v1/seed0-20260101-120000
python -m pgtf.evaluate --logdir=… --gin_param="GymEnvironment.kwargs = {'g': 5.0}"
python -m pgtf.evaluate --logdir=… --film=film.gif

Without further flags a run is scored as its last evaluation was: the same seed, the same number of
episodes, greedy or not.
"""

import contextlib
import csv
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pgtf import command_line
from pgtf.configuration.silence import quick_start
from pgtf.errors import ConfigurationError

if TYPE_CHECKING:
    from pgtf.running.evaluation import Score
    from pgtf.trainers.trainer import Trainer


def main(arguments: Sequence[str]) -> int:
    """Scores or films; returns 0, or 128 + n when signal n ended the scoring.

    Args:
        arguments: of the command line, without the command.
    """
    asked = _flags()
    rest = command_line.parse(asked, arguments, __doc__)
    command_line.no_arguments(rest, "--logdir=…")
    if asked.logdir is None:
        raise ConfigurationError("--logdir is missing: it names the run folder.")
    if asked.film and asked.csv:
        raise ConfigurationError("--film plays one episode and writes no --csv: leave one out.")
    logdir = Path(asked.logdir).expanduser().absolute()
    with quick_start():
        from pgtf import parts as parts
        from pgtf.running.restored import restored_trainer

    with command_line.imports_of(asked):
        trainer = restored_trainer(logdir, asked.gin_file or [], asked.gin_param)
        with contextlib.closing(trainer):
            if asked.film:
                print(_filmed(trainer, asked))
                return 0
            return _scored(trainer, asked)


def _flags() -> flags.FlagValues:
    values = command_line.gin_flags(
        None, "A gin file on top of the run's configuration. Repeatable."
    )
    flags.DEFINE_string("logdir", None, "The run folder.", flag_values=values)
    flags.DEFINE_integer(
        "episodes",
        None,
        "Episodes to play. Default: Evaluation.final_episodes of the run.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "seed",
        None,
        "Seed of the environments and of sampled actions. Default: the run's.",
        lower_bound=0,
        upper_bound=2**31 - 1,
        flag_values=values,
    )
    flags.DEFINE_bool(
        "greedy",
        None,
        "Whether to take the mode of the policy, or with --nogreedy to sample. Default:"
        " Evaluation.greedy of the run.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "csv", None, "Write the scores into this file, one row an episode.", flag_values=values
    )
    flags.DEFINE_string(
        "film", None, "Film one episode into this .gif, .webp or .png instead.", flag_values=values
    )
    return values


def _filmed(trainer: "Trainer", asked: flags.FlagValues) -> str:
    from pgtf.running.failures import environment_failures
    from pgtf.running.film import film
    from pgtf.running.restored import run_evaluation, run_seed

    path = Path(asked.film).expanduser()
    seed = run_seed() if asked.seed is None else asked.seed
    greedy = run_evaluation().greedy if asked.greedy is None else asked.greedy
    next(trainer.members())  # Of several seeds the first one acts.
    trainer.environment.close()  # There may be one robot, or one licence.
    with environment_failures(trainer):
        total, steps = film(trainer.policy, trainer.environment, path, seed, greedy)
    return f"Return {total:.1f} in {steps:,} steps: {path}"


def _scored(trainer: "Trainer", asked: flags.FlagValues) -> int:
    from pgtf.environments.halting import Halted
    from pgtf.running.failures import environment_failures
    from pgtf.running.interruption import Interruption
    from pgtf.running.restored import run_evaluation, run_seed

    evaluation = run_evaluation()
    if asked.greedy is not None:
        evaluation.greedy = asked.greedy
    seed = run_seed() if asked.seed is None else asked.seed
    episodes = asked.episodes or evaluation.final_episodes
    trainer.environment.close()  # There may be one robot, or one licence.
    with environment_failures(trainer):
        evaluation.build(trainer.policy, trainer.environment, seed, trainer.compilation)
    interruption = Interruption(evaluation.stop, "stopping; a second signal stops at once.")
    scores = {}
    with contextlib.closing(evaluation), interruption, contextlib.suppress(Halted):
        for member in trainer.members():
            with environment_failures(trainer):
                scores[member] = evaluation.score(episodes)
            if interruption.signal is not None:
                break
    if interruption.signal is not None:
        return 128 + signal.Signals(interruption.signal)
    if asked.csv:
        _write(scores, Path(asked.csv).expanduser())
    for member, score in scores.items():
        print(
            f"{member and f'{member}: '}Return {score.returns.mean():.1f} ±"
            f" {score.returns.std():.1f}, length {score.lengths.mean():.1f}, over"
            f" {len(score.returns)} episodes"
        )
    return 0


def _write(scores: Mapping[str, "Score"], path: Path) -> None:
    """Writes a row for each episode; several policies are told apart by a first column."""
    several = len(scores) > 1
    try:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*["member"] * several, "episode", "return", "length"])
            for member, score in scores.items():
                for i, (total, length) in enumerate(
                    zip(score.returns.tolist(), score.lengths.tolist(), strict=True)
                ):
                    writer.writerow([*[member] * several, i, total, length])
    except OSError as error:
        raise ConfigurationError(f"--csv={path} cannot be written: {error}.") from error


def cli() -> None:
    """Runs the command line of ``python -m pgtf.evaluate`` and ``pgtf evaluate``."""
    command_line.run_command(main, sys.argv[1:])


if __name__ == "__main__":
    cli()
