"""What others publish: scores of policy gradients on public benchmarks, and how they measured.

Deviations are left out.
"""

from typing import NamedTuple


class Figure(NamedTuple):
    """One published score.

    Attributes:
        source: who published it, a key of ``PROTOCOLS``.
        score: mean return.
        steps: of training, "–" if unknown.
    """

    source: str
    score: float
    steps: str


PROTOCOLS = {
    "zoo": "RL Baselines3 Zoo, `benchmark.md`: one agent a task, greedy, 150,000 evaluation steps",
    "zoo ARS": "the same table's augmented random search, beside our evolution strategies",
    "Tianshou": "`examples/mujoco`: *maximum over training* of the test mean, MuJoCo v2 and v3,"
    " 10 seeds × 10 episodes",
    "Tianshou REINFORCE": "the same, beside our `vpg.gin`",
    "CleanRL": "`docs/benchmark`: last training episodes of 3 seeds, MuJoCo v4",
    "ppo2": "OpenAI Baselines' PPO; protocol not looked up",
    "APPO": "Sample Factory's asynchronous PPO; protocol not looked up",
    "PPO paper": "Schulman et al. 2017 (arXiv:1707.06347): last 100 training episodes, 40M frames",
    "A3C paper": "Mnih et al. 2016 (arXiv:1602.01783): feed-forward, after one day, human starts",
    "A3C paper, LSTM": "the same with memory, after four days",
    "RLlib": "its tuned A2C; protocol not looked up",
    "gymnax": "its PPO; protocol not looked up",
}

_CONTROL = (
    "CartPole-v1",
    "Acrobot-v1",
    "MountainCar-v0",
    "MountainCarContinuous-v0",
    "Pendulum-v1",
)
_BOX2D = ("LunarLander-v3", "LunarLanderContinuous-v3", "BipedalWalker-v3")
_RUNNERS = ("HalfCheetah-v5", "Hopper-v5", "Walker2d-v5", "Ant-v5", "Humanoid-v5", "Swimmer-v5")
_MUJOCO = (*_RUNNERS, "Reacher-v5", "InvertedPendulum-v5", "InvertedDoublePendulum-v5")
_ATARI = tuple(
    f"ALE/{game}-v5"
    for game in ("Pong", "Breakout", "Seaquest", "SpaceInvaders", "BeamRider", "Qbert")
)
_MINATAR = tuple(
    f"MinAtar/{game}-v1" for game in ("Asterix", "Breakout", "Freeway", "SpaceInvaders")
)
_MINIGRID = tuple(f"MiniGrid-{task}-v0" for task in ("DoorKey-5x5", "Unlock", "Empty-Random-5x5"))

# The environments in the order of the page, by the headings of its tables.
GROUPS = {
    "Classic control": _CONTROL,
    "Box2D": _BOX2D,
    "MuJoCo": _MUJOCO,
    "MiniGrid": _MINIGRID,
    "MinAtar": _MINATAR,
    "Atari": _ATARI,
}

FIGURES: dict[tuple[str, str], list[Figure]] = {}  # By algorithm and environment.


def _note(
    algorithm: str, source: str, environments: tuple[str, ...], steps: str, *scores: float | None
) -> None:
    """Takes down a score for each environment, or None.

    Args:
        algorithm: the name of its gin file, without the ending.
        source: a key of ``PROTOCOLS``.
        environments: their ids.
        steps: of each, or of all; "–" if unknown.
        scores: in the order of the environments.
    """
    each = steps.split() if " " in steps else [steps] * len(environments)
    for environment, score, taken in zip(environments, scores, each, strict=True):
        if score is not None:
            figures = FIGURES.setdefault((algorithm, environment), [])
            figures.append(Figure(source, score, taken))


_note("a2c", "zoo", _CONTROL, "500k 500k 1M 100k 1M", 500, -83.4, -111.3, 91.2, -163)
_note("ppo", "zoo", _CONTROL, "100k 1M 1M 20k 100k", 500, -73.5, -110.4, 88.3, -172)
_note("ppo", "CleanRL", _CONTROL, "–", 490, -86.4, -200, None, None)
_note("es", "zoo ARS", _CONTROL, "50k 500k 500k 500k 2M", 500, -82.9, -122, 96.7, -212.5)

_note("a2c", "zoo", _BOX2D, "200k 5M 5M", 155.8, 84.2, 299.8)
_note("ppo", "zoo", _BOX2D, "1M 1M 5M", 242, 271, 287.9)
_note("es", "zoo ARS", _BOX2D, "2M", None, 168, None)

_note("a2c", "zoo", _RUNNERS, "1M 1M 1M 1M 2M 1M", 3041, 733, 582, -44, 388, 200.6)
_note("a2c", "Tianshou", _MUJOCO, "1M", 1830, 1253, 1092, 3485, 1726, 36.6, -6.7, 1000, 9258)
_note("a2c", "Tianshou", _MUJOCO, "3M", 2377, 1609, 1805, 5237, 5317, 40.2, -5.2, None, 9351)
_note("ppo", "zoo", _RUNNERS, "1M", 5819, 2410, 3479, 1327, None, 281.6)
_note("ppo", "Tianshou", _MUJOCO, "1M", 5784, 2609, 3589, 3258, 787, 66.7, -4.1, 1000, 9231)
_note("ppo", "Tianshou", _MUJOCO, "3M", 7337, 3128, 4896, 4079, 1360, 81.4, -3.7, None, None)
_note("ppo", "CleanRL", _MUJOCO, "1M", 1443, 2383, 2288, None, 716, None, None, 963, None)
_note("ppo", "ppo2", _MUJOCO, "1M", 1669, 2316, 3425, None, None, 111, -6.7, 809, 7103)
_note("ppo", "APPO", _MUJOCO, "10M", 6263, 2793, 5488, 5876, 5439, 117, -4.5, 1000, 9350)
_note("vpg", "Tianshou REINFORCE", _MUJOCO, "3M", 884, 396, 412, 475, 438, 35, -10.5, 999, 1060)
_note("es", "zoo ARS", _RUNNERS, "12M 7M 75M 75M – 2M", 4815, 3344, 2994, 2334, None, 355)

_note("ppo", "zoo", _MINIGRID, "100k", 0.964, 0.963, 0.968)
_note("ppo", "gymnax", _MINATAR, "10M", 15, 28, 58, 131)

_note("a2c", "zoo", _ATARI, "10M", 17.3, 279.8, 1721, 627, 2890, 3882)
_note("a2c", "PPO paper", _ATARI, "10M", 19.7, 303, 1714, 744.5, 3032, 10066)
_note("a2c", "RLlib", _ATARI, "10M", None, 374, None, 692, 1401, 3620)
_note("ppo", "zoo", _ATARI, "10M", 21.0, 398, 1784, 960, 3397, 15627)
_note("a3c", "A3C paper", _ATARI, "–", 11.4, 551.6, 2300, 2215, 13236, 13752)
_note("a3c", "A3C paper, LSTM", _ATARI, "–", 10.7, 766.8, 1326, 23846, 24622, 21308)


def told(algorithm: str, environment: str) -> str:
    """All figures for one algorithm and environment in one line, "–" if there are none.

    Args:
        algorithm: the name of its gin file, without the ending.
        environment: its id.
    """
    figures = FIGURES.get((algorithm, environment), [])
    return ", ".join(_told(figure) for figure in figures) or "–"


def _told(figure: Figure) -> str:
    steps = "" if figure.steps == "–" else f", {figure.steps}"
    return f"{figure.score:g} ({figure.source}{steps})"
