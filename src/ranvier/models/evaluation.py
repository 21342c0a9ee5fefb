"""Loss and metrics of outputs that are there already, by the meaning of the operations."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier import losses
from ranvier.foundation.shapes import N
from ranvier.layers.base import Context
from ranvier.losses import Loss
from ranvier.models.answers import logits_of_probabilities
from ranvier.models.plan import Metrics, resolve_metrics
from ranvier.networks.network import Network
from ranvier.ops.graph import Graph, trace
from ranvier.ops.value import Spec, Value


def evaluate_outputs(
    outputs: NDArray[Any],
    targets: NDArray[Any],
    loss: Loss | None,
    metrics: Metrics,
    last_activation: str | None,
) -> dict[str, float]:
    """The mean loss of the rows and each metric.

    **Shapes** ``outputs: (N, ...), targets: (N,)`` class indices or ``(N, outputs)`` numbers

    Args:
        outputs: what the last layer gives.
        targets: in the form that training reads.
        loss: of the training; None: chosen as `fit` would.
        metrics: names; None: chosen as `fit` would.
        last_activation: of the network.

    Returns:
        ``{"loss": ..., "accuracy": ...}``
    """
    kind = "numbers" if targets.dtype.kind == "f" else "classes"
    shape = outputs.shape[1:]
    chosen = losses.resolve(loss, shape, kind, None, last_activation)
    chosen.check(shape, targets.shape[1:], kind, None)
    found = resolve_metrics(metrics, kind, chosen, last_activation)
    if chosen.takes_logits(last_activation):
        outputs = logits_of_probabilities(outputs, last_activation)
    if kind == "numbers":
        targets = targets.astype(outputs.dtype)
    scores = {"loss": float(np.mean(chosen(outputs, targets), dtype=np.float64))}
    for metric in found:
        total, count = metric.terms(outputs, targets, None)
        scores[metric.name] = float(total) / float(count)
    return scores


def forward_graph(network: Network) -> Graph:
    """The forward pass of a built network as a graph of its input and its parameters."""
    names = list(network.parameters)
    specs = [Spec((N, *(network.input_shape or ())), network.dtype)]
    specs += [Spec(array.shape, network.dtype) for array in network.parameters.values()]

    def forward(x: Value, *values: Value) -> Any:
        return network.forward(x, dict(zip(names, values, strict=True)), Context())

    return trace(forward, specs, ["x", *names])[0]
