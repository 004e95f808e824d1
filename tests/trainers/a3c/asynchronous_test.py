"""A3C: what a worker computes, what the workers share, and what they count."""

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pgtf.environments.compiled.cartpole import CompiledCartPole
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.learning.baselines import Constant, StateValue
from pgtf.learning.critics import VCritic
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.estimators import VTrace
from pgtf.learning.fitting import Regression
from pgtf.learning.learner import Learner
from pgtf.learning.surrogates import ImportanceWeighted
from pgtf.networks.mlp import MLP
from pgtf.networks.normalization import RunningNormalization
from pgtf.policies.policy import Policy
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.exploration import EpsilonMixture, ScaledNoise
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.a3c.asynchronous import AsynchronousTrainer
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trainers.trainer import Trainer
from tests import short_runs
from tests.trainers.threads import NEVER, Watched, actor_critic, trainer, watched, worker_threads


def normalized() -> Learner:
    network = MLP((8,), normalization=RunningNormalization())
    return actor_critic(policy=Policy(network), max_gradient_norm=0.1)


def reinforce() -> Learner:
    return Learner(Policy(MLP((8,))), baseline=Constant(), optimizer=keras.optimizers.Adam(0.01))


def regression() -> Learner:
    return actor_critic(critic=VCritic(MLP((4,)), Regression(num_steps=2, proximal=0.1)))


def variables(learner: Learner) -> list[np.ndarray]:
    return [v.numpy() for v in (*learner.weights, *learner.optimizer.variables)]


def after_updates(made: Trainer, learner: Learner, count: int = 100) -> list[np.ndarray]:
    """The variables after exactly so many updates, one in each call."""
    while learner.updates < count:
        made.iterate(int(learner.steps.numpy()) + 1)
    assert learner.updates == count
    made.close()
    return variables(learner)


def pair(
    make: Callable[[], Learner],
    rollout: Any,
    jit_compile: bool = False,
    run: Callable[[Trainer, Learner], list[np.ndarray]] = after_updates,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The variables of one worker and those of the synchronous path, after ``run``."""
    one = trainer(GymEnvironment("CartPole-v1", 2), make(), rollout, 3, num_workers=1)
    keras.utils.set_random_seed(3)
    other = SynchronousTrainer(
        make(), GymEnvironment("CartPole-v1", 2), rollout, jit_compile=jit_compile
    )
    other.build(3)
    return run(one, one.learner), run(other, other.learner)


@pytest.mark.parametrize(
    ("make", "rollout"),
    [
        (actor_critic, Rollouts(5)),
        (normalized, Rollouts(3)),
        (regression, Rollouts(5)),
        (reinforce, Episodes(2)),
    ],
    ids=["a2c", "normalized", "regression", "reinforce"],
)
def test_one_worker_is_the_synchronous_path_bit_for_bit(
    make: Callable[[], Learner], rollout: Any
) -> None:
    count = 20 if isinstance(rollout, Episodes) else 100
    one, other = pair(make, rollout, run=functools.partial(after_updates, count=count))
    for x, y in zip(one, other, strict=True):
        np.testing.assert_array_equal(x, y)


def test_one_worker_is_the_synchronous_path_in_calls_of_many_rollouts() -> None:
    def after(made: Trainer, learner: Learner) -> list[np.ndarray]:
        while made.steps < 1000:
            made.iterate(1000)
        made.close()
        return [*variables(learner), learner.steps.numpy(), learner.updates.numpy()]

    one, other = pair(actor_critic, Rollouts(5), run=after)
    for x, y in zip(one, other, strict=True):
        np.testing.assert_array_equal(x, y)
    assert other[-1] >= 100


@pytest.mark.usefixtures("optimized_graphs")
@pytest.mark.parametrize("jit_compile", [False, True])
def test_one_worker_is_the_synchronous_path_up_to_rounding(jit_compile: bool) -> None:
    one, other = pair(actor_critic, Rollouts(5), jit_compile)
    assert any(np.any(x) for x in one)
    for x, y in zip(one, other, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-6)


def bandit(**parts: Any) -> Learner:
    """A softmax over two actions whose only parameters are two biases b; its advantage is 1.

    With no other parameter in the loss, one step of SGD at rate 1 adds the mean score of the
    actions taken to b.
    """
    return Learner(
        Policy(MLP(())),
        VCritic(MLP(())),
        optimizer=keras.optimizers.SGD(1.0),
        discount=0.0,
        max_gradient_norm=None,
        **parts,
    )


def set_biases(learner: Learner, biases: list[float]) -> None:
    preferences = learner.policy.head.preferences
    preferences.kernel.assign(tf.zeros_like(preferences.kernel))
    preferences.bias.assign(biases)


def biases(learner: Learner) -> np.ndarray:
    return learner.policy.head.preferences.bias.numpy()


@pytest.mark.parametrize("epsilon", [None, 0.6])
def test_a_worker_acts_and_differentiates_with_the_parameters_it_copied(
    epsilon: float | None,
) -> None:
    """While the rollout is under way θ changes; θ′ does not, and the gradient is added to θ.

    With ε the closed form of the score is that of the mixture, which is what has acted.
    """
    before, meanwhile = [1.0, -1.0], [-50.0, 50.0]
    watch: list[Watched] = []
    exploration = None if epsilon is None else EpsilonMixture((epsilon,))

    def meddle(env: Watched) -> None:
        set_biases(made.learner, meanwhile)

    made = trainer(
        watched(watch, meddle), bandit(), Rollouts(20), 1, num_workers=1, exploration=exploration
    )
    set_biases(made.learner, before)
    made.iterate(1)
    made.close()

    actions = np.array(watch[0].actions)
    assert len(actions) == 20
    assert 0 < actions.sum() < 20  # At ``meanwhile`` all actions would be 1.
    pi = np.exp(before) / np.exp(before).sum()
    share = 0.0 if epsilon is None else epsilon
    mixed = (1 - share) * pi + share / 2
    ratio = ((1 - share) * pi / mixed)[actions]
    score = ratio[:, np.newaxis] * (np.eye(2)[actions] - pi)
    np.testing.assert_allclose(
        biases(made.learner) - meanwhile, score.mean(axis=0), rtol=1e-3, atol=1e-4
    )


def test_a_learner_that_weights_differentiates_with_the_parameters_of_now() -> None:
    """θ changes while θ′ acts: the gradient is by θ, weighted by π_θ / π_θ′."""
    before, meanwhile = [1.0, -1.0], [0.3, 0.6]
    watch: list[Watched] = []

    def meddle(env: Watched) -> None:
        set_biases(made.learner, meanwhile)

    learner = bandit(surrogate=ImportanceWeighted(None), returns=VTrace())
    made = trainer(watched(watch, meddle), learner, Rollouts(20), 1, num_workers=1)
    set_biases(made.learner, before)
    report = made.iterate(1)
    made.close()

    actions = np.array(watch[0].actions)
    assert 0 < actions.sum() < 20
    mu, pi = (np.exp(x) / np.exp(x).sum() for x in (before, meanwhile))
    ratio = (pi / mu)[actions]
    score = ratio[:, np.newaxis] * (np.eye(2)[actions] - pi)
    np.testing.assert_allclose(
        biases(made.learner) - meanwhile, score.mean(axis=0), rtol=1e-3, atol=1e-4
    )
    weight = report.scalars["train/importance_weight_mean"]
    assert weight == pytest.approx(ratio.mean(), rel=1e-4)


def test_policy_lag_counts_the_updates_of_others_during_a_rollout() -> None:
    watch: list[Watched] = []
    made = trainer(
        watched(watch, lambda env: made.learner.updates.assign_add(1)), rollout=Rollouts(20)
    )
    worker = made.crew.workers[0]
    worker.release(1)
    outcome = made.crew.outcomes.get()
    np.testing.assert_array_equal(outcome.scalars[:, worker.names.index("policy_lag")], [20.0])


def test_workers_explore_differently() -> None:
    """π takes action 0; ε = 0.5 takes action 1 in a quarter of the steps (± 4 standard errors)."""
    watch: list[Watched] = []
    learner = bandit()
    learner.optimizer = keras.optimizers.SGD(0.0)
    made = trainer(watched(watch), learner, Rollouts(50), exploration=EpsilonMixture((0.0, 0.5)))
    set_biases(learner, [30.0, 0.0])
    while min(len(env.actions) for env in watch) < 1000:
        made.iterate(NEVER)
    made.close()
    assert set(watch[0].actions) == {0}
    share = np.mean(watch[1].actions)
    assert abs(share - 0.25) < 4 * np.sqrt(0.25 * 0.75 / len(watch[1].actions))


def test_workers_have_their_own_streams_of_random_numbers() -> None:
    watch: list[Watched] = []
    learner = bandit()
    learner.optimizer = keras.optimizers.SGD(0.0)
    made = trainer(watched(watch), learner, Rollouts(50))
    set_biases(learner, [0.0, 0.0])
    while min(len(env.actions) for env in watch) < 100:
        made.iterate(NEVER)
    made.close()
    one, other = (env.actions[:100] for env in watch)
    assert 20 < np.sum(np.equal(one, other)) < 80


def test_workers_have_their_own_entropy_coefficients() -> None:
    schedule = keras.optimizers.schedules.PolynomialDecay(1.0, 10_000_000, 0.0)
    made = trainer(num_workers=3, entropy_coefficients=(0.5, 0.0, schedule))
    outcomes = made.crew.run(NEVER, 0.3)
    column = made.crew.workers[0].names.index("entropy_coefficient")
    made.close()
    for outcome in outcomes:
        expected = (0.5, 0.0, 1.0)[outcome.worker]
        np.testing.assert_allclose(outcome.scalars[:, column], expected, atol=1e-2)


@pytest.mark.parametrize("lock", [False, True])
def test_the_counter_loses_no_step_under_many_workers(lock: bool) -> None:
    watch: list[Watched] = []
    made = trainer(watched(watch, num_envs=2), rollout=Rollouts(3), num_workers=6, lock=lock)
    before = sum(len(env.actions) for env in watch)
    for _ in range(3):
        made.iterate(NEVER)
        taken = sum(len(env.actions) for env in watch) - before
        assert taken == made.steps > 0
        assert 6 * int(made.learner.updates.numpy()) == taken
        assert 6 * int(made.learner.optimizer.iterations.numpy()) == taken
    made.close()


def test_the_counter_stops_at_its_limit() -> None:
    """No worker begins a rollout once T has reached the limit."""
    made = trainer(num_workers=4, environment=watched([]))
    limit = 300
    while made.steps < limit:
        made.iterate(limit)
    made.close()
    assert limit <= made.steps < limit + 4 * 5


@pytest.mark.parametrize("statistics", ["shared", "per_worker"])
def test_statistics_of_the_optimizer_are_shared_or_not(statistics: str) -> None:
    rate = keras.optimizers.schedules.PolynomialDecay(1e-2, 100, 1e-3)
    learner = actor_critic(optimizer=keras.optimizers.RMSprop(rate, rho=0.9))
    made = trainer(watched([]), learner, statistics=statistics, num_workers=3)
    counted = np.zeros(3, int)
    while made.steps < 100:
        for outcome in made.crew.run(NEVER, 0.2):
            counted[outcome.worker] += len(outcome.scalars)
    optimizers = [learner.optimizer, *made.own_optimizers.values()]
    made.close()

    counts = [int(optimizer.iterations.numpy()) for optimizer in optimizers]
    if statistics == "shared":
        assert counts == [learner.updates]
    else:
        assert counts == counted.tolist()
        assert sum(counts) == learner.updates
        assert {optimizer.rho for optimizer in optimizers} == {0.9}
        first, *others = ([v.numpy() for v in x.variables[2:]] for x in optimizers)
        for other in others:
            assert any(np.any(x != y) for x, y in zip(first, other, strict=True))
    # Every schedule counts the steps of all the workers.
    for optimizer in optimizers:
        assert float(optimizer.learning_rate) == pytest.approx(1e-3)


class Overlap(keras.optimizers.SGD):
    """Takes a while over each update and notes how many are under way."""

    def __init__(self) -> None:
        super().__init__(0.01)
        self.under_way = 0
        self.most = 0

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        entered = tf.numpy_function(self._enter, [], tf.int64)
        with tf.control_dependencies([entered]):
            result = super().apply(grads, trainable_variables)
        tf.numpy_function(self._leave, [], tf.int64)
        return result

    def _enter(self) -> np.int64:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        time.sleep(0.01)
        return np.int64(0)

    def _leave(self) -> np.int64:
        self.under_way -= 1
        return np.int64(0)


@pytest.mark.parametrize("lock", [False, True])
def test_a_lock_keeps_updates_apart(lock: bool) -> None:
    learner = actor_critic(optimizer=Overlap())
    made = trainer(watched([]), learner, Rollouts(1), lock=lock, num_workers=2)
    while learner.updates < 40:
        made.iterate(NEVER)
    made.close()
    assert learner.optimizer.most == (1 if lock else 2)


@pytest.mark.parametrize(
    ("environment", "rollout", "make", "jit_compile"),
    [
        (CompiledCartPole(num_envs=3), Rollouts(2), actor_critic, True),
        (GymEnvironment("Pendulum-v1", 1), Rollouts(40), actor_critic, True),
        (GymEnvironment("CartPole-v1", 2), Episodes(4), reinforce, False),
    ],
    ids=["compiled", "loop", "episodes"],
)
def test_nothing_is_traced_once_the_workers_run(
    environment: Environment, rollout: Any, make: Callable[[], Learner], jit_compile: bool
) -> None:
    made = trainer(environment, make(), rollout, jit_compile=jit_compile)  # type: ignore[arg-type]
    shared = made.crew.workers[0].shared
    functions = (shared.act, shared.experience)
    traces = [function.traced.experimental_get_tracing_count() for function in functions]
    report = made.iterate(NEVER)
    report = made.iterate(NEVER)
    assert [function.traced.experimental_get_tracing_count() for function in functions] == traces
    assert traces[0] == 1
    assert np.all(np.isfinite(list(report.scalars.values())))
    assert made.steps == sum(worker.steps for worker in made.crew.workers) > 0
    assert report.histograms["train/actions"].shape[1] == environment.num_envs
    made.close()


def test_acting_and_differentiating_read_no_variable() -> None:
    """Else XLA would hold locks that other workers' updates wait for."""
    made = trainer(learner=normalized(), entropy_coefficients=(0.1,), jit_compile=True)
    shared = made.crew.workers[0].shared
    for function in (shared.act, shared.experience):
        (concrete,) = function.traced._list_all_concrete_functions()
        assert [x for x in concrete.captured_inputs if x.dtype == tf.resource] == []
    made.close()


def test_reports_hold_the_scalars_of_all_and_of_each() -> None:
    made = trainer(GymEnvironment("CartPole-v1", 1), num_workers=2)
    report = made.iterate(NEVER)
    while "worker_1/ep_rew_mean" not in report.scalars:
        report = made.iterate(NEVER)
    made.close()
    names = {f"worker_{i}/{x}" for i in range(2) for x in ("policy_lag", "steps_per_second")}
    names |= {"train/policy_loss", "train/gradient_norm", "train/policy_lag"}
    assert names <= set(report.scalars)
    assert 0.0 <= report.scalars["train/policy_lag"] <= 5.0
    assert report.counts == {"workers/environment_failures": 0.0}


def test_a_run_is_saved_and_resumed(tmp_path: Path) -> None:
    parameters = (
        "AsynchronousTrainer.jit_compile = False",
        "AsynchronousTrainer.statistics = 'per_worker'",
        "AsynchronousTrainer.exploration = @EpsilonMixture()",
    )
    files = ("a3c.gin",)
    first = short_runs.train(tmp_path, *parameters, "TOTAL_STEPS = 300", files=files)
    assert worker_threads() == []
    second = short_runs.train(tmp_path, *parameters, "TOTAL_STEPS = 600", files=files)
    assert 300 <= first["steps"] < 600 <= second["steps"]
    steps = [int(row["step"]) for row in short_runs.table(tmp_path)]
    assert steps == sorted(set(steps))
    assert "workers/environment_failures" in short_runs.table(tmp_path)[-1]

    checkpoint = tf.train.load_checkpoint(str(tmp_path / "checkpoints"))
    saved = {name: checkpoint.get_tensor(name) for name in checkpoint.get_variable_to_shape_map()}
    (steps_saved,) = (x for name, x in saved.items() if name.startswith("learner/steps"))
    (updates,) = (x for name, x in saved.items() if name.startswith("learner/updates"))
    iterations = [x for name, x in saved.items() if "iterations" in name or "_variables/0/" in name]
    assert steps_saved == second["steps"]
    assert sum(int(x) for x in iterations) == updates
    (progress,) = (x for name, x in saved.items() if name.startswith("progress/"))
    assert all(len(rows) for rows in json.loads(progress)["trainer"]["episodes"])


def test_workers_go_on_with_the_episodes_of_before() -> None:
    made, other = (trainer(GymEnvironment("CartPole-v1", 1), num_workers=2) for _ in range(2))
    while not all(made.saving()["episodes"]):
        made.iterate(NEVER)
    other.restored(json.loads(json.dumps(made.saving())))
    ours, theirs = ([w.window.scalars() for w in x.crew.workers] for x in (made, other))
    assert ours == theirs
    made.close()
    other.close()


def test_restored_workers_use_other_random_numbers() -> None:
    watch: list[Watched] = []
    made = trainer(watched(watch), num_workers=1)
    made.learner.updates.assign(1000)
    made.restored()
    made.iterate(100)
    made.close()
    fresh = trainer(watched(watch), num_workers=1)
    fresh.iterate(100)
    fresh.close()
    assert watch[0].actions != watch[1].actions


def test_restored_workers_use_no_stream_of_a_failed_rollout_again() -> None:
    made = trainer(
        watched([], id="tests.toy_environments:Broken-v0"),
        rollout=Rollouts(2),
        num_workers=1,
        max_environment_failures=10_000,
    )
    while made.crew.failures < 3:
        made.iterate(NEVER)
    (worker,) = made.crew.workers
    unused = int(worker.count.numpy())
    assert unused == made.learner.updates + made.crew.failures
    made.restored()
    assert worker.count >= unused
    made.close()


@pytest.mark.parametrize(
    ("arguments", "binding"),
    [
        ({"num_workers": 0}, "num_workers"),
        ({"statistics": "private"}, "statistics"),
        ({"entropy_coefficients": ()}, "entropy_coefficients"),
        ({"max_environment_failures": -1}, "max_environment_failures"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, Any], binding: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"AsynchronousTrainer\.{binding}"):
        AsynchronousTrainer(actor_critic(), GymEnvironment(num_envs=1), **arguments)


def test_an_exploration_that_does_not_fit_is_refused_before_any_thread_starts() -> None:
    with pytest.raises(ConfigurationError, match=r"AsynchronousTrainer\.exploration"):
        trainer(exploration=ScaledNoise())
    assert worker_threads() == []


def test_evaluation_uses_the_policy_without_exploration() -> None:
    learner = actor_critic(baseline=StateValue(), entropy_bonus=EntropyBonus(0.0))
    made = trainer(learner=learner, exploration=EpsilonMixture((0.5,)))
    assert made.policy is learner.policy
    made.close()
