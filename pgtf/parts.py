"""Imports every part, so that gin knows its name."""

from pgtf import (
    baselines,
    convolutional,
    critics,
    entropy,
    estimators,
    evaluation,
    evolution,
    exploration,
    fitting,
    learner,
    networks,
    normalization,
    policies,
    rollout,
    runtime,
    search,
    shaping,
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
    "evolution",
    "exploration",
    "fitting",
    "gym",
    "learner",
    "networks",
    "normalization",
    "policies",
    "rollout",
    "runtime",
    "search",
    "shaping",
    "trainers",
    "training",
]

register_keras()
gym.register_wrappers()
