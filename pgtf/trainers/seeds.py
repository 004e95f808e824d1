"""Many seeds of one run as one program: their weights are stacked and learn in parallel."""

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy import stats

from pgtf.configuration.isolation import own_singletons
from pgtf.configuration.machine import require_memory
from pgtf.errors import ConfigurationError
from pgtf.graph.scan import scan_while
from pgtf.learning.fitting import Regression
from pgtf.learning.learner import Learner
from pgtf.rollouts.collector import stream
from pgtf.rollouts.unroll import Carry, start
from pgtf.rollouts.window import EpisodeWindow
from pgtf.trainers.call_length import CallLength
from pgtf.trainers.members import StackedLearner
from pgtf.trainers.stacked import StackedOptimizer
from pgtf.trainers.synchronous import SynchronousTrainer
from pgtf.trainers.trainer import Report, Trainer, train_rows

_STEPS_PER_CALL = 50_000


def interquartile_mean(values: list[float]) -> float:
    """The mean of the middle half (Agarwal et al. 2021, arXiv:2108.13264)."""
    return float(stats.trim_mean(values, 0.25))


class SeedsTrainer(Trainer):
    """Trains S seeds of a ``SynchronousTrainer``'s run at once (``train.num_seeds``).

    Every weight, statistic, optimizer slot and environment gets a leading axis of S. Rollout and
    gradient are vectorised over it; ``StackedOptimizer`` moves the weights. Seed i learns what a
    run with ``train.seed + i`` learns alone, up to rounding.

    Args:
        make: makes the ``SynchronousTrainer`` of one seed, not built.
        num_seeds: S.
        total_steps: after which a seed waits for the others.

    Raises:
        ConfigurationError: the trainer cannot be vectorised over seeds.
    """

    learner: Learner
    updates: tf.Variable

    def __init__(self, make: Callable[[], Trainer], num_seeds: int, total_steps: int):
        trainer = make()
        if not isinstance(trainer, SynchronousTrainer):
            raise ConfigurationError(
                f"train.num_seeds > 1 needs a SynchronousTrainer, not {type(trainer).__name__}:"
                " start one run for each seed."
            )
        num_steps = trainer.rollout.fixed_steps
        if not trainer.environment.compiled or num_steps is None:
            raise ConfigurationError(
                "train.num_seeds > 1 needs Rollouts on a compiled environment: add"
                " --gin_file=envs/compiled.gin, or start one run for each seed."
            )
        self._make = make
        self._single = trainer
        self.learner = trainer.learner
        self._num_steps = num_steps
        self._num_seeds = num_seeds
        self._total_steps = total_steps
        self.policy = trainer.policy
        self.environment = trainer.environment
        self.compilation = trainer.compilation
        self.horizon = trainer.horizon
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    def build(self, seed: int) -> None:
        """Makes every variable, S times over, and traces the graph."""
        learner, environment = self.learner, self.environment
        self._optimizer = StackedOptimizer(learner.optimizer)
        members = []
        for i in range(self._num_seeds):
            keras.utils.set_random_seed(seed + i)
            member = learner if i == 0 else self._another()
            member.build(environment.observation_space, environment.action_space)
            if i == 0:
                size = sum(4 * math.prod(v.shape) for v in learner.trainable_variables)
                require_memory(self._num_seeds * size, f"train.num_seeds = {self._num_seeds}")
            members.append(member)
        if learner.separate:
            raise ConfigurationError(
                f"train.num_seeds > 1 cannot be combined with {Regression.__name__}: bind"
                " @JointLoss() as the fit, or start one run for each seed."
            )
        if self.policy.network.remembers:
            raise ConfigurationError(
                "train.num_seeds > 1 cannot be combined with a network with memory,"
                f" {type(self.policy.network).__name__}: start one run for each seed."
            )
        optimization = learner.optimization
        if not optimization.one_gradient and optimization.passes is None:
            raise ConfigurationError(
                "train.num_seeds > 1 takes the same number of steps in every seed, which"
                f" {type(optimization).__name__} does not as it is bound: bind Epochs.max_kl ="
                " None or Learner.optimization = @OneUpdate(), or start one run for each seed."
            )
        normalizations = [part.normalization for part in learner.objective.regressors]
        if any(each is not None and each.preserve for each in normalizations):
            raise ConfigurationError(
                "train.num_seeds > 1 cannot be combined with a TargetNormalization that moves the"
                " output layer: bind TargetNormalization.preserve = False, or start one run for"
                " each seed."
            )
        if learner.gradient_variance is not None:
            raise ConfigurationError(
                "train.num_seeds > 1 cannot be combined with GradientVariance: bind"
                " Learner.gradient_variance = None, or start one run for each seed."
            )
        self._trainable = _stacked([member.trainable_variables for member in members])
        # Those of the one environment begin alike in every seed.
        self._statistics = _stacked(
            [[*member.statistics, *environment.variables] for member in members]
        )
        self._optimizer.build(self._trainable)
        self._seeds = tf.constant([stream(seed + i) for i in range(self._num_seeds)])
        self._stack = StackedLearner(
            self._single,
            self._trainable,
            self._statistics,
            self._optimizer,
            self._seeds,
            self._total_steps,
            self.undoes_updates,
        )
        self.updates = self._stack.updates
        self.windows = [EpisodeWindow() for _ in members]
        carry = tf.function(self._start, autograph=False)()
        self._carry = [tf.Variable(leaf, trainable=False) for leaf in tf.nest.flatten(carry)]
        self._structure = carry
        shape = (self._num_seeds, self._num_steps, self.environment.num_envs)
        self._most = max(1, _STEPS_PER_CALL // math.prod(shape))
        self._length = CallLength(self._most)
        self._several = self.compilation.function(self._iterate_several)

    def iterate(self, limit: int) -> Report:
        """Trains every seed for about 0.1 s; see ``Trainer.iterate``."""
        bounds = [
            tf.convert_to_tensor(np.asarray(x, np.int64))
            for x in (limit, self._length.next(self.call_seconds))
        ]
        count, scalars, episodes, advantage = self.compilation.run(lambda: self._several(*bounds))
        n = int(count)
        self._length.took(n)
        self.steps.assign(tf.reduce_min(self._stack.steps))
        counts = {}
        finished = episodes.numpy()[:n]
        means = []
        for i, window in enumerate(self.windows):
            window.add(finished[:, i])
            mean = window.scalars().get("rollout/ep_rew_mean")
            if mean is not None:
                means.append(mean)
                counts[f"seed_{i}/ep_rew_mean"] = mean
        if means:
            counts["rollout/ep_rew_iqm"] = interquartile_mean(means)
        return Report(
            train_rows(scalars, n),
            finished.reshape(-1, 3),
            {"train/advantages": advantage.numpy()},
            counts,
            members=self._num_seeds,
        )

    def members(self) -> Iterator[str]:
        """Gives ``policy`` the weights of each seed in turn."""
        for i in range(self._num_seeds):
            for own, stack in zip(self.learner.trainable_variables, self._trainable, strict=True):
                own.assign(stack.value[i])
            for own, stack in zip(self._stack.own_statistics, self._statistics, strict=True):
                own.assign(stack.value[i])
            yield f"seed_{i}"

    def trackables(self) -> dict[str, Any]:
        """Returns the stacked weights, statistics, slots and environments."""
        lists = {
            "trainable": self._trainable,
            "statistics": self._statistics,
            "carry": self._carry,
        }
        named = {
            name: {f"leaf{i}": leaf for i, leaf in enumerate(leaves)}
            for name, leaves in lists.items()
            if leaves
        }
        buffer = self._stack.buffer
        return (
            named
            | ({"replay": buffer} if buffer is not None else {})
            | {
                "optimizer": self._optimizer.keras,
                "member_steps": self._stack.steps,
                "updates": self._stack.updates,
                "steps": self.steps,
            }
        )

    def saving(self) -> dict[str, Any]:
        """Returns the last episodes of each seed."""
        return {"episodes": [list(window.rows) for window in self.windows]}

    def restored(self, saved: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Goes on with the last episodes of each seed."""
        if "episodes" in saved:
            self.windows = [EpisodeWindow(rows) for rows in saved["episodes"]]

    def _start(self) -> Carry:
        seeds = tf.map_fn(
            lambda seed: tf.random.experimental.stateless_fold_in(seed, 0), self._seeds
        )
        initial = self.policy.initial_memory(self.environment.num_envs)
        return tf.vectorized_map(lambda seed: start(self.environment, seed, initial), seeds)

    def _iterate_several(self, limit: tf.Tensor, turns: tf.Tensor) -> tuple[tf.Tensor, ...]:
        most = self._most
        advantage = tf.zeros((self._num_seeds, self._num_steps, self.environment.num_envs))
        carry = tf.nest.pack_sequence_as(self._structure, [v.value() for v in self._carry])

        def once(place: tuple[Carry, tf.Tensor, tf.Tensor], t: tf.Tensor) -> tuple[Any, Any]:
            carry, scalars, episodes, advantage = self._stack.iterate(place[0])
            return (carry, t + 1, advantage), (scalars, episodes)

        (carry, count, advantage), (scalars, episodes) = scan_while(
            once,
            lambda place, t: (
                (t < most)
                & (tf.cast(t, tf.int64) < turns)
                & (tf.reduce_min(self._stack.steps) < limit)
            ),
            (carry, tf.constant(0), advantage),
            most,
        )
        for variable, leaf in zip(self._carry, tf.nest.flatten(carry), strict=True):
            variable.assign(leaf)
        return count, scalars, episodes, advantage

    def _another(self) -> Learner:
        """The learner of another seed, with networks of its own also where parts share one."""
        with own_singletons():
            learner = self._make().learner
        assert learner is not None
        return learner


def _stacked(members: list[list[keras.Variable]]) -> list[keras.Variable]:
    """One variable [S, …] for each variable of the members."""
    return [
        keras.Variable(
            np.stack([variable.numpy() for variable in same]), trainable=same[0].trainable
        )
        for same in zip(*members, strict=True)
    ]
