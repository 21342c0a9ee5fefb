"""What a request asks for, as a key: equal keys compile to the same program.

A key holds everything that the passes read and nothing else: operations, shapes, dtypes, constants
by their bytes, names of inputs. It holds no data, no weights and no numbers of the control block,
so that other rows, seeds and learning rates have the same key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from ranvier.ops.graph import Graph

#: Constants up to this many bytes are in a key as they are, larger ones by their hash.
SHORT = 64


def graph_key(graph: Graph) -> Hashable:
    """The structure of a graph.

    Raises:
        TypeError: if an attribute of a node cannot be compared by its value.

    Example:
        >>> from ranvier.ops.graph import trace
        >>> from ranvier.ops.value import Spec
        >>> first, _ = trace(lambda x: x * 2.0, [Spec((3,), "float32")])
        >>> again, _ = trace(lambda x: x * 2.0, [Spec((3,), "float32")])
        >>> other, _ = trace(lambda x: x * 3.0, [Spec((3,), "float32")])
        >>> graph_key(first) == graph_key(again), graph_key(first) == graph_key(other)
        (True, False)
    """
    numbers = {id(value): number for number, value in enumerate(graph.inputs)}
    leaves = tuple((v.op, v.name, v.shape, v.dtype) for v in graph.inputs)
    rows = []
    for node in graph.nodes():
        if id(node) in numbers:
            continue
        # Captured values of a sub-graph are nodes of it: they get numbers where they stand.
        numbers[id(node)] = len(numbers)
        inputs = tuple(numbers[id(v)] for v in node.inputs)
        row = (node.op, inputs, _mapping_key(node.attributes), node.shape, node.dtype, node.name)
        rows.append(row)
    outputs = tuple(numbers[id(v)] for v in graph.outputs)
    return leaves, tuple(rows), outputs, graph.names


def _mapping_key(attributes: Mapping[str, Any]) -> Hashable:
    return tuple((name, attribute_key(value)) for name, value in attributes.items())


def attribute_key(value: Any) -> Hashable:
    """An attribute of a node by its value; functions by their identity, which the key keeps alive.

    Raises:
        TypeError: if it cannot be compared by its value.
    """
    if isinstance(value, Graph):
        return "graph", graph_key(value)
    if isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        data = array.tobytes()
        kept = data if len(data) <= SHORT else hashlib.sha256(data).digest()
        return "array", array.dtype.str, array.shape, kept
    if isinstance(value, float):
        return "float", value.hex()  # unlike ==, it tells 0.0 from -0.0 and a NaN from none
    if isinstance(value, tuple | list):
        return type(value).__name__, tuple(attribute_key(one) for one in value)
    if isinstance(value, Mapping):
        return "mapping", _mapping_key(value)
    hash(value)
    return type(value).__name__, value
