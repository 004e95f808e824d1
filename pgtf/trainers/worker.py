"""A worker of A3C: a thread with an environment, a random stream and an exploration of its own."""

import queue
import threading
import time
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from pgtf import parameters
from pgtf import rollout as rollouts
from pgtf.entropy import EntropyBonus
from pgtf.environments.base import Environment
from pgtf.metrics import EpisodeWindow
from pgtf.rollout import Carry, Episodes, Rollouts
from pgtf.scan import scan_while
from pgtf.trainers.shared import SharedLearner, Traits


class Outcome(NamedTuple):
    """What a worker did from its release until it parked, in K rollouts.

    Attributes:
        worker: its index.
        scalars: [K, n], the columns are ``Worker.names``.
        episodes: [K, 3], see ``Report``.
        steps: environment steps, those before an error included.
        seconds: wall time.
        error: what ended it, or None. Of the rollouts of this release only the steps are known
            then.
    """

    worker: int
    scalars: np.ndarray
    episodes: np.ndarray
    steps: int
    seconds: float
    error: Exception | None


class Worker:
    """Algorithm S3 of Mnih et al. 2016 for one thread.

    Everything is traced when it is made, in the thread that makes it. Its own thread calls one
    graph: until the stop flag is up or T has reached the limit, copy θ to θ′, act for t_max steps
    with θ′, differentiate by θ′, apply to θ and add the steps to T.

    Args:
        index: counted from 0.
        environment: its own.
        rollout: how much is collected between two updates.
        shared: the learner and its functions.
        optimizer: moves θ; the learner's, or one of the worker's own.
        level: of its exploration.
        entropy_bonus: its own, or None for the learner's.
        seed: int32 [2], of its random stream.
        outcomes: where it reports.
    """

    def __init__(
        self,
        index: int,
        environment: Environment,
        rollout: Rollouts | Episodes,
        shared: SharedLearner,
        optimizer: keras.optimizers.Optimizer,
        level: float,
        entropy_bonus: EntropyBonus | None,
        seed: list[int],
        outcomes: "queue.SimpleQueue[Outcome]",
    ):
        self.index = index
        self.environment = environment
        self.histograms: dict[str, tf.Variable] = {}
        self._rollout = rollout
        self._shared = shared
        self._update = shared.updates_with(optimizer)
        self._level = level
        self._entropy_bonus = entropy_bonus
        self._seed = tf.constant(seed, tf.int32)
        self._count = tf.Variable(0, trainable=False, name="rollouts")
        self._steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="worker_steps")
        self._inbox: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._outcomes = outcomes
        self._window = EpisodeWindow()
        self._thread = threading.Thread(target=self._work, name=f"worker {index}", daemon=True)
        self._carry: Carry | None = None
        self._start = tf.function(self._begin, autograph=False).get_concrete_function()
        specs = tf.nest.map_structure(
            lambda x: tf.TensorSpec(x.shape, x.dtype), self._start.structured_outputs
        )
        self._once = tf.function(self._iterate_once, autograph=False).get_concrete_function(specs)
        self._several = tf.function(self._iterate, autograph=False).get_concrete_function(
            specs, tf.TensorSpec((), tf.int64)
        )

    @property
    def names(self) -> list[str]:
        """The columns of ``Outcome.scalars``."""
        return [*self._shared.names, "gradient_norm", "learning_rate", "policy_lag"]

    def release(self, limit: int) -> None:
        """Lets the worker run until T is ``limit`` or the stop flag is up."""
        if not self._thread.is_alive():
            self._thread.start()
        self._inbox.put(limit)

    def restart(self, rollouts: int | None = None) -> None:
        """Makes a parked worker begin new episodes.

        Args:
            rollouts: continues the random stream from this rollout on; the next one if None.
        """
        self._carry = None
        if rollouts is None:
            self._count.assign_add(1)
        else:
            self._count.assign(rollouts)

    def scalars(self, outcomes: list[Outcome]) -> dict[str, float]:
        """Returns what TensorBoard shows of this worker.

        Args:
            outcomes: its own, of one slice of time.
        """
        tag = f"worker_{self.index}"
        for outcome in outcomes:
            self._window.add(outcome.episodes)
        seconds = sum(outcome.seconds for outcome in outcomes)
        scalars = {f"{tag}/steps_per_second": sum(x.steps for x in outcomes) / seconds}
        lags = np.concatenate([outcome.scalars[:, -1] for outcome in outcomes])
        if len(lags):
            scalars[f"{tag}/policy_lag"] = float(lags.mean())
        mean = self._window.scalars().get("rollout/ep_rew_mean")
        if mean is not None:
            scalars[f"{tag}/ep_rew_mean"] = mean
        return scalars

    def close(self) -> None:
        """Ends the thread, which has to be parked or about to, and closes the environment."""
        if self._thread.is_alive():
            self._inbox.put(None)
            self._thread.join()
        self.environment.close()

    def _work(self) -> None:
        """What the thread does: answers releases until it is told to end."""
        for limit in iter(self._inbox.get, None):
            began, before = time.perf_counter(), int(self._steps.numpy())
            scalars = np.zeros((0, len(self.names)), np.float32)
            episodes, error = np.zeros((0, 3), np.float32), None
            try:
                if self._carry is None:
                    self._carry = self._start()
                self._carry, *rows = self._several(self._carry, tf.constant(limit, tf.int64))
                scalars, episodes = (row.numpy() for row in rows)
            except Exception as caught:  # It is the main thread's to handle.
                error = caught
            steps = int(self._steps.numpy()) - before
            seconds = time.perf_counter() - began
            outcome = Outcome(self.index, scalars, episodes, steps, seconds, error)
            self._outcomes.put(outcome)

    def _fresh_seed(self) -> tf.Tensor:
        return tf.random.experimental.stateless_fold_in(self._seed, self._count)

    def _begin(self) -> Carry:
        return rollouts.start(self.environment, self._fresh_seed())

    def _iterate(self, carry: Carry, limit: tf.Tensor) -> tuple[Carry, tf.Tensor, tf.Tensor]:
        """Rollouts and updates for as long as the worker may."""
        shared = self._shared

        def once(carry: Carry, t: tf.Tensor) -> tuple[Carry, Any]:
            del t
            carry, scalars, episodes = self._once(carry)
            return carry, (scalars, episodes)

        carry, (scalars, episodes) = scan_while(
            once, lambda carry, t: ~shared.stop & (shared.learner.steps < limit), carry
        )
        return carry, scalars, episodes

    def _iterate_once(self, carry: Carry) -> tuple[Carry, tf.Tensor, tf.Tensor]:
        shared, learner = self._shared, self._shared.learner
        values = parameters.snapshot(shared.weights)
        before = tf.identity(learner.updates)
        seed = self._fresh_seed()
        traits = Traits(tf.constant(self._level), shared.entropy_coefficient(self._entropy_bonus))
        # The whole of θ′ is copied before the first step is taken, the critic's part too.
        with tf.control_dependencies([*values, before]):
            carry, seed = tf.nest.map_structure(tf.identity, (carry, seed))

        def collect(values: Any, traits: Traits, carry: Carry, seed: tf.Tensor) -> Any:
            carry, trajectory, finished = self._rollout.collect(
                self.environment,
                lambda observation, seed: shared.act(values, traits, observation, seed),
                carry,
                seed,
            )
            return carry, trajectory, finished, shared.experience(values, traits, trajectory, seed)

        if self.environment.compiled:
            collect = tf.function(collect, autograph=False, jit_compile=shared.jit_compile)
        carry, trajectory, finished, experience = collect(values, traits, carry, seed)
        with tf.control_dependencies(experience.gradients):
            lag = tf.identity(learner.updates) - before
            gradients = [tf.identity(gradient) for gradient in experience.gradients]
        applied = self._update(gradients, trajectory, experience.returns)
        self._steps.assign_add(tf.cast(tf.reduce_sum(trajectory.mask), tf.int64))
        self._count.assign_add(1)
        self._remember("train/advantages", experience.advantage)
        for i, leaf in enumerate(tf.nest.flatten(trajectory.action)):
            self._remember(f"train/actions_{i}" if i else "train/actions", leaf)
        lag = tf.cast(lag, tf.float32)[tf.newaxis]
        return carry, tf.concat([experience.scalars, applied, lag], 0), tf.stack(finished)

    def _remember(self, tag: str, x: tf.Tensor) -> None:
        """Keeps what a histogram of the last rollout is made of; its first axis may vary."""
        if tag not in self.histograms:
            with tf.init_scope():
                shape = [None, *x.shape[1:]]
                empty = tf.zeros([0, *x.shape[1:]], x.dtype)
                self.histograms[tag] = tf.Variable(empty, shape=shape, trainable=False)
        self.histograms[tag].assign(x)
