"""Models: the facade people use. It delegates to the rooms above and decides nothing itself."""

from ranvier.models.callbacks import EarlyStopping, ReduceLearningRateOnPlateau
from ranvier.models.checkpoint import Checkpoint
from ranvier.models.ensemble import Ensemble
from ranvier.models.ensemble_history import EnsembleHistory
from ranvier.models.load import load
from ranvier.models.model import Model
from ranvier.models.range_test import RangeTest, learning_rate_range_test
from ranvier.models.sequential import Sequential

__all__ = [
    "Checkpoint",
    "EarlyStopping",
    "Ensemble",
    "EnsembleHistory",
    "Model",
    "RangeTest",
    "ReduceLearningRateOnPlateau",
    "Sequential",
    "learning_rate_range_test",
    "load",
]
