"""Scan: its meaning, its gradients against finite differences, its law and how it prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ranvier as rv
import ranvier.ops as ops
from ranvier.foundation import errors
from ranvier.graph.check import check
from ranvier.graph.show import show
from ranvier.graph.simplify import inline, simplify
from ranvier.graph.transforms import gradient
from ranvier.ops.graph import Graph, evaluate, trace
from ranvier.ops.value import Spec, Value

Array = np.ndarray


def numbers(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, shape)


def recurrent(x: Any, w: Any, u: Any, first: Any, reverse: bool = False) -> Any:
    """A simple recurrent network: ``h = tanh(x u + h w)``; every state, then the last."""

    def body(h: Any, step: Any) -> tuple[Any, Any]:
        new = ops.tanh(ops.matmul(step, u) + ops.matmul(h, w))
        return (new,), (new,)

    last, states = ops.scan(body, [first], [x], reverse)
    return states[0], last[0]


def by_hand(x: Array, w: Array, u: Array, first: Array, reverse: bool) -> tuple[Array, Array]:
    h, states = first, np.zeros((len(x), *first.shape))
    for t in range(len(x))[:: -1 if reverse else 1]:
        h = np.tanh(x[t] @ u + h @ w)
        states[t] = h
    return states, h


ARRAYS = (numbers(5, 2, 3), numbers(4, 4, seed=1), numbers(3, 4, seed=2), numbers(2, 4, seed=3))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_recurrent_network(steps: int, reverse: bool) -> None:
    x, *rest = ARRAYS
    x = x[:steps]
    expected = by_hand(x, *rest, reverse)
    specs = [Spec(a.shape, "float64") for a in (x, *rest)]
    graph, _ = trace(lambda *a: recurrent(*a, reverse=reverse), specs)
    for found in (recurrent(x, *rest, reverse=reverse), evaluate(graph, [x, *rest]),
                  evaluate(simplify(inline(check(graph, "trace"))), [x, *rest])):  # fmt: skip
        for one, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, wanted, 1e-12)


def differences(f: Callable[..., Any], arrays: list[Array], place: int) -> Array:
    found = np.zeros(arrays[place].shape)
    for index in np.ndindex(arrays[place].shape):
        ends = []
        for sign in (1e-6, -1e-6):
            moved = [a.copy() for a in arrays]
            moved[place][index] += sign
            ends.append(float(f(*moved)))
        found[index] = (ends[0] - ends[1]) / 2e-6
    return found


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("kept", ["states", "last", "both"])
def test_gradients_of_a_recurrent_network(kept: str, reverse: bool) -> None:
    """By the sequence, the captured weights and the first carry."""
    weight, other = numbers(5, 2, 4, seed=8), numbers(2, 4, seed=9)

    def loss(*a: Any) -> Any:
        states, last = recurrent(*a, reverse=reverse)
        by_states, by_last = ops.sum(states * states * weight), ops.sum(last * other)
        return {"states": by_states, "last": by_last, "both": by_states + by_last}[kept]

    found = gradient(loss, (0, 1, 2, 3))(*ARRAYS)
    for place, one in enumerate(found):
        expected = differences(loss, list(ARRAYS), place)
        np.testing.assert_allclose(one, expected, 1e-6, 1e-8)


def test_the_gradient_of_the_gradient() -> None:
    direction = numbers(4, 4, seed=5)

    def first(w: Any) -> Any:
        loss = lambda v: ops.sum(recurrent(ARRAYS[0], v, ARRAYS[2], ARRAYS[3])[0])  # noqa: E731
        return ops.sum(ops.multiply(gradient(loss)(w), direction))

    found = gradient(first)(ARRAYS[1])
    np.testing.assert_allclose(found, differences(first, [ARRAYS[1]], 0), 1e-5, 1e-7)


def test_several_carries_sequences_and_outputs() -> None:
    """Fibonacci's numbers with a running product beside them."""

    def body(a: Any, b: Any, product: Any, x: Any, y: Any) -> tuple[Any, Any]:
        return (b, a + b, product * x), (a, product * y)

    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 10.0, 1.0, 10.0])
    last, out = ops.scan(body, [np.float64(0), np.float64(1), np.float64(1)], [x, y])
    assert [float(v) for v in last] == [3.0, 5.0, 24.0]
    assert out[0].tolist() == [0.0, 1.0, 1.0, 2.0]
    assert out[1].tolist() == [1.0, 10.0, 2.0, 60.0]


def test_integers_pass_without_a_gradient() -> None:
    def f(x: Any) -> Any:
        def body(count: Any, total: Any, t: Any) -> tuple[Any, Any]:
            return (count + 1, total + t * ops.cast(count, "float64")), ()

        return ops.scan(body, [np.int32(0), np.float64(0)], [x])[0][1]

    assert float(f(np.array([5.0, 7.0, 11.0]))) == 29.0
    assert gradient(f)(np.array([5.0, 7.0, 11.0])).tolist() == [0.0, 1.0, 2.0]


def test_a_captured_value_may_be_computed() -> None:
    """What was made outside of the body comes in as an input of it, once."""

    def f(x: Any, w: Any) -> Any:
        scale = ops.exp(w)
        return ops.scan(lambda s, t: ((s + t * scale * scale,), ()), [np.zeros(2)], [x])[0][0]

    graph, _ = trace(f, [Spec((3, 2), "float64"), Spec((2,), "float64")])
    (node,) = [v for v in graph.nodes() if v.op == "scan"]
    assert [v.name for v in node.attributes["body"].inputs] == ["step0", "step1", "captured0"]
    x, w = numbers(3, 2), numbers(2, seed=1)
    np.testing.assert_allclose(evaluate(graph, [x, w])[0], x.sum(0) * np.exp(2 * w))
    found = gradient(lambda *a: ops.sum(f(*a)), 1)(x, w)
    np.testing.assert_allclose(found, 2 * x.sum(0) * np.exp(2 * w))


def test_printing_shows_the_body() -> None:
    graph, _ = trace(
        lambda x: ops.scan(lambda s, t: ((s + t,), (s * t,)), [np.float64(0)], [x])[1][0],
        [Spec((4,), "float64")],
    )
    assert show(graph).splitlines() == [
        "input argument0: float64(4,)",
        "%0: float64() = constant(value=0)",
        "%1: bool() = scan(%0, argument0; carries=1, sequences=1, length=4, reverse=False)",
        "    | input step0: float64()",
        "    | input step1: float64()",
        "    | %0: float64() = add(step0, step1)",
        "    | %1: float64() = multiply(step0, step1)",
        "    | output %0",
        "    | output %1",
        "%2: float64(4,) = item(%1; index=1)",
        "output %2",
    ]
    (pair,) = graph.subgraphs()
    assert pair[0].op == "scan"


def test_the_law_holds_inside() -> None:
    graph, _ = trace(
        lambda x: ops.scan(lambda s, t: ((s + t,), ()), [np.float64(0)], [x])[0][0],
        [Spec((4,), "float64")],
    )
    (node,) = [v for v in graph.nodes() if v.op == "scan"]
    body: Graph = node.attributes["body"]
    wrong = Value("add", body.inputs, {}, (2,), "float64")
    scan = Value("scan", node.inputs, {**node.attributes, "body": Graph(body.inputs, (wrong,))},
                 node.shape, node.dtype)  # fmt: skip
    item = graph.outputs[0]
    broken = Graph(graph.inputs, (Value("item", (scan,), item.attributes, item.shape, item.dtype),))
    with pytest.raises(errors.RanvierError, match="scan"):
        check(broken, "trace")


def test_native_refuses_and_the_reference_runs() -> None:
    with pytest.raises(errors.UnsupportedOperationError) as caught:
        rv.compile(recurrent)(*ARRAYS)
    assert "'scan'" in str(caught.value)
    assert 'engine="reference"' in str(caught.value)
    found = rv.compile(recurrent, engine="reference")(*ARRAYS)
    np.testing.assert_allclose(found[0], by_hand(*ARRAYS, reverse=False)[0], 1e-12)
