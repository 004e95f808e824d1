"""The variance laboratory at three stages of training: fresh, half-way and solved.

    python benchmarks/variance.py                                  # CartPole-v1
    python benchmarks/variance.py --environment=Pendulum-v1
    python benchmarks/variance.py --pictures=docs/variance         # those of the docs

Trains ``compiled.gin`` with one seed, stops where the mean return of about a hundred episodes first
reaches each stage, and prints the laboratory's table there.
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
    from pgtf.laboratory import figure, report
    from pgtf.laboratory.laboratory import VarianceLaboratory
    from pgtf.rollouts.window import EpisodeWindow
    from pgtf.running.progress import console
    from pgtf.trainers.trainer import Trainer

_STEPS_BETWEEN_LOOKS = 10_000


class Task(NamedTuple):
    """An environment and the stages at which its gradient is looked at.

    Attributes:
        files: gin files.
        half_way: mean return.
        solved: mean return of the sampled policy.
    """

    files: list[str]
    half_way: float
    solved: float


TASKS = {
    "CartPole-v1": Task(["variance.gin"], 200.0, 475.0),
    "Pendulum-v1": Task(["variance.gin", "envs/pendulum.gin"], -700.0, -250.0),
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
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path, help="folder for pictures and CSV files")
    args = parser.parse_args()
    began = time.perf_counter()
    task = TASKS[args.environment]
    bindings = [f"VarianceLaboratory.num_trajectories = {args.trajectories}"]
    configuration.load(task.files, bindings)
    gin.get_configurable(runtime)()
    keras.utils.set_random_seed(args.seed)
    trainer: Trainer = gin.get_configurable("SynchronousTrainer")()
    trainer.build(args.seed)
    assert trainer.learner is not None
    for stage, goal in (("fresh", None), ("half-way", task.half_way), ("solved", task.solved)):
        if goal is not None:
            train_to(trainer, goal)
        # A laboratory of its own for each stage: critics are built once.
        laboratory: VarianceLaboratory = gin.get_configurable(VarianceLaboratory)()
        steps = int(trainer.steps.numpy())
        results = laboratory.measure(trainer.learner, trainer.environment, steps, args.seed)
        report.show(results, console())
        if args.pictures is not None:
            folder = args.pictures / f"{args.environment.split('-')[0].lower()}-{stage}"
            folder.mkdir(parents=True, exist_ok=True)
            report.write(results, folder)
            figure.draw(results, folder / "variance.png")
    print(f"{time.perf_counter() - began:.0f} s, training included")


if __name__ == "__main__":
    main()
