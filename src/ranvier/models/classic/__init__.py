"""The ancestors: threshold units, the perceptron, ADALINE and Hopfield's network.

Each is here with its own learning rule; the rules that go example by example run natively.
"""

from ranvier.models.classic.adaline import Adaline
from ranvier.models.classic.hopfield import Hopfield
from ranvier.models.classic.logic import LOGIC_FUNCTIONS, logic_function
from ranvier.models.classic.perceptron import Perceptron
from ranvier.models.classic.threshold_unit import ThresholdNetwork, ThresholdUnit

__all__ = [
    "LOGIC_FUNCTIONS",
    "Adaline",
    "Hopfield",
    "Perceptron",
    "ThresholdNetwork",
    "ThresholdUnit",
    "logic_function",
]
