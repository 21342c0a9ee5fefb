"""The contract of a metric."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier import losses
from ranvier.foundation.errors import ArgumentError, RanvierError
from ranvier.foundation.shapes import N
from ranvier.layers import Dense
from ranvier.losses import Loss
from ranvier.metrics import Metric, WholeSetMetric
from ranvier.networks.network import Network
from ranvier.ops.graph import trace
from ranvier.ops.value import Spec
from ranvier.optimizers import SGD
from ranvier.testing.contracts import (
    FLOATS,
    broken,
    check_array,
    check_configuration,
    difference,
)
from ranvier.testing.losses import examples_for, kind_of
from ranvier.training.program import TrainingProgram

Array = NDArray[Any]
NEAR = {"float32": 2e-4, "float64": 1e-9}


def check_metric(
    metric: Metric,
    outputs: Array | None = None,
    targets: Array | None = None,
    *,
    last_activation: str | None = None,
) -> None:
    """Hold a metric to the contract of metrics.

    Its configuration makes it again; the statistics of a batch are of the outputs' dtype, or
    float64, and of one shape for any number of rows; those of batches add up to the value of all
    rows; a row of weight 2 counts like the row twice; a training program adds it up natively as the
    reference does, on training rows and on validation rows, in float32 and float64. A metric of
    whole sets has no statistics, and only validation rows.

    Args:
        metric: the metric.
        outputs: of a network, float64 with at least four rows; left out, with the targets, the
            usual forms are tried, and those that the metric refuses are left out.
        targets: that fit the outputs: floats are numbers, integers are classes.
        last_activation: of the network that is trained: ``"sigmoid"`` for probabilities.

    Raises:
        ContractError: naming the metric and the contract that is broken.
        ArgumentError: for one of outputs and targets without the other, or no metric.

    Example:
        >>> import ranvier as rv
        >>> from ranvier import ops
        >>> class WorstOutput(rv.metrics.MeanMetric):
        ...     def of_rows(self, outputs, targets):
        ...         return ops.max(ops.absolute(outputs - targets), axis=1)
        >>> check_metric(WorstOutput(), np.eye(5)[:, :3], np.ones((5, 3)))
    """
    if not isinstance(metric, Metric) or (outputs is None) != (targets is None):
        raise ArgumentError(
            "check_metric needs a metric, and outputs with targets or neither.",
            happened=f"the metric is {metric!r:.80}; outputs given: {outputs is not None}, "
            f"targets given: {targets is not None}",
            needed="a metric such as Accuracy()",
            fix="write check_metric(metric), or check_metric(metric, outputs, targets)",
        )
    check_configuration(metric)
    if outputs is None or targets is None:
        pairs = [
            pair for pair in examples_for(lambda o, t: _accepts(metric, o, t)) if len(pair[0]) > 3
        ]
    else:
        pairs = [(np.asarray(outputs, "float64"), np.asarray(targets))]
    if not pairs:
        raise broken(
            metric.describe(), "no outputs and targets are known that it reads.",
            "it refuses numbers, classes, labels and probabilities of the usual shapes",
            "an example of each", "give them: check_metric(metric, outputs, targets)",
        )  # fmt: skip
    for z, t in pairs:
        if not isinstance(metric, WholeSetMetric):
            _check_statistics(metric, z, t)
            _check_sums(metric, z, t)
        _check_weights(metric, z, t)
    for dtype in FLOATS:
        _check_training(metric, *pairs[0], dtype, last_activation)


def _accepts(metric: Metric, outputs: Array, targets: Array) -> bool:
    """Whether it reads them, and they are in its domain."""
    try:
        return bool(np.isfinite(metric.score(outputs, targets)))
    except RanvierError:
        return False


def _check_statistics(metric: Metric, z: Array, t: Array) -> None:
    """Shapes without the batch axis, also of an unknown number of rows, and dtypes."""
    for dtype in FLOATS:
        given = [z.astype(dtype), t.astype(dtype) if kind_of(t) == "numbers" else t]
        found = [np.asarray(number) for number in metric.statistics(given[0], given[1])]
        specs = [Spec((N, *a.shape[1:]), a.dtype.name) for a in given]
        graph, _ = trace(lambda z, t: metric.statistics(z, t), specs)
        for number, value in zip(found, graph.outputs, strict=True):
            allowed = [Spec(number.shape, own) for own in (dtype, "float64")]
            if value.spec not in allowed or number.dtype.name != value.dtype:
                raise broken(
                    metric.describe(), "a statistic is not what can be added up.",
                    f"for N rows it gives {value.spec}, for {len(z)} rows "
                    f"{number.dtype}{number.shape}",
                    f"{dtype} or float64, of one shape for any number of rows",
                    "add up over axis 0 what the rows give, in the outputs' dtype or in float64",
                )  # fmt: skip
        result = np.asarray(metric.result(tuple(number.astype("float64") for number in found)))
        check_array(metric.describe(), "its result", result, (), "float64")


def _check_sums(metric: Metric, z: Array, t: Array) -> None:
    """Batches add up."""
    parts = [metric.statistics(z[i : i + 2], t[i : i + 2]) for i in range(0, len(z), 2)]
    sums = tuple(
        sum(np.asarray(n, "float64") for n in column) for column in zip(*parts, strict=True)
    )
    found, expected = float(metric.result(sums)), metric.score(z, t)
    if difference(found, expected, 1e-10) is not None:
        raise broken(
            metric.describe(), "batches do not add up to the value of all rows.",
            f"{found:.9g}", f"{expected:.9g}", "add up in statistics, and divide in result only",
        )  # fmt: skip


def _check_weights(metric: Metric, z: Array, t: Array) -> None:
    """A weight is a count."""
    weights = np.ones(len(z))
    weights[2] = 2.0
    found = metric.score(z, t, weights)
    expected = metric.score(*(np.concatenate([a, a[2:3]]) for a in (z, t)))
    if difference(found, expected, 1e-10) is not None:
        raise broken(
            metric.describe(), "a row of weight 2 does not count like the row twice.",
            f"{found:.9g}", f"{expected:.9g}",
            "multiply what each row adds by its weight, the number of rows included",
        )  # fmt: skip


def _check_training(
    metric: Metric, z: Array, t: Array, dtype: str, last_activation: str | None
) -> None:
    kind = kind_of(t)
    # A loss that reads what the metric reads: logits, or after a last activation its outputs.
    spec: Loss | None = None
    if last_activation is not None:
        spec = losses.MeanSquaredError() if kind == "numbers" else losses.Hinge()
    loss = losses.resolve(spec, z.shape[1:], kind, max(2, z.shape[1]))
    x = np.random.default_rng(5).normal(size=(len(z), 4)).astype(dtype)
    y = t.astype(dtype) if kind == "numbers" else t
    weights = np.linspace(0.5, 1.5, len(z))
    whole = isinstance(metric, WholeSetMetric)
    columns = [f"val_{metric.name}"] if whole else [metric.name, f"val_{metric.name}"]
    held = len(z) if whole else 3
    found = []
    for engine in ("native", "reference"):
        network = Network([Dense(z.shape[1], activation=last_activation)], dtype)
        network.build((4,), seed=3)
        program = TrainingProgram(
            network, loss, SGD(0.05), [metric], x, y, weights, (x[:held], y[:held]),
            batch_size=2, engine=engine,
        )  # fmt: skip
        history = program.run(2)
        found.append(np.array([history[column] for column in columns]))
    apart = difference(found[0], found[1], NEAR[dtype])
    if apart is not None:
        raise broken(
            metric.describe(), "native training does not add it up as the reference does.",
            f"in {dtype}: {apart}", "equal up to rounding",
            "look for jumps where rounding decides; if there are none, report it: it is "
            "Ranvier's fault",
        )  # fmt: skip
