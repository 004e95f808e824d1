"""Atari games, preprocessed and stepped by ale-py's threads of C++."""

from collections.abc import Mapping, Sequence
from typing import Any

import gin
import gymnasium as gym
import numpy as np

from pgtf.configuration.checked import checked
from pgtf.configuration.machine import require_threads
from pgtf.configuration.ranges import Count, CountOrZero, Positive, Probability
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.environments.hosted import Host, HostedEnvironment
from pgtf.environments.vector import LibraryVector
from pgtf.errors import ConfigurationError

_OWN = {  # Arguments of ale-py, and what stands for them here.
    "reward_clipping": "Learner.reward_bound = 1.0, which clips rewards for learning only",
    "episodic_life": "AtariEnvironment.life_loss",
    "life_loss_info": "AtariEnvironment.life_loss",
    "repeat_action_probability": "AtariEnvironment.sticky",
    "noop_max": "AtariEnvironment.noops",
    "frameskip": "AtariEnvironment.frame_skip",
    "num_threads": "AtariEnvironment.num_threads",
}


@gin.register
class AtariEnvironment(GymEnvironment):
    """B copies of an Atari game with the preprocessing of Mnih et al. (2015, Nature 518).

    An observation is the 4 newest frames, [4, 84, 84] grey pixels (uint8), the newest last. Rewards
    are the game's own, and so are the returns that are reported: clip what is learned from by
    ``Learner.reward_bound = 1.0``. A game begins with up to ``noops`` steps of nothing, then FIRE
    where it waits for that, and is cut after 108,000 frames (``max_num_frames_per_episode`` of
    ``kwargs``).

    Args:
        id: a game of ale-py, such as ``ALE/Breakout-v5``.
        num_envs: B.
        sticky: the probability that the last action is repeated in place of the new one, drawn for
            each frame (Machado et al. 2018, arXiv:1709.06009, who advise 0.25).
        life_loss: whether what is learned from ends with each life. The game goes on, and returns
            and lengths that are reported are those of whole games.
        noops: most steps of nothing at the start of a game, drawn uniformly.
        frame_skip: frames that an action is repeated for; the last two are shown as one, by the
            maximum of each pixel.
        num_threads: threads of C++ that step the copies, which works while TensorFlow waits; one a
            core, and at most one a copy, when unbound.
        kwargs: further arguments of ``ale_py.vector_env.AtariVectorEnv``.
        step_timeout: as of ``GymEnvironment``.

    Raises:
        ConfigurationError: ale-py is not installed, does not know the id or an argument, or a
            number is out of its range.
    """

    @checked
    def __init__(
        self,
        id: str = "ALE/Pong-v5",
        num_envs: Count = 8,
        sticky: Probability = 0.0,
        life_loss: bool = False,
        noops: CountOrZero = 30,
        frame_skip: Count = 4,
        num_threads: Count | None = None,
        kwargs: Mapping[str, Any] | None = None,
        step_timeout: Positive | None = None,
    ):
        if not id.startswith("ALE/"):
            raise ConfigurationError(
                f"AtariEnvironment.id = {id!r} (ENVIRONMENT) is no game of ale-py, such as"
                " 'ALE/Pong-v5'."
            )
        self._further = dict(kwargs or {})
        for name in _OWN.keys() & self._further.keys():
            raise ConfigurationError(
                f"AtariEnvironment.kwargs may not hold {name!r}: bind {_OWN[name]}."
            )
        threads = num_threads or 0
        require_threads(threads, f"AtariEnvironment.num_threads = {threads}")
        self._settings = (sticky, life_loss, noops, frame_skip, num_threads)
        self.life_loss = life_loss
        arguments = {
            "repeat_action_probability": sticky,
            "noop_max": noops,
            "frameskip": frame_skip,
            "num_threads": threads,
            "reward_clipping": False,
        }
        super().__init__(
            id, num_envs, self._further | arguments, (), "vector_entry_point", step_timeout
        )

    def vector_host(self, envs: gym.vector.VectorEnv) -> Host:
        """Returns the host of ale-py's vector environment."""
        return _Games(envs, self.life_loss)

    def drawn(self) -> Environment:
        """Returns one copy that shows the newest frame it observes."""
        return HostedEnvironment.drawn(self)

    def replicate(self, num_envs: int, frozen: bool = False) -> "AtariEnvironment":
        """Returns a fresh environment of the same game with another number of copies."""
        del frozen
        return AtariEnvironment(
            self.name, num_envs, *self._settings, self._further, self.step_timeout
        )


class _Games(LibraryVector):
    """ale-py's vector environment; each copy has a seed of its own.

    Args:
        envs: the copies.
        life_loss: whether returns end with each life.
    """

    seeds_each = True

    def __init__(self, envs: gym.vector.VectorEnv, life_loss: bool):
        super().__init__(envs)
        self.ends_apart = life_loss
        self._lives = np.zeros(self.num_envs, np.int32)

    def step(
        self, action: Sequence[np.ndarray], held: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Steps every game; see ``Host.step``."""
        before = self._lives
        *observations, signals = super().step(action, held)
        if self.ends_apart:
            over = (signals[1] + signals[2]) > 0
            lost = (self._lives < before) & (signals[3] > 0)
            score = signals[0]
            signals = np.concatenate([signals, [score, over]], dtype=np.float32)
            signals[1, lost] = 1.0
        return [*observations, signals]

    def _seeds(self, seeds: list[int]) -> np.ndarray:
        return np.array(seeds, np.int64) & 0x7FFFFFFF

    def _unpacked(self, infos: dict[str, Any]) -> None:
        self._lives = np.array(infos["lives"])
