"""One binding of an id chooses the compiled environment."""

import math

import gin
import gymnasium as gym
import pytest
import tensorflow as tf

from pgtf.environments import compiled
from pgtf.environments.compiled import REGISTRY, compiled_environment
from pgtf.errors import ConfigurationError


def _noise(num_envs: int) -> compiled.Noise:
    return compiled.Noise(tf.constant([1, 2]), tf.constant(0), num_envs)


def _gravity(environment: compiled.TensorFlowEnvironment) -> float:
    """g of a pendulum, measured: let go lying level, it turns faster by 3g/2 · 0.05 s in a step."""
    level = tf.constant([[math.pi / 2], [0.0]])
    (_, velocity), _, _ = environment.replicate(1).transition(level, tf.zeros([1, 1]), _noise(1))
    return float(velocity[0]) / 1.5 / 0.05


@pytest.fixture(autouse=True)
def _no_bindings():
    gin.clear_config()
    yield
    gin.clear_config()


@pytest.mark.filterwarnings("ignore:.*CartPole-v0 is out of date")
@pytest.mark.parametrize("id", REGISTRY)
def test_each_id_gives_gymnasiums_spaces_and_time_limit(id):
    environment = compiled_environment(id, num_envs=3)
    assert isinstance(environment, REGISTRY[id])
    assert environment.name == id
    assert environment.num_envs == 3
    if environment.original is None:
        assert id not in gym.registry or id.startswith("MinAtar/")
        return
    original = gym.make(id)
    assert environment.observation_space == original.observation_space
    assert environment.action_space == original.action_space
    assert environment.time_limit == gym.spec(id).max_episode_steps


def test_the_registry_holds_what_the_issue_asks_for():
    assert {
        "CartPole-v1",
        "Acrobot-v1",
        "MountainCar-v0",
        "MountainCarContinuous-v0",
        "Pendulum-v1",
        "FrozenLake-v1",
        "Catch-v0",
        "DeepSea-v0",
        "UmbrellaChain-v0",
        "FourRooms-v0",
        "MinAtar/Breakout-v1",
        "MinAtar/SpaceInvaders-v1",
        "MinAtar/Freeway-v1",
        "MinAtar/Asterix-v1",
        "MinAtar/Seaquest-v1",
    } <= set(REGISTRY)
    assert all(getattr(compiled, kind.__name__) is kind for kind in REGISTRY.values())


def test_gin_makes_it_from_an_id_and_arguments():
    gin.parse_config("""
        CompiledEnvironment.id = 'Pendulum-v1'
        CompiledEnvironment.num_envs = 5
        CompiledEnvironment.kwargs = {'g': 4.0, 'time_limit': 30}
    """)
    environment = gin.get_configurable("CompiledEnvironment")()
    assert (environment.num_envs, environment.time_limit) == (5, 30)
    assert environment.name == "Pendulum-v1"
    assert _gravity(environment) == pytest.approx(4.0)


def test_bindings_of_the_class_hold_under_the_id_too():
    gin.parse_config("CompiledPendulum.g = 3.5")
    assert _gravity(compiled_environment("Pendulum-v1")) == pytest.approx(3.5)
    bound = compiled_environment("Pendulum-v1", kwargs={"g": 2.5})
    assert _gravity(bound) == pytest.approx(2.5)
    assert _gravity(compiled.CompiledPendulum()) == pytest.approx(10.0)  # Python stays plain


@pytest.mark.parametrize("kind", [*REGISTRY.values(), compiled.CompiledTabular])
def test_every_class_is_known_to_gin_by_its_name(kind):
    gin.bind_parameter(f"{kind.__name__}.time_limit", 17)
    if kind is not compiled.CompiledTabular:
        assert gin.get_configurable(kind.__name__)().time_limit == 17


def test_a_class_of_a_users_own_is_found_by_its_id():
    @gin.register
    class Downhill(compiled.CompiledMountainCar, ids={"Downhill-v0": {"goal_velocity": 0.05}}):
        pass

    try:
        environment = compiled_environment("Downhill-v0", num_envs=2)
        assert isinstance(environment, Downhill)
        assert environment.name == "Downhill-v0"
        # Two cars, slower and faster than that, pass the goal at 0.5.
        cars = tf.constant([[0.499, 0.499], [0.03, 0.07]])
        _, _, arrived = environment.transition(cars, tf.constant([1, 1]), _noise(2))
        assert arrived.numpy().tolist() == [False, True]
    finally:
        del REGISTRY["Downhill-v0"]


def test_a_class_made_by_gin_has_its_name():
    assert gin.get_configurable("CompiledCartPole")().name == "CartPole-v1"
    assert gin.get_configurable("CompiledFrozenLake")(map_name="8x8").name == "FrozenLake-v1"


def test_an_unknown_id_names_the_nearest_and_the_others():
    with pytest.raises(ConfigurationError) as error:
        compiled_environment("CartPole-v7")
    message = str(error.value)
    assert "CompiledEnvironment.id" in message
    assert "did you mean 'CartPole-v" in message
    assert all(id in message for id in REGISTRY)
    with pytest.raises(ConfigurationError, match="Pendulum-v1"):
        compiled_environment("HalfCheetah-v5")


def test_an_unknown_argument_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="kwargs: Pendulum-v1 takes time_limit, g, not"):
        compiled_environment("Pendulum-v1", kwargs={"gravity": 9.81})
