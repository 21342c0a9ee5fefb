"""Layers: what they are made of (parameters, initializers, activations) and the layers themselves.

Adding a layer is one file with one class and one line here.
"""

from ranvier.layers.activation import Activation
from ranvier.layers.activations import ACTIVATIONS
from ranvier.layers.alpha_dropout import AlphaDropout
from ranvier.layers.base import LAYERS, Context, Layer, Parameter
from ranvier.layers.batch_norm import BatchNorm
from ranvier.layers.configured import Configured
from ranvier.layers.constraints import CONSTRAINTS, Constraint, MaxNorm, NonNegative, UnitNorm
from ranvier.layers.dense import Dense
from ranvier.layers.dropout import Dropout
from ranvier.layers.embedding import Embedding
from ranvier.layers.flatten import Flatten
from ranvier.layers.gaussian_noise import GaussianNoise
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
from ranvier.layers.lambda_layer import Lambda
from ranvier.layers.layer_neurons import LayerNeuron, Neurons
from ranvier.layers.layer_norm import LayerNorm
from ranvier.layers.leaky_relu import LeakyReLU
from ranvier.layers.merge import (
    Add,
    Average,
    Concatenate,
    Maximum,
    Merge,
    Minimum,
    Multiply,
    Stack,
    Subtract,
)
from ranvier.layers.neuron import Neuron
from ranvier.layers.neuron_computation import NeuronComputation
from ranvier.layers.prelu import PReLU
from ranvier.layers.regularizers import L1, L1L2, L2, REGULARIZERS, Regularizer
from ranvier.layers.rescaling import Rescaling
from ranvier.layers.reshape import Reshape
from ranvier.layers.rms_norm import RMSNorm
from ranvier.layers.symbolic import Input, SymbolicTensor

__all__ = [
    "ACTIVATIONS",
    "CONSTRAINTS",
    "DISTRIBUTIONS",
    "INITIALIZERS",
    "LAYERS",
    "REGULARIZERS",
    "Activation",
    "Add",
    "AlphaDropout",
    "Average",
    "BatchNorm",
    "Concatenate",
    "Configured",
    "Constant",
    "Constraint",
    "Context",
    "Dense",
    "Distribution",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "Initializer",
    "Input",
    "L1",
    "L1L2",
    "L2",
    "Lambda",
    "Layer",
    "LayerNeuron",
    "LayerNorm",
    "LeakyReLU",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "Neuron",
    "NeuronComputation",
    "Neurons",
    "MaxNorm",
    "NonNegative",
    "Normal",
    "Orthogonal",
    "PReLU",
    "Parameter",
    "RMSNorm",
    "Regularizer",
    "Rescaling",
    "Reshape",
    "Stack",
    "Subtract",
    "SymbolicTensor",
    "TruncatedNormal",
    "Uniform",
    "UnitNorm",
]
