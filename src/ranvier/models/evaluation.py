"""Loss and metrics of outputs that are there already, by the meaning of the operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    chosen.check_values(targets)
    found = resolve_metrics(metrics, kind, chosen, last_activation)
    if chosen.takes_logits(last_activation):
        outputs = logits_of_probabilities(outputs, last_activation)
    if kind == "numbers":
        targets = targets.astype(outputs.dtype)
    scores = {"loss": float(np.mean(chosen(outputs, targets), dtype=np.float64))}
    for metric in found:
        scores[metric.name] = metric.score(outputs, targets)
    return scores


def joined_scores(
    scores: Sequence[Mapping[str, float]], names: Sequence[str], weights: Sequence[float]
) -> dict[str, float]:
    """The scores of several outputs in one dict.

    Args:
        scores: of each output.
        names: of the outputs, which start the keys if there are several.
        weights: of the losses in their sum, ``"loss"``.

    Example:
        >>> joined_scores([{"loss": 1.0}, {"loss": 2.0}], ("a", "b"), (1.0, 0.5))
        {'loss': 2.0, 'a_loss': 1.0, 'b_loss': 2.0}
    """
    if len(scores) == 1:
        return dict(scores[0])
    total = sum(one["loss"] * weight for one, weight in zip(scores, weights, strict=True))
    named = {
        f"{name}_{key}": value
        for name, one in zip(names, scores, strict=True)
        for key, value in one.items()
    }
    return {"loss": total, **named}


def forward_graph(network: Network) -> Graph:
    """The forward pass of a built network as a graph of its inputs and its parameters."""
    names, count = list(network.parameters), len(network.input_shapes)
    specs = [Spec((N, *shape), network.dtype) for shape in network.input_shapes]
    specs += [Spec(array.shape, network.dtype) for array in network.parameters.values()]
    inputs = ["x"] if count == 1 else list(network.wiring.inputs)

    def forward(*values: Value) -> Any:
        parameters = dict(zip(names, values[count:], strict=True))
        return network.forward(values[:count], parameters, Context())

    return trace(forward, specs, [*inputs, *names])[0]
