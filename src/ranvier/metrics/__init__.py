"""Metrics: sums that are added up over an epoch, batch by batch."""

from ranvier.metrics.accuracy import Accuracy
from ranvier.metrics.base import METRICS, Metric
from ranvier.metrics.brier import Brier
from ranvier.metrics.f1 import F1
from ranvier.metrics.log_loss import LogLoss
from ranvier.metrics.mean_absolute_error import MeanAbsoluteErrorMetric
from ranvier.metrics.mean_squared_error import MeanSquaredErrorMetric
from ranvier.metrics.precision import Precision
from ranvier.metrics.recall import Recall
from ranvier.metrics.resolve import default_metrics, resolve
from ranvier.metrics.top_k_accuracy import TopKAccuracy

__all__ = [
    "METRICS",
    "Accuracy",
    "Brier",
    "F1",
    "LogLoss",
    "MeanAbsoluteErrorMetric",
    "MeanSquaredErrorMetric",
    "Metric",
    "Precision",
    "Recall",
    "TopKAccuracy",
    "default_metrics",
    "resolve",
]
