"""Imports every part, so that gin knows its name."""

from pgtf import (
    baselines,
    convolutional,
    critics,
    diagnostics,
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
from pgtf.laboratory import combinations, laboratory
from pgtf.laboratory import fitting as laboratory_fitting

__all__ = [
    "baselines",
    "combinations",
    "compiled",
    "convolutional",
    "critics",
    "diagnostics",
    "entropy",
    "estimators",
    "evaluation",
    "evolution",
    "exploration",
    "fitting",
    "gym",
    "laboratory",
    "laboratory_fitting",
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
