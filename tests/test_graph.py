"""Graphs: their law, simplification, gradients of any order, and how they print."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ranvier.ops as ops
from random_graphs import make
from ranvier.foundation import errors
from ranvier.foundation.shapes import N
from ranvier.graph.check import check
from ranvier.graph.gradient import backpropagate, gradients_of, pullback
from ranvier.graph.show import show
from ranvier.graph.simplify import inline, merge, simplify
from ranvier.graph.transforms import gradient, value_and_gradient
from ranvier.graph.tree import flatten, unflatten
from ranvier.ops.graph import Graph, evaluate, topological, trace
from ranvier.ops.value import PRIMITIVES, Spec, Value, apply, constant, input_value

Array = np.ndarray


def graph_of(
    function: Callable[..., Any], *shapes: tuple[Any, ...], dtype: str = "float64"
) -> Graph:
    return trace(function, [Spec(shape, dtype) for shape in shapes])[0]


def operations(graph: Graph) -> list[str]:
    """Names of what computes, in order."""
    return [v.op for v in graph.nodes() if v.op not in ("input", "constant")]


# --- the law

X = input_value("x", (N, 4), "float32")
Y = input_value("y", (4,), "float32")

BROKEN: dict[str, tuple[Graph, str]] = {
    "a wrong shape": (
        Graph((X,), (replace(ops.tanh(X), shape=(N, 5)),)),
        "tanh is marked float32(N, 5), its rule gives float32(N, 4)",
    ),
    "a wrong dtype": (
        Graph((X,), (ops.exp(replace(ops.tanh(X), dtype="float64")),)),
        "tanh is marked float64(N, 4)",
    ),
    "operands of two shapes": (
        Graph((X, Y), (Value("add", (X, Y), {}, (N, 4), "float32"),)),
        "operands are float32(N, 4) and float32(4,)",
    ),
    "a leaf from elsewhere": (Graph((X,), (X * Y,)), "the leaf 'y' is not an input"),
    "two inputs of one name": (
        Graph((X, replace(Y, name="x")), (X * 2.0,)),
        "two inputs share a name",
    ),
    "no such operation": (
        Graph((X,), (Value("tahn", (X,), {}, (N, 4), "float32"),)),
        "there is no record of tahn",
    ),
    "a choice by numbers": (
        Graph((X,), (Value("select", (X, X, X), {}, (N, 4), "float32"),)),
        "operands are",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_the_law_finds_a_broken_node(name: str) -> None:
    graph, words = BROKEN[name]
    with pytest.raises(errors.InternalError) as caught:
        check(graph, "a pass")
    assert words in str(caught.value)
    assert "a pass" in str(caught.value) or "add" in str(caught.value) or "select" in str(
        caught.value
    )  # fmt: skip


def test_the_law_looks_into_sub_graphs() -> None:
    graph = graph_of(ops.relu, (3,))
    (composite,) = [v for v in graph.nodes() if v.op == "composite"]
    inner: Graph = composite.attributes["graph"]
    broken = Graph(inner.inputs, (replace(inner.outputs[0], op="nothing"),))
    attributes = {**composite.attributes, "graph": broken}
    outer = Graph(graph.inputs, (replace(composite, attributes=attributes),))
    with pytest.raises(errors.InternalError, match="no record of nothing") as caught:
        check(outer, "trace")
    assert "trace, inside composite" in str(caught.value)


@pytest.mark.parametrize("seed", range(20))
def test_the_law_holds_after_every_pass(seed: int) -> None:
    graph = make(seed, symbolic=seed % 2 == 1).graph
    for step in (inline, simplify, merge):
        graph = step(check(graph, "before"))
    assert check(graph, "after") is graph


# --- simplification


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_simplification_keeps_values(first: int) -> None:
    for seed in range(first, first + 25):
        case = make(seed, symbolic=seed % 2 == 1, steps=15)
        arrays = [case.arrays[v.name] for v in case.graph.inputs]
        wanted = evaluate(case.graph, arrays, case.counts)
        simple = simplify(inline(case.graph))
        assert not any(v.op == "composite" for v in simple.nodes())
        for found, expected in zip(evaluate(simple, arrays, case.counts), wanted, strict=True):
            assert (found.shape, found.dtype) == (expected.shape, expected.dtype), seed
            np.testing.assert_allclose(found, expected, 1e-12, 1e-12, err_msg=f"seed {seed}")


SIMPLER: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "times 1": (lambda x: x * 1.0, []),
    "1 times": (lambda x: 1.0 * x, []),
    "over 1": (lambda x: x / 1.0, []),
    "plus 0": (lambda x: 0.0 + (x + 0.0), []),
    "minus 0": (lambda x: x - 0.0, []),
    "times 0 stays": (lambda x: x * 0.0, ["broadcast_to", "multiply"]),
    "0 minus stays": (lambda x: 0.0 - x, ["broadcast_to", "subtract"]),
    "1 over stays": (lambda x: 1.0 / x, ["broadcast_to", "divide"]),
    "minus minus": (lambda x: ops.negative(ops.negative(x)), []),
    "a cast to itself": (lambda x: apply("cast", [x], dtype="float64"), []),
    "a cast there and back stays": (
        lambda x: ops.cast(ops.cast(x, "float32"), "float64"),
        ["cast", "cast"],
    ),
    "transposed twice": (lambda x: ops.transpose(ops.transpose(x)), []),
    "two transposes": (
        lambda x: ops.transpose(ops.transpose(ops.expand(x, 0), (1, 2, 0)), (1, 0, 2)),
        ["reshape", "transpose"],
    ),
    "two reshapes": (lambda x: ops.reshape(ops.reshape(x, (15,)), (3, 5)), []),
    "two broadcasts": (
        lambda x: ops.broadcast_to(ops.broadcast_to(x, (2, 3, 5)), (4, 2, 3, 5)),
        ["broadcast_to"],
    ),
    "constants": (lambda x: x * (ops.exp(constant(0.0)) + 1.0), ["broadcast_to", "multiply"]),
    "no gradient": (lambda x: ops.stop_gradient(x), []),
    "equal parts": (lambda x: ops.tanh(x) * ops.tanh(x), ["tanh", "multiply"]),
    "two axes": (lambda x: ops.sum(x, 0) + ops.sum(ops.transpose(x), 1),
                 ["sum", "transpose", "sum", "add"]),
}  # fmt: skip


@pytest.mark.parametrize("name", SIMPLER)
def test_simplification_rules(name: str) -> None:
    function, expected = SIMPLER[name]
    graph = graph_of(function, (3, 5))
    assert operations(simplify(graph)) == expected
    x = np.random.default_rng(0).normal(size=(3, 5))
    x[1, 1:4] = np.nan, np.inf, 0.0
    with np.errstate(all="ignore"):
        before, after = (evaluate(g, [x])[0] for g in (graph, simplify(graph)))
    np.testing.assert_array_equal(after, before)


def test_random_numbers_of_two_places_are_not_merged() -> None:
    seed, step = np.int64(1), np.int64(2)

    def draw(x: Any, sites: tuple[int, int]) -> Any:
        seeds = [constant(seed), constant(step)]
        return x + ops.random_uniform((50,), *seeds, sites[0], "float64") * ops.random_uniform(
            (50,), *seeds, sites[1], "float64"
        )

    for sites, count in (((0, 1), 2), ((3, 3), 1)):
        graph = simplify(graph_of(lambda x, s=sites: draw(x, s), (50,)))
        assert operations(graph).count("random_uniform") == count


def test_equal_nodes_with_other_attributes_are_not_merged() -> None:
    graph = graph_of(lambda x: ops.sum(x, 0) + ops.sum(x, 1) + ops.max(x, 0), (3, 3))
    assert operations(merge(graph)) == ["sum", "sum", "add", "max", "add"]


def test_inlining_goes_all_the_way_down() -> None:
    graph = graph_of(lambda x: ops.relu(ops.softplus(x)) + ops.binary_cross_entropy(x, 0.5), (3,))
    assert "composite" in operations(graph)
    assert "composite" not in operations(inline(graph))


def test_a_deep_graph_needs_no_recursion() -> None:
    def deep(x: Any) -> Any:
        for _ in range(5000):
            x = x + 1.0
        return ops.sum(x)

    graph = graph_of(deep, (1,))
    assert evaluate(simplify(graph), [np.zeros(1)])[0] == 5000.0
    assert gradient(deep)(np.zeros(1)).tolist() == [1.0]


# --- gradients


def slope(f: Callable[[Array], float], x: Array, direction: Array, step: float = 1e-6) -> float:
    """A central difference along one direction."""
    return (f(x + step * direction) - f(x - step * direction)) / (2 * step)


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_gradients_of_random_functions(first: int) -> None:
    """Every input at once along a random direction; composites' own gradients included."""
    tried = 0
    for seed in range(first, first + 20):
        case = make(seed, symbolic=seed % 2 == 1)
        graph = case.graph
        places = [k for k, v in enumerate(graph.inputs) if v.dtype == "float64"]
        rng = np.random.default_rng(seed)
        weights = [constant(rng.uniform(0.5, 1.5)) for _ in graph.outputs]
        loss = constant(0.0)
        for weight, output in zip(weights, graph.outputs, strict=True):
            loss = loss + weight * ops.sum(output)
        wanted = [graph.inputs[k] for k in places]
        whole = check(Graph(graph.inputs, (loss, *gradients_of(loss, wanted))), "gradient")
        arrays = [case.arrays[v.name] for v in graph.inputs]
        found = evaluate(whole, arrays, case.counts)[1:]
        directions = [rng.normal(size=arrays[k].shape) for k in places]
        ends = []
        for sign in (1e-6, -1e-6):
            moved = list(arrays)
            for k, direction in zip(places, directions, strict=True):
                moved[k] = arrays[k] + sign * direction
            ends.append(float(evaluate(Graph(graph.inputs, (loss,)), moved, case.counts)[0]))
        expected = (ends[0] - ends[1]) / 2e-6
        total = sum(float(np.sum(g * d)) for g, d in zip(found, directions, strict=True))
        # A masks' edge or the largest of a row may lie between the two ends, but not often.
        tried += bool(abs(total - expected) <= 1e-4 * (1.0 + abs(expected)))
    assert tried >= 18, f"{tried} of 20"


SMOOTH: dict[str, Callable[[Any], Any]] = {
    "network": lambda x: ops.mean(ops.tanh(ops.matmul(ops.tanh(x), ops.transpose(x)))),
    "softmax": lambda x: ops.sum(ops.softmax(x) * ops.softmax(x, 0)),
    "cross-entropy": lambda x: ops.sum(
        ops.categorical_cross_entropy(x * x, np.array([0, 2, 1], "int32"))
    ),
    "binary cross-entropy": lambda x: ops.mean(ops.binary_cross_entropy(x, 0.3) * x),
    "gelu": lambda x: ops.sum(ops.gelu(x) * ops.sigmoid(x)),
    "quotient": lambda x: ops.sum(ops.exp(x) / (1.0 + ops.sqrt(x * x + 1.0))),
    "views": lambda x: ops.sum(
        ops.log(ops.reshape(ops.slice_axis(ops.transpose(x * x + 1.0), 0, 1, 3), (6,)))
    ),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_of_gradients(name: str) -> None:
    """Second and third derivatives along directions, against differences of the one below."""
    f = SMOOTH[name]
    rng = np.random.default_rng(0)
    x, u, v = (rng.uniform(-1.0, 1.0, (3, 4)) for _ in range(3))

    def along(h: Callable[[Any], Any], direction: Array) -> Callable[[Any], Any]:
        return lambda y: ops.sum(ops.multiply(gradient(h)(y), direction))

    first = along(f, u)
    second = along(first, v)
    for lower, higher in ((f, first), (first, second), (second, along(second, u))):
        direction = u if higher is not second else v
        expected = slope(lambda y, g=lower: float(g(y)), x, direction, 1e-5)
        assert float(higher(x)) == pytest.approx(expected, rel=1e-5, abs=1e-8)


def test_the_gradient_of_several_arguments_and_of_trees() -> None:
    def f(weights: dict[str, Any], pair: tuple[Any, Any]) -> Any:
        return ops.sum(weights["a"] * pair[0]) + ops.sum(weights["b"] * weights["b"] * pair[1])

    weights = {"a": np.array([1.0, 2.0]), "b": np.array([3.0])}
    pair = (np.array([5.0, 7.0]), np.array([11.0]))
    value, (by_weights, by_pair) = value_and_gradient(f, (0, 1))(weights, pair)
    assert float(value) == 5.0 + 14.0 + 99.0
    assert by_weights["a"].tolist() == [5.0, 7.0]
    assert by_weights["b"].tolist() == [66.0]
    assert isinstance(by_pair, tuple)
    assert [g.tolist() for g in by_pair] == [[1.0, 2.0], [9.0]]


def test_what_a_loss_does_not_depend_on_gets_zeros() -> None:
    by_x, by_y = gradient(lambda x, y: ops.sum(x), (0, 1))(np.ones(2), np.ones((3, 2)))
    assert by_x.tolist() == [1.0, 1.0]
    assert by_y.tolist() == [[0.0, 0.0]] * 3


def test_the_same_array_twice_has_two_gradients() -> None:
    x = np.array([2.0, 3.0])
    first, second = gradient(lambda a, b: ops.sum(a * a * b), (0, 1))(x, x)
    assert first.tolist() == [8.0, 18.0]
    assert second.tolist() == [4.0, 9.0]


def test_a_gradient_inside_a_traced_function() -> None:
    graph = check(graph_of(gradient(lambda x: ops.sum(x * x * x)), (2,)), "trace")
    assert evaluate(graph, [np.array([1.0, 2.0])])[0].tolist() == [3.0, 12.0]


def test_pullbacks_and_seeds() -> None:
    graph = graph_of(lambda x, y: (x * y, ops.tanh(x)), (3,), (3,))
    back = check(pullback(graph), "pullback")
    x, y, seed, other = (np.random.default_rng(k).normal(size=3) for k in range(4))
    by_x, by_y = evaluate(back, [x, y, seed, other])
    np.testing.assert_allclose(by_x, seed * y + other * (1 - np.tanh(x) ** 2))
    np.testing.assert_allclose(by_y, seed * x)


def test_a_value_on_the_way_may_be_wanted() -> None:
    x = input_value("x", (3,), "float64")
    hidden = ops.tanh(x)
    loss = ops.sum(hidden * hidden)
    (found,) = backpropagate([loss], [constant(1.0)], [hidden])
    numbers = evaluate(Graph((x,), (found,)), [np.array([0.0, 1.0, 2.0])])[0]
    np.testing.assert_allclose(numbers, 2 * np.tanh([0.0, 1.0, 2.0]))


def test_an_operation_without_a_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    record = replace(PRIMITIVES["pad"], name="opaque", gradient=None)
    monkeypatch.setitem(PRIMITIVES._things, "opaque", record)
    x = input_value("x", (3,), "float64")
    opaque = apply("opaque", [x], axis=0, before=1, after=0)
    with pytest.raises(errors.UnsupportedOperationError, match="opaque has no gradient"):
        gradients_of(ops.sum(opaque), [x])
    stopped = gradients_of(ops.sum(ops.stop_gradient(opaque)) + ops.sum(x), [x])
    assert evaluate(Graph((x,), tuple(stopped)), [np.zeros(3)])[0].tolist() == [1.0] * 3


# --- order, printing, trees


def test_nodes_come_after_their_inputs_and_once() -> None:
    graph = make(3).graph
    places = {id(v): k for k, v in enumerate(graph.nodes())}
    assert len(places) == len(graph.nodes())
    for node in graph.nodes():
        assert all(places[id(v)] < places[id(node)] for v in node.inputs)
    assert topological([]) == []


def test_printing_shows_every_node_and_sub_graphs() -> None:
    graph = graph_of(lambda x: ops.sum(ops.relu(x) * 2.0, 1), (N, 3), dtype="float32")
    lines = show(graph).splitlines()
    assert lines == [
        "input argument0: float32(N, 3)",
        "%0: float32(N, 3) = composite(argument0; definition=relu)",
        "    | input argument0: float32(N, 3)",
        "    | %0: float32() = constant(value=0)",
        "    | %1: float32(N, 3) = broadcast_to(%0; shape=(N, 3))",
        "    | %2: bool(N, 3) = less_equal(argument0, %1)",
        "    | %3: float32() = constant(value=0)",
        "    | %4: float32(N, 3) = broadcast_to(%3; shape=(N, 3))",
        "    | %5: float32(N, 3) = select(%2, %4, argument0)",
        "    | output %5",
        "%1: float32() = constant(value=2)",
        "%2: float32(N, 3) = broadcast_to(%1; shape=(N, 3))",
        "%3: float32(N, 3) = multiply(%0, %2)",
        "%4: float32(N,) = sum(%3; axis=1)",
        "output %4",
    ]


def test_named_outputs_and_arrays_print() -> None:
    x = input_value("x", (3,), "float64")
    text = show(Graph((x,), (x + np.arange(3.0), x), ("moved", "same")))
    assert "constant(value=array(3,))" in text
    assert "output moved = %1" in text
    assert "output same = x" in text


@pytest.mark.parametrize(
    "thing", [1, (), (1, 2), [1, (2, [3])], {"b": 1, "a": (2, {"c": 3})}, [{}, ()]]
)
def test_trees_are_built_up_again(thing: Any) -> None:
    leaves, tree = flatten(thing)
    assert unflatten(tree, leaves) == thing
    assert flatten(unflatten(tree, [x * 10 for x in leaves]))[1] == tree


def test_an_array_times_a_value_is_a_product() -> None:
    left = np.arange(6.0).reshape(2, 3)
    slope = gradient(lambda x: ops.sum(left @ x))(np.ones((3, 4)))
    np.testing.assert_allclose(slope, left.sum(axis=0)[:, None].repeat(4, axis=1))


def test_a_part_of_a_value_by_brackets_says_what_to_write() -> None:
    with pytest.raises(errors.TraceError, match="has no element yet"):
        gradient(lambda x: ops.sum(x[0]))(np.ones((3, 4)))
