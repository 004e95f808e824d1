"""Films of a policy at work."""

import contextlib
import os
from pathlib import Path

import gymnasium as gym
import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.policies.policy import Policy

_MOST_STEPS = 2_000


def film(
    policy: Policy, environment: Environment, path: Path, seed: int, greedy: bool
) -> tuple[float, int]:
    """Films one episode as an animated GIF, to its end or to the 2,000th step.

    Args:
        policy: built.
        environment: the task; a copy of it is drawn.
        path: of the GIF.
        seed: of the environment.
        greedy: whether the mode acts, instead of a sample.

    Returns:
        The undiscounted return and the number of steps that are filmed.

    Raises:
        ConfigurationError: the environment cannot draw itself, or the GIF cannot be written.
    """
    from PIL import Image

    act = policy.act_greedily if greedy else policy.act
    key = tf.constant([seed, 0xF11], tf.int32)
    images: list[Image.Image] = []
    total, ended = 0.0, False
    with contextlib.closing(_drawn(environment)) as drawn:
        state, observation = drawn.reset(key)
        while not ended and len(images) <= _MOST_STEPS:
            # A picture of few colours takes a third of the memory, and a GIF has no more.
            picture = Image.fromarray(drawn.render())
            images.append(picture.quantize(method=Image.Quantize.FASTOCTREE))
            action = act(observation, key + tf.constant([0, len(images)]))
            state, step = drawn.step(state, action)
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
