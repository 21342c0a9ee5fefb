"""The contracts of layers, losses, activations, optimizers and metrics, for one's own as for ours.

Each check runs its thing on both engines and raises :class:`ContractError` with the first contract
that is broken. Ranvier's tests put everything that is registered through the same checks.
"""

from ranvier.foundation.errors import ContractError
from ranvier.testing.activations import check_activation
from ranvier.testing.layers import check_layer
from ranvier.testing.losses import check_loss
from ranvier.testing.metrics import check_metric
from ranvier.testing.optimizers import check_optimizer

__all__ = [
    "ContractError",
    "check_activation",
    "check_layer",
    "check_loss",
    "check_metric",
    "check_optimizer",
]
