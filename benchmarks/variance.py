"""The variance laboratory at three stages of training: fresh, half-way and solved.

    python benchmarks/variance.py                                  # CartPole-v1
    python benchmarks/variance.py --environment=Pendulum-v1
    python benchmarks/variance.py --pictures=docs/variance         # those of the docs
    python benchmarks/variance.py --age --pictures=docs/variance   # the age of data

Trains ``compiled.gin`` with one seed, stops where the mean return of about a hundred episodes first
reaches each stage, and prints the laboratory's table there. With ``--age`` it goes on from
the second stage, and compares data of policies some updates back.
"""

import argparse
import time
from pathlib import Path
from typing import NamedTuple

from pgtf.configuration.silence import silenced_tensorflow

with silenced_tensorflow():
    import gin
    import keras

    from pgtf import parts as parts
    from pgtf.configuration import configuration
    from pgtf.configuration.runtime import runtime
    from pgtf.laboratory import age_report, figure, report
    from pgtf.laboratory.ages import train_on
    from pgtf.laboratory.laboratory import Results, VarianceLaboratory
    from pgtf.rollouts.window import EpisodeWindow
    from pgtf.running.progress import console
    from pgtf.trainers.trainer import Trainer

_STEPS_BETWEEN_LOOKS = 10_000


class Task(NamedTuple):
    """An environment and the stages at which its gradient is looked at.

    Attributes:
        files: gin files on top of the laboratory's.
        half_way: mean return.
        solved: mean return of the sampled policy.
    """

    files: list[str]
    half_way: float
    solved: float


TASKS = {
    "CartPole-v1": Task([], 200.0, 475.0),
    "Pendulum-v1": Task(["envs/pendulum.gin"], -700.0, -250.0),
}


def train_to(trainer: Trainer, mean_return: float) -> None:
    """Trains until the mean return is reached, or the run's steps are over."""
    window = EpisodeWindow()
    total = configuration.bound("train.total_steps", 500_000)
    while int(trainer.steps.numpy()) < total:
        limit = int(trainer.steps.numpy()) + _STEPS_BETWEEN_LOOKS
        window.add(trainer.iterate(limit).episodes)
        if window.scalars().get("rollout/ep_rew_mean", -float("inf")) >= mean_return:
            return


def main() -> None:
    """Trains and measures, three times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--environment", choices=TASKS, default="CartPole-v1")
    parser.add_argument("--trajectories", type=int, default=512)
    parser.add_argument("--age", action="store_true", help="compare data of earlier policies")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path, help="folder for pictures and CSV files")
    args = parser.parse_args()
    began = time.perf_counter()
    task = TASKS[args.environment]
    first = "variance_age.gin" if args.age else "variance.gin"
    bindings = [f"VarianceLaboratory.num_trajectories = {args.trajectories}"]
    configuration.load([first, *task.files], bindings)
    gin.get_configurable(runtime)()
    keras.utils.set_random_seed(args.seed)
    trainer: Trainer = gin.get_configurable("SynchronousTrainer")()
    trainer.build(args.seed)
    stages = {"fresh": None, "half-way": task.half_way, "solved": task.solved}
    for stage, goal in ({"age": task.half_way} if args.age else stages).items():
        if goal is not None:
            train_to(trainer, goal)
        results = measured(trainer, args.seed)
        if args.pictures is not None:
            draw(results, args.pictures / f"{args.environment.split('-')[0].lower()}-{stage}")
    print(f"{time.perf_counter() - began:.0f} s, training included")


def measured(trainer: Trainer, seed: int) -> Results:
    """Measures at this stage of training, and prints the tables."""
    # A laboratory of its own for each stage: critics are built once.
    laboratory: VarianceLaboratory = gin.get_configurable(VarianceLaboratory)()
    earlier = train_on(trainer, laboratory.ages) if laboratory.ages else []
    steps = int(trainer.steps.numpy())
    assert trainer.learner is not None
    results = laboratory.measure(trainer.learner, trainer.environment, steps, seed, earlier)
    report.show(results, console())
    if earlier:
        age_report.show_ages(results, console())
    return results


def draw(results: Results, folder: Path) -> None:
    """Writes the pictures and the tables behind them."""
    folder.mkdir(parents=True, exist_ok=True)
    if results.earlier:
        age_report.write_ages(results, folder)
        age_report.draw_ages(results, folder / "ages.png")
    else:
        report.write(results, folder)
        figure.draw(results, folder / "variance.png")


if __name__ == "__main__":
    main()
