"""Losses: from a batch's outputs and targets to one number a row."""

from ranvier.losses.base import LOSSES, Loss
from ranvier.losses.binary_cross_entropy import BinaryCrossEntropy
from ranvier.losses.categorical_cross_entropy import CategoricalCrossEntropy
from ranvier.losses.mean_squared_error import MeanSquaredError
from ranvier.losses.resolve import choice_notes, kind_read_by, resolve

__all__ = [
    "LOSSES",
    "BinaryCrossEntropy",
    "CategoricalCrossEntropy",
    "Loss",
    "MeanSquaredError",
    "choice_notes",
    "kind_read_by",
    "resolve",
]
