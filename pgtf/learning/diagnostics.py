"""The variance of the policy gradient during training, from the training batches."""

from collections.abc import Mapping

import gin
import numpy as np
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count
from pgtf.errors import ConfigurationError
from pgtf.learning.gradient_rows import column_gradients, influences
from pgtf.learning.targets import Targets
from pgtf.policies.decision import Actor
from pgtf.trajectory import Trajectory

_PREFIX = "variance_"
_TAG = f"train/{_PREFIX}"


@gin.register
class GradientVariance:
    """Measures tr Cov(ĝ) of the training batch, from the gradient of each of its environments.

    Environments are independent, so the spread of their contributions to ĝ estimates its variance.
    TensorBoard shows, from means over the measurements since the last point:

    - ``variance/trace``: tr Cov(ĝ) of the policy gradient of one batch, before clipping;
    - ``variance/squared_norm``: ‖E ĝ‖² less its noise, so it may come out negative;
    - ``variance/signal_to_noise``: the second divided by the first;
    - ``variance/ratio_to_no_baseline``: the trace divided by that without a baseline.

    Bind ``Learner.gradient_variance = @GradientVariance()``; it does not change learning.

    Args:
        every: updates between two measurements. One costs two more passes through the policy.
    """

    @checked
    def __init__(self, every: Count = 20):
        self.every = every

    def measure(
        self,
        policy: Actor,
        trajectory: Trajectory,
        targets: Targets,
        updates: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Returns scalar metrics, which ``summarised`` turns into TensorBoard's.

        Args:
            policy: π_θ.
            trajectory: T steps of B environments.
            targets: of the trajectory.
            updates: how many there were.

        Raises:
            ConfigurationError: one environment alone has no spread.
        """
        weight, share = targets.weight, targets.share
        count = share.shape[0]
        if count is not None and count < 2:
            raise ConfigurationError(
                "GradientVariance compares environments, and there is one: bind NUM_ENVS to 2 or"
                " more, or Learner.gradient_variance = None."
            )

        def moments(signal: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            signal = tf.where(weight > 0, weight * signal, 0.0)
            rows = influences(column_gradients(policy, trajectory, signal), share)
            mean = tf.reduce_mean(rows, axis=0)
            number = tf.cast(tf.shape(rows)[0], tf.float32)
            trace = tf.reduce_sum(tf.square(rows - mean)) / (number * (number - 1.0))
            return trace, tf.reduce_sum(tf.square(mean)) - trace

        def measured() -> tf.Tensor:
            trace, squared_norm = moments(targets.advantage)
            without, _ = moments(targets.estimate)
            return tf.stack([1.0, trace, squared_norm, without])

        due = tf.equal(updates % self.every, 0)
        numbers = tf.unstack(tf.stop_gradient(tf.cond(due, measured, lambda: tf.zeros(4))))
        names = ("measured", "trace", "squared_norm", "trace_without_baseline")
        return {_PREFIX + name: x for name, x in zip(names, numbers, strict=True)}


def summarised(rows: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Returns the mean of each scalar, and what ``GradientVariance`` makes of several.

    Args:
        rows: TensorBoard tag to values, one for each iteration.
    """
    scalars = {
        tag: float(np.mean(values, dtype=np.float64)) for tag, values in rows.items() if len(values)
    }
    own = {tag: scalars.pop(tag) for tag in list(scalars) if tag.startswith(_TAG)}
    part = own.pop(f"{_TAG}measured", 0.0)
    if not part:
        return scalars
    trace, squared, without = (
        own[_TAG + name] / part for name in ("trace", "squared_norm", "trace_without_baseline")
    )
    scalars |= {"variance/trace": trace, "variance/squared_norm": squared}
    if trace > 0:
        scalars["variance/signal_to_noise"] = squared / trace
    if without > 0:
        scalars["variance/ratio_to_no_baseline"] = trace / without
    return scalars
