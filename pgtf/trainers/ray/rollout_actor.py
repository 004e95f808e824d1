"""An actor: a process with its own environments, which acts with the parameters it is sent."""

import contextlib
import functools
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from pgtf import losses
from pgtf.configuration.isolation import isolated
from pgtf.graph import parameters
from pgtf.graph.packing import packed, unpacked
from pgtf.learning.learner import Learner
from pgtf.policies.decision import Decision
from pgtf.rollouts import place
from pgtf.rollouts.collector import Collector, stream
from pgtf.rollouts.unroll import Carry, Played, assembled
from pgtf.spaces import specification
from pgtf.trainers.ray.delivery import Delivery, Failure, Layout
from pgtf.trainers.ray.recipe import Recipe
from pgtf.trainers.ray.seated import Seat, SeatedEnvironment, SeatedPolicy
from pgtf.trajectory import Trajectory


class RolloutActor:
    """Collects rollouts, and differentiates their loss where the trainer asks for gradients.

    It knows nothing of Ray: whoever calls it sends parameters and gets arrays.

    Args:
        recipe: makes the parts.
        index: counted from 0.
        count: N, actors in all.
        threads: of TensorFlow's pool.
    """

    def __init__(self, recipe: Recipe, index: int, count: int, threads: int):
        self._configuring = contextlib.ExitStack()  # Open for as long as the actor lives.
        done = self._configuring.enter_context(isolated())
        trainer: Any = recipe.made(threads)
        learner: Learner = trainer.learner
        environment = trainer.environment
        learner.build(environment.observation_space, environment.action_space)
        done()
        self._learner = learner
        self._rollout = trainer.rollout
        self._compilation = trainer.compilation
        self._differentiates = trainer.mode != "decoupled"
        self._with_data = not self._differentiates or needs_data(trainer)
        self._seed = stream(recipe.seed, index)
        self._policy: Any = learner.policy
        self._environment = environment
        if trainer.mode == "synchronous":
            self._seed = stream(recipe.seed)
            if count > 1:
                seat = Seat(index, count)
                self._policy = SeatedPolicy(learner.policy, seat)
                self._environment = SeatedEnvironment(environment, seat)
        self._parameters = [*learner.weights, *environment.variables]
        self._counters = [learner.steps, learner.updates]
        self._horizon: Mapping[str, float] = {}
        self._carry: Carry | None = None
        self._failures = 0
        self._trace()

    def layout(self) -> Layout:
        """Returns what the arrays of deliveries are."""
        leaves = len(tf.nest.flatten(specification(self._environment.action_space)))
        tags = ("advantages", "actions", *(f"actions_{i}" for i in range(1, leaves)))
        outputs = self._once.structured_outputs[1]
        names = unpacked(outputs["scalars"])[0] if "scalars" in outputs else ()
        return Layout(
            tuple(names),
            tuple(f"train/{tag}" for tag in tags),
            tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), outputs["data"]),
        )

    def rollout(
        self, number: int, values: Sequence[np.ndarray], horizon: Mapping[str, float]
    ) -> Delivery | Failure:
        """Collects a rollout.

        Args:
            number: of the rollout in the actor's random stream.
            values: of every parameter, then the counts of environment steps and of updates.
            horizon: of the run; see ``Horizon.state``.
        """
        began = time.perf_counter()
        if horizon != self._horizon:
            self._horizon = dict(horizon)
            self._learner.horizon.restore(self._horizon)
        self._assign(list(values))
        try:
            outputs = self._compilation.run(lambda: self._collect(number), self._restart)
        except tf.errors.OpError:
            failure = self._environment.failure
            self._carry = None  # The environment is further.
            if failure is None:
                raise
            self._failures += 1
            return self._renewed(str(failure))
        scalars = unpacked(outputs["scalars"])[1].numpy() if "scalars" in outputs else np.zeros(0)
        return Delivery(
            int(outputs["steps"]),
            time.perf_counter() - began,
            outputs["episodes"].numpy(),
            float(outputs.get("counted", 0.0)),
            outputs["gradient"].numpy() if "gradient" in outputs else np.zeros(0, np.float32),
            scalars,
            [leaf.numpy() for leaf in outputs.get("histograms", ())],
            [leaf.numpy() for leaf in tf.nest.flatten(outputs["data"])],
        )

    def saving(self) -> dict[str, Any]:
        """Returns where the environments stand, as JSON can hold it; see ``place.noted``."""
        return place.noted(self._environment, self._carry)

    def restored(self, saved: Mapping[str, Any]) -> None:
        """Puts the environments where they stood; new episodes begin where nothing was saved."""
        self._carry = place.returned(self._environment, saved, self._start.structured_outputs)

    def close(self) -> None:
        """Closes the environments."""
        self._environment.close()

    def _renewed(self, message: str) -> Failure:
        try:
            self._environment.renew()
        except Exception as again:
            return Failure(f"{message}, and it could not be rebuilt: {again}", rebuilt=False)
        return Failure(message, rebuilt=True)

    def _restart(self) -> None:
        """Traces again, after XLA failed; the steps of the failed call are lost."""
        self._trace()
        self._carry = None

    def _trace(self) -> None:
        learner, function = self._learner, self._compilation.function
        with_log_prob = learner.uses_behaviour
        self._act = function(functools.partial(self._policy.act, with_log_prob=with_log_prob))
        self._learn = function(self._outcome, self._rollout.static(self._environment))
        initial = learner.policy.initial_memory(self._environment.num_envs)
        self._collector = Collector(
            self._environment, self._rollout, self._decide, initial, self._seed
        )
        number = tf.TensorSpec((), tf.int64)
        self._start = tf.function(self._collector.start, autograph=False).get_concrete_function(
            number
        )
        carry = tf.nest.map_structure(
            lambda x: tf.TensorSpec(x.shape, x.dtype), self._start.structured_outputs
        )
        once = function(self._iterate, self._environment.compiled)
        self._once = once.traced.get_concrete_function(carry, number)
        targets = [*(p.value for p in self._parameters), *self._counters]
        specs = [tf.TensorSpec(x.shape, x.dtype) for x in targets]

        def assign(values: list[tf.Tensor]) -> None:
            for variable, value in zip(targets, values, strict=True):
                variable.assign(value)

        self._assign = tf.function(assign, autograph=False, input_signature=[specs])

    def _decide(self, values: None, observation: Any, memory: Any, seed: tf.Tensor) -> Decision:
        del values  # The variables hold what was sent.
        return self._act(observation, memory, seed)

    def _collect(self, number: int) -> dict[str, Any]:
        if self._carry is None:
            # Not the seeds of the episodes that have failed.
            self._carry = self._start(tf.constant(number + self._failures, tf.int64))
        self._carry, outputs = self._once(self._carry, tf.constant(number, tf.int64))
        result: dict[str, Any] = outputs
        return result

    def _iterate(self, carry: Carry, number: tf.Tensor) -> tuple[Carry, dict[str, Any]]:
        seed = self._collector.seed(number)
        return self._learn(self._collector.play(None, carry, seed), seed)

    def _outcome(self, played: Played, seed: tf.Tensor) -> tuple[Carry, dict[str, Any]]:
        carry, trajectory, finished = assembled(played)
        outputs: dict[str, Any] = {
            "steps": tf.cast(tf.reduce_sum(trajectory.mask), tf.int64),
            "episodes": tf.stack(finished),
            "data": trajectory,
        }
        if not self._differentiates:
            return carry, outputs
        gradients, scalars, targets = self._learner.gradients(trajectory, seed)
        whole = (trajectory, (targets.returns, targets.estimate, targets.advantage, targets.mask))
        return carry, outputs | {
            "gradient": parameters.flattened(gradients),
            "counted": self._counted(trajectory, targets.mask),
            "scalars": packed(scalars),
            "histograms": [targets.advantage, *tf.nest.flatten(trajectory.action)],
            "data": whole if self._with_data else (),
        }

    def _counted(self, trajectory: Trajectory, mask: tf.Tensor) -> tf.Tensor:
        """What the reduction divides by."""
        if self._learner.objective.reduction == "sum_over_time":
            return tf.reduce_sum(losses.first_steps(mask, trajectory.time))
        return tf.reduce_sum(mask)


def needs_data(trainer: Any) -> bool:
    """Whether an update takes more than a gradient: fits of their own, or running statistics."""
    learner = trainer.learner
    return bool(learner.separate or learner.statistics or trainer.environment.variables)
