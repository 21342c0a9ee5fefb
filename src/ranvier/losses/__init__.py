"""Losses: from a batch's outputs and targets to one number a row."""

from ranvier.losses.base import LOSSES, Loss
from ranvier.losses.binary_cross_entropy import BinaryCrossEntropy
from ranvier.losses.binary_focal import BinaryFocal
from ranvier.losses.categorical_cross_entropy import CategoricalCrossEntropy
from ranvier.losses.categorical_focal import CategoricalFocal
from ranvier.losses.contrastive import ContrastiveLoss
from ranvier.losses.cosine_similarity import CosineSimilarity
from ranvier.losses.half_squared_error import HalfSquaredError
from ranvier.losses.hinge import Hinge
from ranvier.losses.huber import Huber
from ranvier.losses.kl_divergence import KLDivergence
from ranvier.losses.log_cosh import LogCosh
from ranvier.losses.mean_absolute_error import MeanAbsoluteError
from ranvier.losses.mean_squared_error import MeanSquaredError
from ranvier.losses.perceptron import PerceptronLoss
from ranvier.losses.poisson import Poisson
from ranvier.losses.quantile import Quantile
from ranvier.losses.resolve import (
    choice_notes,
    gives_output_per_class,
    kind_read_by,
    means_own_units,
    resolve,
)
from ranvier.losses.triplet import TripletLoss

__all__ = [
    "LOSSES",
    "BinaryCrossEntropy",
    "BinaryFocal",
    "CategoricalCrossEntropy",
    "CategoricalFocal",
    "ContrastiveLoss",
    "CosineSimilarity",
    "HalfSquaredError",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "PerceptronLoss",
    "Poisson",
    "Quantile",
    "TripletLoss",
    "choice_notes",
    "gives_output_per_class",
    "kind_read_by",
    "means_own_units",
    "resolve",
]
