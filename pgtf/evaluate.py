"""Scores or films what a run has learned.

python -m pgtf.evaluate --logdir=runs/a2c/CartPole-v1/seed0-20260101-120000
python -m pgtf.evaluate --logdir=… --film=film.gif
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pgtf.configuration.silence import silenced_tensorflow

with silenced_tensorflow():
    import gin
    import gymnasium as gym
    import tensorflow as tf

    from pgtf import parts as parts
    from pgtf.configuration import configuration
    from pgtf.configuration.runtime import runtime
    from pgtf.environments.environment import Environment
    from pgtf.environments.gym import GymEnvironment
    from pgtf.errors import ConfigurationError, TrainingError
    from pgtf.running.checkpoint import Checkpoints
    from pgtf.running.evaluation import Evaluation
    from pgtf.trainers.seeds import SeedsTrainer
    from pgtf.trainers.trainer import Trainer

_MOST_STEPS = 2_000


def restored_trainer(
    logdir: Path,
    files: Sequence[str] = (),
    parameters: Sequence[str] = (),
    flag: str = "--logdir",
) -> Trainer:
    """Returns the trainer of a run, with the weights of its last checkpoint.

    Args:
        logdir: the run folder.
        files: gin files on top of the run's configuration.
        parameters: bindings on top of both.
        flag: what messages call the folder.

    Raises:
        ConfigurationError: the folder holds no run, or none that has saved.
    """
    config = logdir / "config.gin"
    if not config.exists():
        raise ConfigurationError(f"{flag}={logdir} holds no run: there is no config.gin in it.")
    configuration.load([str(config.resolve()), *files], parameters)
    configuration.call(gin.get_configurable(runtime))
    trainer: Trainer | None = configuration.call(lambda: configuration.bound("train.trainer", None))
    if trainer is None:
        raise ConfigurationError(f"{config} does not bind train.trainer.")
    num_seeds = configuration.bound("train.num_seeds", 1)
    if num_seeds > 1:
        trainer = SeedsTrainer(lambda: configuration.bound("train.trainer", None), num_seeds, 0)
    checkpoints = Checkpoints(logdir / "checkpoints", trainer.build_policy(), trainer.steps)
    if checkpoints.restore(partial=True) is None:
        raise ConfigurationError(f"{flag}={logdir} holds no checkpoint yet.")
    return trainer


def film(trainer: Trainer, path: Path, seed: int, greedy: bool) -> tuple[float, int]:
    """Films one episode as an animated GIF, to its end or to the 2,000th step.

    Args:
        trainer: of a restored run.
        path: of the GIF.
        seed: of the environment.
        greedy: whether the mode acts, instead of a sample.

    Returns:
        The undiscounted return and the number of steps that are filmed.

    Raises:
        ConfigurationError: the environment cannot draw itself, or the GIF cannot be written.
    """
    from PIL import Image

    next(trainer.members())  # Of several seeds the first one acts.
    act = trainer.policy.act_greedily if greedy else trainer.policy.act
    key = tf.constant([seed, 0xF11], tf.int32)
    images: list[Image.Image] = []
    total, ended = 0.0, False
    with contextlib.closing(_drawn(trainer.environment)) as environment:
        state, observation = environment.reset(key)
        while not ended and len(images) <= _MOST_STEPS:
            # A picture of few colours takes a third of the memory, and a GIF has no more.
            picture = Image.fromarray(environment.render())
            images.append(picture.quantize(method=Image.Quantize.FASTOCTREE))
            action = act(observation, key + tf.constant([0, len(images)]))
            state, step = environment.step(state, action)
            observation = step.observation
            total += float(step.reward[0])
            ended = bool(step.terminated[0] | step.truncated[0])
    try:
        images[0].save(
            path, format="GIF", save_all=True, append_images=images[1:], duration=30, loop=0
        )
    except OSError as error:
        raise ConfigurationError(f"--film={path} cannot be written: {error}.") from error
    return total, len(images)


def _drawn(environment: Environment) -> GymEnvironment:
    """One copy of an environment that draws itself, or shows what it observes."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # A picture needs no screen.
    picture = {"render_mode": "rgb_array"}
    if isinstance(environment, GymEnvironment) and environment.observes_frames:
        return environment.replicate(1)
    if isinstance(environment, GymEnvironment):
        kwargs = environment.kwargs | picture
        return GymEnvironment(environment.name, 1, kwargs, environment.wrappers, "loop")
    if environment.name in gym.registry:  # A compiled version of it, which has no pictures.
        return GymEnvironment(environment.name, 1, picture, (), "loop")
    raise ConfigurationError(f"{environment.name} cannot be filmed: it does not draw itself.")


def main(arguments: list[str]) -> None:
    """Scores or films; exits with 2 where that cannot be asked for, with 1 where it fails.

    Args:
        arguments: of the command line, without the command.
    """
    asked = _parser().parse_args(arguments)
    # So that modules in the current folder can be imported, whichever command this is.
    sys.path.append(os.getcwd())
    try:
        with contextlib.closing(restored_trainer(asked.logdir.expanduser())) as trainer:
            print(_filmed(trainer, asked) if asked.film else _scored(trainer, asked))
    except (ConfigurationError, TrainingError) as error:
        print(f"pgtf: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigurationError) else 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("pgtf.evaluate", description="Scores or films a run.")
    parser.add_argument("--logdir", type=Path, required=True, help="the run folder")
    parser.add_argument("--episodes", type=_count, default=100, help="episodes to play (100)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the environments (0)")
    parser.add_argument(
        "--sample", action="store_true", help="sample actions instead of taking the mode"
    )
    parser.add_argument("--film", type=Path, help="film one episode into this GIF instead")
    return parser


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return int(text)


def _filmed(trainer: Trainer, asked: argparse.Namespace) -> str:
    path = asked.film.expanduser()
    total, steps = film(trainer, path, asked.seed, greedy=not asked.sample)
    return f"Return {total:.1f} in {steps:,} steps: {path}"


def _scored(trainer: Trainer, asked: argparse.Namespace) -> str:
    evaluation: Evaluation = configuration.call(
        gin.get_configurable(Evaluation), episodes=asked.episodes, greedy=not asked.sample
    )
    evaluation.build(trainer.policy, trainer.environment, asked.seed, trainer.compilation)
    lines = []
    for member in trainer.members():
        score = evaluation.score(asked.episodes)
        lines.append(
            f"{member and f'{member}: '}Return {score.returns.mean():.1f} ±"
            f" {score.returns.std():.1f}, length {score.lengths.mean():.1f}, over"
            f" {len(score.returns)} episodes"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main(sys.argv[1:])
