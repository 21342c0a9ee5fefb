"""From names to metrics, and the metrics that are shown without being asked for."""

from __future__ import annotations

from ranvier.foundation.errors import ArgumentError
from ranvier.layers.arguments import needs_call
from ranvier.metrics.accuracy import Accuracy
from ranvier.metrics.base import METRICS, Metric


def resolve(spec: str | Metric, probabilities: bool = False) -> Metric:
    """The metric that is meant by a name or is one already.

    Args:
        spec: a metric or its name.
        probabilities: whether the metric will see probabilities (a network that ends in sigmoid
            and is trained on its outputs) instead of logits.

    Raises:
        UnknownNameError: for a name that is not registered.
        ArgumentError: for something else.

    Example:
        >>> resolve("accuracy"), resolve("accuracy", probabilities=True)
        (Accuracy(), Accuracy(threshold=0.5))
    """
    if isinstance(spec, type):
        raise needs_call("metrics", spec)
    if isinstance(spec, Metric):
        return spec
    if isinstance(spec, str):
        return METRICS[spec].of_probabilities() if probabilities else METRICS[spec]()
    raise ArgumentError(
        "The argument metrics is not understood.",
        happened=f"it holds {spec!r:.80}",
        needed="names of metrics, or metrics such as Accuracy()",
        fix='write for example metrics=["accuracy"]',
    )


def default_metrics(target_kind: str) -> tuple[str, ...]:
    """The metrics of a fit that names none: accuracy for classes, the loss alone for numbers.

    Example:
        >>> default_metrics("classes"), default_metrics("numbers")
        (('accuracy',), ())
    """
    return (Accuracy.name,) if target_kind == "classes" else ()
