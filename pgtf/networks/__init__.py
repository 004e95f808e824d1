"""Networks: observations in, features out."""

from pgtf.networks.convolutional import AtariNetwork
from pgtf.networks.mlp import MLP
from pgtf.networks.network import Network
from pgtf.networks.normalization import RunningNormalization

__all__ = ["MLP", "AtariNetwork", "Network", "RunningNormalization"]
