"""A worker of A3C: a thread with its own environment, random stream and exploration."""

import contextvars
import functools
import queue
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from pgtf.environments.environment import Environment
from pgtf.graph import parameters
from pgtf.graph.packing import Packed, unpacked
from pgtf.graph.scan import scan_while
from pgtf.learning.entropy import EntropyBonus
from pgtf.policies.decision import Decision
from pgtf.rollouts import place
from pgtf.rollouts.collector import Collector
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.unroll import Carry
from pgtf.rollouts.window import EpisodeWindow
from pgtf.spaces import specification
from pgtf.trainers.a3c.outcome import Outcome
from pgtf.trainers.a3c.shared import SharedLearner, Traits, Update

# More would save nothing, and workers without a TensorFlow thread would wait longer.
_ROLLOUTS_PER_CALL = 8


class Worker:
    """Algorithm S3 of Mnih et al. 2016 for one thread.

    The constructor traces everything, in the calling thread. The worker's own thread calls one
    graph: until the stop flag is set or T has reached the limit, copy θ to θ′, act for t_max steps
    with θ′, differentiate with respect to θ′, apply to θ and add the steps to T. It checks the flag
    after each rollout, so each release short of the limit runs at least one.

    Args:
        index: counted from 0.
        environment: its own.
        rollout: collects the steps between two updates.
        shared: the learner and its functions.
        update: applies gradients to θ; from ``SharedLearner.updates_with``.
        level: of its exploration.
        entropy_bonus: its own, or None for the learner's.
        seed: int32 [2], of its random stream.
        outcomes: where it reports.

    Attributes:
        histograms: TensorBoard tag to variable, of the last rollout.
        window: its last episodes.
        shared: the one given.
        count: rollouts so far, those that have failed included.
        steps: environment steps so far.
    """

    def __init__(
        self,
        index: int,
        environment: Environment,
        rollout: Rollouts | Episodes,
        shared: SharedLearner,
        update: Update,
        level: float,
        entropy_bonus: EntropyBonus | None,
        seed: list[int],
        outcomes: "queue.SimpleQueue[Outcome]",
    ):
        self.index = index
        self.environment = environment
        leaves = len(tf.nest.flatten(specification(environment.action_space)))
        tags = ["advantages", "actions", *(f"actions_{i}" for i in range(1, leaves))]
        self.histograms = {f"train/{tag}": _resizable(tag) for tag in tags}
        self._collector = Collector(
            environment,
            rollout,
            self._decide,
            shared.learner.policy.initial_memory(environment.num_envs),
            seed,
        )
        self.shared = shared
        self._update = update
        self._level = level
        self._entropy_bonus = entropy_bonus
        self.count = tf.Variable(0, trainable=False, name="rollouts")
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="worker_steps")
        self._inbox: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._outcomes = outcomes
        self.window = EpisodeWindow()
        # In a copy of the context, so that what gin makes later finds the bindings of this run.
        work = functools.partial(contextvars.copy_context().run, self._work)
        self._thread = threading.Thread(target=work, name=f"worker {index}", daemon=True)
        self._carry: Carry | None = None
        self.trace()

    def trace(self) -> None:
        """Traces all that the worker's thread calls, in the thread that calls this."""
        self._start = tf.function(self._begin, autograph=False).get_concrete_function()
        place_now = self._start.structured_outputs
        specs = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), place_now)
        self._once = tf.function(self._iterate_once, autograph=False).get_concrete_function(specs)
        self._several = tf.function(self._iterate, autograph=False).get_concrete_function(
            specs, tf.TensorSpec((), tf.int64)
        )

    @property
    def names(self) -> list[str]:
        """The columns of ``Outcome.scalars``."""
        return list(unpacked(self._once.structured_outputs[1])[0])

    def release(self, limit: int) -> None:
        """Runs the worker until T is ``limit`` or the stop flag is set."""
        if not self._thread.is_alive():
            self._thread.start()
        self._inbox.put(limit)

    def restart(self, rollouts: int | None = None) -> None:
        """Makes a parked worker begin new episodes.

        Args:
            rollouts: continues the random stream from this rollout on; the next one if None.
        """
        self._carry = None
        self.count.assign(self.count + 1 if rollouts is None else rollouts)

    def saving(self) -> dict[str, Any]:
        """Returns where a parked worker stands, as JSON can hold it; see ``place.noted``."""
        there = place.noted(self.environment, self._carry)
        return there and there | {"rollouts": int(self.count.numpy())}

    def restored(self, saved: Mapping[str, Any], rollouts: int) -> None:
        """Puts a worker where it stood; see ``restart`` for when nothing was saved."""
        self.restart(saved.get("rollouts", rollouts))
        self._carry = place.returned(self.environment, saved, self._start.structured_outputs)

    def end(self) -> None:
        """Ends the thread, which has to be parked or about to."""
        if self._thread.is_alive():
            self._inbox.put(None)
            self._thread.join()

    def _work(self) -> None:
        """The thread's loop: runs on each release until it is told to end."""
        for limit in iter(self._inbox.get, None):
            began, before = time.perf_counter(), int(self.steps.numpy())
            scalars = [np.zeros((0, len(self.names)), np.float32)]
            episodes, error = [np.zeros((0, 3), np.float32)], None
            try:
                for rows in self._run(limit):
                    scalars.append(unpacked(rows[0])[1].numpy())
                    episodes.append(rows[1].numpy())
            except Exception as caught:  # The main thread handles it.
                error = caught
                self._carry = None  # The environment is further.
            outcome = Outcome(
                self.index,
                np.concatenate(scalars),
                np.concatenate(episodes),
                int(self.steps.numpy()) - before,
                time.perf_counter() - began,
                error,
            )
            self._outcomes.put(outcome)

    def _run(self, limit: int) -> Iterator[tuple[Packed, tf.Tensor]]:
        """Calls the graph until the worker has to park."""
        shared = self.shared
        if self._carry is None:
            self._carry = self._start()
        bound = tf.convert_to_tensor(np.asarray(limit, np.int64))
        while True:
            self._carry, *rows = self._several(self._carry, bound)
            yield rows
            if shared.stop.numpy() or shared.learner.steps.numpy() >= limit:
                return

    def _begin(self) -> Carry:
        return self._collector.start(self.count)

    def _decide(self, values: Any, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        weights, traits = values
        return self.shared.act(weights, traits, observation, memory, seed)

    def _iterate(self, carry: Carry, limit: tf.Tensor) -> tuple[Carry, Packed, tf.Tensor]:
        """Some rollouts and updates: "repeat … until T > T_max", or until it has to park."""
        shared = self.shared

        def once(carry: Carry, t: tf.Tensor) -> tuple[Carry, Any]:
            del t
            carry, scalars, episodes = self._once(carry)
            return carry, (scalars, episodes)

        carry, (scalars, episodes) = scan_while(
            once,
            lambda carry, t: (
                ((t < 1) | (~shared.stop & (t < _ROLLOUTS_PER_CALL)))
                & (shared.learner.steps < limit)
            ),
            carry,
        )
        return carry, scalars, episodes

    def _iterate_once(self, carry: Carry) -> tuple[Carry, Packed, tf.Tensor]:
        """The body of Algorithm S3's outer loop; its lines are quoted where they are done."""
        shared, learner = self.shared, self.shared.learner
        # "Reset gradients: dθ ← 0 and dθ_v ← 0": each rollout has a tape of its own.
        # "Synchronize thread-specific parameters θ′ = θ and θ′_v = θ_v"
        values = parameters.snapshot(shared.weights)
        before = tf.identity(learner.updates)
        seed = self._collector.seed(self.count)
        traits = Traits(tf.constant(self._level), shared.entropy_coefficient(self._entropy_bonus))
        # The whole of θ′ is copied before the first step is taken, the critic's part too.
        with tf.control_dependencies([*values, before]):
            # "t_start = t; Get state s_t": the carry holds both.
            carry, seed = tf.nest.map_structure(tf.identity, (carry, seed))

        def collect(values: Any, traits: Traits, carry: Carry, seed: tf.Tensor) -> Any:
            # "repeat: Perform a_t according to policy π(a_t|s_t; θ′); Receive reward r_t and new
            # state s_{t+1}; t ← t + 1; until terminal s_t or t - t_start == t_max". A rollout goes
            # on after a terminal state, with the first state of the next episode.
            carry, trajectory, finished = self._collector.collect((values, traits), carry, seed)
            # "R = 0 for terminal s_t, V(s_t, θ′_v) for non-terminal s_t; for i ∈ {t-1, …, t_start}:
            # R ← r_i + γR" (pgtf/returns.py, with λ = 1);
            # "dθ ← dθ + ∇_θ′ log π(a_i|s_i; θ′) (R - V(s_i; θ′_v))" (losses.score_function_loss);
            # "dθ_v ← dθ_v + ∂(R - V(s_i; θ′_v))² / ∂θ′_v" (losses.value_loss).
            if learner.uses_behaviour:
                return carry, trajectory, finished, ()
            return carry, trajectory, finished, shared.experience(values, traits, trajectory, seed)

        compiled = self.environment.compiled
        collected = shared.compilation.function(collect) if compiled else collect
        carry, trajectory, finished, experience = collected(values, traits, carry, seed)
        if learner.uses_behaviour:
            # Not the paper's: parts that weight the data of θ′ differentiate at θ as it is by now.
            with tf.control_dependencies([tf.identity(trajectory.reward)]):
                values = parameters.snapshot(shared.weights)
            experience = shared.experience(values, traits, trajectory, seed)
        # Not on the call itself: TensorFlow inlines it, and then waits for its side effects alone.
        with tf.control_dependencies([tf.identity(x) for x in experience.gradients]):
            lag = tf.identity(learner.updates) - before
        # "Perform asynchronous update of θ using dθ and of θ_v using dθ_v"; "T ← T + 1" for every
        # step of the rollout at once, so that one that fails in its midst is not counted.
        applied = self._update(experience.gradients, trajectory, experience.targets)
        self.environment.adapt(trajectory)
        self.steps.assign_add(tf.cast(tf.reduce_sum(trajectory.mask), tf.int64))
        # A rollout that fails is not counted here: ``restart`` does so.
        names, norms = unpacked(applied)
        with tf.control_dependencies([tf.identity(norms)]):
            self.count.assign_add(1)
        rows = [experience.targets.advantage, *tf.nest.flatten(trajectory.action)]
        for variable, row in zip(self.histograms.values(), rows, strict=True):
            variable.assign(tf.cast(row, tf.float32))
        of_loss, scalars = unpacked(experience.scalars)
        lag = tf.cast(lag, tf.float32)[tf.newaxis]
        together = {(*of_loss, *names, "policy_lag"): tf.concat([scalars, norms, lag], 0)}
        return carry, together, tf.stack(finished)


def _resizable(name: str) -> tf.Variable:
    """A variable for float32 tensors of any shape: the length of a rollout may vary."""
    return tf.Variable(tf.zeros((0,)), shape=tf.TensorShape(None), trainable=False, name=name)
