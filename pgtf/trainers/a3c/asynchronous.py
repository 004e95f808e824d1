"""A3C: threads that train shared parameters in parallel."""

import queue
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal

import gin
import keras
import numpy as np
from keras.optimizers.schedules import LearningRateSchedule

from pgtf.configuration.checked import checked
from pgtf.configuration.machine import require_threads
from pgtf.configuration.ranges import NOT_EMPTY, Count, CountOrZero, NonNegative
from pgtf.configuration.unmade import Needs, Unmade
from pgtf.environments.environment import Environment
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.graph.compilation import Compilation
from pgtf.learning.entropy import EntropyBonus
from pgtf.learning.learner import Learner
from pgtf.learning.schedules import OverEnvironmentSteps
from pgtf.rollouts.collector import stream
from pgtf.rollouts.episodes import Episodes
from pgtf.rollouts.exploration import Exploration
from pgtf.rollouts.steps import Rollouts
from pgtf.rollouts.window import EpisodeWindow
from pgtf.trainers.a3c.crew import Crew
from pgtf.trainers.a3c.outcome import Outcome, worker_scalars
from pgtf.trainers.a3c.shared import SharedLearner
from pgtf.trainers.a3c.worker import Worker
from pgtf.trainers.recovery import Recovery
from pgtf.trainers.trainer import ROLLOUT_SECONDS, Report, Trainer

_SLICE = 0.25  # Seconds that workers run between two parkings.


@gin.register
class AsynchronousTrainer(Trainer):
    """Asynchronous advantage actor-critic (Mnih et al. 2016, arXiv:1602.01783, algorithm S3).

    Each worker is a Python thread that copies θ to θ′, collects a rollout with θ′ in its own
    environments, differentiates with respect to θ′ and applies the gradients to the shared θ,
    without waiting for the others. One call into TensorFlow runs several such turns, so threads
    contend for Python's lock only where Python environments step. TensorFlow serves only as many
    workers at a time as it has inter-op threads; ``runtime`` sets their number.

    Writing one variable is atomic. Between two variables, and between an optimizer's statistics and
    the weights they move, other workers may interleave, as in the paper; ``lock`` serialises the
    updates, though a copy of θ may still overlap with one. The counter T loses no step. Between two
    calls of ``iterate`` all workers are parked after an update, so a checkpoint and an evaluation
    see weights, statistics and T of one moment, and no update half applied. T passes the limit by
    less than one rollout of each worker.

    Where a part of the learner weights data by the policy that acted (``uses_behaviour``: V-trace,
    importance weights), gradients are taken at θ as it is after the rollout, not at the θ′ that
    acted.

    One worker learns what a ``SynchronousTrainer`` does, bit for bit where the same operations run;
    XLA and TensorFlow's arithmetic optimizer may group and round them differently. With more
    workers, two runs of one seed differ. A ``Regression`` takes its steps on the shared variables,
    and running statistics may lose a contribution when two workers add at the same moment.

    Args:
        learner: policy, critic, baseline and how they learn.
        environment: of one worker, with ``num_envs`` copies; the others get replicas.
        rollout: ``Rollouts`` of t_max steps, or whole ``Episodes``.
        num_workers: threads.
        statistics: of the optimizer: 'shared' between the workers, or 'per_worker' (section 4 of
            the paper compares them).
        lock: whether updates wait for each other.
        exploration: makes the workers' policies differ; None for none.
        entropy_coefficients: β of each worker in place of ``Learner.entropy_bonus``, numbers or
            Keras schedules over environment steps; worker i takes number i modulo their count.
        max_environment_failures: how many failures of environments, since the run was started or
            resumed, it survives; each time that worker's environment is rebuilt.
        jit_compile: whether XLA compiles acting and the gradients; faster for small dense networks,
            slower for convolutions.

    Raises:
        ConfigurationError: a number is out of range.
    """

    learner: Learner

    @checked
    def __init__(
        self,
        learner: Learner | None = None,
        environment: Environment | None = None,
        rollout: Rollouts | Episodes | None = None,
        num_workers: Count = 2,
        statistics: Literal["shared", "per_worker"] = "shared",
        lock: bool = False,
        exploration: Exploration | None = None,
        entropy_coefficients: Annotated[Sequence[NonNegative | LearningRateSchedule], NOT_EMPTY]
        | None = None,
        max_environment_failures: CountOrZero = 0,
        jit_compile: bool = True,
    ):
        self.learner = learner or Learner()
        self.environment = environment or GymEnvironment(num_envs=1)
        self.rollout = rollout or Rollouts()
        require_threads(num_workers, f"AsynchronousTrainer.num_workers = {num_workers}")
        self.num_workers = num_workers
        self.statistics = statistics
        self.lock = lock
        self.exploration = exploration
        self.entropy_coefficients = entropy_coefficients
        self._recovery = Recovery(max_environment_failures)
        self.compilation = Compilation(jit_compile, "AsynchronousTrainer.jit_compile")
        self.policy = self.learner.policy
        self.steps = self.learner.steps
        self.updates = self.learner.updates
        self.horizon = self.learner.horizon
        self._environments = [self.environment]
        self._crew: Crew | None = None

    @classmethod
    def needs(cls, bound: Unmade) -> Needs:
        """Returns a thread for each worker; see ``Unmade.needs``."""
        count = bound.argument("num_workers")
        require_threads(count, f"AsynchronousTrainer.num_workers = {count}")
        return bound.needs_of_parts()._replace(threads=count)

    def build(self, seed: int) -> None:
        """Makes every variable and environment and traces every graph; starts no thread yet."""
        environment, learner = self.environment, self.learner
        optimizers = self._make_optimizers()
        learner.build(environment.observation_space, environment.action_space)
        for optimizer in optimizers[1:]:
            optimizer.build(learner.trainable_variables)
            OverEnvironmentSteps.install(optimizer, self.steps, self.horizon)
        if not learner.optimization.one_gradient:
            raise ConfigurationError(
                f"{type(learner.optimization).__name__} takes several steps on a rollout, and A3C's"
                " workers take one: bind Learner.optimization = @OneUpdate(), or train.trainer ="
                " @SynchronousTrainer()."
            )
        if self.exploration is not None:
            self.exploration.check(self.policy.head)
        shared = SharedLearner(
            learner,
            self.exploration,
            self.entropy_coefficients is not None,
            self.lock,
            self.compilation,
            self.rollout.static(environment),
            self.undoes_updates,
        )
        outcomes: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        updates = [shared.updates_with(optimizer) for optimizer in optimizers]
        bonuses = [EntropyBonus(x) for x in self.entropy_coefficients or ()]
        for bonus in bonuses:
            bonus.build(self.horizon)
        workers = []
        for i in range(self.num_workers):
            if i:
                self._environments.append(environment.replicate(environment.num_envs))
            worker = Worker(
                i,
                self._environments[i],
                self.rollout,
                shared,
                updates[i % len(updates)],
                self.exploration.level(i) if self.exploration else 0.0,
                bonuses[i % len(bonuses)] if bonuses else None,
                stream(seed, i),
                outcomes,
            )
            workers.append(worker)
        self._crew = Crew(workers, outcomes, shared.stop, self._recovery)
        self.own_optimizers = {f"worker_{i}": x for i, x in enumerate(optimizers) if i}

    def build_policy(self) -> dict[str, Any]:
        """Makes the learner's variables and no workers; see ``Trainer.build_policy``."""
        self.learner.build(self.environment.observation_space, self.environment.action_space)
        return {"learner": self.learner} | self.environment_statistics()

    @property
    def crew(self) -> Crew:
        """The workers, which ``build`` makes."""
        assert self._crew is not None, "build has not been called"
        return self._crew

    def iterate(self, limit: int) -> Report:
        """Runs the workers for about 0.25 s, until all are parked again; see ``Trainer.iterate``.

        Raises:
            EnvironmentFailure: an environment raised once more than ``max_environment_failures``;
                names the worker and the environment.
        """
        return self._report(
            self.compilation.run(
                lambda: self.crew.run(limit, min(_SLICE, self.call_seconds)), self._restart
            )
        )

    def _restart(self) -> None:
        """Traces again, after XLA failed and before anything was learned."""
        for worker in self.crew.workers:
            worker.trace()
        self.restored()  # The steps of the failed call are lost.

    def stop(self) -> None:
        """Parks the workers for good after their current rollouts."""
        if self._crew is not None:
            self._crew.stopping = True
        for environment in self._environments:
            environment.halt(ROLLOUT_SECONDS)

    def saving(self) -> dict[str, Any]:
        """Returns the last episodes of each worker, and where it stands if that can be saved."""
        workers = self.crew.workers
        return {
            "episodes": [list(worker.window.rows) for worker in workers],
            "workers": [worker.saving() for worker in workers],
        }

    def restored(self, saved: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Puts every worker where it stood.

        One whose environment offers no state starts new episodes, with a random stream that was not
        used before.
        """
        for worker, rows in zip(self.crew.workers, saved.get("episodes", ()), strict=False):
            worker.window = EpisodeWindow(rows)
        places = saved.get("workers", [{}] * self.num_workers)
        for worker, there in zip(self.crew.workers, places, strict=True):
            # A worker's stream moves on with each of its updates and failures.
            worker.restored(there, int(self.learner.updates + self.crew.failures))

    def warnings(self) -> list[str]:
        """Returns the rollout's warnings about the returns; see ``Trainer.warnings``."""
        return self.rollout.warnings(self.learner.objective.returns)

    def trackables(self) -> dict[str, Any]:
        """Returns the learner, the workers' own optimizers and the count of failures."""
        failures = {"failures": self.crew.failures}
        learned = self.environment_statistics()
        return {"learner": self.learner} | self.own_optimizers | failures | learned

    def close(self) -> None:
        """Ends all threads and closes all environments."""
        if self._crew is not None:
            self._crew.close()
            return
        for environment in self._environments:
            environment.close()

    def _make_optimizers(self) -> list[keras.optimizers.Optimizer]:
        """The learner's optimizer, and with 'per_worker' statistics one for each further worker."""
        optimizer = self.learner.optimizer
        if self.statistics == "shared":
            return [optimizer]
        config = optimizer.get_config()
        # The schedule object is passed on, because not every schedule can be made from a config.
        if isinstance(config["learning_rate"], dict):
            config["learning_rate"] = optimizer._learning_rate
        copies = [type(optimizer).from_config(dict(config)) for _ in range(1, self.num_workers)]
        return [optimizer, *copies]

    def _report(self, outcomes: list[Outcome]) -> Report:
        workers = self.crew.workers
        outcomes = sorted(outcomes, key=lambda outcome: outcome.worker)
        names = workers[0].names
        if not outcomes:
            return Report({}, np.zeros((0, 3), np.float32), {})
        columns = np.concatenate([outcome.scalars for outcome in outcomes]).T
        rows = {f"train/{name}": column for name, column in zip(names, columns, strict=True)}
        for worker in workers:
            own = [x for x in outcomes if x.worker == worker.index]
            scalars = worker_scalars(worker.index, own, worker.window)
            rows |= {tag: np.array([value]) for tag, value in scalars.items()}
        return Report(
            rows,
            np.concatenate([outcome.episodes for outcome in outcomes]),
            {tag: x.numpy() for tag, x in workers[0].histograms.items()},
            {"workers/environment_failures": float(self.crew.failures.numpy())},
            in_order=len(workers) == 1,
        )
