"""Networks: how layers are wired, their shapes and their parameters; nothing of training."""

from ranvier.networks.nested import Nested
from ranvier.networks.network import Network
from ranvier.networks.table import LayerRow

__all__ = ["LayerRow", "Nested", "Network"]
