"""Optimizers: from a weight, its gradient and a state to the next weight and state."""

from ranvier.optimizers.adadelta import AdaDelta
from ranvier.optimizers.adagrad import AdaGrad
from ranvier.optimizers.adam import Adam
from ranvier.optimizers.adamax import Adamax
from ranvier.optimizers.adamw import AdamW
from ranvier.optimizers.base import OPTIMIZERS, Optimizer
from ranvier.optimizers.groups import OptimizerLike, ParameterGroups, optimizers_of, resolve
from ranvier.optimizers.lbfgs import LBFGS
from ranvier.optimizers.lion import Lion
from ranvier.optimizers.muon import Muon
from ranvier.optimizers.nadam import NAdam
from ranvier.optimizers.rmsprop import RMSprop
from ranvier.optimizers.schedules import (
    SCHEDULES,
    Clock,
    ConstantSchedule,
    CosineDecay,
    CosineRestarts,
    ExponentialDecay,
    OneCycle,
    PolynomialDecay,
    Schedule,
    StepDecay,
)
from ranvier.optimizers.sgd import SGD

__all__ = [
    "LBFGS",
    "OPTIMIZERS",
    "SCHEDULES",
    "SGD",
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Clock",
    "ConstantSchedule",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "Lion",
    "Muon",
    "NAdam",
    "OneCycle",
    "Optimizer",
    "OptimizerLike",
    "ParameterGroups",
    "PolynomialDecay",
    "RMSprop",
    "Schedule",
    "StepDecay",
    "optimizers_of",
    "resolve",
]
