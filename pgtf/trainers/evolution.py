"""Evolution: a population of parameter vectors, evaluated as one batch."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

import gin
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.machine import require_memory
from pgtf.configuration.ranges import Count, CountOrZero, Range
from pgtf.environments.environment import Environment
from pgtf.environments.groups import Groups
from pgtf.environments.gym import GymEnvironment
from pgtf.errors import ConfigurationError
from pgtf.evolution import population as populations
from pgtf.evolution.methods import EvolutionStrategy, Metrics, SearchMethod
from pgtf.evolution.search import GaussianSearch
from pgtf.graph.compilation import Compilation
from pgtf.graph.finite import float_variables, undone_unless_finite
from pgtf.graph.packing import Packed, packed
from pgtf.graph.parameters import flattened, unflattened
from pgtf.learning.schedules import Horizon
from pgtf.policies.policy import Policy
from pgtf.rollouts.collector import stream
from pgtf.trainers.recovery import Recovery
from pgtf.trainers.trainer import ROLLOUT_SECONDS, Report, Trainer, train_rows


@gin.register
class EvolutionTrainer(Trainer):
    """Samples policies from a distribution over their parameters and moves it to the fitter ones.

    A generation is N members θ_i ~ P(θ). Each plays whole episodes; its fitness F(θ_i) is the mean
    of their undiscounted returns. Only log P is differentiated, so any head works. The policy
    itself has the mean of P. The steps of all members count.

    On a compiled environment a generation is one XLA program. Running statistics of the policy's
    network and of adapters move once, after each generation, by the steps of all members.

    Args:
        policy: whose trainable parameters are searched for.
        environment: of one member; each of its copies plays one of the member's episodes.
        search: P(θ); its first mean is the policy's initialisation.
        method: how the fitness moves P; ``EvolutionStrategy`` or ``CrossEntropyMethod``.
        population: N, members of a generation.
        antithetic: whether members come in pairs, mirrored at the mean.
        common_random_numbers: which members share initial states, randomness of the environment and
            of sampled actions: 'none', the two of an antithetic 'pair', or the whole 'population'.
        max_steps: steps after which an episode counts as it stands.
        max_environment_failures: how many failures of environments, since the run was started or
            resumed, it survives; each time all copies are rebuilt, and the generation played again.
        jit_compile: whether XLA compiles acting and learning, and compiled environments with them.
    """

    remedy = (
        "try a smaller learning rate of EvolutionStrategy.optimizer, a smaller"
        " GaussianSearch.initial_scale or CrossEntropyMethod.step."
    )

    @checked
    def __init__(
        self,
        policy: Policy | None = None,
        environment: Environment | None = None,
        search: GaussianSearch | None = None,
        method: SearchMethod | None = None,
        population: Annotated[int, Range(2)] = 64,
        antithetic: bool = True,
        common_random_numbers: Literal["none", "pair", "population"] = "pair",
        max_steps: Count = 10_000,
        jit_compile: bool = True,
        max_environment_failures: CountOrZero = 0,
    ):
        if antithetic and population % 2:
            raise ConfigurationError(
                f"EvolutionTrainer.population (POPULATION) is {population}: bind it to an even"
                " number of 2 or more, or to any with EvolutionTrainer.antithetic = False."
            )
        if common_random_numbers == "pair" and not antithetic:
            raise ConfigurationError(
                "EvolutionTrainer.common_random_numbers = 'pair' needs antithetic pairs: bind"
                " EvolutionTrainer.antithetic = True, or common_random_numbers to 'none' or"
                " 'population'."
            )
        self.policy = policy or Policy()
        self.environment = environment or GymEnvironment(num_envs=1, vectorization="loop")
        self.search = search or GaussianSearch()
        self.method = method or EvolutionStrategy()
        self.population = population
        self.antithetic = antithetic
        self.common_random_numbers = common_random_numbers
        self.max_steps = max_steps
        self._recovery = Recovery(max_environment_failures)
        self.compilation = Compilation(jit_compile, "EvolutionTrainer.jit_compile")
        self.horizon = Horizon()
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False, name="steps")
        self.generation = tf.Variable(0, trainable=False, name="generation")
        self.updates = self.generation
        self._groups: Groups | None = None

    def build(self, seed: int) -> None:
        """Makes every variable and the environments; the graph is traced by the first call."""
        environment, policy = self.environment, self.policy
        self.build_policy()
        self.method.build(self.search, self.steps, self.horizon)
        self._groups = self._made_groups()
        self._seed = tf.constant(stream(seed))
        # With Gymnasium environments, XLA compiles the code between their steps piece by piece.
        function, whole = self.compilation.function, environment.compiled
        self.sample = function(self._sampled, not whole)
        self._act = function(populations.members_act(policy), not whole)
        self._learn = function(self._learned, not whole)
        self._whole = function(self._one_generation, whole)

    def build_policy(self) -> dict[str, Any]:
        """Makes the policy and the search distribution; see ``Trainer.build_policy``."""
        environment, policy = self.environment, self.policy
        policy.build(environment.observation_space, environment.action_space)
        if not policy.trainable_variables:
            raise ConfigurationError(
                "EvolutionTrainer.policy has no parameters to search for: bind another Policy.head."
            )
        parameters = flattened([v.value for v in policy.trainable_variables])
        members = 4 * self.population * int(parameters.shape[0])
        require_memory(members, f"EvolutionTrainer.population = {self.population}")
        self.search.build(parameters)
        own = {"search": self.search, "steps": self.steps}
        return own | self._statistics() | self.environment_statistics()

    def iterate(self, limit: int) -> Report:
        """Plays and learns from one generation; see ``Trainer.iterate``."""
        del limit
        assert self._groups is not None
        # Nothing to restart: a generation resets its environments by seeds of its own.
        scalars, episodes, fitness = self._recovery.run(
            lambda: self.compilation.run(self._whole), self._groups
        )
        histograms = {"train/fitness": fitness.numpy()}
        if self.search.covariance == "diagonal":
            histograms["train/sigmas"] = self.search.sigma.numpy()
        rows = train_rows(tf.nest.map_structure(lambda x: x[tf.newaxis], scalars))
        return Report(rows, episodes.numpy(), histograms, self._recovery.counts())

    def members(self) -> Iterator[str]:
        """Gives ``policy`` the mean of the search distribution, and yields no name."""
        self._assign_mean()
        yield ""

    def saving(self) -> dict[str, Any]:
        """Returns how many environments have failed."""
        return self._recovery.saving()

    def restored(self, saved: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Gives ``policy`` the mean of the search distribution."""
        self._recovery.restored(saved)
        self._assign_mean()

    def trackables(self) -> dict[str, Any]:
        """Returns the search distribution, the optimizer, the counters and running statistics."""
        return {
            "search": self.search,
            "method": self.method,
            "steps": self.steps,
            "generation": self.generation,
        } | (self._statistics() | self.environment_statistics())

    def _statistics(self) -> dict[str, Any]:
        variables = self.policy.non_trainable_variables
        leaves = {f"leaf{i}": variable for i, variable in enumerate(variables)}
        return {"statistics": leaves} if leaves else {}

    def stop(self) -> None:
        """Halts the environments of all members; see ``Trainer.stop``."""
        if self._groups is not None:
            self._groups.halt(ROLLOUT_SECONDS)

    def close(self) -> None:
        """Closes the environments of all members."""
        self.environment.close()
        if self._groups is not None:
            self._groups.close()

    def _made_groups(self) -> Groups:
        groups = self.environment.grouped(self.population)
        if self.common_random_numbers != "none" and not groups.seeds_each:
            groups.close()
            raise ConfigurationError(
                f"{self.environment.name}'s own vectorised implementation cannot give two members"
                " the same episodes: bind GymEnvironment.vectorization = 'loop', or"
                " EvolutionTrainer.common_random_numbers = 'none'."
            )
        return groups

    def _assign_mean(self) -> None:
        variables = self.policy.trainable_variables
        for variable, value in zip(
            variables, unflattened(self.search.mean.value, variables), strict=True
        ):
            variable.assign(value)

    def _one_generation(self) -> tuple[Packed, tf.Tensor, tf.Tensor]:
        assert self._groups is not None
        members, seeds = self.sample()
        weights = unflattened(members, self.policy.trainable_variables)
        episodes = populations.play(
            self._groups, self.policy, self._act, weights, seeds, self.max_steps
        )
        return self._learn(members, episodes)

    def _sampled(self) -> tuple[tf.Tensor, tf.Tensor]:
        """The members θ [N, D] of this generation and the seeds of their episodes, [N, 2]."""
        fold_in = tf.random.experimental.stateless_fold_in
        seed = fold_in(self._seed, self.generation)
        members = self.search.sample(self.population, seed, self.antithetic)
        streams = {
            "none": self.population,
            "pair": self.population // 2,
            "population": 1,
        }[self.common_random_numbers]
        seeds = tf.map_fn(lambda i: fold_in(seed, 1 + i), tf.range(streams))
        return members, tf.tile(seeds, [self.population // streams, 1])

    def _learned(
        self, members: tf.Tensor, episodes: populations.PlayedEpisodes
    ) -> tuple[Packed, tf.Tensor, tf.Tensor]:
        """Moves the search distribution, the policy and the counters by one generation."""
        # Counters do not follow from the episodes and wait for them all the same: they may fail.
        with self.compilation.after(episodes.returns):
            return self._moved(members, episodes)

    def _moved(
        self, members: tf.Tensor, episodes: populations.PlayedEpisodes
    ) -> tuple[Packed, tf.Tensor, tf.Tensor]:
        assert self._groups is not None
        running = populations.running_statistics(self.policy, self._groups)
        fitness = tf.reduce_mean(episodes.returns, axis=1)

        def update() -> Metrics:
            metrics = self.method.update(members, fitness)
            for variable, now in zip(running, episodes.statistics, strict=True):
                variable.assign(now)
            return metrics

        if self.undoes_updates:
            learned = float_variables({"search": self.search, "method": self.method})
            learned |= float_variables(self._statistics() | self.environment_statistics())
            metrics, kept = undone_unless_finite([*learned.values()], update)
            metrics |= {"skipped": 1.0 - tf.cast(kept, tf.float32)}
        else:
            metrics = update()
        self._assign_mean()
        lengths = tf.cast(episodes.lengths, tf.int64)
        self.steps.assign_add(tf.reduce_sum(lengths))
        self.generation.assign_add(1)
        metrics |= {
            "fitness_mean": tf.reduce_mean(fitness),
            "fitness_std": tf.math.reduce_std(fitness),
            "fitness_max": tf.reduce_max(fitness),
            "sigma": tf.reduce_mean(self.search.sigma),
            "parameter_norm": tf.norm(self.search.mean.value),
        }
        finished = tf.stack(
            [
                tf.cast(tf.size(lengths), tf.float32),
                tf.reduce_sum(episodes.returns),
                tf.cast(tf.reduce_sum(lengths), tf.float32),
            ]
        )
        return packed(metrics), finished[tf.newaxis], fitness
