"""Training on Ray: synchronous (A2C), asynchronous (A3C) or with a decoupled learner (IMPALA)."""

import math
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import gin
import numpy as np
import tensorflow as tf
from absl import logging

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, CountOrZero, Positive
from pgtf.environments.border import EnvironmentFailure
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.environments.halting import Halted
from pgtf.errors import ConfigurationError
from pgtf.graph.compilation import Compilation
from pgtf.learning.learner import Learner
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.steps import Rollouts
from pgtf.trainers.ray.accounts import Accounts
from pgtf.trainers.ray.central import CentralLearner
from pgtf.trainers.ray.delivery import Delivery, Failure
from pgtf.trainers.ray.fleet import Arrival, Fleet
from pgtf.trainers.ray.recipe import Recipe
from pgtf.trainers.trainer import ROLLOUT_SECONDS, Report, Trainer

_POLL = 0.05  # Seconds between two looks at ``stop``.
_ANSWER = 30.0  # Seconds that actors may take to tell where their environments stand.


@gin.register
class RayTrainer(Trainer):
    """Actors in processes of their own, on one machine or many, and one learner (Ray).

    Each actor makes the run's parts again and holds B environments. Parameters travel once an
    update, through Ray's object store; gradients and trajectories come back as arrays.

    - 'synchronous': every actor collects and differentiates at the same parameters; their gradients
      are added up in the order of the actors for one update (A2C). N actors learn what a
      ``SynchronousTrainer`` with N · B copies does, up to rounding, where environments are seeded
      one by one and no part samples actions while learning; two runs of a seed are equal to the
      bit.
    - 'asynchronous': each gradient is applied as it arrives, by a learner that may have moved since
      (A3C).
    - 'decoupled': actors only act, and the learner differentiates; with ``VTrace`` and
      ``ImportanceWeighted`` it corrects for the policies that acted (IMPALA; Espeholt et al. 2018,
      arXiv:1802.01561). Any optimization works.

    Where parts fit on their own or keep running statistics, rollouts travel with the gradients, and
    the learner moves them: nothing is merged approximately.

    Of a lost actor, or an environment that raises, the rollout is given up: its steps are neither
    counted nor learned from.

    Args:
        learner: policy, critic, baseline and how they learn.
        environment: of one actor, B copies.
        rollout: of one actor, ``Rollouts`` of T steps or whole ``Episodes``.
        mode: see above.
        num_actors: N.
        rollouts_in_flight: that each actor is asked for at a time; with 2 or more it never waits
            for the learner, and acts with older parameters. Not for 'synchronous'.
        address: of a running cluster, such as 'auto' or 'host:6379'; None for one on this machine
            that ends with the run.
        cpus_per_actor: that Ray sets aside; also the threads that share one operation, where
            ``runtime.intra_op_threads`` is unbound.
        resources_per_actor: further resources of Ray, by name.
        max_restarts: how many lost actors are started again, since the run was started or resumed.
        max_environment_failures: how many failures of environments it survives, likewise; each time
            that actor's copies are rebuilt.
        start_timeout: seconds that actors may take to start.
        jit_compile: whether XLA compiles acting and learning.

    Raises:
        ConfigurationError: a number is out of range.
    """

    learner: Learner
    updates: tf.Variable

    @checked
    def __init__(
        self,
        learner: Learner | None = None,
        environment: Environment | None = None,
        rollout: Rollouts | Episodes | None = None,
        mode: Literal["synchronous", "asynchronous", "decoupled"] = "synchronous",
        num_actors: Count = 2,
        rollouts_in_flight: Count = 1,
        address: str | None = None,
        cpus_per_actor: Positive = 1.0,
        resources_per_actor: Mapping[str, float] | None = None,
        max_restarts: CountOrZero = 10,
        max_environment_failures: CountOrZero = 0,
        start_timeout: Positive = 120.0,
        jit_compile: bool = True,
    ):
        self.learner = learner or Learner()
        self.environment = environment or GymEnvironment()
        self.rollout = rollout or Rollouts()
        self.mode = mode
        self.num_actors = num_actors
        self.rollouts_in_flight = rollouts_in_flight
        self.address = address
        self.cpus_per_actor = cpus_per_actor
        self.resources_per_actor = dict(resources_per_actor or {})
        self.max_restarts = max_restarts
        self.max_environment_failures = max_environment_failures
        self.start_timeout = start_timeout
        self.compilation = Compilation(jit_compile, "RayTrainer.jit_compile")
        self.policy = self.learner.policy
        self.steps = self.learner.steps
        self.updates = self.learner.updates
        self.horizon = self.learner.horizon
        self._make: Callable[[], Trainer] | None = None
        self._fleet: Fleet | None = None
        self._halt_at = math.inf

    @classmethod
    def made_by(cls, make: Callable[[], "RayTrainer"]) -> "RayTrainer":
        """Returns the trainer that a function makes, which actors can make again.

        Ray sends the function by ``cloudpickle``: parts have to be made inside it.
        """
        trainer = make()
        trainer._make = make
        return trainer

    def build(self, seed: int) -> None:
        """Makes every variable and starts the actors; see ``Trainer.build``."""
        learner, environment = self.learner, self.environment
        learner.build(environment.observation_space, environment.action_space)
        self._check()
        recipe = Recipe.of(RayTrainer, seed, self._make)
        threads = max(1, int(self.cpus_per_actor))
        self._fleet = Fleet(
            self.address,
            [(recipe, i, self.num_actors, threads) for i in range(self.num_actors)],
            self.cpus_per_actor,
            self.resources_per_actor,
            self.max_restarts,
            self.start_timeout,
        )
        self._fleet.start()
        self._central = CentralLearner(
            learner,
            environment,
            self.compilation,
            self.rollout.static(environment),
            self.undoes_updates,
            seed,
        )
        nothing = [()] * self.num_actors
        self._central.layout = self._fleet.ask_all("layout", nothing, self.start_timeout)[0]
        self._accounts = Accounts(self.num_actors)
        self._numbers = [0] * self.num_actors
        self._failures = 0
        self._failures_left = self.max_environment_failures
        self._sent: tuple[int, Any] | None = None
        self._within = False

    def build_policy(self) -> dict[str, Any]:
        """Makes the learner's variables and no actors; see ``Trainer.build_policy``."""
        self.learner.build(self.environment.observation_space, self.environment.action_space)
        return {"learner": self.learner} | self.environment_statistics()

    @property
    def fleet(self) -> Fleet:
        """The actors, which ``build`` starts."""
        assert self._fleet is not None, "build has not been called"
        return self._fleet

    def iterate(self, limit: int) -> Report:
        """Trains for a moment; see ``Trainer.iterate``.

        Raises:
            EnvironmentFailure: an environment raised once more than ``max_environment_failures``.
            TrainingError: an actor was lost once more than ``max_restarts``.
            Halted: a rollout took too long after ``stop``.
        """
        began = time.monotonic()
        self._within = True
        updates = 0
        while not updates or (
            int(self.steps) < limit and time.monotonic() - began < self.call_seconds
        ):
            if self._halt_at < math.inf and updates:
                break
            updates += self._together() if self.mode == "synchronous" else self._each()
        self._within = False
        counts = {"actors/environment_failures": float(self._failures)}
        return self._accounts.report(counts, self.fleet.restarts)

    def stop(self) -> None:
        """Lets ``iterate`` end soon; see ``Trainer.stop``."""
        self._halt_at = time.monotonic() + ROLLOUT_SECONDS
        self.environment.halt(ROLLOUT_SECONDS)

    def saving(self) -> dict[str, Any]:
        """Returns where each actor's environments stand, its last episodes and its failures.

        Rollouts that are under way are not learned from yet: a run that resumes has lost them, and
        counts none of their steps.
        """
        places: list[Any] = [{}] * self.num_actors
        # A synchronous rollout that was given up has moved the environments.
        if not (self._within and self.mode == "synchronous"):
            patience = _ANSWER if self._halt_at == math.inf else 2 * ROLLOUT_SECONDS
            places = self.fleet.ask_all("saving", [()] * self.num_actors, patience)
        return {
            "actors": [there or {} for there in places],
            "numbers": self._numbers,
            "episodes": self._accounts.saving(),
            "failures": self._failures,
            "restarts": self.fleet.restarts,
        }

    def restored(self, saved: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Puts every actor where it stood; see ``Trainer.restored``."""
        self.fleet.forget()
        self._sent = None
        self._within = False
        self._failures = saved.get("failures", 0)
        # An actor's stream moves on by no more than one for each update and each failure.
        unused = int(self.updates) + self._failures
        self._numbers = list(saved.get("numbers", [unused] * self.num_actors))
        self.fleet.restarts = list(saved.get("restarts", [0] * self.num_actors))
        self._accounts.restored(saved.get("episodes", ()))
        places = saved.get("actors", [{}] * self.num_actors)
        self.fleet.ask_all("restored", [(there,) for there in places], _ANSWER)

    def warnings(self) -> list[str]:
        """Returns what the mode and the learner make of each other; see ``Trainer.warnings``."""
        lines = self.rollout.warnings(self.learner.objective.returns)
        if self.mode == "decoupled" and not self.learner.uses_behaviour:
            lines.append(
                "RayTrainer.mode = 'decoupled' learns from rollouts of earlier policies, and no"
                " part weights them: bind Learner.returns = @VTrace() and Learner.surrogate ="
                " @ImportanceWeighted(), as ray_impala.gin does."
            )
        if self.mode == "asynchronous" and self.learner.uses_behaviour:
            lines.append(
                "RayTrainer.mode = 'asynchronous' differentiates at the parameters that acted, so"
                " every importance weight is 1: bind RayTrainer.mode = 'decoupled'."
            )
        return lines

    def trackables(self) -> dict[str, Any]:
        """Returns the learner and the adapters' statistics."""
        return {"learner": self.learner} | self.environment_statistics()

    def close(self) -> None:
        """Ends the actors and closes the environments."""
        if self._fleet is not None:
            self._fleet.close()
        self.environment.close()

    def _check(self) -> None:
        optimization = self.learner.optimization
        if self.mode != "decoupled" and not optimization.one_gradient:
            raise ConfigurationError(
                f"{type(optimization).__name__} takes several steps on a rollout, and the actors of"
                f" RayTrainer.mode = {self.mode!r} send one gradient of it: bind RayTrainer.mode ="
                " 'decoupled', or Learner.optimization = @OneUpdate()."
            )
        if self.mode == "synchronous" and self.rollouts_in_flight > 1:
            raise ConfigurationError(
                f"RayTrainer.rollouts_in_flight = {self.rollouts_in_flight} is for actors that go"
                " on without waiting, and those of RayTrainer.mode = 'synchronous' wait for each"
                " update: bind it to 1, or another mode."
            )

    def _request(self, actor: int, number: int) -> None:
        """Asks an actor for a rollout with the parameters as they are."""
        version = int(self.updates)
        if self._sent is None or self._sent[0] != version:
            self._sent = (version, self.fleet.put(self._central.values()))
        ticket = (number, version)
        self.fleet.submit(actor, ticket, "rollout", number, self._sent[1], self.horizon.state())

    def _arrived(self) -> list[Arrival]:
        """Waits for a moment; returns the rollouts that have arrived, and those that are lost."""
        if time.monotonic() > self._halt_at:
            raise Halted("the run is to stop")
        arrivals = []
        for arrival in self.fleet.wait(_POLL):
            if isinstance(arrival.value, Failure):
                self._failed(arrival.actor, arrival.value)
                arrival = arrival._replace(value=None, lost=True)
            arrivals.append(arrival)
        return arrivals

    def _failed(self, actor: int, failure: Failure) -> None:
        self._failures += 1
        if not failure.rebuilt or not self._failures_left:
            raise EnvironmentFailure(f"actor {actor}, {failure.message}")
        self._failures_left -= 1
        logging.warning("Actor %d, %s; its environments are rebuilt.", actor, failure.message)

    def _together(self) -> int:
        """One update by the gradients of all actors; returns 1."""
        number = int(self.updates)
        for actor in range(self.num_actors):
            self._request(actor, number)
        delivered: dict[int, Delivery] = {}
        while len(delivered) < self.num_actors:
            for arrival in self._arrived():
                if arrival.lost:
                    self._request(arrival.actor, number)
                else:
                    delivered[arrival.actor] = arrival.value
        deliveries = [delivered[actor] for actor in range(self.num_actors)]
        scalars = self._central.apply(deliveries)
        for actor, delivery in enumerate(deliveries):
            self._accounts.worked(actor, delivery)
        self._accounts.updated(scalars, deliveries, self._histograms(deliveries))
        return 1

    def _each(self) -> int:
        """An update for every rollout that has arrived; returns their number."""
        for actor in range(self.num_actors):
            while self.fleet.pending(actor) < self.rollouts_in_flight:
                self._request(actor, self._numbers[actor])
                self._numbers[actor] += 1
        taken = 0
        for arrival in self._arrived():
            if arrival.lost:
                continue
            number, version = arrival.ticket
            lag = int(self.updates) - version
            delivery: Delivery = arrival.value
            if self.mode == "decoupled":
                scalars, histograms = self._central.learn(delivery, arrival.actor, number)
            else:
                scalars = self._central.apply([delivery])
                histograms = self._histograms([delivery])
            self._accounts.worked(arrival.actor, delivery, lag)
            self._accounts.updated(scalars | {"policy_lag": lag}, [delivery], histograms)
            taken += 1
        return taken

    def _histograms(self, deliveries: list[Delivery]) -> dict[str, np.ndarray]:
        columns = zip(*[each.histograms for each in deliveries], strict=True)
        flat = [np.concatenate([x.reshape(-1) for x in column]) for column in columns]
        return dict(zip(self._central.layout.tags, flat, strict=True))
