"""Every gin file that pgtf ships trains, and a part is swapped by one binding."""

import re
from typing import Any

import gin
import keras
import numpy as np
import pytest

from pgtf import parts
from pgtf.configuration import bindings, configuration
from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import TimeDependent
from pgtf.learning.critics import QCritic
from pgtf.policies import Beta
from pgtf.trainers.trainer import Trainer

assert parts  # Registers every part.

_FOLDER = bindings.shipped_files()
# What pgtf.variance takes has tests of its own.
LABORATORY = {"variance.gin", "variance_age.gin", "variance_slides.gin"}
ALGORITHMS = sorted({path.name for path in _FOLDER.glob("*.gin")} - LABORATORY)
EARLIER_NAMES = {
    f"envs/ppo_{task}.gin": f"envs/{task}.gin"
    for task in ("acrobot", "pendulum", "mountain_car_continuous")
}
ENVIRONMENTS = sorted(
    {f"envs/{path.name}" for path in _FOLDER.glob("envs/*.gin")} - set(EARLIER_NAMES)
)
# Their files for MuJoCo and Box2D take seconds each, and share most of what they bind.
SERVE_ALL = ("envs/acrobot.gin", "envs/mountain_car.gin", "envs/mountain_car_continuous.gin")
PLAIN = tuple(
    f"{kind}Trainer.jit_compile = False" for kind in ("Synchronous", "Asynchronous", "Evolution")
)
COMPILABLE = ("@SynchronousTrainer()", "@AsynchronousTrainer()", "@EvolutionTrainer()")


def trainer_of(*files: str, parameters: tuple[str, ...] = ()) -> Trainer:
    """What ``launch`` would train; skips where an extra is not installed."""
    gin.clear_config()
    keras.utils.set_random_seed(0)
    configuration.load(files, parameters)
    made: Any = None
    try:
        made = configuration.bound("train.trainer", None)
    except (ConfigurationError, RuntimeError) as error:
        if "pgtf[" not in str(error):
            raise
        pytest.skip(str(error).split("\n")[0])
    return made


def weights(trainer: Any) -> list[np.ndarray]:
    return [variable.numpy() for variable in trainer.policy.trainable_variables]


def train_a_moment(trainer: Trainer) -> None:
    """Builds a trainer and calls ``iterate`` once: it takes steps and moves weights."""
    try:
        trainer.build(0)
        before = weights(trainer)
        report = trainer.iterate(1)
        for _ in range(100):  # A3C's slice of time may be over before its graph is ready.
            if int(trainer.steps.numpy()):
                break
            report = trainer.iterate(1)
        assert report.scalars
        assert all(np.isfinite(x) for x in report.scalars.values()), report.scalars
        after = weights(trainer)
        assert all(np.all(np.isfinite(x)) for x in after)
        assert any(np.any(x != y) for x, y in zip(before, after, strict=True))
    finally:
        trainer.close()


def runs() -> list[tuple[str, ...]]:
    """Each algorithm alone, and with continuous actions, compiled where its trainer can be; and
    each file of settings as its comment says that it is used."""
    files: list[tuple[str, ...]] = []
    for algorithm in ALGORITHMS:
        trainer = bindings.read_file(algorithm).bindings["train.trainer"].value
        compiled = ("envs/compiled.gin",) if trainer in COMPILABLE else ()
        files += [(algorithm,), (algorithm, "envs/pendulum.gin", *compiled)]
    for environment in ENVIRONMENTS:
        use = re.search(r"# Use: (.*)", (_FOLDER / environment).read_text())
        assert use is not None, f"{environment} does not say how it is used"
        files.append(tuple(re.findall(r"--gin_file=(\S+)", use[1])))
        assert environment in files[-1]
    files += [(f"{name}.gin", task) for name in ("a2c", "vpg", "ppo") for task in SERVE_ALL]
    return list(dict.fromkeys(files))


@pytest.mark.parametrize("files", runs(), ids=" ".join)
def test_every_file_trains(files: tuple[str, ...]) -> None:
    trainer = trainer_of(*files, parameters=PLAIN)
    train_a_moment(trainer)
    tasks = [bindings.read_file(file).bindings.get("TASK") for file in files]
    task = [found.value for found in tasks if found is not None][-1]
    assert trainer.environment.compiled == (task == "@CompiledEnvironment()")


@pytest.mark.parametrize(("earlier", "name"), EARLIER_NAMES.items())
def test_an_earlier_name_of_a_file_binds_the_same(earlier: str, name: str) -> None:
    known = configuration.load(("ppo.gin", name), ()).text
    assert configuration.load(("ppo.gin", earlier), ()).text == known
    assert configuration.bound("ClippedSurrogate.clip", None) == 0.2


def test_a_file_trains_as_it_is_shipped() -> None:
    """The others above run without XLA, which takes seconds to compile each of them."""
    train_a_moment(trainer_of("compiled.gin"))


# What is swapped, the file, the one binding, and what the learner or trainer then has.
SWAPS: dict[str, tuple[str, str, Any]] = {
    "policy": (
        "a2c.gin",
        "Policy.head = @Beta()",
        lambda t: isinstance(getattr(t.policy, "head", None), Beta),
    ),
    "baseline": (
        "a2c.gin",
        "Learner.baseline = @TimeDependent()",
        lambda t: isinstance(t.learner.baseline, TimeDependent),
    ),
    "no baseline": ("a2c.gin", "Learner.baseline = None", lambda t: t.learner.baseline is None),
    "critic": (
        "a2c.gin",
        "Learner.critic = @QCritic()",
        lambda t: isinstance(t.learner.critic, QCritic),
    ),
    "no entropy bonus": (
        "a2c.gin",
        "Learner.entropy_bonus = None",
        lambda t: t.learner.objective.entropy_bonus is None,
    ),
    "entropy bonus": (
        "a2c.gin",
        "EntropyBonus.coefficient = 0.25",
        lambda t: float(t.learner.objective.entropy_bonus.coefficient(t.steps)) == 0.25,
    ),
    "worker count": ("a3c.gin", "NUM_WORKERS = 1", lambda t: t.num_workers == 1),
}


@pytest.mark.parametrize("swap", SWAPS)
def test_the_five_swaps_are_each_one_binding(swap: str) -> None:
    """On Pendulum-v1, whose actions more than one head fits."""
    file, binding, holds = SWAPS[swap]
    pendulum = (*PLAIN, "ENVIRONMENT = 'Pendulum-v1'")
    before = trainer_of(file, parameters=pendulum)
    assert not holds(before)
    before.close()
    trainer = trainer_of(file, parameters=(*pendulum, binding))
    train_a_moment(trainer)
    assert holds(trainer)


@pytest.mark.parametrize(
    ("critic", "baseline"),
    [("None", "None"), ("@QCritic()", "None"), ("@VCritic()", "@StateValue()")],
    ids=["REINFORCE", "Q actor-critic", "advantage actor-critic"],
)
def test_the_summarys_three_algorithms_differ_in_two_bindings(critic: str, baseline: str) -> None:
    """v_t = G_t, Q_w(s, a) or A_w(s, a)."""
    parts_of = (f"Learner.critic = {critic}", f"Learner.baseline = {baseline}")
    train_a_moment(trainer_of("reinforce.gin", parameters=(*PLAIN, *parts_of)))
