"""Films of a policy: one episode as an animated picture."""

import contextlib
from pathlib import Path

import tensorflow as tf
from PIL import Image

from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError
from pgtf.policies.policy import Policy

_MOST_STEPS = 2_000
_MILLISECONDS = 30  # of each frame
_FORMATS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG"}


def film(
    policy: Policy, environment: Environment, path: Path, seed: int, greedy: bool
) -> tuple[float, int]:
    """Films one episode, to its end or to the 2,000th step.

    An episode of n steps has n + 1 frames: one before each step, and one of where it ended.

    Args:
        policy: built.
        environment: the task; a copy of it is drawn.
        path: of the film, a GIF, WebP or animated PNG by its ending.
        seed: of the environment.
        greedy: whether the mode acts, instead of a sample.

    Returns:
        The undiscounted return and the number of steps.

    Raises:
        ConfigurationError: the environment cannot draw itself, the ending stands for no such film,
            or the file cannot be written.
    """
    if path.suffix.lower() not in _FORMATS:
        raise ConfigurationError(
            f"--film={path} cannot be written: a film is a GIF, a WebP or an animated PNG, so let"
            " its name end in .gif, .webp or .png."
        )
    act = policy.act_greedily if greedy else policy.act
    key = tf.constant([seed, 0xF11], tf.int32)
    total, steps, ended = 0.0, 0, False
    with contextlib.closing(environment.drawn()) as drawn:
        state, observation = drawn.reset(key)
        memory = policy.initial_memory(1)
        frames = [_frame(drawn)]
        while not ended and steps < _MOST_STEPS:
            steps += 1
            decision = act(observation, memory, key + tf.constant([0, steps]))
            state, step = drawn.step(state, decision.action)
            observation, memory = step.observation, decision.memory
            frames.append(_frame(drawn))
            total += float(step.score[0])
            ended = bool(step.ended[0])
    _write(frames, path)
    return total, steps


def _frame(environment: Environment) -> Image.Image:
    # A picture of few colours takes a third of the memory, and a GIF has no more.
    picture = Image.fromarray(environment.render())
    return picture.quantize(method=Image.Quantize.FASTOCTREE)


def _write(frames: list[Image.Image], path: Path) -> None:
    kind = _FORMATS[path.suffix.lower()]
    if kind != "GIF":  # Each frame of a GIF has its own palette; the others have one or none.
        frames = [frame.convert("RGB") for frame in frames]
    first, *others = frames
    try:
        first.save(
            path, format=kind, save_all=True, append_images=others, duration=_MILLISECONDS, loop=0
        )
    except OSError as error:
        raise ConfigurationError(f"--film={path} cannot be written: {error}.") from error
