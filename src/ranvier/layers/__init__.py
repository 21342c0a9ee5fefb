"""Layers: what they are made of (parameters, initializers, activations) and the layers themselves.

Adding a layer is one file with one class and one line here.
"""

from ranvier.layers.activation import Activation
from ranvier.layers.activations import ACTIVATIONS
from ranvier.layers.base import LAYERS, Context, Layer, Parameter
from ranvier.layers.configured import Configured
from ranvier.layers.dense import Dense
from ranvier.layers.dropout import Dropout
from ranvier.layers.flatten import Flatten
from ranvier.layers.initializers import INITIALIZERS, Initializer
from ranvier.layers.regularizers import L2, REGULARIZERS, Regularizer
from ranvier.layers.rescaling import Rescaling

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "LAYERS",
    "REGULARIZERS",
    "Activation",
    "Configured",
    "Context",
    "Dense",
    "Dropout",
    "Flatten",
    "Initializer",
    "L2",
    "Layer",
    "Parameter",
    "Regularizer",
    "Rescaling",
]
