"""Scores a policy in separate environments."""

import functools
from typing import Any, NamedTuple

import gin
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, CountOrZero
from pgtf.environments.environment import Environment
from pgtf.errors import ConfigurationError
from pgtf.graph.compilation import Compilation
from pgtf.policies.policy import Policy
from pgtf.rollouts.unroll import Act, Carry, start
from pgtf.trainers.recovery import Recovery

_EVALUATION_SEED = 0xE7A1


class Score(NamedTuple):
    """Undiscounted returns and lengths (in steps) of whole episodes, each [N]."""

    returns: np.ndarray
    lengths: np.ndarray


@gin.register
class Evaluation:
    """Plays whole episodes with a frozen policy in separate environments.

    Every evaluation starts from the same seed, so the scores of one run can be compared.

    Args:
        every: environment steps of training between two evaluations; None for one at the end only.
        episodes: episodes in an evaluation during training.
        final_episodes: episodes in the final evaluation.
        greedy: whether to act by the mode of the policy instead of a sample.
        num_envs: environments that play in parallel; one for each episode, at most 20, if unbound.
        max_steps: steps after which an episode counts as it stands, for tasks that may never end.
        environment: where to play, with copies of its own; what adapters of the training
            environment have learned is copied into its own. A replica of the training environment
            if unbound.
        max_environment_failures: how many failures of environments it survives; each time its
            copies are rebuilt, and all episodes played again.
        compare: whether the final evaluation also plays as many episodes the other way, by samples
            where ``greedy`` and the reverse, in as much time again; a run whose two scores differ
            by more than chance says so. A policy without chance is played once.
    """

    @checked
    def __init__(
        self,
        every: Count | None = 50_000,
        episodes: Count = 20,
        final_episodes: Count = 100,
        greedy: bool = True,
        num_envs: Count | None = None,
        max_steps: Count = 30_000,
        environment: Environment | None = None,
        max_environment_failures: CountOrZero = 0,
        compare: bool = True,
    ):
        self.every = every
        self.episodes = episodes
        self.final_episodes = final_episodes
        self.greedy = greedy
        self.compare = compare
        self.max_steps = max_steps
        if environment is not None and num_envs not in (None, environment.num_envs):
            raise ConfigurationError(
                f"Evaluation.num_envs is {num_envs}, and the environment bound to"
                f" Evaluation.environment has {environment.num_envs} copies: bind the number there."
            )
        self._own = environment
        self._num_envs = environment.num_envs if environment else num_envs or min(20, episodes)
        self._environment: Any = environment
        self._recovery = Recovery(max_environment_failures)

    def build(
        self,
        policy: Policy,
        environment: Environment,
        seed: int,
        compilation: Compilation | None = None,
    ) -> None:
        """Makes the environments, unless it has some.

        Args:
            policy: the one to score, already built.
            environment: the training environment; it is replicated.
            seed: the run's.
            compilation: the trainer's: evaluation on compiled environments uses XLA while training
                does. None for XLA.

        Raises:
            ConfigurationError: they cannot be made, or its own do not fit the policy.
        """
        self._training = environment
        self._environment = self._own or self._replica(environment)
        self._check(environment)
        self.compare = self.compare and policy.head.has_score
        self._memory = policy.initial_memory(self._num_envs)
        self._seed = tf.constant([seed, _EVALUATION_SEED], tf.int32)
        trainer = compilation or Compilation(True, "SynchronousTrainer.jit_compile")
        self._compilation = trainer.child()
        compiled = self._environment.compiled
        self._rounds = {
            greedy: self._compilation.function(functools.partial(self._play, act), compiled)
            for greedy, act in ((True, policy.act_greedily), (False, policy.act))
        }

    def score(self, episodes: int, otherwise: bool = False) -> Score:
        """Plays this many episodes.

        Args:
            episodes: N.
            otherwise: whether to sample where ``greedy``, and to be greedy where not.
        """
        play = self._rounds[self.greedy != otherwise]
        seeds = [
            tf.random.experimental.stateless_fold_in(self._seed, i)
            for i in range(-(-episodes // self._num_envs))
        ]
        if self._own is not None:
            for own, learned in zip(self._own.variables, self._training.variables, strict=True):
                own.assign(learned)
        rounds = self._recovery.run(
            lambda: self._compilation.run(lambda: [play(seed) for seed in seeds]),
            self._environment,
        )
        returns, lengths = (np.concatenate(x)[:episodes] for x in zip(*rounds, strict=True))
        return Score(returns, lengths)

    def _play(self, act: Act, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Plays one episode in each environment; returns their returns and lengths, each [B]."""

        def move(t: tf.Tensor, active: tf.Tensor, carry: Carry) -> tuple[Any, ...]:
            decision = act(carry.observation, carry.memory, seed + tf.stack([1 + t, 0]))
            state, step = self._environment.step(carry.state, decision.action, held=~active)
            carry = Carry(
                state,
                step.observation,
                carry.time + tf.cast(step.mask, tf.int32),
                carry.episode_return + step.score,
                decision.memory,
            )
            return t + 1, active & ~step.ended, carry

        _, _, last = tf.while_loop(
            lambda t, active, carry: tf.reduce_any(active) & (t < self.max_steps),
            move,
            (
                tf.constant(0),
                tf.ones((self._num_envs,), tf.bool),
                start(self._environment, seed, self._memory),
            ),
        )
        return last.episode_return, last.time

    def _replica(self, environment: Environment) -> Environment:
        try:
            return environment.replicate(self._num_envs, frozen=True)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{str(error).rstrip('.')}. These are the environments of the evaluation; to train"
                " without one, bind train.evaluation = None."
            ) from error

    def _check(self, training: Environment) -> None:
        """Refuses an environment of its own that is no place for the policy."""
        for name in ("observation_space", "action_space"):
            own, known = getattr(self._environment, name), getattr(training, name)
            if own != known:
                raise ConfigurationError(
                    f"Evaluation.environment has the {name} {own}, and the policy is trained in one"
                    f" with {known}: bind an environment with the same spaces."
                )
        shapes = [
            [tuple(variable.shape) for variable in environment.variables]
            for environment in (self._environment, training)
        ]
        if shapes[0] != shapes[1]:
            raise ConfigurationError(
                "Evaluation.environment and the training environment learn different statistics:"
                " bind the same adapters round both."
            )

    def stop(self) -> None:
        """Makes a running ``score`` raise, as it is no longer wanted; called in any thread."""
        self._environment.halt()

    def close(self) -> None:
        """Closes the environments."""
        if self._environment is not None:
            self._environment.close()


class NoEvaluation(Evaluation):
    """Scores nothing, and makes no environments: ``train.evaluation = None``."""

    def __init__(self) -> None:
        self.every = None
        self.final_episodes = 0
        self.greedy = True
        self.compare = False

    def build(self, *parts: Any, **named: Any) -> None:
        """Does nothing."""

    def stop(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing."""


class Unbound:
    """Stands for an evaluation that nobody has said anything about."""

    def __repr__(self) -> str:
        return "@Evaluation()"


UNBOUND: Any = Unbound()
