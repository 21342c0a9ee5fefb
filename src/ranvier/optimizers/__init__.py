"""Optimizers: from a weight, its gradient and a state to the next weight and state."""

from ranvier.optimizers.adam import Adam
from ranvier.optimizers.base import OPTIMIZERS, Optimizer, resolve
from ranvier.optimizers.sgd import SGD

__all__ = ["OPTIMIZERS", "SGD", "Adam", "Optimizer", "resolve"]
