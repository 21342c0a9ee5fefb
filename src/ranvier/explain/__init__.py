"""Explanations: what a network does with an example, and what ails a training."""

from ranvier.explain.doctor import doctor
from ranvier.explain.findings import Diagnosis, Finding, LayerReport
from ranvier.explain.layer_step import LayerStep, NeuronBackward
from ranvier.explain.step_through import StepThrough, step_through

__all__ = [
    "Diagnosis",
    "Finding",
    "LayerReport",
    "LayerStep",
    "NeuronBackward",
    "StepThrough",
    "doctor",
    "step_through",
]
