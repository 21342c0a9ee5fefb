"""Networks as scikit-learn's estimators: the same parameters as its own, and more."""

from ranvier.estimators.classic import AdalineClassifier, AdalineRegressor, PerceptronClassifier
from ranvier.estimators.classifier import NetworkClassifier
from ranvier.estimators.regressor import NetworkRegressor
from ranvier.estimators.transformer import NetworkTransformer

__all__ = [
    "AdalineClassifier",
    "AdalineRegressor",
    "NetworkClassifier",
    "NetworkRegressor",
    "NetworkTransformer",
    "PerceptronClassifier",
]
