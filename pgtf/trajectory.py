"""The data that flows between environments, rollouts and learners.

Every field is a tensor or a nest of tensors; B counts environments and T counts rows of a
rollout. A row is one call of ``Environment.step``. Environments reset themselves on the call after
an episode has ended (Gymnasium's ``NEXT_STEP``), so each episode costs one row that is no
transition: its ``mask`` is 0, and no counter, mean or gradient includes it.
"""

from typing import Any, NamedTuple

import tensorflow as tf


class _Row(NamedTuple):
    observation: Any
    reward: tf.Tensor
    terminated: tf.Tensor
    truncated: tf.Tensor
    mask: tf.Tensor
    score: tf.Tensor
    notes: Any
    over: Any


class TimeStep(_Row):
    """One step of B environments.

    ``step._replace(reward=...)`` changes what is learned from and leaves the score alone.

    Attributes:
        observation: nest of [B, ...]; the true successor, also when the episode ends here.
        reward: [B] float32, what is learned from; 0 on a masked row.
        terminated: [B] bool; the task ended, the return after this step is 0.
        truncated: [B] bool; the episode was cut, the return after this step is bootstrapped.
        mask: [B] float32; 0 where the row is not a transition (a reset, or a held environment).
        score: [B] float32, the environment's own reward, which episode returns add up; 0 on a
            masked row. The reward itself where it is not given.
        notes: nest of [B, ...], of what adapters learn from; () where none does.
        over: [B] bool; the episode has ended and the next step resets. () where that is whenever
            ``terminated`` or ``truncated``; it is not where returns end within an episode, such as
            with a life. Ask ``ended``.
    """

    __slots__ = ()

    def __new__(
        cls,
        observation: Any,
        reward: tf.Tensor,
        terminated: tf.Tensor,
        truncated: tf.Tensor,
        mask: tf.Tensor,
        score: tf.Tensor | None = None,
        notes: Any = (),
        over: Any = (),
    ) -> "TimeStep":
        """Takes the reward for the score unless there is one."""
        own = reward if score is None else score
        return super().__new__(
            cls, observation, reward, terminated, truncated, mask, own, notes, over
        )

    @property
    def ended(self) -> tf.Tensor:
        """Whether the episode has ended, [B] bool."""
        over = known(self.over)
        return self.terminated | self.truncated if over is None else over


class PackedStep(NamedTuple):
    """A ``TimeStep`` whose numbers are still in one array, as environments outside the graph tell.

    Taking it apart is several small operations, which cost nothing inside a compiled update.

    Attributes:
        observation: as of ``TimeStep``.
        signals: [4, B] float32: reward, terminated, truncated, mask; where these are apart, the
            score in a fifth row, and ``over`` in a sixth. [T, 4, B] for T steps.
    """

    observation: Any
    signals: tf.Tensor

    @property
    def mask(self) -> tf.Tensor:
        """As of ``TimeStep``."""
        return self.signals[..., 3, :]

    def unpacked(self) -> TimeStep:
        """Returns the step with each of its numbers apart."""
        reward, terminated, truncated, mask, *apart = tf.unstack(self.signals, axis=-2)
        step = TimeStep(self.observation, reward, terminated > 0, truncated > 0, mask, *apart[:1])
        return step._replace(over=apart[1] > 0) if len(apart) > 1 else step


class Trajectory(NamedTuple):
    """T rows of B environments, time-major.

    Attributes:
        observation: nest of [T+1, B, ...]; row t+1 is the true successor of row t.
        action: nest of [T, B, ...]; as sampled, before any clipping to the space's bounds.
        reward: [T, B] float32, what is learned from.
        score: [T, B] float32, the environment's own reward; episode returns add it up.
        terminated: [T, B] bool.
        truncated: [T, B] bool.
        mask: [T, B] float32; 0 on rows that are not transitions.
        time: [T, B] int32; steps since the start of the episode.
        log_prob: [T, B] log μ(a_t | s_t) of the behaviour policy, the one that acted; () unless a
            part asked for it.
        memory: of the policy's network before row 0, a nest of [B, ...]; () without memory.
        notes: nest of [T, B, ...], of what adapters learn from; () where none does.
    """

    observation: Any
    action: Any
    reward: tf.Tensor
    score: tf.Tensor
    terminated: tf.Tensor
    truncated: tf.Tensor
    mask: tf.Tensor
    time: tf.Tensor
    log_prob: Any = ()
    memory: Any = ()
    notes: Any = ()

    @property
    def acted_on(self) -> Any:
        """The observations that were acted on: a nest of [T, B, ...]."""
        return tf.nest.map_structure(lambda x: x[:-1], self.observation)

    @property
    def first(self) -> tf.Tensor:
        """Marks the rows before which memory starts afresh, [T+1, B] bool."""
        reset = tf.equal(self.mask, 0.0)
        return tf.concat([tf.zeros_like(reset[:1]), reset], axis=0)

    def beside(self, other: "Trajectory") -> "Trajectory":
        """Returns the environments of both, [T, B + B']; ``other`` has T rows of B' more."""
        memory = tf.nest.map_structure(
            lambda x, y: tf.concat([x, y], axis=0), self.memory, other.memory
        )
        rows = tf.nest.map_structure(
            lambda x, y: tf.concat([x, y], axis=1),
            self._replace(memory=()),
            other._replace(memory=()),
        )
        return rows._replace(memory=memory)


def known(field: Any) -> tf.Tensor | None:
    """Returns a field that may be absent, or None where it is ().

    Fields are absent as () and not as None, so that loops and maps over nests pass over them.
    """
    return None if isinstance(field, tuple) else field
