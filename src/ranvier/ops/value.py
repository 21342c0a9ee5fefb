"""The node of a graph, the record of a primitive, and how one is applied.

A :class:`Value` is the result of one operation on other values: a shape, a dtype, no numbers. An
operation applied to values makes a node; applied to arrays it is evaluated at once by its meaning.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol, TypeAlias

import numpy as np

from ranvier.foundation.dtypes import canonical, promote
from ranvier.foundation.errors import InternalError, ShapeError, TraceError
from ranvier.foundation.registry import Registry
from ranvier.foundation.shapes import Extent, Shape, known_shape, show_shape

_numbers = itertools.count()


@dataclass(frozen=True)
class Spec:
    """What is known of a value before it is computed: its shape and dtype."""

    shape: Shape
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype}{show_shape(self.shape)}"


@dataclass(frozen=True, eq=False)
class Value:
    """One node of a graph.

    Attributes:
        op: the name of its primitive.
        inputs: the values it is computed from.
        attributes: constants of the operation (axes, shapes, sub-graphs).
        shape: its shape; entries may be symbolic.
        dtype: its storage dtype.
        name: of inputs only: how it prints and how a program finds it.
        number: when it was made; a sub-graph captures what is older than itself.
    """

    op: str
    inputs: tuple[Value, ...]
    attributes: Mapping[str, Any]
    shape: Shape
    dtype: str
    name: str = ""
    number: int = field(default_factory=lambda: next(_numbers))

    #: NumPy must not take a value for an object array in ``array + value``.
    __array_ufunc__ = None

    @property
    def spec(self) -> Spec:
        """Shape and dtype together."""
        return Spec(self.shape, self.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __repr__(self) -> str:
        return f"<{self.name or self.op}: {self.spec}>"

    def __add__(self, other: Tensor) -> Any:
        return binary("add", self, other)

    def __radd__(self, other: Tensor) -> Any:
        return binary("add", other, self)

    def __sub__(self, other: Tensor) -> Any:
        return binary("subtract", self, other)

    def __rsub__(self, other: Tensor) -> Any:
        return binary("subtract", other, self)

    def __mul__(self, other: Tensor) -> Any:
        return binary("multiply", self, other)

    def __rmul__(self, other: Tensor) -> Any:
        return binary("multiply", other, self)

    def __truediv__(self, other: Tensor) -> Any:
        return binary("divide", self, other)

    def __rtruediv__(self, other: Tensor) -> Any:
        return binary("divide", other, self)

    def __neg__(self) -> Any:
        return apply("negative", [self])

    def __lt__(self, other: Tensor) -> Any:
        return binary("less", self, other)

    def __le__(self, other: Tensor) -> Any:
        return binary("less_equal", self, other)

    def __gt__(self, other: Tensor) -> Any:
        return binary("less", other, self)

    def __ge__(self, other: Tensor) -> Any:
        return binary("less_equal", other, self)

    def __matmul__(self, other: Tensor) -> Any:
        axes = ((self.ndim - 1,), (max(0, shape_of(other).__len__() - 2),))
        return apply("contract", [self, other], contracting=axes, batch=((), ()))

    def __rmatmul__(self, other: Tensor) -> Any:
        axes = ((len(shape_of(other)) - 1,), (max(0, self.ndim - 2),))
        return apply("contract", [other, self], contracting=axes, batch=((), ()))

    def __pow__(self, exponent: Tensor) -> Any:
        if isinstance(exponent, bool) or not isinstance(exponent, int) or exponent < 1:
            raise TraceError(
                "Values are raised to whole powers only.",
                happened=f"{self!r} was raised to the power {exponent!r:.80}",
                needed="a Python integer of at least 1",
                fix="write ops.sqrt(x), 1.0 / x, or ops.exp(p * ops.log(x)) for an x above 0",
            )
        # By squaring: x ** 5 is ((x * x) * (x * x)) * x.
        half = self if exponent < 4 else self ** (exponent // 2)
        if exponent == 1:
            return self
        squared = binary("multiply", half, half)
        odd = exponent % 2 == 1
        return binary("multiply", squared, self) if odd else squared

    def _no_number(self, wanted: str, instead: str) -> NoReturn:
        raise TraceError(
            f"A traced value has no {wanted} yet.",
            happened=f"Python asked {self!r} for its {wanted} while the function was being traced",
            needed="operations that can be written down in a graph",
            fix=instead,
        )

    def __bool__(self) -> bool:
        self._no_number(
            "truth value",
            "replace `if condition: a else: b` by ops.where(condition, a, b)",
        )

    def __float__(self) -> float:
        self._no_number("number", "keep it a value, or compute it outside the function")

    def __int__(self) -> int:
        self._no_number("number", "keep it a value, or compute it outside the function")

    def __index__(self) -> int:
        self._no_number("number", "use a Python integer for shapes and axes")

    def __len__(self) -> int:
        self._no_number("length", "use x.shape, whose entries may be symbolic")

    def __getitem__(self, place: object) -> NoReturn:
        self._no_number(
            "element", "use ops.slice_axis for a part of an axis, or ops.take for rows by number"
        )

    def __iter__(self) -> NoReturn:
        self._no_number("elements to go through", "use operations on whole axes, or ops.scan")

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        self._no_number("array", "use functions of ranvier.ops instead of NumPy's inside it")


#: What an operation takes: a value, an array, or a Python number.
Tensor: TypeAlias = Any


class GradientTools(Protocol):
    """What a gradient rule may ask of reverse mode itself (for operations with sub-graphs)."""

    def pullback(self, graph: Any) -> Any:
        """The graph (inputs, gradients of outputs) -> gradients of inputs."""


Rule: TypeAlias = Callable[[Sequence[Spec], Mapping[str, Any]], Spec]
Meaning: TypeAlias = Callable[[Sequence[Any], Mapping[str, Any]], Any]
Gradient: TypeAlias = Callable[[GradientTools, Value, Value], Sequence[Any]]


@dataclass(frozen=True)
class Primitive:
    """The record of one operation.

    Attributes:
        name: its name in graphs.
        kind: how engines lower it: "elementwise", "view", "reduce", "contract", "take", "scatter",
            "leaf", "random", "structural".
        rule: its shape and dtype rule.
        meaning: its definition on NumPy arrays.
        gradient: its gradient, written in operations; None where it has none.
        domain: interval in which its contract test samples float inputs.
    """

    name: str
    kind: str
    rule: Rule
    meaning: Meaning
    gradient: Gradient | None = None
    domain: tuple[float, float] = (-2.0, 2.0)


PRIMITIVES: Registry[Primitive] = Registry("primitive")


def primitive(record: Primitive) -> Primitive:
    """File a record; returns it."""
    return PRIMITIVES.register(record.name)(record)


def shape_of(x: Tensor) -> Shape:
    """The shape of a value, an array or a number."""
    if isinstance(x, Value):
        return x.shape
    return tuple(np.shape(x))


def dtype_of(x: Tensor) -> str:
    """The dtype of a value or an array."""
    if isinstance(x, Value):
        return x.dtype
    return canonical(np.asarray(x).dtype)


def is_python_number(x: Tensor) -> bool:
    """Whether x is a bare Python number, which takes the dtype of its partner."""
    return isinstance(x, int | float) and not isinstance(x, np.generic)


def constant(value: Any, dtype: str | None = None) -> Value:
    """A node for numbers that are known now; large arrays belong into inputs."""
    array = np.asarray(value)
    array = np.ascontiguousarray(array, dtype=canonical(dtype or array.dtype)).reshape(array.shape)
    array.setflags(write=False)
    return Value("constant", (), {"value": array}, tuple(array.shape), array.dtype.name)


def input_value(name: str, shape: Shape, dtype: str) -> Value:
    """A leaf that gets its numbers when a program runs."""
    return Value("input", (), {}, tuple(shape), canonical(dtype), name=name)


def apply(name: str, inputs: Sequence[Tensor], **attributes: Any) -> Any:
    """Apply a primitive: to values it makes a node, to arrays it gives an array at once."""
    record = PRIMITIVES[name]
    if any(isinstance(x, Value) for x in inputs):
        values = tuple(x if isinstance(x, Value) else constant(x) for x in inputs)
        spec = record.rule([v.spec for v in values], attributes)
        return Value(name, values, attributes, spec.shape, spec.dtype)
    arrays = [np.asarray(x) for x in inputs]
    record.rule([Spec(tuple(a.shape), canonical(a.dtype)) for a in arrays], attributes)
    return record.meaning(arrays, attributes)


def broadcast_shapes(first: Shape, second: Shape, operation: str) -> Shape:
    """The common shape of two operands.

    Raises:
        ShapeError: if an axis has two lengths, neither of them 1.
    """
    ndim = max(len(first), len(second))
    a = (1,) * (ndim - len(first)) + tuple(first)
    b = (1,) * (ndim - len(second)) + tuple(second)
    out: list[int | Extent] = []
    for left, right in zip(a, b, strict=True):
        if left == right or right == 1:
            out.append(left)
        elif left == 1:
            out.append(right)
        else:
            raise ShapeError(
                f"{operation} cannot combine shapes {show_shape(first)} and {show_shape(second)}.",
                happened=f"an axis has length {left} in one and {right} in the other",
                needed="equal lengths, or 1, axis by axis from the right",
                fix="reshape or broadcast one of them first",
            )
    return tuple(out)


def _as_operand(x: Tensor, dtype: str) -> Tensor:
    if is_python_number(x):
        return np.asarray(x, dtype)
    if dtype_of(x) == dtype:
        return x
    return apply("cast", [x], dtype=dtype)


def common_dtype(*operands: Tensor) -> str:
    """The dtype in which operands meet; bare Python numbers adapt to the others."""
    dtypes = [dtype_of(x) for x in operands if not is_python_number(x)]
    if not dtypes:
        return "float64" if any(isinstance(x, float) for x in operands) else "int64"
    out = dtypes[0]
    for dtype in dtypes[1:]:
        out = promote(out, dtype)
    if not out.startswith("float") and any(
        is_python_number(x) and isinstance(x, float) for x in operands
    ):
        return "float64"
    if out == "bool" and any(is_python_number(x) and not isinstance(x, bool) for x in operands):
        return "int64"
    return out


def broadcast_to(x: Tensor, shape: Shape) -> Any:
    """x repeated to a larger shape (a view, no copy)."""
    if shape_of(x) == tuple(shape):
        return x
    return apply("broadcast_to", [x], shape=tuple(shape))


def elementwise(name: str, *operands: Tensor) -> Any:
    """Apply an elementwise primitive after bringing operands to one dtype and shape."""
    dtype = common_dtype(*operands)
    converted = [_as_operand(x, dtype) for x in operands]
    shape = shape_of(converted[0])
    for x in converted[1:]:
        shape = broadcast_shapes(shape, shape_of(x), name)
    if not any(isinstance(x, Value) for x in converted):
        whole = known_shape(shape)
        return apply(name, [np.broadcast_to(x, whole) for x in converted])
    values = [x if isinstance(x, Value) else constant(x) for x in converted]
    return apply(name, [broadcast_to(x, shape) for x in values])


def binary(name: str, first: Tensor, second: Tensor) -> Any:
    """An elementwise primitive of two operands."""
    return elementwise(name, first, second)


def law_broken(place: str, what: str) -> InternalError:
    """The error for a graph that breaks its own law."""
    return InternalError(
        f"The graph breaks its law at {place}.",
        happened=what,
        needed="every node as its record says",
        fix="this is a fault in Ranvier: please report it with the network that shows it",
    )
