"""Networks: observations in, features out."""

from pgtf.networks.convolutional import AtariNetwork
from pgtf.networks.keras_model import KerasNetwork, as_network
from pgtf.networks.mlp import MLP
from pgtf.networks.network import Network
from pgtf.networks.normalization import RunningNormalization
from pgtf.networks.residual import ImpalaNetwork

__all__ = [
    "MLP",
    "AtariNetwork",
    "ImpalaNetwork",
    "KerasNetwork",
    "Network",
    "RunningNormalization",
    "as_network",
]
