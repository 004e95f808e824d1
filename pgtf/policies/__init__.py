"""Policies: one head per distribution over actions, and the policy that puts it on a network."""

from pgtf.policies.bernoulli import Bernoulli
from pgtf.policies.beta import Beta
from pgtf.policies.deterministic import Deterministic
from pgtf.policies.gaussian import Gaussian
from pgtf.policies.head import Head, default_head
from pgtf.policies.joint import Joint
from pgtf.policies.multi_softmax import MultiSoftmax
from pgtf.policies.policy import Policy
from pgtf.policies.softmax import Softmax
from pgtf.policies.state_dependent_noise import StateDependentNoise
from pgtf.policies.tanh_gaussian import TanhGaussian

__all__ = [
    "Bernoulli",
    "Beta",
    "Deterministic",
    "Gaussian",
    "Head",
    "Joint",
    "MultiSoftmax",
    "Policy",
    "Softmax",
    "StateDependentNoise",
    "TanhGaussian",
    "default_head",
]
