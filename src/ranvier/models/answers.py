"""From what the last layer gives to what it says: probabilities and classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier import ops
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.shapes import N, show_shape


def logits_of_probabilities(outputs: NDArray[Any], activation: str | None) -> NDArray[Any]:
    """What went into a final softmax or sigmoid, up to what the probabilities still tell.

    **Shapes** ``outputs: (N, C) -> (N, C)``
    """
    information = np.finfo(outputs.dtype)
    if activation == "softmax":
        return np.asarray(np.log(np.maximum(outputs, information.tiny)), outputs.dtype)
    if activation == "sigmoid":
        inside = np.clip(outputs, information.tiny, 1.0 - information.epsneg)
        return np.asarray(np.log(inside) - np.log1p(-inside), outputs.dtype)
    return outputs


def probabilities(outputs: NDArray[Any], activation: str | None) -> NDArray[Any]:
    """Probabilities of the classes, from outputs of a network for classes.

    **Shapes** ``outputs: (N, C) -> (N, C)``; ``(N, 1) -> (N, 2)``: the probability p of the second
    class becomes ``(1 - p, p)``.

    Args:
        outputs: of the last layer: logits, or probabilities if it ends in softmax or sigmoid.
        activation: the last layer's activation.

    Example:
        >>> probabilities(np.array([[0.0], [100.0]]), None).tolist()
        [[0.5, 0.5], [0.0, 1.0]]
    """
    _check_for_classes(outputs)
    if outputs.shape[1] == 1:
        # sigmoid(-x) and not 1 - sigmoid(x): small probabilities keep their digits.
        if activation == "sigmoid":
            return np.concatenate([1.0 - outputs, outputs], axis=1).astype(outputs.dtype)
        second, first = ops.sigmoid(outputs), ops.sigmoid(-outputs)
        return np.concatenate([first, second], axis=1)
    return outputs if activation == "softmax" else np.asarray(ops.softmax(outputs))


def class_indices(outputs: NDArray[Any], activation: str | None) -> NDArray[np.int64]:
    """The number of the most probable class of each row; among equals the first.

    **Shapes** ``outputs: (N, C) or (N, 1) -> (N,)``

    Example:
        >>> class_indices(np.array([[-1.0], [2.0]]), None).tolist()
        [0, 1]
    """
    _check_for_classes(outputs)
    if outputs.shape[1] == 1:
        return (outputs[:, 0] > (0.5 if activation == "sigmoid" else 0.0)).astype(np.int64)
    return np.asarray(outputs.argmax(axis=1), np.int64)


def _check_for_classes(outputs: NDArray[Any]) -> None:
    if outputs.ndim != 2:
        raise ArgumentError(
            "Classes cannot be read from these outputs.",
            happened=f"the network gives {show_shape((N, *outputs.shape[1:]))}",
            needed="one row of outputs an example, (N, C)",
            fix="use model.predict, or end the network with Dense(number of classes)",
        )
