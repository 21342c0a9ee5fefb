"""Random small networks: native training is what the reference makes of the same program.

Layers, dtypes, losses, optimizers, batches, weights and validation are drawn by seed; a failing
case prints the seed and what was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from ranvier import losses
from ranvier.layers import L2, Activation, Dense, Dropout, Flatten, Layer, Rescaling
from ranvier.metrics import resolve as metric
from ranvier.networks.network import Network
from ranvier.optimizers import SGD, Adam, Optimizer
from ranvier.training.program import History, TrainingProgram

CASES = 208
PER_TEST = 16
#: After a few steps; sums in another order differ by rounding, which a step may magnify.
TOLERANCE = {"float32": 2e-4, "float64": 1e-10}
WIDTHS = (1, 2, 3, 5, 8, 15, 16, 17, 24, 31, 32, 33, 48, 65, 100)
ACTIVATIONS = (None, "linear", "relu", "sigmoid", "tanh", "gelu", "softmax")
DATA_DTYPES = ("float32", "float64", "uint8", "int8", "int16", "uint16", "int32", "float16")

Array = np.ndarray


@dataclass
class Drawn:
    """One random training program.

    Attributes:
        layers: makes the same new layers at each call.
        arguments: of the program, engine apart.
    """

    text: str
    dtype: str
    make: Any
    input_shape: tuple[int, ...]
    loss: str | None
    classes: int | None
    optimizer: Optimizer
    metrics: list[str]
    frozen: int | None
    arguments: dict[str, Any]
    epochs: int


def draw(seed: int) -> Drawn:
    """Everything of one case from its seed."""
    rng = np.random.default_rng(seed)

    def pick(*choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    dtype = pick("float32", "float64")
    shape = pick((pick(*WIDTHS),), (pick(*WIDTHS),), (pick(2, 3, 5), pick(2, 3, 7)))
    kind = pick("classes", "classes", "binary", "numbers", "labels")
    outputs = {"classes": pick(2, 3, 10, 17), "binary": 1}.get(kind, pick(1, 2, 5, 16))
    plan: list[tuple[Any, ...]] = []
    data_dtype = pick("float32", "float64", *DATA_DTYPES)
    integers = not data_dtype.startswith("float")
    if integers or rng.random() < 0.2:
        plan.append((Rescaling, 0.125, pick(0.0, -0.5)))
    if len(shape) > 1:
        plan.append((Flatten,))
    for _ in range(pick(0, 1, 1, 2, 3)):
        penalty = L2(0.01) if rng.random() < 0.25 else None
        plan.append((Dense, pick(*WIDTHS), pick(*ACTIVATIONS), rng.random() < 0.8, penalty))
        if rng.random() < 0.25:
            plan.append((Dropout, pick(0.0, 0.3, 0.5)))
        if rng.random() < 0.15:
            plan.append((Activation, pick("tanh", "gelu")))
    ending = {"classes": "softmax", "binary": "sigmoid", "labels": "sigmoid"}.get(kind, "tanh")
    plan.append((Dense, outputs, pick(None, None, ending), True, None))
    rows, held = int(rng.integers(1, 60)), int(rng.integers(1, 40))

    def data(count: int) -> tuple[Array, Array]:
        if integers:
            x = rng.integers(0, 9, (count, *shape)).astype(data_dtype)
        else:
            x = rng.normal(size=(count, *shape)).astype(data_dtype)
        if kind in ("classes", "binary"):
            return x, rng.integers(0, max(outputs, 2), count).astype("int32")
        y = rng.normal(size=(count, outputs)) if kind == "numbers" else (
            rng.integers(0, 2, (count, outputs))
        )  # fmt: skip
        return x, np.asarray(y).astype(pick("float32", "float64") if kind == "numbers" else dtype)

    x, y = data(rows)
    checked = data(held)
    weights = rng.uniform(0.2, 2.0, rows).astype(dtype) if rng.random() < 0.3 else None
    # A larger epsilon keeps Adam from magnifying a gradient that is all rounding.
    adam = Adam(0.01, epsilon=1e-3 if dtype == "float32" else 1e-8)
    optimizer = pick(SGD(0.1), SGD(0.05, momentum=0.9), adam, adam)
    loss = {"numbers": "mse", "labels": "binary_cross_entropy"}.get(kind, "cross_entropy")
    batch = pick(None, 1, 2, 7, 16, 32, rows, rows + 3, max(rows - 1, 1))
    arguments = {
        "x": x, "y": y, "weights": weights, "batch_size": batch,
        "validation": (checked[0], checked[1].astype(y.dtype)) if rng.random() < 0.5 else None,
        "shuffle": rng.random() < 0.8, "seed": int(rng.integers(2**40)),
    }  # fmt: skip
    names = [] if kind == "numbers" else ["accuracy"]
    text = f"seed {seed}: {dtype}, {plan}, {kind}, {rows} x {shape} {data_dtype}, batch {batch}, "
    text += f"{optimizer}, weights {weights is not None}, shuffle {arguments['shuffle']}"
    classes = max(outputs, 2) if kind in ("classes", "binary") else None
    frozen = 0 if rng.random() < 0.1 and len(plan) > 1 else None
    return Drawn(
        text, dtype, lambda: [_layer(line) for line in plan], shape, loss, classes, optimizer,
        names, frozen, arguments, 1 if batch == 1 else 2,
    )  # fmt: skip


def _layer(line: tuple[Any, ...]) -> Layer:
    if line[0] is Dense:
        _, units, activation, use_bias, penalty = line
        return Dense(units, activation, bool(use_bias), kernel_regularizer=penalty)
    made: Layer = line[0](*line[1:])
    return made


def train(case: Drawn, engine: str) -> tuple[Network, History]:
    """A new network of a case after training."""
    network = Network(case.make(), case.dtype)
    network.build(case.input_shape, seed=3)
    if case.frozen is not None:
        network.layers[case.frozen].trainable = False
    kind = "classes" if case.classes else "numbers"
    loss = losses.resolve(
        case.loss, network.output_shape, kind, case.classes, network.last_activation
    )
    metrics = [metric(name) for name in case.metrics]
    program = TrainingProgram(
        network, loss, case.optimizer, metrics, engine=engine, **case.arguments
    )
    return network, program.run(case.epochs)


@pytest.mark.parametrize("first", range(0, CASES, PER_TEST))
def test_native_is_the_reference(first: int) -> None:
    for seed in range(first, first + PER_TEST):
        case = draw(seed)
        native, history = train(case, "native")
        reference, expected = train(case, "reference")
        tolerance = TOLERANCE[case.dtype]
        assert list(history) == list(expected), case.text
        for name in history:
            # An answer on the edge may fall to either side: accuracies only roughly.
            allowed = 0.1 if "accuracy" in name and case.dtype == "float32" else tolerance
            np.testing.assert_allclose(
                history[name], expected[name], rtol=allowed, atol=allowed,
                err_msg=f"{name} of {case.text}",
            )  # fmt: skip
        for name, array in reference.parameters.items():
            np.testing.assert_allclose(
                native.parameters[name], array, rtol=tolerance, atol=tolerance,
                err_msg=f"{name} of {case.text}",
            )  # fmt: skip


def test_a_case_moves_its_weights() -> None:
    """The comparison above would say nothing of programs that change nothing."""
    moved = 0
    for seed in range(20):
        case = draw(seed)
        untrained = Network(case.make(), case.dtype)
        untrained.build(case.input_shape, seed=3)
        trained, history = train(case, "reference")
        assert np.isfinite(history["loss"]).all()
        moved += any(
            np.abs(trained.parameters[name] - array).max() > 1e-3
            for name, array in untrained.parameters.items()
        )
    assert moved == 20
