"""Gymnasium environments inside the graph, and what is said when one cannot be made."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gin
import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf
from gymnasium.wrappers import RecordEpisodeStatistics, TimeLimit

from pgtf import parts  # noqa: F401 (registers the wrappers with gin)
from pgtf.environments.border import EnvironmentFailure
from pgtf.environments.gym import GymEnvironment, Vectorization
from pgtf.errors import ConfigurationError
from pgtf.spaces import specification
from tests import toy_environments

SEED = tf.constant([1, 2])


def compiled(environment: GymEnvironment) -> tuple[Any, Any]:
    """``reset`` and ``step`` as graphs."""
    return (
        tf.function(environment.reset, autograph=False),
        tf.function(environment.step, autograph=False),
    )


def actions(environment: GymEnvironment, rows: int) -> Iterator[Any]:
    """Batches of actions as a head samples them: counted from 0, numbers beyond their bounds."""
    chance = np.random.default_rng(0)

    def sample(space: gym.Space[Any]) -> Any:
        batch = environment.num_envs
        match space:
            case gym.spaces.Dict():
                return {key: sample(part) for key, part in space.items()}
            case gym.spaces.Tuple():
                return tuple(sample(part) for part in space)
            case gym.spaces.Discrete():
                return tf.constant(chance.integers(0, space.n, batch), tf.int32)
            case gym.spaces.MultiBinary():
                return tf.constant(chance.integers(0, 2, (batch, *space.shape)), tf.int32)
        return tf.constant(chance.normal(0.0, 2.0, (batch, *(space.shape or ()))), tf.float32)

    for _ in range(rows):
        yield sample(environment.action_space)


@pytest.mark.parametrize(
    ("id", "vectorization"),
    [
        ("CartPole-v1", "vector_entry_point"),
        ("CartPole-v1", "loop"),
        ("Pendulum-v1", "auto"),
        ("FrozenLake-v1", "auto"),
        ("Blackjack-v1", "auto"),
        ("tests.toy_environments:Nested-v0", "auto"),
    ],
)
def test_graph_and_environments_agree(id: str, vectorization: Vectorization) -> None:
    """The graph returns what the environments returned, with shapes known when it is traced."""
    environment = GymEnvironment(id, 3, vectorization=vectorization)
    assert not environment.compiled
    reset, step = compiled(environment)
    state, observation = reset(SEED)
    spec = specification(environment.observation_space)
    tf.nest.assert_same_structure(observation, spec)
    ended = np.zeros(3, bool)
    for action in actions(environment, 30):
        state, row = step(state, action)
        for leaf, leaf_spec in zip(
            tf.nest.flatten(row.observation), tf.nest.flatten(spec), strict=True
        ):
            assert (leaf.shape, leaf.dtype) == ((3, *leaf_spec.shape), leaf_spec.dtype)
        for field, dtype in zip(row[1:5], (tf.float32, tf.bool, tf.bool, tf.float32), strict=True):
            assert (field.shape, field.dtype) == ((3,), dtype)
        np.testing.assert_array_equal(row.mask, ~ended)
        ended = (row.terminated | row.truncated).numpy()
    traced = step.get_concrete_function(state, action).structured_outputs[1]
    assert all(x.shape.is_fully_defined() for x in tf.nest.flatten(traced))


def test_the_environment_receives_bounded_actions() -> None:
    environment = GymEnvironment("tests.toy_environments:Nested-v0", 4)
    reset, step = compiled(environment)
    state, _ = reset(SEED)
    for action in actions(environment, 20):
        state, row = step(state, action)
        moved = row.mask.numpy() > 0
        np.testing.assert_array_equal(
            row.observation["torque"][moved], np.clip(action["torque"], -1, 1)[moved]
        )
        np.testing.assert_array_equal(
            row.observation["gear"][0][moved], action["gear"][0].numpy()[moved] - 1
        )
        np.testing.assert_array_equal(row.observation["gear"][1][moved], action["gear"][1][moved])


def test_held_environments_do_not_move() -> None:
    environment = GymEnvironment("tests.toy_environments:Counting-v0", 2)
    reset, step = compiled(environment)
    state, first = reset(SEED)
    for _ in range(3):
        state, row = step(state, tf.constant([1, 1]), tf.constant([True, False]))
        np.testing.assert_array_equal(row.observation[0], first[0])
        assert (row.mask[0], row.reward[0]) == (0.0, 0.0)
        assert not tf.reduce_any([row.terminated[0], row.truncated[0]])
    state, row = step(state, tf.constant([1, 1]), tf.constant([False, False]))
    assert row.observation[0][1] == 1.0


@pytest.mark.parametrize("id", ["tests.toy_environments:Nested-v0", "Blackjack-v1"])
def test_processes_move_as_a_loop_does(id: str) -> None:
    loop = GymEnvironment(id, 2, vectorization="loop")
    processes = GymEnvironment(id, 2, vectorization="async")
    try:
        assert processes.observation_space == loop.observation_space
        (state, expected), (_, actual) = loop.reset(SEED), processes.reset(SEED)
        for action in actions(loop, 20):
            for a, b in zip(tf.nest.flatten(actual), tf.nest.flatten(expected), strict=True):
                np.testing.assert_array_equal(a, b)
            state, row = loop.step(state, action)
            _, other = processes.step(state, action)
            for a, b in zip(row[1:], other[1:], strict=True):
                np.testing.assert_array_equal(a, b)
            expected, actual = row.observation, other.observation
    finally:
        processes.close()


def test_a_module_in_the_id_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(gym.registry, "Endless-v0")
    monkeypatch.delitem(sys.modules, "tests.toy_environments")
    environment = GymEnvironment("tests.toy_environments:Endless-v0", 2)
    assert type(environment.make().unwrapped).__name__ == "Endless"
    assert environment.replicate(3).num_envs == 3


def test_keyword_arguments_reach_the_environment() -> None:
    environment = GymEnvironment(
        "tests.toy_environments:Endless-v0", 1, {"terminates_after": 3, "max_episode_steps": 9}
    )
    state, _ = environment.reset(SEED)
    ends = []
    for _ in range(4):
        state, row = environment.step(state, tf.constant([0]))
        ends.append((bool(row.terminated[0]), bool(row.truncated[0])))
    assert ends == [(False, False), (False, False), (True, False), (False, False)]


@pytest.mark.parametrize("vectorization", ["loop", "auto", "vector_entry_point"])
def test_the_time_limit_of_gymnasium_truncates(vectorization: Vectorization) -> None:
    environment = GymEnvironment(
        "CartPole-v1", 2, {"max_episode_steps": 4}, vectorization=vectorization
    )
    state, _ = environment.reset(SEED)
    for t in range(1, 5):
        state, row = environment.step(state, tf.constant([0, 1]))
        np.testing.assert_array_equal(row.truncated, t == 4)
        np.testing.assert_array_equal(row.terminated, False)


def test_wrappers_are_applied_in_order_to_each_copy() -> None:
    environment = GymEnvironment(
        "CartPole-v1",
        2,
        wrappers=[lambda env: TimeLimit(env, 5), RecordEpisodeStatistics],
    )
    copies = [environment.make(), environment.make()]
    assert copies[0].unwrapped is not copies[1].unwrapped
    assert isinstance(copies[0], RecordEpisodeStatistics)
    assert isinstance(copies[0].env, TimeLimit)


def test_spaces_are_those_of_the_wrapped_environment() -> None:
    environment = GymEnvironment("FrozenLake-v1", 2, wrappers=[OneHot])
    assert environment.observation_space == OneHot.observation_space
    _, observation = environment.reset(SEED)
    np.testing.assert_array_equal(observation, np.eye(16)[[0, 0]])


class OneHot(gym.ObservationWrapper[Any, Any, Any]):
    """Sixteen cells as a vector."""

    observation_space: gym.spaces.Space[Any] = gym.spaces.Box(0.0, 1.0, (16,), np.float32)

    def observation(self, observation: Any) -> np.ndarray:
        return np.eye(16, dtype=np.float32)[observation]


def test_wrappers_of_gymnasium_are_bindable_with_their_arguments() -> None:
    gin.parse_config(
        """
        GymEnvironment.id = 'CartPole-v1'
        GymEnvironment.num_envs = 2
        GymEnvironment.wrappers = [@TimeLimit, @FrameStackObservation]
        TimeLimit.max_episode_steps = 5
        FrameStackObservation.stack_size = 3
        """
    )
    environment = gin.get_configurable("GymEnvironment")()
    assert environment.observation_space.shape == (3, 4)
    state, _ = environment.reset(SEED)
    for t in range(1, 6):
        state, row = environment.step(state, tf.constant([0, 1]))
        np.testing.assert_array_equal(row.truncated, t == 5)


def test_replication_keeps_the_task_and_not_the_copies() -> None:
    environment = GymEnvironment(
        "CartPole-v1", 2, {"sutton_barto_reward": True}, [RecordEpisodeStatistics]
    )
    other = environment.replicate(3)
    state, before = environment.reset(SEED)
    other_state, _ = other.reset(SEED)
    _, row = other.step(other_state, tf.constant([0, 1, 0]))
    assert row.observation.shape == (3, 4)
    np.testing.assert_array_equal(row.reward, 0.0)  # Sutton and Barto's, not the usual 1
    assert isinstance(other.make(), RecordEpisodeStatistics)
    _, row = environment.step(state, tf.constant([0, 0]), tf.constant([True, True]))
    np.testing.assert_array_equal(row.observation, before)


def test_a_failing_environment_stops_the_graph_and_is_told() -> None:
    environment = GymEnvironment("tests.toy_environments:Broken-v0", 2)
    reset, step = compiled(environment)
    state, _ = reset(SEED)
    for _ in range(2):
        state, _ = step(state, tf.constant([0, 0]))
    with pytest.raises(tf.errors.UnknownError):
        step(state, tf.constant([0, 0]))
    failure: Any = environment.failure
    assert isinstance(failure, EnvironmentFailure)
    message = str(failure)
    assert message.startswith("environment 0 raised RuntimeError: the wheel came off (")
    source = Path(toy_environments.__file__).read_text().splitlines()
    line = 1 + source.index('            raise RuntimeError("the wheel came off")')
    assert message.endswith(f"toy_environments.py line {line}). It was at step 3 of its episode")


def test_a_picture_is_that_of_the_first_copy() -> None:
    environment = GymEnvironment(
        "CartPole-v1", 2, {"render_mode": "rgb_array"}, vectorization="loop"
    )
    environment.reset(SEED)
    picture = environment.render()
    assert (picture.dtype, picture.shape) == (np.uint8, (400, 600, 3))
    blind = GymEnvironment("tests.toy_environments:Endless-v0", 1)
    blind.reset(SEED)
    with pytest.raises(ConfigurationError, match="cannot render itself"):
        blind.render()


# What a user sees.


@pytest.mark.parametrize(
    ("id", "near"),
    [
        ("Cartpole-v1", "CartPole-v1"),
        ("CartPole-v9", "CartPole-v1"),
        ("CartPole", "CartPole-v1"),
        ("cartpole-v1", "CartPole-v1"),
        ("HalfCheeta-v5", "HalfCheetah-v5"),
        ("tests.toy_environments:Countin-v0", "tests.toy_environments:Counting-v0"),
    ],
)
def test_an_unknown_id_is_answered_with_the_nearest(id: str, near: str) -> None:
    message = rf"^There is no environment with the id '{id}' .*ENVIRONMENT.* Did you mean .*{near}"
    with pytest.raises(ConfigurationError, match=message):
        GymEnvironment(id)


@pytest.mark.parametrize("id", ["", "Qwxyz-v0", "no id"])
def test_an_id_like_no_other_gets_no_suggestion(id: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"the id '{id}' \([^?]*$"):
        GymEnvironment(id)


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(ConfigurationError, match=r"ENVIRONMENT\): No module named 'nowhere'"):
        GymEnvironment("nowhere:CartPole-v1")


@pytest.mark.parametrize(
    ("id", "module", "importers", "extra"),
    [
        ("LunarLander-v3", "Box2D", "gymnasium.envs.box2d", "box2d"),
        ("HalfCheetah-v5", "mujoco", "gymnasium.envs.mujoco", "mujoco"),
        ("ALE/Pong-v5", "ale_py", "ale_py", "atari"),
        ("MiniGrid-Empty-5x5-v0", "minigrid", "minigrid", "minigrid"),
        ("BabyAI-GoToObj-v0", "minigrid", "minigrid", "minigrid"),
    ],
)
def test_a_missing_package_is_answered_with_the_extra(
    id: str, module: str, importers: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(importers)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    for known in [known for known in gym.registry if known.startswith("ALE/")]:
        monkeypatch.delitem(gym.registry, known)
    message = rf"^{id} needs a package that is not installed: pip install 'pgtf\[{extra}\]'\.$"
    with pytest.raises(ConfigurationError, match=message):
        GymEnvironment(id)


def test_a_missing_package_for_pictures_is_answered_with_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = GymEnvironment(
        "CartPole-v1", 1, {"render_mode": "rgb_array"}, vectorization="loop"
    )
    environment.reset(SEED)
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'pgtf\[classic-control\]'"):
        environment.render()


def test_an_environment_that_has_moved_says_where() -> None:
    with pytest.raises(ConfigurationError, match="moved to the gymnasium-robotics project"):
        GymEnvironment("HalfCheetah-v3")


@pytest.mark.parametrize(
    ("id", "kwargs", "message"),
    [
        ("Pendulum-v1", {"gravity": 9.8}, "could not make 'Pendulum-v1': .*'gravity'"),
        ("CartPole-v1", {"gravity": 9.8}, "could not make 'CartPole-v1': .*'gravity'"),
        ("FrozenLake-v1", {"map_name": "9x9"}, "could not make 'FrozenLake-v1': KeyError: '9x9'"),
    ],
)
def test_wrong_keyword_arguments(id: str, kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        GymEnvironment(id, kwargs=kwargs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_envs": 0}, r"GymEnvironment\.num_envs must be at least 1, not 0"),
        ({"vectorization": "threads"}, "vectorization must be one of .*, not 'threads'"),
        (
            {"vectorization": "vector_entry_point", "wrappers": [RecordEpisodeStatistics]},
            "vectorization = 'loop'",
        ),
        ({"id": "Pendulum-v1", "vectorization": "vector_entry_point"}, "could not make"),
    ],
)
def test_settings_that_cannot_work(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        GymEnvironment(**arguments)


@pytest.mark.parametrize("which", ["observation_space", "action_space"])
def test_spaces_without_a_fixed_shape_are_refused(
    which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toy_environments.Endless, which, gym.spaces.Text(3))
    with pytest.raises(ConfigurationError, match="Text spaces are not supported"):
        GymEnvironment("tests.toy_environments:Endless-v0")


@pytest.mark.parametrize(
    ("id", "num_envs", "kwargs", "vectorised"),
    [
        ("CartPole-v1", 1, {}, False),
        ("CartPole-v1", 4, {}, False),
        ("CartPole-v1", 5, {}, True),
        # Given arguments of their own, the two are not sure to be the same task.
        ("CartPole-v1", 1, {"max_episode_steps": 50}, True),
        # Single Atari environments show other pictures, and know no stacked frames.
        ("ALE/Pong-v5", 1, {}, True),
        ("ALE/Pong-v5", 1, {"stack_num": 2}, True),
    ],
)
def test_few_copies_of_cartpole_are_stepped_one_by_one(
    id: str, num_envs: int, kwargs: dict[str, Any], vectorised: bool
) -> None:
    environment = GymEnvironment(id, num_envs, kwargs)
    try:
        # Only copies that are stepped one by one take a seed each.
        assert environment.seeds_each is not vectorised
        reset, step = compiled(environment)
        state, observation = reset(tf.constant([0, 1]))
        assert observation.shape == (num_envs, *(environment.observation_space.shape or ()))
        _, moved = step(state, tf.zeros((num_envs,), tf.int64))
        assert moved.mask.numpy().tolist() == [1.0] * num_envs
    finally:
        environment.close()


def test_frames_that_are_observed_can_be_shown() -> None:
    environment = GymEnvironment("ALE/Pong-v5", 2)
    _, observation = environment.reset(tf.constant([0, 1]))
    assert environment.observes_frames
    np.testing.assert_array_equal(environment.render(), observation[0, -1])
    environment.close()
    assert not GymEnvironment("CartPole-v1", 8).observes_frames
