"""Ranvier's side of `vocabulary.py`: something to run for every registered thing.

Each table maps the name of a thing to what makes it; the registries say which names there must be.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ranvier as rv
from numpy.typing import NDArray
from ranvier import ops
from ranvier.foundation.registry import Registry
from ranvier.layers import ACTIVATIONS, CONSTRAINTS, LAYERS, REGULARIZERS
from ranvier.losses import LOSSES
from ranvier.metrics import METRICS
from ranvier.optimizers import OPTIMIZERS
from ranvier.optimizers.schedules import SCHEDULES

#: Every registry whose things take part in a step, in the order of the table.
REGISTRIES: dict[str, Registry[Any]] = {
    "layer": LAYERS,
    "activation": ACTIVATIONS,
    "loss": LOSSES,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "regularizer": REGULARIZERS,
    "constraint": CONSTRAINTS,
    "metric": METRICS,
}

#: What has no step of its own: a network as a layer is the layers inside it.
CONTAINERS = ("Nested",)

#: Runs so many steps and returns the seconds that they took.
Run = Callable[[int], float]
Array = NDArray[Any]

CLASSES, FEATURES = 10, 16
TOKENS, WORDS, DEPTH = 16, 10_000, 64
RATE = 1e-3


@dataclass(frozen=True)
class Size:
    """How large the steps of a row are.

    Attributes:
        batch: rows of a step.
        units: features of a row, and units of a layer; a square number.
        steps: steps of an epoch; the rows are a multiple of the batch.
        scored: validation rows that a metric reads.
    """

    batch: int = 128
    units: int = 256
    steps: int = 16
    scored: int = 8192

    @property
    def side(self) -> int:
        """The edge of a picture that has as many pixels as there are units."""
        return int(self.units**0.5)

    @property
    def rows(self) -> int:
        """Rows of the data set."""
        return self.batch * self.steps


@dataclass(frozen=True)
class Data:
    """Examples and targets of all rows, by what reads them; the same for both sides."""

    size: Size
    arrays: dict[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        random, rows, units = np.random.default_rng(0), self.size.rows, self.size.units
        numbers = random.normal(size=(rows, units)).astype(np.float32)
        yes = random.integers(0, 2, (rows, units)).astype(np.float32)
        shares = random.dirichlet(np.ones(units), rows).astype(np.float32)
        self.arrays.update(
            numbers=numbers,
            picture=numbers.reshape(rows, self.size.side, self.size.side),
            bytes=random.integers(0, 256, (rows, units)).astype(np.uint8),
            words=random.integers(0, WORDS, (rows, TOKENS)),
            classes=random.permutation(np.arange(rows) % CLASSES),
            many_classes=random.permutation(np.arange(rows) % units),
            targets=random.normal(size=(rows, units)).astype(np.float32),
            counts=random.poisson(2.0, (rows, units)).astype(np.float32),
            labels=yes,
            shares=shares,
            pairs=random.integers(0, 2, (rows, 1)).astype(np.float32),
        )
        scored = self.size.scored
        self.arrays.update(
            scored=random.normal(size=(scored, FEATURES)).astype(np.float32),
            scored_classes=(np.arange(scored) % CLASSES).astype(np.int32),
            scored_targets=random.normal(size=(scored, CLASSES)).astype(np.float32),
            scored_labels=(np.arange(scored) % 2).astype(np.int32),
        )

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]


def training(model: rv.Model, x: Array, y: Array, loss: Any, optimizer: Any, size: Size) -> Run:
    """Compile a training program; a run of it is a native loop over whole epochs."""
    program = model.training_program(
        x, y, loss=loss, optimizer=optimizer, batch_size=size.batch, metrics=[]
    )

    def run(steps: int) -> float:
        begin = time.perf_counter()
        program.run(epochs=steps // size.steps)
        return time.perf_counter() - begin

    return run


Layers = Callable[[Size], list[rv.Layer]]

#: Between `Dense(units)` and `Dense(10)`; those of FIRST stand before both.
BETWEEN: Mapping[str, Layers] = {
    "Activation": lambda size: [rv.Activation("relu")],
    "AlphaDropout": lambda size: [rv.AlphaDropout(0.2)],
    "BatchNorm": lambda size: [rv.BatchNorm()],
    "Dense": lambda size: [rv.Dense(size.units)],
    "Dropout": lambda size: [rv.Dropout(0.2)],
    "GaussianNoise": lambda size: [rv.GaussianNoise(0.1)],
    "Lambda": lambda size: [rv.Lambda(lambda x: x * ops.sigmoid(x))],
    "LayerNorm": lambda size: [rv.LayerNorm()],
    "LeakyReLU": lambda size: [rv.LeakyReLU()],
    "PReLU": lambda size: [rv.PReLU()],
    "Reshape": lambda size: [rv.Reshape((size.side, size.side)), rv.Flatten()],
    "RMSNorm": lambda size: [rv.RMSNorm()],
}
#: The first layer, the data that it reads, and then `Dense(units), Dense(10)`.
FIRST: Mapping[str, tuple[str, Layers]] = {
    "Flatten": ("picture", lambda size: [rv.Flatten()]),
    "Rescaling": ("bytes", lambda size: [rv.Rescaling(1 / 255)]),
}
#: `Embedding(10_000, 64)` of 16 words a row, then `Flatten(), Dense(10)`.
EMBEDDING = "Embedding"
#: Reads two layers of `units` units; what follows is `Dense(10)`.
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate", "Stack")


def layer(name: str, data: Data) -> Run:
    """A step of `Dense(units), layer, Dense(10)`; `Flatten` and `Rescaling` come first.

    Layers of several inputs read two `Dense(units)`; `Embedding(10_000, 64)` reads 16 words a row,
    and `Flatten, Dense(10)` follow.
    """
    size, optimizer = data.size, rv.SGD(RATE)
    x, last = "numbers", rv.Dense(CLASSES)
    model: rv.Model
    if name == EMBEDDING:
        x, model = "words", rv.Sequential(rv.Embedding(WORDS, DEPTH), rv.Flatten(), last)
    elif name in MERGES:
        start = rv.Input((size.units,))
        both = [rv.Dense(size.units)(start) for _ in range(2)]
        joined = LAYERS[name]()(both)
        model = rv.Model(start, last(rv.Flatten()(joined) if name == "Stack" else joined))
    elif name in FIRST:
        x, make = FIRST[name]
        model = rv.Sequential(*make(size), rv.Dense(size.units), last)
    else:
        model = rv.Sequential(rv.Dense(size.units), *BETWEEN[name](size), last)
    return training(model, data[x], data["classes"], "cross_entropy", optimizer, size)


def activation(name: str, data: Data) -> Run:
    """A step of `Dense(units, activation), Dense(10)`."""
    model = rv.Sequential(rv.Dense(data.size.units, activation=name), rv.Dense(CLASSES))
    y = data["classes"]
    return training(model, data["numbers"], y, "cross_entropy", rv.SGD(RATE), data.size)


ACTIVATION_NAMES = (
    "linear", "step", "relu", "sigmoid", "tanh", "gelu", "softmax", "log_softmax", "leaky_relu",
    "elu", "selu", "silu", "mish", "softplus", "softsign", "hard_sigmoid", "exponential",
    "logarithm", "sine",
)  # fmt: skip

#: What each loss reads beside the outputs of one `Dense(units)`.
TARGETS: Mapping[str, str] = {
    "binary_cross_entropy": "labels",
    "binary_focal": "labels",
    "categorical_cross_entropy": "many_classes",
    "categorical_focal": "many_classes",
    "contrastive": "pairs",
    "cosine_similarity": "targets",
    "half_squared_error": "targets",
    "hinge": "labels",
    "huber": "targets",
    "kl_divergence": "shares",
    "log_cosh": "targets",
    "mean_absolute_error": "targets",
    "mean_squared_error": "targets",
    "perceptron": "labels",
    "poisson": "counts",
    "quantile": "targets",
    "triplet": "pairs",
}


def points(name: str, size: Size) -> tuple[int, ...]:
    """How the outputs of a row are arranged for a loss; `()` if they are not.

    >>> points("triplet", Size())
    (3, 256)
    """
    return {"contrastive": (2, size.units), "triplet": (3, size.units)}.get(name, ())


def loss(name: str, data: Data) -> Run:
    """A step of one `Dense(units)` with the loss on its outputs."""
    size = data.size
    shape = points(name, size)
    layers: list[rv.Layer] = [rv.Dense(int(np.prod(shape)) if shape else size.units)]
    layers += [rv.Reshape(shape)] if shape else []
    layers += [rv.Activation("log_softmax")] if name == "kl_divergence" else []
    y = data[TARGETS[name]]
    return training(rv.Sequential(*layers), data["numbers"], y, name, rv.SGD(RATE), size)


def perceptron(size: Size) -> rv.Model:
    """The network of the rows of optimizers, schedules, regularizers and constraints."""
    hidden = [rv.Dense(size.units, activation="relu") for _ in range(2)]
    return rv.Sequential(*hidden, rv.Dense(CLASSES))


OPTIMIZER_NAMES = (
    "adadelta", "adagrad", "adam", "adamax", "adamw", "lbfgs", "lion", "muon", "nadam", "rmsprop",
    "sgd",
)  # fmt: skip


def optimizer(name: str, data: Data) -> Run:
    """A step of a perceptron with two hidden layers; of L-BFGS an iteration over all rows."""
    x, y, size = data["numbers"], data["classes"], data.size
    if name == "lbfgs":
        return _lbfgs(x, y, size)
    kind = OPTIMIZERS[name]
    made = kind() if name == "adadelta" else kind(learning_rate=RATE)
    return training(perceptron(size), x, y, "cross_entropy", made, size)


def _lbfgs(x: Array, y: Array, size: Size) -> Run:
    def run(steps: int) -> float:
        program = perceptron(size).training_program(
            x, y, loss="cross_entropy", optimizer=rv.LBFGS(tolerance_gradient=0.0), metrics=[]
        )
        begin = time.perf_counter()
        program.run(epochs=steps)
        return time.perf_counter() - begin

    return run


def first_weights(size: Size) -> list[Array]:
    """The first weights of `perceptron`, for a run that depends on where it begins."""
    network = perceptron(size).build((size.units,)).network
    return [np.array(one) for one in network.parameters.values()]


#: Each schedule moves after every step.
SCHEDULED: Mapping[str, Callable[[int], rv.Schedule]] = {
    "ConstantSchedule": lambda steps: rv.ConstantSchedule(RATE),
    "CosineDecay": lambda steps: rv.CosineDecay(RATE, length=steps),
    "CosineRestarts": lambda steps: rv.CosineRestarts(RATE, first=steps, every="step"),
    "ExponentialDecay": lambda steps: rv.ExponentialDecay(RATE, factor=0.9999, every="step"),
    "OneCycle": lambda steps: rv.OneCycle(RATE, length=steps),
    "PolynomialDecay": lambda steps: rv.PolynomialDecay(RATE, length=steps),
    "StepDecay": lambda steps: rv.StepDecay(RATE, length=steps, factor=0.9, every="step"),
}
#: Length of each schedule, in steps.
LENGTH = 100_000


def schedule(name: str, data: Data) -> Run:
    """A step of the perceptron with SGD and a rate that moves after each step."""
    made = rv.SGD(SCHEDULED[name](LENGTH))
    y = data["classes"]
    return training(perceptron(data.size), data["numbers"], y, "cross_entropy", made, data.size)


def penalized(name: str, data: Data) -> Run:
    """A step of `Dense(units, kernel_regularizer), Dense(10)`, factors 1e-4."""
    penalty = REGULARIZERS[name](*[1e-4] * (2 if name == "L1L2" else 1))
    model = rv.Sequential(rv.Dense(data.size.units, kernel_regularizer=penalty), rv.Dense(CLASSES))
    y = data["classes"]
    return training(model, data["numbers"], y, "cross_entropy", rv.SGD(RATE), data.size)


def constrained(name: str, data: Data) -> Run:
    """A step of `Dense(units, kernel_constraint), Dense(10)`."""
    model = rv.Sequential(
        rv.Dense(data.size.units, kernel_constraint=CONSTRAINTS[name]()), rv.Dense(CLASSES)
    )
    y = data["classes"]
    return training(model, data["numbers"], y, "cross_entropy", rv.SGD(RATE), data.size)


#: What each metric reads beside the outputs of `Dense(10)`, and how many of these there are.
SCORED: Mapping[str, tuple[str, int]] = {
    "accuracy": ("scored_classes", CLASSES),
    "average_precision": ("scored_labels", 1),
    "balanced_accuracy": ("scored_classes", CLASSES),
    "brier": ("scored_classes", CLASSES),
    "f1": ("scored_classes", CLASSES),
    "log_loss": ("scored_classes", CLASSES),
    "mean_absolute_error": ("scored_targets", CLASSES),
    "mean_absolute_percentage_error": ("scored_targets", CLASSES),
    "mean_squared_error": ("scored_targets", CLASSES),
    "precision": ("scored_classes", CLASSES),
    "r2": ("scored_targets", CLASSES),
    "recall": ("scored_classes", CLASSES),
    "roc_auc": ("scored_labels", 1),
    "root_mean_squared_error": ("scored_targets", CLASSES),
    "top_k_accuracy": ("scored_classes", CLASSES),
}
#: The loss beside each kind of targets.
SCORED_LOSS: Mapping[str, str] = {
    "scored_classes": "categorical_cross_entropy",
    "scored_labels": "binary_cross_entropy",
    "scored_targets": "mean_squared_error",
}


def metric(name: str, data: Data) -> Run:
    """An epoch of `Dense(10)` on 16 features: one step, then loss and metric on 8,192 rows."""
    size, (y, outputs) = data.size, SCORED[name]
    arguments = {"average": "macro"} if name in ("f1", "precision", "recall") else {}
    model = rv.Sequential(rv.Dense(outputs))
    x, y_all = data["scored"], data[y]
    program = model.training_program(
        x[: size.batch], y_all[: size.batch], validation=(x, y_all), batch_size=size.batch,
        loss=SCORED_LOSS[y], optimizer=rv.SGD(RATE), metrics=[METRICS[name](**arguments)],
    )  # fmt: skip

    def run(steps: int) -> float:
        begin = time.perf_counter()
        program.run(epochs=steps)
        return time.perf_counter() - begin

    return run


#: For each kind of thing, what makes the run of one, and the names that it can make.
KINDS: dict[str, tuple[Callable[[str, Data], Run], frozenset[str]]] = {
    "layer": (layer, frozenset([*BETWEEN, *FIRST, EMBEDDING, *MERGES])),
    "activation": (activation, frozenset(ACTIVATION_NAMES)),
    "loss": (loss, frozenset(TARGETS)),
    "optimizer": (optimizer, frozenset(OPTIMIZER_NAMES)),
    "schedule": (schedule, frozenset(SCHEDULED)),
    "regularizer": (penalized, frozenset(["L1", "L2", "L1L2"])),
    "constraint": (constrained, frozenset(["MaxNorm", "NonNegative", "UnitNorm"])),
    "metric": (metric, frozenset(SCORED)),
}


def registered(kind: str) -> dict[str, tuple[str, ...]]:
    """The things of a kind that Ranvier registers: the main name of each, and its other names.

    >>> registered("activation")["linear"]
    ('identity',)
    """
    names: dict[int, list[str]] = {}
    for name, thing in REGISTRIES[kind].items():
        if thing.__module__.startswith("ranvier.") and name not in CONTAINERS:
            names.setdefault(id(thing), []).append(name)
    found = {}
    for some in names.values():
        main = next((name for name in some if name in KINDS[kind][1]), some[0])
        found[main] = tuple(name for name in some if name != main)
    return found


def without_row() -> list[str]:
    """What is registered and has no row yet, as "kind name"."""
    return [
        f"{kind} {name}"
        for kind, (_, known) in KINDS.items()
        for name in registered(kind)
        if name not in known
    ]
