"""Ranvier: neural networks whose training loop is one native program.

``import ranvier as rv`` is quick because it loads nothing else: each public name below is fetched
from its room the first time it is used (PEP 562).
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

__version__ = "0.1.0"

#: Where each public name lives: "module" for the name in that module, or the module itself.
_NAMES: dict[str, str] = {
    # foundation
    "errors": "ranvier.foundation.errors:",
    "N": "ranvier.foundation.shapes",
    "Extent": "ranvier.foundation.shapes",
    # data
    "open_dataset": "ranvier.data",
    # operations and graphs
    "ops": "ranvier.ops:",
    "Spec": "ranvier.ops.value",
    "gradient": "ranvier.graph.transforms",
    "value_and_gradient": "ranvier.graph.transforms",
    "vectorize": "ranvier.graph.vectorize",
    "compile": "ranvier.backends.compile",
    # layers
    "Layer": "ranvier.layers",
    "Parameter": "ranvier.layers",
    "Input": "ranvier.layers",
    "Context": "ranvier.layers",
    "Dense": "ranvier.layers",
    "Embedding": "ranvier.layers",
    "Activation": "ranvier.layers",
    "Flatten": "ranvier.layers",
    "Dropout": "ranvier.layers",
    "Rescaling": "ranvier.layers",
    "LeakyReLU": "ranvier.layers",
    "PReLU": "ranvier.layers",
    "Reshape": "ranvier.layers",
    "AlphaDropout": "ranvier.layers",
    "GaussianNoise": "ranvier.layers",
    "LayerNorm": "ranvier.layers",
    "BatchNorm": "ranvier.layers",
    "Add": "ranvier.layers",
    "Subtract": "ranvier.layers",
    "Multiply": "ranvier.layers",
    "Average": "ranvier.layers",
    "Maximum": "ranvier.layers",
    "Minimum": "ranvier.layers",
    "Concatenate": "ranvier.layers",
    "Stack": "ranvier.layers",
    "Lambda": "ranvier.layers",
    "RMSNorm": "ranvier.layers",
    "L1": "ranvier.layers",
    "L2": "ranvier.layers",
    "L1L2": "ranvier.layers",
    "Constraint": "ranvier.layers",
    "MaxNorm": "ranvier.layers",
    "NonNegative": "ranvier.layers",
    "UnitNorm": "ranvier.layers",
    "initializers": "ranvier.layers.initializers:",
    "Neuron": "ranvier.layers",
    # losses, optimizers, metrics
    "Loss": "ranvier.losses",
    "CategoricalCrossEntropy": "ranvier.losses",
    "BinaryCrossEntropy": "ranvier.losses",
    "MeanSquaredError": "ranvier.losses",
    "BinaryFocal": "ranvier.losses",
    "CategoricalFocal": "ranvier.losses",
    "ContrastiveLoss": "ranvier.losses",
    "CosineSimilarity": "ranvier.losses",
    "HalfSquaredError": "ranvier.losses",
    "Hinge": "ranvier.losses",
    "Huber": "ranvier.losses",
    "KLDivergence": "ranvier.losses",
    "LogCosh": "ranvier.losses",
    "MeanAbsoluteError": "ranvier.losses",
    "PerceptronLoss": "ranvier.losses",
    "Poisson": "ranvier.losses",
    "Quantile": "ranvier.losses",
    "TripletLoss": "ranvier.losses",
    "Optimizer": "ranvier.optimizers",
    "SGD": "ranvier.optimizers",
    "Adam": "ranvier.optimizers",
    "AdamW": "ranvier.optimizers",
    "NAdam": "ranvier.optimizers",
    "Adamax": "ranvier.optimizers",
    "AdaGrad": "ranvier.optimizers",
    "AdaDelta": "ranvier.optimizers",
    "RMSprop": "ranvier.optimizers",
    "Lion": "ranvier.optimizers",
    "Muon": "ranvier.optimizers",
    "LBFGS": "ranvier.optimizers",
    "ParameterGroups": "ranvier.optimizers",
    "Schedule": "ranvier.optimizers",
    "ConstantSchedule": "ranvier.optimizers",
    "StepDecay": "ranvier.optimizers",
    "ExponentialDecay": "ranvier.optimizers",
    "PolynomialDecay": "ranvier.optimizers",
    "CosineDecay": "ranvier.optimizers",
    "CosineRestarts": "ranvier.optimizers",
    "OneCycle": "ranvier.optimizers",
    "Metric": "ranvier.metrics",
    "MeanMetric": "ranvier.metrics",
    "metrics": "ranvier.metrics:",
    # explanations
    "explain": "ranvier.explain:",
    # models
    "Sequential": "ranvier.models",
    "Model": "ranvier.models",
    "EarlyStopping": "ranvier.models",
    "Ensemble": "ranvier.models",
    "EnsembleHistory": "ranvier.models",
    "Checkpoint": "ranvier.models",
    "ReduceLearningRateOnPlateau": "ranvier.models",
    "Callback": "ranvier.training.callbacks",
    "FunctionCallback": "ranvier.training.callbacks",
    "TrainingStarted": "ranvier.training.events",
    "StepEnded": "ranvier.training.events",
    "EpochEnded": "ranvier.training.events",
    "TimePassed": "ranvier.training.events",
    "TrainingEnded": "ranvier.training.events",
    "load": "ranvier.models",
    "learning_rate_range_test": "ranvier.models",
    "RangeTest": "ranvier.models",
    "ThresholdUnit": "ranvier.models.classic",
    "ThresholdNetwork": "ranvier.models.classic",
    "logic_function": "ranvier.models.classic",
    "LOGIC_FUNCTIONS": "ranvier.models.classic",
    "Perceptron": "ranvier.models.classic",
    "Adaline": "ranvier.models.classic",
    "Hopfield": "ranvier.models.classic",
    # networks for scikit-learn's users (the extra "sklearn")
    "estimators": "ranvier.estimators:",
    # contracts for things of one's own
    "testing": "ranvier.testing:",
}

__all__ = ["__version__", *sorted(_NAMES)]


def __getattr__(name: str) -> Any:
    place = _NAMES.get(name)
    if place is None:
        # Python's own protocol for a missing attribute: hasattr and its "did you mean" rely on it.
        raise AttributeError(
            f"module 'ranvier' has no attribute {name!r}", name=name, obj=sys.modules[__name__]
        )
    module, whole, _ = place.partition(":")
    loaded = importlib.import_module(module)
    value = loaded if whole else getattr(loaded, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
