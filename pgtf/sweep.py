"""Trains many runs side by side: seeds and bindings, in a grid, at random, or searched for.

python -m pgtf.sweep --gin_file=a2c.gin --seeds=5 --vary="Learner.discount = [0.97, 0.99]"
python -m pgtf.sweep --gin_file=ppo.gin --vary="NUM_ENVS = [4, 8]" --search=random --trials=9
python -m pgtf.sweep --vary="Learner.discount = uniform(0.9, 1)" --search=tpe --trials=30

The same command with the same --logdir goes on where a sweep was interrupted. Needs pgtf[sweep].
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from pgtf import command_line
from pgtf.configuration.silence import quick_start
from pgtf.errors import ConfigurationError, here

if TYPE_CHECKING:
    from pgtf.sweeps.choices import Choice, Point
    from pgtf.sweeps.results import Reached
    from pgtf.sweeps.trial import SweepPlan
    from pgtf.sweeps.tuning import Tuning


def main(arguments: Sequence[str]) -> int:
    """Trains and prints a table; returns 0, or 1 when a run has failed or is missing.

    Args:
        arguments: of the command line, without the command.
    """
    asked = _flags()
    rest = command_line.parse(asked, arguments, __doc__)
    command_line.no_arguments(rest, '--vary="KEY = [value, value]"')
    with quick_start():
        from pgtf import parts as parts
        from pgtf.sweeps import choices, results

    varied = [choices.choice(text) for text in asked.vary]
    if len({each.key for each in varied}) < len(varied):
        raise ConfigurationError("--vary names a binding twice: give it one list of values.")
    points = _points(asked, varied)
    plan, tuning = _checked(asked, points)
    _claim(plan.folder, plan.files, asked.gin_param)
    runs = [
        (point, seed)
        for point in points
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds)
    ]
    missing = _train(asked, plan, tuning, varied, runs)
    reached = results.read(plan.folder / "sweep.csv", [each.key for each in varied])
    return _closing(plan.folder, reached, missing)


def _claim(folder: Path, files: Sequence[str], parameters: Sequence[str]) -> None:
    """Makes the folder of a sweep, or finds it as the same sweep's.

    Raises:
        ConfigurationError: the runs there have other files or bindings, and are no part of this.
    """
    note = folder / "sweep.json"
    asked = {"gin_files": list(files), "gin_params": list(parameters)}
    folder.mkdir(parents=True, exist_ok=True)
    if not note.exists():
        note.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")
    elif json.loads(note.read_text(encoding="utf-8")) != asked:
        raise ConfigurationError(
            f"{here(folder)} is of a sweep with other gin files or bindings, which {note.name}"
            " there names: choose another --logdir."
        )


def _points(asked: flags.FlagValues, varied: "list[Choice]") -> "list[Point]":
    """The configurations that are known from the start; one drawn example for 'tpe'.

    Raises:
        ConfigurationError: flags do not go together.
    """
    from pgtf.sweeps import choices

    if asked.search == "grid":
        if asked.trials is not None:
            raise ConfigurationError(
                "--trials is for --search=random and tpe: a grid has as many as its lists make."
            )
        return choices.grid(varied)
    if not varied:
        raise ConfigurationError(f"--search={asked.search} needs something to vary: add --vary=….")
    if asked.search == "tpe" and asked.seeds > 1:
        raise ConfigurationError(
            "--search=tpe trains each configuration with one seed: search first, and compare the"
            " best ones in a grid with more --seeds."
        )
    if asked.trials is None:
        raise ConfigurationError(f"--search={asked.search} needs a number: add --trials=….")
    number = 1 if asked.search == "tpe" else asked.trials
    return choices.drawn(varied, number, asked.search_seed)


def _checked(asked: flags.FlagValues, points: "list[Point]") -> "tuple[SweepPlan, Tuning]":
    """Loads every configuration once, so that a wrong one is refused before any has trained.

    Raises:
        ConfigurationError: one of them is wrong.
    """
    from pgtf.configuration import configuration, isolation
    from pgtf.configuration.bindings import find, shipped_files
    from pgtf.sweeps.trial import SweepPlan
    from pgtf.sweeps.tuning import Tuning

    found = [find(file).resolve() for file in asked.gin_file]
    # Another machine has the shipped ones in another place.
    shipped = shipped_files().resolve()
    files = [
        path.relative_to(shipped).as_posix() if path.is_relative_to(shipped) else str(path)
        for path in found
    ]
    folder = Path(asked.logdir or f"sweeps/{found[0].stem}").expanduser().absolute()
    modules = tuple(entry or os.getcwd() for entry in sys.path)
    plan = SweepPlan(files, tuple(asked.gin_param), folder, os.getcwd(), modules)
    total, threads = 0, None
    with command_line.imports_of(asked), isolation.isolated():
        for point in points:
            configuration.load(files, plan.bindings(point, asked.first_seed), '--vary="{}"')
            total = configuration.bound("train.total_steps", 500_000)
            threads = configuration.bound("runtime.intra_op_threads", None)
    if threads is None:
        own = f"runtime.intra_op_threads = {max(1, int(asked.cpus))}"
        plan = plan._replace(parameters=(own, *asked.gin_param))
    tuning = Tuning(
        asked.address, asked.cpus, asked.at_once, asked.max_restarts, asked.stop_after, total
    )
    return plan, tuning


def _train(
    asked: flags.FlagValues,
    plan: "SweepPlan",
    tuning: "Tuning",
    varied: "list[Choice]",
    runs: "list[tuple[Point, int]]",
) -> int:
    """Trains the runs that are not over yet; returns how many are still not."""
    from pgtf.sweeps import results
    from pgtf.sweeps import tuning as tunings
    from pgtf.sweeps.trial import folder_name

    file = plan.folder / "sweep.csv"
    known = [each for each in results.read(file, [x.key for x in varied]) if each.final]
    guided = asked.search == "tpe"
    if not guided:
        asked_for = {folder_name(point, seed) for point, seed in runs}
        known = [each for each in known if each.run in asked_for]
    names = {each.run for each in known}
    most = asked.trials if guided else len(runs)
    over = len(known)

    def ended(reached: "Reached") -> None:
        nonlocal over
        over += reached.final
        results.append(file, reached)
        told = f"return {reached.score:.1f}" if reached.status == "done" else reached.status
        print(f"{over} of {most}: {reached.run}: {told}", flush=True)

    print(f"Sweep: {here(plan.folder)}, {most} runs, {len(known)} known already", flush=True)
    if not guided:
        if missing := [each for each in runs if folder_name(*each) not in names]:
            tunings.train_all(plan, missing, tuning, ended)
    elif (left := most - len(known)) > 0:
        own = (asked.search_seed, asked.first_seed)
        tunings.search_all(plan, varied, left, own, known, tuning, ended)
    return int(most - over)


def _closing(folder: Path, reached: "list[Reached]", missing: int) -> int:
    """Prints and draws what was reached; returns the exit code."""
    from pgtf.sweeps import results

    found = results.rows(reached)
    print(f"\n{results.table(found)}\n")
    failed = [each for each in reached if not each.final]
    for each in failed:
        print(f"{each.run}: {each.status}")
    if missing > 0:
        print(f"{missing} runs are missing: the same command goes on with them.")
    print(f"Runs:    {here(folder / 'sweep.csv')}")
    if found:
        try:
            results.draw_standings(found, folder / "sweep.png")
            print(f"Picture: {here(folder / 'sweep.png')}")
        except ImportError:
            print("Picture: pip install 'pgtf[plot]' draws one.")
    print(f"Curves:  {command_line.command('tensorboard')} --logdir={here(folder)}")
    return 1 if failed or missing > 0 or not found else 0


def _flags() -> flags.FlagValues:
    values = command_line.gin_flags(
        ["a2c.gin"], "A gin file, looked up here and among pgtf's own. Repeatable."
    )
    flags.DEFINE_multi_string(
        "vary",
        [],
        'What is varied: a list, "KEY = [value, value]", or a range, "KEY = loguniform(1e-5, 1e-2)"'
        " (uniform, randint). Repeatable.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "search",
        "grid",
        ["grid", "random", "tpe"],
        "All combinations, some drawn at random, or chosen by what earlier ones reached (Optuna's"
        " TPE).",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "trials", None, "Configurations to try; not for a grid.", 1, flag_values=values
    )
    flags.DEFINE_integer("seeds", 1, "Runs of each configuration.", 1, flag_values=values)
    flags.DEFINE_integer("first_seed", 0, "train.seed of the first run.", 0, flag_values=values)
    flags.DEFINE_integer("search_seed", 0, "Seed of what is drawn.", 0, flag_values=values)
    flags.DEFINE_integer(
        "stop_after",
        0,
        "Environment steps after which runs that are behind the others are stopped (ASHA); 0 for"
        " never. Compares evaluations, so Evaluation.every has to be less.",
        0,
        flag_values=values,
    )
    flags.DEFINE_string(
        "logdir", None, "The sweep's folder. Default: sweeps/FIRST_GIN_FILE.", flag_values=values
    )
    flags.DEFINE_string(
        "address",
        None,
        "Of a running Ray cluster, such as auto. Default: one on this machine, for this sweep.",
        flag_values=values,
    )
    flags.DEFINE_float("cpus", 1.0, "CPUs that a run takes.", 0.01, flag_values=values)
    flags.DEFINE_integer(
        "at_once", 0, "Runs at a time; 0 for as many as there are CPUs for.", 0, flag_values=values
    )
    flags.DEFINE_integer(
        "max_restarts", 3, "How often a run that was lost is started again.", 0, flag_values=values
    )
    return values


def cli() -> None:
    """Runs the command line of ``python -m pgtf.sweep`` and ``pgtf sweep``."""
    command_line.run_command(main, sys.argv[1:])


if __name__ == "__main__":
    cli()
