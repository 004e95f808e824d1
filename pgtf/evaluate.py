"""Scores or films what a run has learned.

    python -m pgtf.evaluate --logdir=runs/a2c/CartPole-v1/seed0-20260101-120000
    python -m pgtf.evaluate --logdir=… --film=film.gif
"""

import sys
from pathlib import Path

from absl import app, flags

from pgtf.silence import silenced_tensorflow

with silenced_tensorflow():
    import gin
    import numpy as np
    import tensorflow as tf

    from pgtf import configuration
    from pgtf import parts as parts
    from pgtf.checkpoint import Checkpoints
    from pgtf.environments.gym import GymEnvironment
    from pgtf.errors import ConfigurationError, TrainingError
    from pgtf.evaluation import Evaluation
    from pgtf.runtime import runtime
    from pgtf.trainers.trainer import Trainer

_LOGDIR = flags.DEFINE_string("logdir", None, "The run folder.", required=True)
_EPISODES = flags.DEFINE_integer("episodes", 100, "Episodes to play.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the environments.")
_SAMPLE = flags.DEFINE_bool("sample", False, "Sample actions instead of taking the mode.")
_FILM = flags.DEFINE_string("film", None, "Film one episode into this GIF instead of scoring.")


def restored_trainer(logdir: Path) -> Trainer:
    """Returns the trainer of a run, with the weights of its last checkpoint.

    Raises:
        ConfigurationError: the folder holds no run, or none that has saved.
    """
    config = logdir / "config.gin"
    if not config.exists():
        raise ConfigurationError(f"--logdir={logdir} holds no run: there is no config.gin in it.")
    configuration.load([str(config.resolve())], [])
    configuration.call(gin.get_configurable(runtime))
    trainer: Trainer = configuration.call(gin.query_parameter("train.trainer").scoped_configurable_fn)
    trainer.build(0)
    checkpoints = Checkpoints(logdir / "checkpoints", trainer.trackables(), trainer.steps)
    if checkpoints.restore() is None:
        raise ConfigurationError(f"--logdir={logdir} holds no checkpoint yet.")
    return trainer


def film(trainer: Trainer, path: Path, seed: int, greedy: bool) -> float:
    """Films one episode as an animated GIF.

    Args:
        trainer: of a restored run.
        path: of the GIF.
        seed: of the environment.
        greedy: whether the mode acts, instead of a sample.

    Returns:
        The episode's return.

    Raises:
        ConfigurationError: the environment cannot draw itself.
    """
    from PIL import Image

    environment = trainer.environment
    if not isinstance(environment, GymEnvironment):
        raise ConfigurationError(f"{environment.name} cannot be filmed: bind GymEnvironment.")
    filmed = GymEnvironment(
        environment.name,
        1,
        environment.kwargs | {"render_mode": "rgb_array"},
        environment.wrappers,
        "loop",
    )
    act = trainer.policy.act_greedily if greedy else trainer.policy.act
    key = tf.constant([seed, 0xF11], tf.int32)
    state, observation = filmed.reset(key)
    frames, total, ended = [filmed.render()], 0.0, False
    while not ended:
        action = act(observation, key + tf.constant([0, len(frames)]))
        state, step = filmed.step(state, action)
        observation = step.observation
        frames.append(filmed.render())
        total += float(step.reward[0])
        ended = bool(step.terminated[0] | step.truncated[0])
    images = [Image.fromarray(np.asarray(frame)) for frame in frames]
    images[0].save(path, save_all=True, append_images=images[1:], duration=33, loop=0)
    filmed.close()
    return total


def main(argv: list[str]) -> None:
    """Scores or films; exits with 2 where that cannot be."""
    del argv
    try:
        trainer = restored_trainer(Path(_LOGDIR.value))
        if _FILM.value:
            total = film(trainer, Path(_FILM.value), _SEED.value, not _SAMPLE.value)
            print(f"An episode of return {total:.1f} is in {_FILM.value}")
            return
        evaluation = Evaluation(episodes=_EPISODES.value, greedy=not _SAMPLE.value)
        evaluation.build(trainer.policy, trainer.environment, _SEED.value)
        score = evaluation.score(_EPISODES.value)
    except (ConfigurationError, TrainingError) as error:
        print(f"pgtf: {error}", file=sys.stderr)
        sys.exit(2)
    print(
        f"Return {score.returns.mean():.1f} ± {score.returns.std():.1f}, length"
        f" {score.lengths.mean():.1f}, over {len(score.returns)} episodes"
    )


if __name__ == "__main__":
    app.run(main)
