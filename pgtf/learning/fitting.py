"""How a critic or a baseline is fitted to returns: with the policy, or on its own."""

from collections.abc import Callable, Sequence
from typing import Literal

import gin
import keras
import tensorflow as tf

from pgtf.configuration.checked import checked
from pgtf.configuration.ranges import Count, NonNegative, Positive
from pgtf.graph.updating import apply_gradients
from pgtf.losses import clipped_value_loss, value_loss


@gin.register
class JointLoss:
    """One loss with the policy's, one optimizer, one step (A2C, A3C).

    Args:
        weight: factor of the squared error in the loss; the paper's ½ (G - V)² is 0.5.
        clip: how far a prediction may move from what it was when the targets were made, in units
            of the return (PPO's clipped value loss); None for no clipping. It matters where
            several steps are taken on the same targets.

    Attributes:
        joint: that the loss is a term of the policy's.
    """

    joint: Literal[True] = True

    @checked
    def __init__(self, weight: NonNegative = 0.5, clip: Positive | None = None):
        self.weight = weight
        self.clip = clip

    def loss(
        self, prediction: tf.Tensor, old: tf.Tensor, target: tf.Tensor, weight: tf.Tensor
    ) -> tf.Tensor:
        """Returns the squared error, a scalar without the factor; arguments are [...].

        Args:
            prediction: V(s) or Q(s, a), to be differentiated.
            old: the same when the targets were made.
            target: G.
            weight: of each step.
        """
        if self.clip is None:
            return value_loss(prediction, target, weight)
        return clipped_value_loss(prediction, old, target, weight, self.clip)


@gin.register
class Regression(tf.Module):
    """Regression steps of its own after each policy update, the targets held fixed.

    With ``proximal`` > 0 and one-step targets this is the lecture's fitted V iteration,
    min_φ 1/M Σ (G - V_φ(s))² + λ ‖φ - φ_i‖² over M steps, where φ_i are the parameters before the
    fit. The lecture has the sum; the mean gives λ and the learning rate a meaning that does not
    depend on the batch, and is the lecture's with λ/M in the place of λ.

    Args:
        optimizer: a Keras optimizer; Adam(1e-3) when unbound. A schedule for its learning rate
            counts environment steps.
        num_steps: gradient steps in each iteration.
        proximal: λ of the proximal term.

    Attributes:
        joint: that the loss is no term of the policy's.
    """

    joint: Literal[False] = False

    @checked
    def __init__(
        self,
        optimizer: keras.optimizers.Optimizer | None = None,
        num_steps: Count = 10,
        proximal: NonNegative = 0.0,
    ):
        super().__init__()
        self.optimizer = optimizer or keras.optimizers.Adam(1e-3)
        self.num_steps = num_steps
        self.proximal = proximal

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Makes the optimizer's variables for those it fits."""
        self.optimizer.build(list(variables))

    def run(
        self,
        prediction: Callable[[], tf.Tensor],
        target: tf.Tensor,
        weight: tf.Tensor,
        variables: Sequence[keras.Variable],
    ) -> None:
        """Takes the regression steps.

        Args:
            prediction: evaluates V(s_t) or Q(s_t, a_t), [T, B].
            target: [T, B] G_t, fixed during all steps.
            weight: [T, B].
            variables: φ.
        """
        anchors = [tf.identity(variable.value) for variable in variables]

        def step(i: tf.Tensor) -> tuple[tf.Tensor]:
            with tf.GradientTape() as tape:
                loss = value_loss(prediction(), target, weight)
                if self.proximal:
                    loss += self.proximal * tf.add_n(
                        [
                            tf.reduce_sum(tf.square(variable.value - anchor))
                            for variable, anchor in zip(variables, anchors, strict=True)
                        ]
                    )
            values = [variable.value for variable in variables]
            apply_gradients(self.optimizer, tape.gradient(loss, values), list(variables))
            return (i + 1,)

        tf.while_loop(lambda i: i < self.num_steps, step, (tf.constant(0),))
