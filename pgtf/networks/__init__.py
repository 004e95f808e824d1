"""Networks: observations in, features out."""

from pgtf.networks.convolutional import AtariNetwork
from pgtf.networks.keras_model import KerasNetwork, as_network
from pgtf.networks.mlp import MLP
from pgtf.networks.network import Network
from pgtf.networks.normalization import RunningNormalization

__all__ = [
    "MLP",
    "AtariNetwork",
    "KerasNetwork",
    "Network",
    "RunningNormalization",
    "as_network",
]
