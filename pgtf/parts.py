"""Imports every part, so that gin knows its name."""

from pgtf import (
    baselines,
    convolutional,
    critics,
    entropy,
    estimators,
    evaluation,
    exploration,
    fitting,
    learner,
    networks,
    normalization,
    policies,
    rollout,
    runtime,
    trainers,
    training,
)
from pgtf.configuration import register_keras
from pgtf.environments import compiled, gym

__all__ = [
    "baselines",
    "compiled",
    "convolutional",
    "critics",
    "entropy",
    "estimators",
    "evaluation",
    "exploration",
    "fitting",
    "gym",
    "learner",
    "networks",
    "normalization",
    "policies",
    "rollout",
    "runtime",
    "trainers",
    "training",
]

register_keras()
gym.register_wrappers()
