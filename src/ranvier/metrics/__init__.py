"""Metrics: statistics that are added up over an epoch, batch by batch, and what they say."""

from ranvier.metrics.accuracy import Accuracy
from ranvier.metrics.average_precision import AveragePrecision
from ranvier.metrics.balanced_accuracy import BalancedAccuracy
from ranvier.metrics.base import METRICS, MeanMetric, Metric, WholeSetMetric
from ranvier.metrics.brier import Brier
from ranvier.metrics.f1 import F1
from ranvier.metrics.log_loss import LogLoss
from ranvier.metrics.mean_absolute_error import MeanAbsoluteErrorMetric
from ranvier.metrics.mean_absolute_percentage_error import MeanAbsolutePercentageError
from ranvier.metrics.mean_squared_error import MeanSquaredErrorMetric
from ranvier.metrics.precision import Precision
from ranvier.metrics.r2 import R2
from ranvier.metrics.recall import Recall
from ranvier.metrics.resolve import default_metrics, resolve
from ranvier.metrics.roc_auc import RocAuc
from ranvier.metrics.root_mean_squared_error import RootMeanSquaredError
from ranvier.metrics.top_k_accuracy import TopKAccuracy

__all__ = [
    "METRICS",
    "Accuracy",
    "AveragePrecision",
    "BalancedAccuracy",
    "Brier",
    "F1",
    "LogLoss",
    "MeanAbsoluteErrorMetric",
    "MeanAbsolutePercentageError",
    "MeanMetric",
    "MeanSquaredErrorMetric",
    "Metric",
    "Precision",
    "R2",
    "Recall",
    "RocAuc",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "WholeSetMetric",
    "default_metrics",
    "resolve",
]
