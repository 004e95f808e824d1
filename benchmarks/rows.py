"""The rows of ``learning.py``: what is trained, with which files, and what others reach."""

from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: what ``--only`` selects by.
        files: gin files.
        bindings: on top of them.
        seeds: 0 … seeds - 1.
        threshold: mean return that every seed should reach.
        published: the best figure of others for the same algorithm and steps, and its source.
    """

    name: str
    files: list[str]
    bindings: list[str]
    seeds: int
    threshold: float
    published: str = ""


_MILLION = "TOTAL_STEPS = 1000000"
_COMPILED = "envs/compiled.gin"
_WALKER = "envs/bipedal_walker.gin"
_ES_CAR = "envs/es_mountain_car.gin"

# One file of settings for three algorithms: its name, what A2C and PPO should reach, and what
# others' A2C and PPO do. VPG is measured by A2C's figures.
_TASKS = [
    ("halfcheetah", 3041, 5819, "3041 (zoo)", "5819 (zoo)"),
    ("hopper", 1253, 2609, "1253 (Tianshou)", "2609 (Tianshou)"),
    ("walker2d", 1092, 3589, "1092 (Tianshou)", "3589 (Tianshou)"),
    ("ant", 2000, 2500, "3485 (Tianshou)", "3258 (Tianshou)"),
    ("swimmer", 201, 282, "200.6 (zoo)", "281.6 (zoo)"),
    ("reacher", -6.7, -4.1, "-6.7 (Tianshou)", "-4.1 (Tianshou)"),
    ("inverted_pendulum", 1000, 1000, "1000 (Tianshou)", "1000 (Tianshou)"),
    ("inverted_double_pendulum", 9258, 9231, "9258 (Tianshou)", "9231 (Tianshou)"),
    ("humanoid", 600, 787, "388 (zoo), 1726 (Tianshou, 1M steps)", "787 (Tianshou, 1M steps)"),
    ("lunar_lander", 200, 260, "155.8 (zoo, 200k steps)", "242 (zoo)"),
    ("lunar_lander_continuous", 200, 271, "84.2 (zoo, 5M steps)", "271 (zoo)"),
]


def _controlled() -> list[Row]:
    rows = []
    for task, a2c, ppo, others_a2c, others_ppo in _TASKS:
        goals = {"a2c": (a2c, others_a2c), "ppo": (ppo, others_ppo), "vpg": (a2c, "")}
        for algorithm, (threshold, published) in goals.items():
            files = [f"{algorithm}.gin", f"envs/{task}.gin"]
            rows.append(Row(f"{algorithm} {task}", files, [], 5, threshold, published))
    return rows


ROWS = [
    Row("a2c CartPole-v1", ["a2c.gin"], [], 5, 475, "500 (zoo)"),
    Row("a2c Acrobot-v1", ["a2c.gin", "envs/acrobot.gin"], [], 5, -100, "-83.4 (zoo)"),
    Row("a2c Pendulum-v1", ["a2c.gin", "envs/pendulum.gin"], [], 5, -200, "-163 (zoo)"),
    Row("ppo CartPole-v1", ["ppo.gin"], [], 5, 500, "500 (zoo)"),
    Row("ppo Acrobot-v1", ["ppo.gin", "envs/ppo_acrobot.gin"], [], 5, -82, "-73.5 (zoo)"),
    Row("ppo Pendulum-v1", ["ppo.gin", "envs/ppo_pendulum.gin"], [], 5, -170, "-172 (zoo)"),
    Row(
        "ppo MountainCarContinuous-v0",
        ["ppo.gin", "envs/ppo_mountain_car_continuous.gin"],
        [],
        5,
        90,
        "88.3 (zoo)",
    ),
    Row("a3c CartPole-v1", ["a3c.gin"], [], 5, 475),
    Row("a3c CartPole-v1, 4 workers", ["a3c.gin"], ["NUM_WORKERS = 4"], 5, 475),
    Row("vtrace CartPole-v1, 4 workers", ["vtrace.gin"], ["NUM_WORKERS = 4"], 5, 475),
    Row("a3c_continuous Pendulum-v1", ["a3c_continuous.gin"], [], 5, -250),
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
    Row("vpg Pendulum-v1", ["vpg.gin", "envs/pendulum.gin"], [], 3, -250),
    Row("es CartPole-v1", ["es.gin", _COMPILED], [], 5, 475),
    Row("es Pendulum-v1", ["es.gin", "envs/es_pendulum.gin", _COMPILED], [], 5, -250),
    Row("es MountainCarContinuous-v0", ["es.gin", _ES_CAR, _COMPILED], [], 5, 90),
    Row("cem CartPole-v1", ["cem.gin", _COMPILED], [], 5, 475),
    Row("cem MountainCarContinuous-v0", ["cem.gin", _ES_CAR, _COMPILED], [], 5, 90),
    *_controlled(),
    Row("a2c bipedal_walker", ["a2c.gin", _WALKER], [], 3, 290, "299.8 (zoo)"),
    Row("ppo bipedal_walker", ["ppo.gin", _WALKER], [], 3, 290, "287.9 (zoo)"),
    Row("vpg bipedal_walker", ["vpg.gin", _WALKER], [], 3, 290),
]
