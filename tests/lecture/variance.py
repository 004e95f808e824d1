"""The gradient of each trajectory of a batch, in closed form, and its covariance."""

from typing import Any

import numpy as np

from pgtf.trajectory import Trajectory
from tests.lecture.exact import Array, probabilities
from tests.trajectories import SEED, loss_of


def trajectory_gradients(made: Any, whole: Trajectory, factor: Array | float = 1.0) -> Array:
    """ĝ_i = Σ_t f_t ∇_h log π(a_t|s_t) (G_t - b_t) of each column, [B, S, A].

    The scores are the slides' closed form, G_t - b_t what the learner makes of it.
    """
    _, metrics = loss_of(made, whole, SEED)
    states, actions = whole.observation[:-1].numpy(), whole.action.numpy()
    policy = probabilities(made.policy.head.preferences.kernel.numpy().astype(np.float64))
    signal = factor * metrics["advantage"].numpy() * (whole.mask.numpy() > 0)
    scores = np.eye(policy.shape[1])[actions] - policy[states]
    each = np.zeros((states.shape[1], *policy.shape))
    columns = np.broadcast_to(np.arange(states.shape[1]), states.shape)
    np.add.at(each, (columns, states), signal[..., None] * scores)
    return each


def covariance(gradients: Array, probability: Array) -> Array:
    """E[(ĝ - Eĝ)(ĝ - Eĝ)ᵀ], [D, D], of gradients [B, D] and their probabilities [B]."""
    centred = gradients - probability @ gradients
    return (probability[:, None] * centred).T @ centred
