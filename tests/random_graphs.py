"""Random functions of arrays for tests: every kind of operation, odd lengths, shared parts.

``make(seed)`` gives the same graph and arrays for the same seed. Numbers stay near 1, and
comparisons read inputs only, so that two engines may differ by rounding but never by a branch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import ranvier.ops as ops
from ranvier.foundation.shapes import Extent, N
from ranvier.ops.graph import Graph
from ranvier.ops.value import Value, input_value

LENGTHS = (1, 2, 3, 5, 7, 15, 16, 17, 31, 32, 33)


@dataclass
class Case:
    """A graph with arrays for its inputs.

    Attributes:
        seed: what it was made from.
        graph: the function.
        arrays: by input name.
        counts: of symbolic extents.
    """

    seed: int
    graph: Graph
    arrays: dict[str, np.ndarray]
    counts: dict[str, int]


@dataclass
class Maker:
    """Grows a graph step by step.

    Args:
        rng: decides everything.
        dtype: of the numbers.
        rows: the count of N, or None for a function without it.
    """

    rng: np.random.Generator
    dtype: str
    rows: int | None
    inputs: list[Value] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    pool: list[Value] = field(default_factory=list)
    sites: int = 0

    def length(self) -> int:
        return int(self.rng.choice(LENGTHS))

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def input(self, shape: tuple[Any, ...], dtype: str | None = None) -> Value:
        dtype = dtype or self.dtype
        value = input_value(f"x{len(self.inputs)}", shape, dtype)
        known = tuple(self.rows if isinstance(d, Extent) else d for d in shape)
        if dtype.startswith("float"):
            array = self.rng.uniform(-1.5, 1.5, known)
        else:
            array = self.rng.integers(0, 7, known)
        self.inputs.append(value)
        self.arrays[value.name] = np.asarray(array).astype(dtype)
        return value

    def some(self, dimensions: int = 0) -> Value:
        """A value with at least so many axes, made if there is none."""
        fit = [v for v in self.pool if v.ndim >= dimensions]
        if not fit or self.rng.random() < 0.1:
            first = N if self.rows is not None and self.rng.random() < 0.5 else self.length()
            more = tuple(self.length() for _ in range(max(dimensions, self.pick(1, 2, 2, 3)) - 1))
            fit = [self.input((first, *more))]
        return fit[int(self.rng.integers(len(fit)))]

    # --- steps

    def unary(self) -> Value:
        x = self.some()
        name = self.pick(
            "tanh", "sigmoid", "gelu", "relu", "negative", "absolute", "exp", "log", "sin", "cos"
        )  # fmt: skip
        if name == "exp":
            return ops.exp(ops.tanh(x))
        if name == "log":
            return ops.log(ops.absolute(x) + 0.5)
        return getattr(ops, name)(x)  # type: ignore[no-any-return]

    def binary(self) -> Value:
        a = self.some()
        other = [v for v in self.pool if v.shape == a.shape or v.shape == a.shape[1:]]
        last = a.shape[-1:] or (1,)
        b = self.pick(*other, self.input(last), 0.75)
        name = self.pick("add", "subtract", "multiply", "maximum", "minimum")
        return getattr(ops, name)(a, b)  # type: ignore[no-any-return]

    def divide(self) -> Value:
        a = self.some()
        return ops.divide(a, ops.sqrt(ops.multiply(a, a) + 0.5))

    def reduce(self) -> Value:
        x = self.some(1)
        axis = int(self.rng.integers(x.ndim))
        name = self.pick("sum", "mean", "mean", "max", "min")
        out: Value = getattr(ops, name)(x, axis=axis, keepdims=bool(self.rng.random() < 0.3))
        return ops.multiply(out, 0.25) if name == "sum" else out

    def rows_of(self) -> Value:
        x = self.some(1)
        axis = self.pick(-1, -1, int(self.rng.integers(x.ndim)))
        return self.pick(ops.softmax, ops.log_softmax)(x, axis)

    def matmul(self) -> Value:
        x = self.some(2)
        units = self.length()
        depth = x.shape[-1]
        kind = self.pick("plain", "plain", "turned", "gram", "both")
        if kind == "gram" or isinstance(depth, Extent):
            lead = tuple(range(x.ndim - 2))
            found = ops.contract(x, x, ((x.ndim - 2,), (x.ndim - 2,)), (lead, lead))
        elif kind == "both" and x.ndim == 2:
            w = self.input((units, depth))
            found = ops.contract(ops.tanh(x), w, ((1,), (1,)))
            found = ops.contract(found, found, ((0,), (0,)))
        elif kind == "turned":
            found = ops.contract(x, self.input((units, depth)), ((x.ndim - 1,), (1,)))
        else:
            found = ops.matmul(x, self.input((depth, units)))
        return ops.tanh(found)

    def view(self) -> Value:
        x = self.some(1)
        kind = self.pick("transpose", "reshape", "broadcast", "slice", "expand")
        if kind == "transpose":
            return ops.transpose(x, tuple(int(a) for a in self.rng.permutation(x.ndim)))
        known = [a for a, d in enumerate(x.shape) if isinstance(d, int)]
        if kind == "broadcast":
            return ops.broadcast_to(x, (self.pick(1, 2, 3), *x.shape))
        if kind == "expand" or not known:
            return ops.expand(x, int(self.rng.integers(x.ndim + 1)))
        axis = self.pick(*known)
        length = x.shape[axis]
        if kind == "slice":
            start = int(self.rng.integers(length))
            return ops.slice_axis(x, axis, start, int(self.rng.integers(start, length)) + 1)
        if len(known) == x.ndim:
            size = int(np.prod(x.shape))
            divisors = [d for d in range(1, size + 1) if size % d == 0]
            return ops.reshape(x, (self.pick(*divisors), -1))
        return ops.reshape(x, (x.shape[0], -1)) if isinstance(x.shape[0], Extent) else x

    def join(self) -> Value:
        """Padding, or parts side by side: known ones, new ones, and the same one twice."""
        x = self.some(1)
        known = [a for a, d in enumerate(x.shape) if isinstance(d, int)]
        if not known:
            return x
        axis = self.pick(*known)
        if self.rng.random() < 0.3:
            return ops.pad(x, axis, int(self.rng.integers(0, 20)), self.pick(0, 1, 16))
        rest = (x.shape[:axis], x.shape[axis + 1 :])
        fit = [v for v in self.pool if v.ndim == x.ndim]
        fit = [v for v in fit if (v.shape[:axis], v.shape[axis + 1 :]) == rest]
        fit = [v for v in fit if isinstance(v.shape[axis], int)]
        parts = [x]
        for _ in range(int(self.rng.integers(1, 4))):
            new = self.input((*rest[0], self.length(), *rest[1]))
            parts.insert(int(self.rng.integers(len(parts) + 1)), self.pick(new, ops.tanh(x), *fit))
        return ops.concatenate(parts, axis)

    def mask(self) -> Value:
        x = self.some(1)
        leaf = self.input(x.shape)
        return ops.where(ops.less(leaf, 0.25), x, self.pick(0.5, ops.negative(x)))

    def random(self) -> Value:
        x = self.some(1)
        if any(isinstance(d, Extent) for d in x.shape[1:]):
            return x
        seed, step = (self.input((), "int64") for _ in range(2))
        self.sites += 1
        return x * ops.random_uniform(x.shape, seed, step, self.sites, self.dtype)

    def classes(self) -> Value:
        x = self.some(2)
        if x.ndim != 2 or isinstance(x.shape[1], Extent):
            return x
        hot = ops.one_hot(self.input(x.shape[:1], "int32"), x.shape[1], self.dtype)
        return ops.add(x, hot)

    def take(self) -> Value:
        """Rows of a known table or a new one; some of the numbers lie behind it."""
        fit = [v for v in self.pool if v.ndim == 2 and all(isinstance(d, int) for d in v.shape)]
        table = self.pick(self.input((self.length(), self.length())), *fit)
        some = self.some(1)
        shape = some.shape[: self.pick(1, some.ndim)]
        return ops.take(table, self.input(shape, self.pick("uint8", "int32", "int64")))

    def scatter(self) -> Value:
        x = self.some(2)
        if not isinstance(x.shape[-1], int):
            return x
        count = self.pick(1, 5, 9)
        return ops.scatter_add(self.input(x.shape[:-1], "int32"), x, count) / float(count)

    def loss(self) -> Value:
        x = self.some(2)
        if x.ndim != 2 or not isinstance(x.shape[1], int) or x.shape[1] < 7:
            return ops.mean(x)
        return ops.categorical_cross_entropy(x, self.input(x.shape[:1], "int32"))

    def grow(self, steps: int) -> None:
        makers: list[Callable[[], Value]] = [
            self.unary, self.unary, self.binary, self.binary, self.binary, self.divide,
            self.reduce, self.reduce, self.rows_of, self.matmul, self.matmul, self.view,
            self.view, self.join, self.join, self.mask, self.random, self.classes, self.loss,
            self.take, self.scatter,
        ]  # fmt: skip
        for _ in range(steps):
            value = self.pick(*makers)()
            if _elements(value, self.rows) <= 20_000:
                self.pool.append(value)


def _elements(value: Value, rows: int | None) -> int:
    sizes = [(rows or 1) if isinstance(d, Extent) else d for d in value.shape]
    return int(np.prod(sizes))


def make(seed: int, dtype: str = "float64", symbolic: bool = False, steps: int = 12) -> Case:
    """A random graph with one to four outputs.

    Args:
        seed: of everything.
        dtype: of its numbers.
        symbolic: whether axes may have the symbolic length N.
        steps: how many operations are written down.
    """
    rng = np.random.default_rng(seed)
    rows = int(rng.choice(LENGTHS)) if symbolic else None
    maker = Maker(rng, dtype, rows)
    maker.grow(steps)
    ends = maker.pool[-int(rng.integers(1, 5)) :]
    return Case(
        seed,
        Graph(tuple(maker.inputs), tuple(ends)),
        maker.arrays,
        {} if rows is None else {"N": rows},
    )
