"""The compiler without LLVM: groups run in NumPy, their order, updates in place, memory, texts.

The text that each pass leaves of one small network is kept in ``golden/``. After a wanted change
write it anew with ``python tests/test_compiler_passes.py`` and read the difference.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ranvier.ops as ops
from random_graphs import make
from ranvier import losses
from ranvier.backends.reference.groups import run_groups
from ranvier.compiler.groups import Buffer, Group, show_group, walk
from ranvier.compiler.index import Axis, Index, axes_of, quotient, remainder, reshaped
from ranvier.compiler.pipeline import Planned, Request, compile_plan
from ranvier.foundation import errors
from ranvier.foundation.shapes import N
from ranvier.graph.gradient import gradients_of
from ranvier.layers import L2, Dense, Dropout, Layer
from ranvier.metrics import resolve as metric
from ranvier.networks.network import Network
from ranvier.ops.graph import Graph, evaluate, trace
from ranvier.ops.value import Spec, input_value
from ranvier.optimizers import SGD, Adam, Optimizer
from ranvier.training.graphs import DataSpec, Recipe, step_graph

Array = np.ndarray
GOLDEN = Path(__file__).with_name("golden") / "passes_of_a_small_network.txt"
#: Columns of a panel, as on one particular processor: so that texts are the same on all.
PANELS = {"float32": 32, "float64": 16}


def plan(graph: Graph, counts: dict[str, int] | None = None) -> Planned:
    return compile_plan(Request(graph, frozenset(), {}, counts or {}, PANELS))


def plan_of(
    function: Any, *shapes: tuple[Any, ...], counts: dict[str, int] | None = None
) -> Planned:
    graph, _ = trace(function, [Spec(shape, "float64") for shape in shapes])
    return plan(graph, counts)


def kinds(planned: Planned) -> list[str]:
    return [group.kind for group in planned.groups]


# --- groups run in NumPy


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("first", range(0, 120, 30))
def test_groups_are_the_graph(first: int, symbolic: bool) -> None:
    refused = 0
    for seed in range(first, first + 30):
        case = make(seed, symbolic=symbolic)
        wanted = evaluate(case.graph, [case.arrays[v.name] for v in case.graph.inputs], case.counts)
        try:
            planned = plan(case.graph, case.counts)
        except errors.UnsupportedOperationError:
            refused += 1  # two axes to merge, or to keep, of which the second is N
            continue
        check_memory(planned)
        found = run_groups(planned, case.arrays, case.counts)
        for one, expected in zip(found.values(), wanted, strict=True):
            assert (one.shape, one.dtype) == (expected.shape, expected.dtype), seed
            np.testing.assert_allclose(one, expected, 1e-9, 1e-9, err_msg=f"seed {seed}")
    assert refused <= 8 if symbolic else refused == 0


def alive(groups: list[Group], planned: Planned) -> dict[Buffer, tuple[float, float]]:
    """When each buffer holds something that is needed, by the order of groups."""
    lives: dict[Buffer, tuple[float, float]] = {}
    lasting = {*planned.fused.inputs.values(), *planned.fused.outputs}
    lasting |= {buffer for buffer, _ in planned.fused.constants.values()}
    for time, group in enumerate(groups):
        touched = [*group.writes(), *group.reads(), *([group.scratch] if group.scratch else [])]
        for buffer in touched:
            low, high = lives.get(buffer, (time, time))
            lives[buffer] = (min(low, time), max(high, time))
    for buffer in lasting:
        lives[buffer] = (-np.inf, np.inf)
    return lives


def check_memory(planned: Planned) -> None:
    """No two buffers share bytes while both are needed; nothing lies outside."""
    sizes = dict(planned.memory.capacity)
    lives = alive(planned.groups, planned)
    placed = [b for b in lives if b.alias is None and b.role != "data"]
    for number, a in enumerate(placed):
        assert 0 <= a.offset <= planned.memory.bytes - a.bytes(sizes), a
        for b in placed[:number]:
            apart = a.offset >= b.offset + b.bytes(sizes) or b.offset >= a.offset + a.bytes(sizes)
            together = lives[a][0] <= lives[b][1] and lives[b][0] <= lives[a][1]
            assert apart or not together, f"{a} and {b}"


# --- a training step


def step_of(
    layers: list[Layer],
    features: int,
    optimizer: Optimizer,
    rows: int = 7,
    target: str = "classes",
    dtype: str = "float64",
) -> tuple[Planned, dict[str, Any], Graph]:
    """A planned training step, numbers for its inputs, and its graph."""
    network = Network(layers, dtype)
    network.build((features,), seed=1)
    outputs = network.output_shape[0]
    loss = losses.resolve(None, (outputs,), target, max(outputs, 2), network.last_activation)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, features)).astype(dtype)
    y = rng.integers(0, max(outputs, 2), rows).astype("int32")
    targets, names = DataSpec((), "int32"), ["accuracy"]
    if target == "numbers":
        y, targets, names = rng.normal(size=(rows, outputs)), DataSpec((outputs,), "float64"), []
    recipe = Recipe(
        network, (loss,), optimizer, (tuple(metric(n) for n in names),),
        (DataSpec((features,), dtype),), (targets,), False,
    )  # fmt: skip
    step = step_graph(recipe)
    planned = compile_plan(
        Request(step.graph, frozenset(step.data), step.updates, {"N": rows}, PANELS, guard=0)
    )
    inputs: dict[str, Any] = {
        **network.parameters,
        "data.x": x,
        "data.targets": y,
        "control.step_real": 1.0,
        "control.step_number": 0,
        "control.seed": 5,
        "control.rate": 0.1,
    }
    for value in step.graph.inputs:
        if value.name.startswith("state."):
            inputs[value.name] = rng.uniform(0.0, 0.1, value.shape)
    return planned, inputs, step.graph


STEPS: dict[str, tuple[Any, int, Optimizer, str]] = {
    "one layer": (lambda: [Dense(3)], 5, SGD(), "classes"),
    "one unit": (lambda: [Dense(1)], 17, SGD(momentum=0.9), "classes"),
    "two layers": (lambda: [Dense(33, activation="tanh"), Dense(3)], 16, Adam(), "classes"),
    "dropout": (
        lambda: [Dense(9, activation="relu"), Dropout(0.5), Dense(4, activation="softmax")],
        5, Adam(), "classes",
    ),
    "penalty": (lambda: [Dense(8, kernel_regularizer=L2(0.1)), Dense(2)], 3, SGD(), "numbers"),
    "three layers": (
        lambda: [Dense(16, activation="gelu"), Dense(16, activation="sigmoid"), Dense(1)],
        1, SGD(momentum=0.5), "numbers",
    ),
    "softmax inside": (lambda: [Dense(5, activation="softmax"), Dense(2)], 4, Adam(), "numbers"),
}  # fmt: skip


@pytest.mark.parametrize("rows", [1, 2, 7, 33])
@pytest.mark.parametrize("name", STEPS)
def test_a_step_updates_its_state_in_place(name: str, rows: int) -> None:
    layers, features, optimizer, target = STEPS[name]
    planned, inputs, graph = step_of(layers(), features, optimizer, rows, target)
    check_memory(planned)
    expected = evaluate(graph, [np.asarray(inputs[v.name]) for v in graph.inputs], {"N": rows})
    found = run_groups(planned, inputs, {"N": rows})
    assert list(found) == list(graph.names)
    for label, wanted in zip(graph.names, expected, strict=True):
        np.testing.assert_allclose(found[label], wanted, 1e-10, 1e-13, err_msg=label)
    for place, state in planned.request.updates.items():
        assert planned.fused.outputs[place].alias is planned.fused.inputs[state]


@pytest.mark.parametrize("optimizer", [SGD(), SGD(momentum=0.9), Adam()], ids=repr)
def test_products_of_a_network_and_their_updates(optimizer: Optimizer) -> None:
    """Three layers: three products forward, three weight gradients, two input gradients."""
    layers: list[Layer] = [Dense(17, activation="relu"), Dense(9, activation="tanh"), Dense(3)]
    planned, _, _ = step_of(layers, 5, optimizer)
    products = [g for g in planned.groups if g.kind == "product"]
    assert len(products) == 8
    over = {
        group.name: [b.alias.name for b in group.writes() if b.alias is not None]
        for group in products
    }
    updating = [names for names in over.values() if names]
    assert len(updating) == 3
    parts = {SGD: 1 + bool(getattr(optimizer, "momentum", 0)), Adam: 3}[type(optimizer)]
    for names in updating:
        assert len(names) == parts
        assert len({re.sub(r"^state\.|\.(mean|square|buffer)$", "", n) for n in names}) == 1
        assert any(re.fullmatch(r"layers\.\d\.weight", n) for n in names)
    # No gradient of a weight lies in memory: nothing of a weight's shape is a temporary.
    shapes = {(5, 17), (17, 9), (9, 3)}
    stored = {b.shape for g in planned.groups for b in g.writes() if b.alias is None}
    assert not stored & shapes


def test_activations_are_epilogues_of_their_products() -> None:
    layers: list[Layer] = [Dense(17, activation="gelu"), Dense(3)]
    planned, _, _ = step_of(layers, 5, SGD())
    first = next(g for g in planned.groups if g.kind == "product")
    text = show_group(first)
    assert "erf(" in text
    assert "layers.0.bias[j]" in text


def test_an_update_comes_after_every_reader_of_the_old_weight() -> None:
    layers: list[Layer] = [Dense(17, activation="tanh"), Dense(9), Dense(3)]
    planned, _, _ = step_of(layers, 5, Adam())
    place = {group.number: k for k, group in enumerate(planned.groups)}
    guard = next(
        k for k, g in enumerate(planned.groups) if any(b is planned.guard for b in g.writes())
    )
    checked = 0
    for group in planned.groups:
        for written in group.writes():
            if written.alias is None:
                continue
            checked += 1
            assert place[group.number] > guard
            for other in planned.groups:
                if other is not group and any(b is written.alias for b in other.reads()):
                    assert place[other.number] < place[group.number], (other.name, written.name)
    assert checked == 18


def test_groups_wait_for_what_they_read() -> None:
    for seed in range(40):
        planned = plan(make(seed).graph)
        done: set[int] = set()
        written: set[Buffer] = {*planned.fused.inputs.values()}
        written |= {buffer for buffer, _ in planned.fused.constants.values()}
        for group in planned.groups:
            assert group.after <= done, f"seed {seed}: {group.name}"
            assert set(group.reads()) <= written | set(group.writes()), f"seed {seed}"
            done.add(group.number)
            written |= set(group.writes())


# --- updates in place that cannot be


def planned_update(function: Any, guard: int | None = None) -> tuple[Planned, Graph]:
    """A program whose last output replaces its input ``w``."""
    w, x = input_value("w", (6, 6), "float64"), input_value("x", (6, 6), "float64")
    outputs = function(w, x)
    graph = Graph((w, x), tuple(outputs))
    updates = {len(outputs) - 1: "w"}
    return compile_plan(Request(graph, frozenset(), updates, {}, PANELS, guard=guard)), graph


#: What replaces w; whether that happens in place, None where either is right.
UPDATES: dict[str, tuple[Any, bool | None]] = {
    "element by element": (lambda w, x: [w - 0.1 * x], True),
    "behind a product of others": (lambda w, x: [w - ops.matmul(x, x)], True),
    "read by an earlier product": (
        lambda w, x: [ops.matmul(x, w), w - ops.matmul(ops.transpose(x), x)],
        True,
    ),
    "behind a product of itself": (lambda w, x: [w - ops.matmul(x, w)], False),
    "from another place": (lambda w, x: [ops.transpose(w) * 0.5 + x], False),
    "from another row": (
        lambda w, x: [ops.broadcast_to(ops.slice_axis(w, 0, 0, 1), (6, 6)) + x],
        False,
    ),
    "by its own row": (lambda w, x: [w - ops.sum(w, axis=1, keepdims=True)], None),
    "by its softmax": (lambda w, x: [ops.softmax(w)], None),
    "by its columns": (lambda w, x: [w - ops.sum(w, axis=0, keepdims=True)], None),
    "needed by what needs it": (
        lambda w, x: _circle(w, x),
        False,
    ),
    "itself": (lambda w, x: [x * 2.0, w], None),
    "another input": (lambda w, x: [x], None),
}


def _circle(w: Any, x: Any) -> list[Any]:
    """The new w is an operand of a product whose other operand is the old w."""
    new = ops.tanh(w * x)
    return [ops.matmul(new, w), new]


@pytest.mark.parametrize("name", UPDATES)
def test_updates_in_place(name: str) -> None:
    function, in_place = UPDATES[name]
    planned, graph = planned_update(function)
    arrays = {k: np.random.default_rng(ord(k)).normal(size=(6, 6)) for k in "wx"}
    wanted = evaluate(graph, [arrays["w"], arrays["x"]])
    found = run_groups(planned, arrays)
    for one, expected in zip(found.values(), wanted, strict=True):
        np.testing.assert_allclose(one, expected, 1e-11)
    new = planned.fused.outputs[len(wanted) - 1]
    if in_place is not None:
        assert (new.alias is planned.fused.inputs["w"]) == in_place
    # In place, or copied over at the end: the state itself has the new number.
    state = planned.fused.inputs["w"]
    written = [b for g in planned.groups for b in g.writes() if b.alias is state]
    assert len(written) == 1


def test_an_update_waits_for_the_guard() -> None:
    planned, _ = planned_update(
        lambda w, x: [ops.sum(ops.exp(ops.matmul(x, x))), w - 0.1 * x], guard=0
    )
    names = [[b.name if b.alias is None else "w" for b in g.writes()] for g in planned.groups]
    guard = next(k for k, g in enumerate(planned.groups) if planned.guard in [*g.writes()])
    update = next(k for k, written in enumerate(names) if "w" in written)
    assert guard < update


def test_a_parameter_used_twice_is_not_fused_into_one_product() -> None:
    """A tied weight's gradient has two parts: no product's epilogue updates it alone."""

    def step(w: Any, x: Any) -> list[Any]:
        hidden = ops.tanh(ops.matmul(x, w))
        loss = ops.sum(ops.matmul(hidden, ops.transpose(w)))
        (found,) = gradients_of(loss, [w])
        return [loss, w - 0.1 * found]

    planned, graph = planned_update(step, guard=0)
    arrays = {k: np.random.default_rng(ord(k)).normal(size=(6, 6)) for k in "wx"}
    wanted = evaluate(graph, [arrays["w"], arrays["x"]])
    for one, expected in zip(run_groups(planned, arrays).values(), wanted, strict=True):
        np.testing.assert_allclose(one, expected, 1e-11)
    updating = [g for g in planned.groups if any(b.alias is not None for b in g.writes())]
    (group,) = updating
    contributions = [g for g in planned.groups if g.kind == "product" and g is not group]
    assert any(set(other.writes()) & set(group.reads()) for other in contributions)


# --- fusion


def test_elementwise_chains_are_one_group() -> None:
    planned = plan_of(lambda x, y: ops.tanh(x * y + 1.0) - ops.exp(y), (5, 7), (5, 7))
    assert kinds(planned) == ["rows"]


def test_a_softmax_is_one_group() -> None:
    planned = plan_of(lambda x: ops.softmax(x * 2.0), (5, 40))
    assert kinds(planned) == ["rows"]
    levels = [root.level for root in planned.groups[0].roots]
    assert max(levels) == 2


def test_views_cost_nothing() -> None:
    planned = plan_of(
        lambda x: ops.transpose(ops.reshape(ops.slice_axis(x, 0, 2, 6), (2, 14))) + 1.0, (8, 7)
    )
    assert kinds(planned) == ["rows"]
    stored = [b for g in planned.groups for b in g.writes()]
    assert len(stored) == 1


def test_what_is_dear_and_read_twice_is_kept() -> None:
    """exp is computed once although a sum over columns and a product both read it."""
    planned = plan_of(
        lambda x: (ops.sum(ops.exp(x), axis=0), ops.matmul(ops.exp(x), ops.exp(x))), (6, 6)
    )
    count = sum(
        e.op == "exp"
        for group in planned.groups
        for root in group.roots
        if root.expr is not None
        for e in walk(root.expr)
    )
    assert count == 1


def test_groups_print() -> None:
    planned = plan_of(lambda x, w, b: ops.tanh(ops.matmul(x, w) + b), (5, 3), (3, 7), (7,))
    assert show_group(planned.groups[0]).splitlines() == [
        "group0 product i<5 j<7 over k<3",
        "    v0 = sum over k of argument0[outer*16 + k*1] * argument1[outer*1 + k*16]",
        "    v1 = tanh(add(v0, argument2[j]))",
        "    store t1: float64(5, 7) state",
    ]
    assert "=== fuse (" in planned.show_passes()


def test_a_symbolic_axis_behind_the_first_is_refused() -> None:
    with pytest.raises(errors.UnsupportedOperationError) as caught:
        plan_of(lambda x: ops.tanh(ops.transpose(x)) * 2.0 + 1.0, (N, 3), counts={"N": 9})
    assert "(3, N)" in str(caught.value)
    assert "only as the first axis" in str(caught.value)


def test_products_that_would_merge_a_symbolic_axis_are_refused() -> None:
    def all_but_the_last(x: Any, w: Any) -> Any:
        return ops.contract(x, w, ((2, 0), (0, 2)), ((1,), (1,)))

    with pytest.raises(errors.UnsupportedOperationError, match=r"(?s)merge the axes \(4, N\)"):
        plan_of(all_but_the_last, (N, 3, 4), (4, 3, N), counts={"N": 9})


def test_shorter_counts_than_planned() -> None:
    graph, _ = trace(
        lambda x: ops.tanh(x) - ops.mean(ops.tanh(x), axis=0), [Spec((N, 5), "float64")]
    )
    planned = plan(graph, {"N": 40})
    for count in (1, 3, 40):
        x = np.random.default_rng(count).normal(size=(count, 5))
        (found,) = run_groups(planned, {"argument0": x}, {"N": count}).values()
        np.testing.assert_allclose(found, np.tanh(x) - np.tanh(x).mean(0), 1e-12)


# --- index expressions


def test_reshapes_of_neighbours_cost_nothing() -> None:
    indices = axes_of((6, 35))
    split = reshaped(indices, (6, 35), (6, 5, 7))
    assert [str(i) for i in split] == ["i", "(j) // 7", "(j) % 7"]
    back = Index()
    for index, stride in zip(split, (35, 7, 1), strict=True):
        back = back.plus(index, stride)
    assert str(back) == "35*i + j"


@pytest.mark.parametrize("seed", range(30))
def test_reshaped_indices_name_the_same_element(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = [int(d) for d in rng.choice([1, 2, 3, 4, 6], 4)]
    size = int(np.prod(lengths))
    cut = int(rng.choice([d for d in range(1, size + 1) if size % d == 0]))
    shapes = [tuple(lengths), (cut, size // cut), tuple(int(d) for d in rng.permutation(lengths))]
    for old in shapes:
        for new in shapes:
            numbers = np.arange(size).reshape(old)
            indices = reshaped(axes_of(new), new, old)
            for place in np.ndindex(*new):
                where = tuple(value_of(index, place) for index in indices)
                assert numbers[where] == np.ravel_multi_index(place, new)


def value_of(index: Index, place: tuple[int, ...]) -> int:
    total = index.constant
    for atom, coefficient in index.terms:
        if isinstance(atom, Axis):
            total += coefficient * place[atom.position]
        else:
            inner = value_of(atom.index, place)
            is_quotient = type(atom).__name__ == "Quotient"
            total += coefficient * (inner // atom.divisor if is_quotient else inner % atom.divisor)
    return total


def test_quotients_and_remainders_that_can_be_seen_through() -> None:
    i, j = Index.of(Axis(0, 5)), Index.of(Axis(1, 7))
    linear = Index().plus(i, 7).plus(j)
    assert quotient(linear, 7) == i
    assert remainder(linear, 7) == j
    assert quotient(linear, 1) == linear
    assert remainder(linear, 1) == Index()
    assert str(quotient(linear, 5)) == "(7*i + j) // 5"
    assert str(quotient(i.plus(j), 11)) == "0"  # 4 + 6 is the largest
    assert str(quotient(i.plus(j), 10)) == "(i + j) // 10"
    assert str(remainder(i.plus(j), 10)) == "(i + j) % 10"
    assert quotient(linear.plus(Index((), 14)), 7) == i.plus(Index((), 2))


# --- golden text


def golden_text() -> str:
    """What every pass leaves of a small network's training step, without the times."""
    layers: list[Layer] = [Dense(33, activation="relu"), Dropout(0.25), Dense(3)]
    planned, _, _ = step_of(layers, 5, SGD(momentum=0.9), rows=17, dtype="float32")
    return re.sub(r" \([\d.]+ ms\)", "", planned.show_passes()) + "\n"


def test_the_passes_leave_the_text_that_was_read() -> None:
    assert golden_text() == GOLDEN.read_text(encoding="utf-8"), (
        f"the passes changed: if that is wanted, run `python {Path(__file__).name}` in tests/ "
        "and read the difference"
    )


def write_golden() -> None:
    """Keep the present text as the right one."""
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(golden_text(), encoding="utf-8")


if __name__ == "__main__":
    write_golden()
    sys.stdout.write(f"wrote {GOLDEN}\n")
