"""Optimizers: from a weight, its gradient and a state to the next weight and state."""

from ranvier.optimizers.adadelta import AdaDelta
from ranvier.optimizers.adagrad import AdaGrad
from ranvier.optimizers.adam import Adam
from ranvier.optimizers.adamax import Adamax
from ranvier.optimizers.adamw import AdamW
from ranvier.optimizers.base import OPTIMIZERS, Optimizer, resolve
from ranvier.optimizers.lion import Lion
from ranvier.optimizers.nadam import NAdam
from ranvier.optimizers.rmsprop import RMSprop
from ranvier.optimizers.sgd import SGD

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "resolve",
]
