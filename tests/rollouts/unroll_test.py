"""Rollouts against a reference loop in plain Python over the same environments."""

import collections
import operator
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.compiled.catch import CompiledCatch
from pgtf.environments.compiled.pendulum import CompiledPendulum
from pgtf.environments.elements import environment_seeds
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.graph.scan import scan, scan_while
from pgtf.policies.decision import Decision
from pgtf.policies.policy import Policy
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Behaviour, Carry, Finished, start, unroll
from pgtf.trajectory import Trajectory
from tests.toy_environments import Counting

ID = "tests.toy_environments:Counting-v0"
SEED = tf.constant([5, 6])
NOWHERE: Any = None  # whole episodes begin with a reset, wherever the environments stood
BOX = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

# Columns of Counting's observation.
EPISODE, STEP, LENGTH, RECEIVED = range(4)


def action_of(observation: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Far beyond the bounds of BOX; a function of the observation alone."""
    del seed
    return tf.stack([3.0 * observation[:, STEP] - 5.0, 0.3 * observation[:, LENGTH]], axis=-1)


def numpy(nest: Any) -> Any:
    return tf.nest.map_structure(lambda x: x.numpy(), nest)


ACT = Behaviour(lambda observation, _, seed: Decision(action_of(observation, seed)))


def unrolled(
    environment: GymEnvironment, num_steps: int, carry: Carry | None = None, act: Any = ACT
) -> tuple[Carry, Trajectory, Finished]:
    if carry is None:
        carry = start(environment, SEED)
    run = tf.function(
        lambda carry: unroll(environment, act, carry, num_steps, SEED), autograph=False
    )
    return run(carry)


class Reference(NamedTuple):
    trajectory: Trajectory
    lengths: list[list[int]]
    returns: list[list[float]]
    time: list[int]
    episode_return: list[float]


def reference(count: int, rows: int, **kwargs: Any) -> Reference:
    """What ``count`` environments do, each played by itself."""
    columns = []
    lengths: list[list[int]] = [[] for _ in range(count)]
    returns: list[list[float]] = [[] for _ in range(count)]
    times, totals = [0] * count, [0.0] * count
    for i, seed in enumerate(environment_seeds(SEED.numpy(), count)):
        env = Counting(BOX, **kwargs)
        observation, _ = env.reset(seed=seed)
        column: dict[str, list[Any]] = collections.defaultdict(list)
        column["observation"].append(observation)
        time, total, ended = 0, 0.0, False
        for _ in range(rows):
            action = action_of(tf.constant(observation[np.newaxis]), SEED).numpy()[0]
            column["action"].append(action)
            column["time"].append(time)
            column["mask"].append(0.0 if ended else 1.0)
            if ended:
                observation, _ = env.reset()
                reward, terminated, truncated, ended = 0.0, False, False, False
                time, total = 0, 0.0
            else:
                observation, reward, terminated, truncated, _ = env.step(np.clip(action, -1, 1))
                ended = terminated or truncated
                time, total = time + 1, total + reward
                if ended:
                    lengths[i].append(time)
                    returns[i].append(total)
            column["observation"].append(observation)
            column["reward"].append(reward)
            column["score"].append(reward)
            column["terminated"].append(terminated)
            column["truncated"].append(truncated)
        times[i], totals[i] = time, 0.0 if ended else total
        columns.append(column)
    fields = {
        name: np.stack([np.array(column[name]) for column in columns], axis=1)
        for name in columns[0]
    }
    return Reference(Trajectory(**fields), lengths, returns, times, totals)


def assert_same(actual: Trajectory, expected: Trajectory) -> None:
    for name, a, b in zip(Trajectory._fields, actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("num_steps", [1, 12, 50])  # the last one is a loop in the graph
def test_a_rollout_is_what_the_environments_did(count: int, num_steps: int) -> None:
    environment = GymEnvironment(ID, count, {"action_space": BOX})
    carry, trajectory, finished = numpy(unrolled(environment, num_steps))
    expected = reference(count, num_steps)
    assert_same(trajectory, expected.trajectory)
    assert finished.count == sum(map(len, expected.lengths))
    assert finished.return_sum == sum(map(sum, expected.returns))
    assert finished.length_sum == sum(map(sum, expected.lengths))
    np.testing.assert_array_equal(carry.time, expected.time)
    np.testing.assert_array_equal(carry.episode_return, expected.episode_return)
    np.testing.assert_array_equal(carry.observation, expected.trajectory.observation[-1])


def test_types_of_a_trajectory() -> None:
    environment = GymEnvironment(ID, 2)
    _, trajectory, _ = unrolled(
        environment, 3, act=Behaviour(lambda *_: Decision(tf.constant([0, 1])))
    )
    assert [x.dtype for x in tf.nest.flatten(trajectory)] == [
        tf.float32, tf.int32, tf.float32, tf.float32, tf.bool, tf.bool, tf.float32, tf.int32
    ]  # fmt: skip
    assert trajectory.observation.shape == (4, 2, 4)
    assert all(field.shape == (3, 2) for field in tf.nest.flatten(trajectory)[1:])


def test_successors_are_true_also_where_the_episode_is_cut() -> None:
    """The row after an end is the reset's: its successor begins the next episode."""
    environment = GymEnvironment(ID, 8, {"action_space": BOX})
    _, trajectory, _ = numpy(unrolled(environment, 50))
    before, after = trajectory.observation[:-1], trajectory.observation[1:]
    moved = trajectory.mask > 0
    np.testing.assert_array_equal(after[moved][:, STEP], before[moved][:, STEP] + 1)
    np.testing.assert_array_equal(after[moved][:, EPISODE], before[moved][:, EPISODE])
    np.testing.assert_array_equal(after[~moved][:, STEP], 0)
    np.testing.assert_array_equal(after[~moved][:, EPISODE], before[~moved][:, EPISODE] + 1)
    for ends in (trajectory.terminated, trajectory.truncated):
        assert ends.sum() > 20
        np.testing.assert_array_equal(after[ends][:, STEP], after[ends][:, LENGTH])
        np.testing.assert_array_equal(moved[1:][ends[:-1]], False)


def test_actions_are_kept_as_sampled_and_clipped_on_the_way_in() -> None:
    environment = GymEnvironment(ID, 8, {"action_space": BOX})
    _, trajectory, _ = numpy(unrolled(environment, 20))
    moved = trajectory.mask > 0
    sampled = trajectory.action[moved]
    assert np.abs(sampled).max() > 2.0
    received = trajectory.observation[1:][moved][:, RECEIVED]
    np.testing.assert_allclose(received, np.clip(sampled, -1, 1).sum(-1), rtol=1e-6)


def test_discrete_actions_are_kept_from_0_and_arrive_from_start() -> None:
    space = gym.spaces.Discrete(3, start=7)
    environment = GymEnvironment(ID, 8, {"action_space": space})
    policy = random_policy(environment)
    _, trajectory, _ = numpy(unrolled(environment, 5, act=Behaviour(policy.act)))
    moved = trajectory.mask > 0
    assert set(trajectory.action[moved]) == {0, 1, 2}
    received = trajectory.observation[1:][moved][:, RECEIVED]
    np.testing.assert_array_equal(received, trajectory.action[moved] + 7)


def test_rollouts_go_on_where_the_last_one_stopped() -> None:
    environment = GymEnvironment(ID, 4, {"action_space": BOX})
    carry, parts, tallies = None, [], []
    for num_steps in (7, 1, 12):
        carry, part, finished = unrolled(environment, num_steps, carry)
        parts.append(numpy(part))
        tallies.append(numpy(finished))
    expected = reference(4, 20)
    whole = [np.concatenate(fields, axis=0) for fields in zip(*[p[1:] for p in parts], strict=True)]
    observation = np.concatenate([p.observation[:-1] for p in parts] + [parts[-1].observation[-1:]])
    assert_same(Trajectory(observation, *whole), expected.trajectory)
    counts, return_sums, length_sums = np.sum(tallies, axis=0)
    assert counts == sum(map(len, expected.lengths))
    assert return_sums == sum(map(sum, expected.returns))
    assert length_sums == sum(map(sum, expected.lengths))


def random_policy(environment: Any) -> Policy:
    policy = Policy()
    policy.build(environment.observation_space, environment.action_space)
    return policy


def test_a_loop_in_the_graph_equals_the_unrolled_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = GymEnvironment("CartPole-v1", 3)
    policy = random_policy(environment)
    results = []
    for longest in (12, 11):
        monkeypatch.setattr("pgtf.graph.scan.UNROLLED", longest)
        results.append(numpy(unrolled(environment, 12, act=Behaviour(policy.act))))
    for a, b in zip(tf.nest.flatten(results[0]), tf.nest.flatten(results[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_loop_inside_an_xla_program_equals_the_graph_outside() -> None:
    environment = CompiledCartPole(3)

    def push(observation: tf.Tensor, memory: Any, seed: tf.Tensor) -> Decision:
        del memory, seed
        return Decision(tf.cast(observation[:, 0] > 0, tf.int32))

    def run() -> Any:
        return unroll(environment, Behaviour(push), start(environment, SEED), 60, SEED)

    inside = numpy(tf.function(run, autograph=False, jit_compile=True)())
    outside = numpy(tf.function(run, autograph=False)())
    assert inside[2].count > 0
    for a, b in zip(tf.nest.flatten(inside), tf.nest.flatten(outside), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_every_step_samples_anew() -> None:
    """A fair coin repeats itself on half of the steps, give or take four standard deviations."""
    environment = GymEnvironment(ID, 32, {"max_length": 1000})
    policy = random_policy(environment)
    for num_steps in (6, 41):
        _, trajectory, _ = numpy(unrolled(environment, num_steps, act=Behaviour(policy.act)))
        repeats = (trajectory.action[1:] == trajectory.action[:-1]).mean()
        assert abs(repeats - 0.5) < 4 * 0.5 / np.sqrt(32 * (num_steps - 1))
        alike = (trajectory.action[:, 1:] == trajectory.action[:, :-1]).mean()
        assert abs(alike - 0.5) < 4 * 0.5 / np.sqrt(31 * num_steps)


# Scans.


@pytest.mark.parametrize("length", [1, 5, 60])
@pytest.mark.parametrize("known", [True, False])
def test_scan_is_a_loop_that_remembers(length: int, known: bool) -> None:
    def body(total: tf.Tensor, t: Any) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        t = tf.cast(t, tf.float32)
        return total + t, {"before": total, "t": t}

    def run(n: tf.Tensor) -> Any:
        return scan(body, tf.constant(2.0), length if known else n)

    last, rows = tf.function(run, autograph=False)(tf.constant(length))
    numbers = np.arange(length)
    assert last == 2 + numbers.sum()
    np.testing.assert_array_equal(rows["t"], numbers)
    np.testing.assert_array_equal(rows["before"], 2 + np.cumsum(numbers) - numbers)


@pytest.mark.parametrize("length", [None, 9, 4])
def test_scan_while_stops_when_it_should(length: int | None) -> None:
    def run() -> Any:
        return scan_while(lambda x, t: (2 * x, t), lambda x, t: x < 64, tf.constant(1), length)

    last, rows = tf.function(run, autograph=False)()
    steps = 6 if length is None else min(6, length)
    assert last == 2**steps
    np.testing.assert_array_equal(rows[:steps], np.arange(steps))
    assert len(rows) == (length or steps)


# Whole episodes.


@pytest.mark.parametrize(("count", "episodes"), [(4, 12), (4, None), (1, 3)])
def test_every_environment_plays_its_quota_and_then_stands_still(
    count: int, episodes: int | None
) -> None:
    environment = GymEnvironment(ID, count, {"action_space": BOX})
    quota = (episodes or count) // count
    collected = Episodes(episodes)
    run = tf.function(lambda: collected.collect(environment, ACT, NOWHERE, SEED), autograph=False)
    carry, trajectory, finished = numpy(run())
    rows = len(trajectory.mask)
    expected = reference(count, rows)
    # The first episodes of each environment, however short: those of the slow ones count as much.
    returns = [r[:quota] for r in expected.returns]
    lengths = [n[:quota] for n in expected.lengths]
    assert all(len(r) == quota for r in returns)
    assert finished.count == quota * count
    assert finished.return_sum == sum(map(sum, returns))
    assert finished.length_sum == sum(map(sum, lengths))
    spans = [sum(n) + quota - 1 for n in lengths]  # steps, and a reset between two episodes
    assert rows == max(spans)
    for i, span in enumerate(spans):
        column = tf.nest.map_structure(operator.itemgetter((slice(None), i)), trajectory)
        assert column.mask.sum() == sum(lengths[i])
        assert (column.terminated | column.truncated).sum() == quota
        np.testing.assert_array_equal(column.mask[span:], 0.0)
        np.testing.assert_array_equal(column.reward[span:], 0.0)
        still = column.observation[span:]
        np.testing.assert_array_equal(still, np.broadcast_to(still[:1], still.shape))
        for name in ("reward", "terminated", "truncated", "mask", "time"):
            actual, wanted = getattr(column, name), getattr(expected.trajectory, name)[:, i]
            np.testing.assert_array_equal(actual[:span], wanted[:span], err_msg=name)
    np.testing.assert_array_equal(carry.observation, trajectory.observation[-1])


def test_a_tail_that_never_ends_is_not_finished() -> None:
    environment = GymEnvironment(ID, 6, {"action_space": BOX, "max_length": 30})
    collected = Episodes(max_steps=10)
    run = tf.function(lambda: collected.collect(environment, ACT, NOWHERE, SEED), autograph=False)
    _, trajectory, finished = numpy(run())
    expected = reference(6, 10, max_length=30)
    ended = [bool(n) for n in expected.lengths]
    assert 0 < sum(ended) < 6
    assert finished.count == sum(ended)
    assert finished.return_sum == sum(r[0] for r in expected.returns if r)
    assert len(trajectory.mask) == 10
    np.testing.assert_array_equal((trajectory.terminated | trajectory.truncated).any(0), ended)


def test_episodes_of_a_compiled_environment() -> None:
    environment = CompiledCartPole(5)
    policy = random_policy(environment)
    collected = Episodes(10, max_steps=300)
    run = tf.function(
        lambda: collected.collect(environment, Behaviour(policy.act), NOWHERE, SEED),
        autograph=False,
        jit_compile=True,
    )
    _, trajectory, finished = numpy(run())
    assert finished.count == 10
    np.testing.assert_array_equal((trajectory.terminated | trajectory.truncated).sum(0), 2)
    assert trajectory.mask.shape == (300, 5)
    assert trajectory.mask.sum() == trajectory.reward.sum() == finished.length_sum
    later = np.cumsum(trajectory.terminated | trajectory.truncated, axis=0) == 2
    np.testing.assert_array_equal(trajectory.mask[1:][later[:-1]], 0.0)


def test_no_more_rows_are_made_than_the_longest_episode_can_fill() -> None:
    environment = CompiledCatch(4)
    collected = Episodes(8)
    still = Behaviour(lambda *_: Decision(tf.ones((4,), tf.int32)))
    run = tf.function(
        lambda: collected.collect(environment, still, NOWHERE, SEED),
        autograph=False,
        jit_compile=True,
    )
    _, trajectory, finished = run()
    # Two episodes of 9 steps each, and the row of a reset for each.
    assert trajectory.mask.shape == (2 * (9 + 1), 4)
    assert (finished.count, finished.length_sum) == (8, 8 * 9)


def test_episodes_are_other_ones_with_another_seed() -> None:
    environment = GymEnvironment("CartPole-v1", 4)
    policy = random_policy(environment)
    run = tf.function(
        lambda seed: Episodes().collect(environment, Behaviour(policy.act), NOWHERE, seed),
        autograph=False,
    )
    first, again, other = (run(tf.constant([1, s]))[1].observation[0] for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.any(np.isclose(first, other))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rollouts(0), r"Rollouts\.num_steps must be at least 1, not 0"),
        (lambda: Episodes(0), r"Episodes\.num_episodes must be at least 1 or None, not 0"),
        (lambda: Episodes(max_steps=0), r"Episodes\.max_steps must be at least 1, not 0"),
    ],
)
def test_counts_that_are_not_positive_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()


@pytest.mark.parametrize("episodes", [3, 10])
def test_episodes_that_cannot_be_shared_out_are_refused(episodes: int) -> None:
    environment = GymEnvironment(ID, 4)
    with pytest.raises(ConfigurationError, match=rf"num_episodes = {episodes} .* 4 .*NUM_ENVS"):
        Episodes(episodes).collect(environment, ACT, start(environment, SEED), SEED)


def test_the_successor_of_the_last_step_is_there_when_all_episodes_end_together() -> None:
    """A pendulum's observation has cos² + sin² = 1 on every row, also after a truncation."""
    environment = CompiledPendulum(num_envs=2, time_limit=5)
    key = tf.constant([1, 2], tf.int32)
    still = Behaviour(lambda *_: Decision(tf.zeros((2, 1))))

    @tf.function(autograph=False, jit_compile=True)
    def collect() -> Trajectory:
        return Episodes().collect(environment, still, start(environment, key), key)[1]

    observation = collect().observation.numpy()
    np.testing.assert_allclose((observation[..., :2] ** 2).sum(-1), 1.0, rtol=1e-5)
