"""Metrics: sums that are added up over an epoch, batch by batch."""

from ranvier.metrics.accuracy import Accuracy
from ranvier.metrics.base import METRICS, Metric
from ranvier.metrics.mean_squared_error import MeanSquaredErrorMetric
from ranvier.metrics.resolve import default_metrics, resolve

__all__ = [
    "METRICS",
    "Accuracy",
    "MeanSquaredErrorMetric",
    "Metric",
    "default_metrics",
    "resolve",
]
