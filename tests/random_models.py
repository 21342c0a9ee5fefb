"""Random graphs of layers for tests: branches, merges, sharing, norms, models inside models.

``draw(seed)`` gives the same model and inputs for the same seed. Widths come from a short list, so
that many small models compiled together share much of their code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import ranvier as rv
from ranvier import ops
from ranvier.graph.tree import flatten
from ranvier.layers import (
    ACTIVATIONS,
    Activation,
    Add,
    AlphaDropout,
    Average,
    BatchNorm,
    Concatenate,
    Context,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    Lambda,
    Layer,
    LayerNorm,
    LeakyReLU,
    Maximum,
    Minimum,
    Multiply,
    PReLU,
    Rescaling,
    Reshape,
    RMSNorm,
    Stack,
    Subtract,
)
from ranvier.optimizers import SGD, Adam, Optimizer, RMSprop

Array = np.ndarray

WIDTHS = (1, 2, 3, 5, 8, 17)
#: Those that keep a graph's numbers near 1, whatever comes in.
TAME = tuple(name for name in ACTIVATIONS if name not in ("exponential", "step"))
MERGES: tuple[Callable[[], Layer], ...] = (Add, Subtract, Average, Maximum, Minimum, Multiply)
#: Rows of a batch; the norm of a batch needs more than two to be tame.
ROWS = (3, 5, 7, 16)
CODES = 7
#: How far the engines may be apart, as a part of an array's largest number.
NEAR = {"float32": 2e-3, "float64": 1e-8}


@dataclass
class Case:
    """A model with a batch of inputs, and how a step of it is made.

    Attributes:
        seed: what it was made from.
        text: the model in words, for a failing test.
        model: built.
        x: arrays for its inputs.
        optimizer: of the step.
        rate: of the step.
    """

    seed: int
    text: str
    model: rv.Model
    x: tuple[Array, ...]
    optimizer: Optimizer
    rate: float

    @property
    def dtype(self) -> str:
        return self.model.network.dtype

    def state(self) -> dict[str, dict[str, Array]]:
        """What the optimizer keeps of every trained parameter, as after some steps."""
        network = self.model.network
        return {
            name: {
                key: np.full_like(network.parameters[name], number + 0.5)
                for key, number in self.optimizer.state(
                    network.parameters[name].shape, self.dtype
                ).items()
            }
            for name in network.trainable
        }

    def arguments(self) -> tuple[Any, ...]:
        """What :meth:`step` is called with."""
        return self.x, dict(self.model.network.parameters), self.state()

    def step(self, x: Any, parameters: Any, state: Any) -> Any:
        """Predictions, and everything of one training step: outputs, loss, gradients, updates."""
        network = self.model.network
        trained = {name: parameters[name] for name in network.trainable}
        numbers = [i for i, one in enumerate(self.x) if one.dtype.kind == "f"]
        seen: dict[str, Any] = {}

        def loss(trained: Any, floats: Any) -> Any:
            given = list(x)
            for place, value in zip(numbers, floats, strict=True):
                given[place] = value
            context = Context(True, np.int64(self.seed), np.int64(3), self.dtype)
            known = {**parameters, **trained}
            y = _tuple(network.forward(_single(given), known, context))
            seen["outputs"], seen["assigned"] = y, dict(context.assigned)
            total = sum(ops.mean(one * one + one) for one in y)
            penalty = network.penalty(trained)
            return total if penalty is None else total + penalty

        both = rv.value_and_gradient(loss, (0, 1))
        value, (slopes, of_x) = both(trained, tuple(x[place] for place in numbers))
        new = {}
        for name, w in trained.items():
            rate = np.float64(self.rate)
            new[name] = self.optimizer.update(w, slopes[name], state[name], np.float64(3), rate)
        outside = network.forward(_single(list(x)), parameters, Context(dtype=self.dtype))
        return [_tuple(outside), seen["outputs"], seen["assigned"], value, slopes, of_x, new]


def _single(x: list[Any]) -> Any:
    return x[0] if len(x) == 1 else tuple(x)


def _tuple(y: Any) -> tuple[Any, ...]:
    return y if isinstance(y, tuple) else (y,)


@dataclass
class Maker:
    """Grows a graph layer by layer.

    Args:
        rng: decides everything.
        depth: how many models may stand inside each other.
    """

    rng: np.random.Generator
    depth: int = 2
    pool: list[Any] = field(default_factory=list)
    kept: list[tuple[Any, tuple[int, ...]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def some(self, axes: int | None = None) -> Any:
        fit = [v for v in self.pool if axes is None or len(v.row_shape) == axes]
        return fit[int(self.rng.integers(len(fit)))] if fit else None

    def put(self, layer: Any, *read: Any) -> None:
        self.words.append(f"{layer!r}({', '.join(str(v.row_shape) for v in read)})")
        given = layer(*read)
        self.pool.extend(given if isinstance(given, tuple) else [given])
        if len(read) == 1:
            self.kept.append((layer, read[0].row_shape))

    # --- steps

    def dense(self) -> None:
        v = self.some(1)
        if v is None:
            self.put(Flatten(), self.some())
            return
        penalty = rv.L2(0.01) if self.rng.random() < 0.1 else None
        layer = Dense(
            self.pick(*WIDTHS),
            self.pick(None, None, *TAME),
            bool(self.rng.random() < 0.8),
            kernel_regularizer=penalty,
        )
        layer.trainable = bool(self.rng.random() < 0.9)
        self.put(layer, v)

    def plain(self) -> None:
        """A layer that keeps the shape."""
        make = self.pick(
            lambda: Activation(self.pick(*TAME)),
            lambda: LayerNorm(0.05),
            lambda: RMSNorm(0.05),
            lambda: BatchNorm(self.pick(0.1, 0.5), 0.05, center=bool(self.rng.random() < 0.7)),
            lambda: BatchNorm(0.3, 0.05, scale=bool(self.rng.random() < 0.7)),
            lambda: Dropout(self.pick(0.0, 0.3, 0.5)),
            lambda: AlphaDropout(0.2),
            lambda: GaussianNoise(0.3),
            lambda: LeakyReLU(0.2),
            lambda: PReLU(0.3),
            lambda: Rescaling(0.5, self.pick(0.0, -0.25)),
            lambda: Lambda(self.pick("tanh", "absolute", "sigmoid")),
        )
        v = self.some()
        if not v.row_shape:
            return
        layer = make()
        layer.trainable = bool(self.rng.random() < 0.9)
        self.put(layer, v)

    def reshape(self) -> None:
        v = self.some()
        size = int(np.prod(v.row_shape))
        divisors = [d for d in range(1, size + 1) if size % d == 0]
        self.put(Reshape((self.pick(*divisors), -1)) if self.rng.random() < 0.5 else Flatten(), v)

    def merge(self) -> None:
        v = self.some()
        equal = [u for u in self.pool if u.row_shape == v.row_shape]
        count = self.pick(2, 2, 3)
        read = [v, *(self.pick(*equal) for _ in range(count - 1))]
        kind = self.pick(*MERGES)
        self.put(kind(), *(read[:2] if kind is Subtract else read))

    def join(self) -> None:
        v = self.some()
        if not v.row_shape:
            return
        fit = [u for u in self.pool if u.row_shape[:-1] == v.row_shape[:-1] and u.row_shape]
        read = [v, *(self.pick(*fit) for _ in range(self.pick(1, 1, 2)))]
        equal = all(u.row_shape == v.row_shape for u in read)
        if equal and self.rng.random() < 0.3 and len(v.row_shape) < 3:
            self.put(Stack(self.pick(1, -1)), *read)
        else:
            self.put(Concatenate(), *read)

    def share(self) -> None:
        """A layer again: it reads another value, or the same one."""
        fit = [
            (layer, v) for layer, shape in self.kept for v in self.pool if v.row_shape == shape
        ]  # fmt: skip
        if fit:
            layer, v = fit[int(self.rng.integers(len(fit)))]
            self.put(layer, v)

    def inner(self) -> None:
        """A model as a layer: a stack, or a graph with one input."""
        v = self.some(1)
        if v is None or not self.depth:
            return
        if self.rng.random() < 0.5:
            stack = [Dense(self.pick(*WIDTHS), self.pick(*TAME)), LayerNorm(0.05)]
            self.put(rv.Sequential(*stack[: self.pick(1, 2)], Dense(self.pick(*WIDTHS))), v)
            return
        start = rv.Input(v.row_shape)
        maker = Maker(self.rng, self.depth - 1, [start])
        maker.grow(self.pick(1, 2, 3))
        self.words.append("[" + "; ".join(maker.words) + "]")
        self.put(rv.Model(start, maker.pool[-1]), v)

    def grow(self, steps: int) -> None:
        makers = [
            self.dense, self.dense, self.dense, self.plain, self.plain, self.reshape, self.merge,
            self.merge, self.join, self.share, self.share, self.inner,
        ]  # fmt: skip
        while steps:
            before = len(self.pool)
            self.pick(*makers)()
            # Nothing large: products of widths grow quickly.
            if len(self.pool) > before:
                steps -= 1
                if max(int(np.prod(v.row_shape)) for v in self.pool[before:]) > 200:
                    del self.pool[before:]


def draw(seed: int) -> Case:
    """A model of one to three inputs and one to three outputs, with all that a step needs."""
    rng = np.random.default_rng(seed)
    maker = Maker(rng)
    rows, dtype = maker.pick(*ROWS), maker.pick("float32", "float64", "float64")
    inputs, x = [], []
    for _ in range(maker.pick(1, 1, 2, 3)):
        shape = maker.pick((maker.pick(*WIDTHS),), (maker.pick(*WIDTHS),), (2, 3))
        inputs.append(rv.Input(shape))
        if rng.random() < 0.15:
            x.append(rng.integers(0, CODES, (rows, *shape)).astype("int32"))
            maker.put(Embedding(CODES, maker.pick(1, 3, 8)), inputs[-1])
        else:
            x.append(rng.normal(size=(rows, *shape)).astype(dtype))
            maker.pool.append(inputs[-1])
    maker.grow(int(rng.integers(2, 10)))
    # Every input must lead to an output: one of the outputs reads what comes from all of them.
    loose = [Flatten()(v) for v in maker.pool[: len(inputs)]]
    ends = [v for v in maker.pool[-maker.pick(1, 1, 2, 3) :] if v.call is not None]
    ends.append(Dense(2)(Concatenate()(loose) if len(loose) > 1 else loose[0]))
    outputs = list(dict.fromkeys(ends))
    model = rv.Model(_single(inputs), _single(outputs), dtype=dtype).build(seed=seed)
    optimizer = maker.pick(
        SGD(0.1), SGD(0.1, momentum=0.9), Adam(0.01, epsilon=1e-2), RMSprop(0.01, epsilon=1e-2)
    )
    text = f"seed {seed}: {dtype}, {rows} rows, {'; '.join(maker.words)}, {optimizer}"
    return Case(seed, text, model, tuple(x), optimizer, 0.05)


def faults(seeds: range) -> list[str]:
    """Compile many models as one program, run it on both engines, and say what differs.

    Args:
        seeds: of the models.
    """
    cases = [draw(seed) for seed in seeds]

    def steps(*arguments: Any) -> list[Any]:
        return [case.step(*own) for case, own in zip(cases, arguments, strict=True)]

    arguments = [case.arguments() for case in cases]
    native, reference = (
        rv.compile(steps, engine=engine)(*arguments) for engine in ("native", "reference")
    )
    found = []
    for case, one, other in zip(cases, native, reference, strict=True):
        problem = difference(flatten(one)[0], flatten(other)[0], NEAR[case.dtype])
        if problem:
            found.append(f"{problem} in {case.text}")
    return found


def difference(native: list[Any], reference: list[Any], near: float) -> str:
    """What differs between the results of two engines, or nothing."""
    for place, (one, other) in enumerate(zip(native, reference, strict=True)):
        if (one.shape, one.dtype) != (np.shape(other), other.dtype):
            return f"result {place}: {one.dtype}{one.shape} for {other.dtype}{other.shape}"
        if not np.isfinite(other).all():
            return f"result {place} is not finite"
        apart = np.abs(one.astype("float64") - other).max(initial=0.0)
        if not apart <= near * max(1.0, np.abs(other).max(initial=0.0)):
            return f"result {place} differs by {apart:.2e}"
    return ""
