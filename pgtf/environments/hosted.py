"""Environments that are stepped outside TensorFlow, hosted in a graph by one Python call a step."""

import abc
import contextlib
import contextvars
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import tensorflow as tf

from pgtf.environments.border import EnvironmentFailure, tell_unclosed
from pgtf.environments.environment import Environment
from pgtf.environments.halting import Halt
from pgtf.environments.interpreter import keep_thread_state
from pgtf.environments.patience import Overdue, Patience, close_what_hangs
from pgtf.spaces import bounded, specification
from pgtf.trajectory import PackedStep, TimeStep


class Host(Protocol):
    """B environments behind one reset and one step on NumPy arrays.

    Observations are lists of leaves, each [B, ...]: those of the nest ``specification`` makes of
    the observation space, flattened, and of its types. They are the caller's to keep.
    """

    @property
    def observation_space(self) -> gym.Space:
        """The space of one environment's observations."""

    @property
    def action_space(self) -> gym.Space:
        """The space of one environment's actions."""

    @property
    def seeds_each(self) -> bool:
        """Whether ``reset`` gives each environment a seed of its own."""

    @property
    def scores_apart(self) -> bool:
        """Whether ``step`` tells the environments' own rewards too, beneath what wrappers make."""

    @property
    def ends_apart(self) -> bool:
        """Whether ``step`` tells where episodes are over, apart from where returns end."""

    @property
    def stacks_frames(self) -> bool:
        """Whether observations are pictures to look at, so that ``render`` shows the newest."""

    @property
    def failure(self) -> Exception | None:
        """What the environments' own code raised in the last call, if it did."""

    def reset(self, seed: np.ndarray) -> list[np.ndarray]:
        """Resets every environment.

        Args:
            seed: int32 [2]; or [N, 2], one for each of N equal blocks of environments.
        """

    def step(
        self, action: Sequence[np.ndarray], held: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """Steps every environment; one whose episode has ended resets instead (``NEXT_STEP``).

        Args:
            action: leaves of [B, ...], inside the action space.
            held: [B] bool; environments whose row is masked, and that stand still if they can.

        Returns:
            The leaves of the observation and [4, B] float32: reward, terminated, truncated, mask;
            the score in a fifth row if ``scores_apart`` or ``ends_apart``; in a sixth row whether
            the episode is over if ``ends_apart``.

        Raises:
            EnvironmentFailure: an environment raised, or returned what it may not; see ``Border``.
        """

    def moving(self) -> Iterable[int | None]:
        """Returns the copies that have not returned from a running call; None for any of them.

        It may be called in another thread.
        """

    def overdue(self, copy: int | None, what: str) -> EnvironmentFailure:
        """Takes note of, and returns, the failure of a copy that does not return.

        Args:
            copy: one of ``moving``.
            what: it does.
        """

    def render(self) -> Any:
        """Returns a picture of the first environment, or None if it has none."""

    def snapshot(self) -> Any:
        """Returns the state of every environment as JSON can hold it; None if one offers none."""

    def resume(self, snapshot: Any) -> None:
        """Gives every environment the state it had in a snapshot."""

    def close(self) -> None:
        """Closes every environment."""


class HostedEnvironment(Environment):
    """B environments of a ``Host``, stepped from inside the graph.

    A subclass makes the host, and says how to replicate itself.

    Args:
        name: what run folders and messages call the task.
        num_envs: B.
        step_timeout: seconds that a step or a reset of one copy may take; None for any number.
    """

    def __init__(self, name: str, num_envs: int, step_timeout: float | None = None):
        self.name = name
        self.num_envs = num_envs
        self.step_timeout = step_timeout
        self._patience = None if step_timeout is None else Patience(step_timeout)
        self._hangs = False
        self._halt = Halt()
        self._host = self.make_host()
        self._closed = False
        self.observation_space = self._host.observation_space
        self.action_space = self._host.action_space
        self.seeds_each = self._host.seeds_each
        self._observation_spec = specification(self.observation_space)
        specification(self.action_space)

    @abc.abstractmethod
    def make_host(self) -> Host:
        """Makes the host of ``num_envs`` environments: in the constructor, and to ``renew`` it."""

    def reset(self, seed: tf.Tensor) -> tuple[Any, Any]:
        """Resets every copy, each with a seed of its own (if ``seeds_each``)."""
        leaves = self._numpy(lambda seed: self._host.reset(seed), [seed], with_signals=False)
        # The token makes the first step wait for the reset, whoever reads the observation.
        with tf.control_dependencies(leaves):
            token = tf.identity(0.0)
        return token, tf.nest.pack_sequence_as(self._observation_spec, leaves)

    def step(self, state: Any, action: Any, held: tf.Tensor | None = None) -> tuple[Any, TimeStep]:
        """Steps every copy; the state is a token, the environments keep their own."""
        state, step = self.packed_step(state, action, held)
        return state, step.unpacked()

    def packed_step(
        self, state: Any, action: Any, held: tf.Tensor | None = None
    ) -> tuple[Any, PackedStep]:
        """Like ``step``; see ``Environment.packed_step``."""
        inputs = tf.nest.flatten(bounded(self.action_space, action))
        if held is None:

            def move(*action: Any) -> Any:
                return self._host.step(action)
        else:
            inputs = [held, *inputs]

            def move(*held_and_action: Any) -> Any:
                return self._host.step(held_and_action[1:], held_and_action[0])

        with tf.control_dependencies([state]):
            *observation, signals = self._numpy(move, inputs, with_signals=True)
        rows = 6 if self._host.ends_apart else 5 if self._host.scores_apart else 4
        signals.set_shape((rows, self.num_envs))
        observation = tf.nest.pack_sequence_as(self._observation_spec, observation)
        return state, PackedStep(observation, signals)

    def _numpy(
        self, function: Callable[..., Any], inputs: list[tf.Tensor], with_signals: bool
    ) -> list[tf.Tensor]:
        specs = tf.nest.flatten(self._observation_spec)
        dtypes = [spec.dtype for spec in specs] + [tf.float32] * with_signals

        # TensorFlow calls from threads of its own, which would not see this run's bindings.
        context = contextvars.copy_context()

        def call(*arrays: Any) -> Any:
            keep_thread_state()
            self._halt.check()
            # A copy, as two threads cannot be in one context at a time.
            own = context.copy()
            if self._patience is None:
                return own.run(function, *arrays)
            return self._watched(self._patience, functools.partial(own.run, function, *arrays))

        outputs = tf.numpy_function(call, inputs, dtypes)
        if not isinstance(outputs, list):  # Outside a graph, TensorFlow unwraps a list of one.
            outputs = [outputs]
        for output, spec in zip(outputs, specs, strict=False):
            output.set_shape((self.num_envs, *spec.shape))
        return outputs

    def _watched(self, patience: Patience, move: Callable[[], Any]) -> Any:
        """Moves the copies, unless one takes too long, or the run is to stop meanwhile."""
        self._hangs = True
        try:
            result = patience.run(move, self._host.moving, self._halt.check)
        except EnvironmentFailure:
            self._hangs = False
            raise
        except Overdue as late:
            raise self._host.overdue(
                late.copy, f"has taken more than {patience.seconds:g} s (step_timeout)"
            ) from late
        self._hangs = False
        return result

    @property
    def observes_frames(self) -> bool:
        """Whether the pictures that are observed are made to be looked at too (Atari)."""
        return self._host.stacks_frames

    def drawn(self) -> Environment:
        """Returns one copy; its picture is the newest frame that it observes.

        Raises:
            ConfigurationError: it does not observe frames.
        """
        return self.replicate(1, frozen=True) if self.observes_frames else super().drawn()

    def render(self) -> Any:
        """Returns a picture of the first copy; see ``Environment.render``.

        Of stacked grey frames, [frames, height, width], it is the newest, [height, width].
        """
        frame = self._host.render()
        return super().render() if frame is None else frame

    def snapshot(self) -> Any:
        """Returns the state of every copy; None after a failure, or where one offers none."""
        return None if self._host.failure else self._host.snapshot()

    def resume(self, snapshot: Any) -> None:
        """Gives every copy its state; see ``Environment.resume``."""
        self._host.resume(snapshot)

    @property
    def failure(self) -> Exception | None:
        """What the environment's own code raised in the last call, if it did."""
        return self._host.failure

    def renew(self) -> None:
        """Makes every copy anew; graphs that step them go on with the new ones, from a reset."""
        # What has failed may fail again when it is closed.
        with contextlib.suppress(Exception, SystemExit):
            self._close_host()
        self._host = self.make_host()
        self._closed = False
        self._hangs = False

    def _close_host(self) -> None:
        if self._hangs:
            close_what_hangs(self._host.close)
        else:
            self._host.close()

    def halt(self, grace: float = 0.0) -> None:
        """Makes every later call raise Halted; see ``Environment.halt``."""
        self._halt(grace)

    def close(self) -> None:
        """Closes every copy; what their code raises then is told, and ends nothing."""
        if self._closed:
            return
        self._closed = True
        if self._patience is not None:
            self._patience.end()
        try:
            self._close_host()
        except (Exception, SystemExit) as error:
            if self.failure is None:  # What has failed may well fail again.
                tell_unclosed(self.name, error)
