"""Layers: what they are made of (parameters, initializers, activations) and the layers themselves.

Adding a layer is one file with one class and one line here.
"""

from ranvier.layers.activation import Activation
from ranvier.layers.activations import ACTIVATIONS
from ranvier.layers.alpha_dropout import AlphaDropout
from ranvier.layers.base import LAYERS, Context, Layer, Parameter
from ranvier.layers.configured import Configured
from ranvier.layers.dense import Dense
from ranvier.layers.dropout import Dropout
from ranvier.layers.flatten import Flatten
from ranvier.layers.initializers import (
    DISTRIBUTIONS,
    INITIALIZERS,
    Constant,
    Distribution,
    Initializer,
    Normal,
    Orthogonal,
    TruncatedNormal,
    Uniform,
)
from ranvier.layers.layer_norm import LayerNorm
from ranvier.layers.leaky_relu import LeakyReLU
from ranvier.layers.prelu import PReLU
from ranvier.layers.regularizers import L1, L1L2, L2, REGULARIZERS, Regularizer
from ranvier.layers.rescaling import Rescaling
from ranvier.layers.reshape import Reshape
from ranvier.layers.rms_norm import RMSNorm

__all__ = [
    "ACTIVATIONS",
    "DISTRIBUTIONS",
    "INITIALIZERS",
    "LAYERS",
    "REGULARIZERS",
    "Activation",
    "AlphaDropout",
    "Configured",
    "Constant",
    "Context",
    "Dense",
    "Distribution",
    "Dropout",
    "Flatten",
    "Initializer",
    "L1",
    "L1L2",
    "L2",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Normal",
    "Orthogonal",
    "PReLU",
    "Parameter",
    "RMSNorm",
    "Regularizer",
    "Rescaling",
    "Reshape",
    "TruncatedNormal",
    "Uniform",
]
