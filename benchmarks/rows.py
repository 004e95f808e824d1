"""The rows of ``learning.py``: what is trained, with which files, and what it should reach."""

from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: what ``--only`` selects by.
        files: gin files.
        bindings: on top of them.
        seeds: 0 … seeds - 1.
        threshold: mean return that every seed should reach.
        environment: the id of what it is trained on.
        every: steps of training between two evaluations.
        goal: what the interquartile mean over the seeds should reach, where that is not the
            threshold.
    """

    name: str
    files: list[str]
    bindings: list[str]
    seeds: int
    threshold: float
    environment: str = "CartPole-v1"
    every: int = 10_000
    goal: float | None = None

    @property
    def algorithm(self) -> str:
        """The name of its gin file, without the ending."""
        return self.files[0].removesuffix(".gin")


_MILLION = "TOTAL_STEPS = 1000000"
_LONG = 100_000  # Between evaluations, where an episode takes a thousand steps.
_COMPILED = "envs/compiled.gin"
_ACROBOT = "envs/acrobot.gin"
_CAR = "envs/mountain_car.gin"
_CONTINUOUS = "MountainCarContinuous-v0"
_CONTINUOUS_CAR = "envs/mountain_car_continuous.gin"
_PENDULUM = "envs/pendulum.gin"
_WALKER = "envs/bipedal_walker.gin"
_ATARI = "envs/atari.gin"
_PONG = "ALE/Pong-v5"
_FRAMES = "TOTAL_STEPS = 2500000"  # 10 million of the game
_ES_CAR = "envs/es_mountain_car.gin"
_ES_PENDULUM = "envs/es_pendulum.gin"

# One file of settings for three algorithms: its name, the environment, and what A2C and PPO should
# reach. VPG is measured by A2C's figures.
_TASKS = [
    ("halfcheetah", "HalfCheetah-v5", 3041, 5819),
    ("hopper", "Hopper-v5", 1253, 2609),
    ("walker2d", "Walker2d-v5", 1092, 3589),
    ("ant", "Ant-v5", 2000, 2500),
    ("swimmer", "Swimmer-v5", 201, 282),
    ("reacher", "Reacher-v5", -6.7, -4.1),
    ("inverted_pendulum", "InvertedPendulum-v5", 1000, 1000),
    ("inverted_double_pendulum", "InvertedDoublePendulum-v5", 9258, 9231),
    ("humanoid", "Humanoid-v5", 600, 787),
    ("lunar_lander", "LunarLander-v3", 200, 260),
    ("lunar_lander_continuous", "LunarLanderContinuous-v3", 200, 271),
]


def _controlled() -> list[Row]:
    rows = []
    for task, environment, a2c, ppo in _TASKS:
        for algorithm, threshold in {"a2c": a2c, "ppo": ppo, "vpg": a2c}.items():
            files = [f"{algorithm}.gin", f"envs/{task}.gin"]
            rows.append(Row(f"{algorithm} {task}", files, [], 5, threshold, environment, _LONG))
    return rows


ROWS = [
    Row("a2c CartPole-v1", ["a2c.gin"], [], 5, 475),
    Row("a2c Acrobot-v1", ["a2c.gin", _ACROBOT], [], 5, -100, "Acrobot-v1", goal=-83),
    Row("a2c MountainCar-v0", ["a2c.gin", _CAR], [], 5, -111, "MountainCar-v0"),
    Row("a2c MountainCarContinuous-v0", ["a2c.gin", _CONTINUOUS_CAR], [], 5, 91, _CONTINUOUS),
    Row("a2c Pendulum-v1", ["a2c.gin", _PENDULUM], [], 5, -200, "Pendulum-v1", goal=-163),
    Row("ppo CartPole-v1", ["ppo.gin"], [], 5, 500),
    Row("ppo Acrobot-v1", ["ppo.gin", _ACROBOT], [], 5, -82, "Acrobot-v1", goal=-73.5),
    Row("ppo MountainCar-v0", ["ppo.gin", _CAR], [], 5, -110, "MountainCar-v0"),
    Row("ppo MountainCarContinuous-v0", ["ppo.gin", _CONTINUOUS_CAR], [], 5, 90, _CONTINUOUS),
    Row("ppo Pendulum-v1", ["ppo.gin", _PENDULUM], [], 5, -170, "Pendulum-v1", goal=-172),
    Row("a3c CartPole-v1", ["a3c.gin"], [], 5, 475),
    Row("a3c CartPole-v1, 4 workers", ["a3c.gin"], ["NUM_WORKERS = 4"], 5, 475),
    Row("vtrace CartPole-v1, 4 workers", ["vtrace.gin"], ["NUM_WORKERS = 4"], 5, 475),
    Row("a3c_continuous Pendulum-v1", ["a3c_continuous.gin"], [], 5, -250, "Pendulum-v1"),
    Row("reinforce CartPole-v1", ["reinforce.gin"], [_MILLION], 3, 475),
    Row(
        "reinforce, Constant baseline, CartPole-v1",
        ["reinforce.gin"],
        [_MILLION, "Learner.baseline = @Constant()"],
        3,
        475,
    ),
    Row(
        "reinforce, TimeDependent baseline, CartPole-v1",
        ["reinforce.gin"],
        [_MILLION, "Learner.baseline = @TimeDependent()"],
        3,
        475,
    ),
    Row("reinforce_baseline CartPole-v1", ["reinforce_baseline.gin"], [_MILLION], 3, 475),
    Row("q_actor_critic CartPole-v1", ["q_actor_critic.gin"], [_MILLION], 3, 475),
    Row(
        "q_actor_critic, no baseline, CartPole-v1",
        ["q_actor_critic.gin"],
        [_MILLION, "Learner.baseline = None"],
        3,
        475,
    ),
    Row("actor_critic CartPole-v1", ["actor_critic.gin"], [_MILLION], 3, 475),
    Row("vpg CartPole-v1", ["vpg.gin"], [_MILLION], 3, 475),
    Row("vpg Acrobot-v1", ["vpg.gin", _ACROBOT], [], 5, -83, "Acrobot-v1"),
    Row("vpg MountainCar-v0", ["vpg.gin", _CAR], [], 5, -111, "MountainCar-v0"),
    Row("vpg MountainCarContinuous-v0", ["vpg.gin", _CONTINUOUS_CAR], [], 5, 91, _CONTINUOUS),
    Row("vpg Pendulum-v1", ["vpg.gin", _PENDULUM], [], 3, -250, "Pendulum-v1", goal=-163),
    Row("es CartPole-v1", ["es.gin", _COMPILED], [], 5, 475),
    Row("es Pendulum-v1", ["es.gin", _ES_PENDULUM, _COMPILED], [], 5, -250, "Pendulum-v1"),
    Row("es MountainCarContinuous-v0", ["es.gin", _ES_CAR, _COMPILED], [], 5, 90, _CONTINUOUS),
    Row("cem CartPole-v1", ["cem.gin", _COMPILED], [], 5, 475),
    Row("cem MountainCarContinuous-v0", ["cem.gin", _ES_CAR, _COMPILED], [], 5, 90, _CONTINUOUS),
    *_controlled(),
    Row("a2c bipedal_walker", ["a2c.gin", _WALKER], [], 3, 290, "BipedalWalker-v3", _LONG),
    Row("ppo bipedal_walker", ["ppo.gin", _WALKER], [], 3, 290, "BipedalWalker-v3", _LONG),
    Row("vpg bipedal_walker", ["vpg.gin", _WALKER], [], 3, 290, "BipedalWalker-v3", _LONG),
    Row(f"a2c {_PONG}", ["a2c.gin", _ATARI], [_FRAMES], 2, 17, _PONG, 250_000),
    Row(f"ppo {_PONG}", ["ppo.gin", _ATARI], [_FRAMES], 2, 20, _PONG, 250_000),
    *(
        Row(
            f"ppo MiniGrid-{task}-v0",
            ["ppo.gin", "envs/minigrid.gin"],
            [f"ENVIRONMENT = 'MiniGrid-{task}-v0'"],
            5,
            0.95,
            f"MiniGrid-{task}-v0",
        )
        for task in ("DoorKey-5x5", "Unlock")
    ),
    *(
        Row(
            f"ppo MinAtar/{game}-v1",
            ["ppo.gin", "envs/ppo_minatar.gin"],
            [f"ENVIRONMENT = 'MinAtar/{game}-v1'"],
            3,
            threshold,
            f"MinAtar/{game}-v1",
            _LONG,
        )
        for game, threshold in (("Breakout", 28), ("SpaceInvaders", 131))
    ),
]
