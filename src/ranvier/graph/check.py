"""The law of the graph, executable: run between passes, it finds a fault where it was made."""

from __future__ import annotations

from ranvier.ops.graph import Graph
from ranvier.ops.value import PRIMITIVES, Spec, law_broken


def check(graph: Graph, stage: str) -> Graph:
    """Check that every node is as its record says; returns the graph.

    The law: every operation has a record; every node's shape and dtype are what its rule gives for
    its inputs; every leaf is an input of the graph; names of inputs differ; sub-graphs obey too.

    Raises:
        InternalError: naming the stage and the node.
    """
    leaves = {id(v) for v in graph.inputs}
    names = [v.name for v in graph.inputs]
    if len(set(names)) != len(names):
        raise law_broken(stage, f"two inputs share a name: {sorted(names)}")
    for node in graph.nodes():
        if node.op not in PRIMITIVES:
            raise law_broken(stage, f"there is no record of {node.op}")
        if node.op == "input":
            if id(node) not in leaves:
                raise law_broken(stage, f"the leaf {node.name!r} is not an input of the graph")
            continue
        spec = PRIMITIVES[node.op].rule([v.spec for v in node.inputs], node.attributes)
        if spec != Spec(node.shape, node.dtype):
            raise law_broken(stage, f"{node.op} is marked {node.spec}, its rule gives {spec}")
    for node, inner in graph.subgraphs():
        check(inner, f"{stage}, inside {node.op}")
    return graph
