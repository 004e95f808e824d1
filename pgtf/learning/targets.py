"""What is learned from a trajectory: the targets, and the batches that losses are computed on."""

from typing import Any, NamedTuple

import tensorflow as tf

from pgtf.trajectory import Trajectory


class Targets(NamedTuple):
    """What predictions and log-probs are pulled towards; no gradient flows through any of it.

    Attributes:
        returns: [T, B] G_t, which critics and baselines are fitted to.
        estimate: [T, B] what multiplies ∇ log π before a baseline is subtracted.
        advantage: [T, B] A_t, the estimate minus the baseline.
        mask: [T, B]; 0 on steps that are not learned from.
        weight: [T, B] of each step in the sums of the loss.
        share: [B] of each environment in what the sums are divided by (steps, or trajectories);
            () of a minibatch of steps.
    """

    returns: tf.Tensor
    estimate: tf.Tensor
    advantage: tf.Tensor
    mask: tf.Tensor
    weight: tf.Tensor
    share: Any

    def first(self, count: int) -> "Targets":
        """Returns those of the first ``count`` environments."""
        rows = {name: x[:, :count] for name, x in self._asdict().items() if name != "share"}
        return self._replace(share=self.share[:count], **rows)


class Batch(NamedTuple):
    """Steps to compute a loss on: a whole trajectory, or a minibatch cut from one.

    Attributes:
        observation: nest of [..., *shape], the observations that were acted on.
        action: nest of [..., *shape].
        log_prob: [...] of the behaviour policy; () where no part asked for it.
        values: what each of the objective's regressors predicted when the targets were made, a
            tuple of [...]; () where they are what is predicted now.
        targets: of these steps; () where only predictions are asked for.
        first: [...] bool, rows before which memory starts afresh.
        memory: of the policy's network before the first row; () without memory.
    """

    observation: Any
    action: Any
    log_prob: Any
    values: Any
    targets: Any
    first: tf.Tensor
    memory: Any

    @classmethod
    def whole(
        cls,
        trajectory: Trajectory,
        targets: Any = (),
        values: Any = (),
    ) -> "Batch":
        """Returns all steps of a trajectory as one batch, [T, B]."""
        return cls(
            trajectory.acted_on,
            trajectory.action,
            trajectory.log_prob,
            values,
            targets,
            trajectory.first[:-1],
            trajectory.memory,
        )
