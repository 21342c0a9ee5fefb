"""Networks: how layers are wired, their shapes and their parameters. Says nothing of training."""

from ranvier.networks.network import Network
from ranvier.networks.table import LayerRow

__all__ = ["LayerRow", "Network"]
