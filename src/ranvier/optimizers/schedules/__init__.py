"""Schedules: learning rates that change with the step, as graphs of scalars.

Adding a schedule is one file with one class and one line here.
"""

from ranvier.optimizers.schedules.base import SCHEDULES, Clock, Schedule, rate_from
from ranvier.optimizers.schedules.constant import ConstantSchedule
from ranvier.optimizers.schedules.cosine_decay import CosineDecay
from ranvier.optimizers.schedules.cosine_restarts import CosineRestarts
from ranvier.optimizers.schedules.exponential_decay import ExponentialDecay
from ranvier.optimizers.schedules.one_cycle import OneCycle
from ranvier.optimizers.schedules.polynomial_decay import PolynomialDecay
from ranvier.optimizers.schedules.step_decay import StepDecay

__all__ = [
    "SCHEDULES",
    "Clock",
    "ConstantSchedule",
    "CosineDecay",
    "CosineRestarts",
    "ExponentialDecay",
    "OneCycle",
    "PolynomialDecay",
    "Schedule",
    "StepDecay",
    "rate_from",
]
