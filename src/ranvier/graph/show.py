"""Graphs as text: one line a node, sub-graphs indented."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier.foundation.shapes import Extent, show_shape
from ranvier.ops.graph import Graph
from ranvier.ops.value import Value


def show(graph: Graph, indent: str = "") -> str:
    """A graph as text.

    Each line reads ``name: dtype(shape) = operation(operands; attributes)``.
    """
    names = _names(graph)
    lines = [f"{indent}input {names[id(v)]}: {v.spec}" for v in graph.inputs]
    for node in graph.nodes():
        if node.op == "input":
            continue
        operands = ", ".join(names[id(v)] for v in node.inputs)
        attributes, inner = _attributes(node)
        text = "; ".join(part for part in (operands, attributes) if part)
        lines.append(f"{indent}{names[id(node)]}: {node.spec} = {node.op}({text})")
        lines.extend(show(sub, indent + "    | ") for sub in inner)
    labels = graph.names or ("",) * len(graph.outputs)
    for label, value in zip(labels, graph.outputs, strict=True):
        lines.append(f"{indent}output {label + ' = ' if label else ''}{names[id(value)]}")
    return "\n".join(lines)


def _names(graph: Graph) -> dict[int, str]:
    names = {id(v): v.name for v in graph.inputs}
    count = 0
    for node in graph.nodes():
        if id(node) not in names:
            names[id(node)] = f"%{count}"
            count += 1
    return names


def _attributes(node: Value) -> tuple[str, list[Graph]]:
    inner = [a for a in node.attributes.values() if isinstance(a, Graph)]
    shown = [
        f"{key}={_show(value)}"
        for key, value in node.attributes.items()
        if not isinstance(value, Graph) and key != "spec"
    ]
    return ", ".join(shown), inner


def _show(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.item():.9g}" if value.size == 1 else f"array{show_shape(value.shape)}"
    if isinstance(value, tuple) and all(isinstance(d, int | Extent) for d in value):
        return show_shape(value)
    return str(value)
