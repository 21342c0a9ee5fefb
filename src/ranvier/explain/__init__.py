"""Explanations: what a network does with an example, what ails a training, and pictures of both."""

from ranvier.explain.diagram import network_diagram
from ranvier.explain.doctor import doctor
from ranvier.explain.findings import Diagnosis, Finding, LayerReport
from ranvier.explain.layer_step import LayerStep, NeuronBackward
from ranvier.explain.mistakes import Mistakes, WrongRow, mistakes
from ranvier.explain.path import WeightPath
from ranvier.explain.pictures import Activations, Picture, activations, weight_picture
from ranvier.explain.regions import DecisionRegions, decision_regions
from ranvier.explain.report import report
from ranvier.explain.step_through import StepThrough, step_through
from ranvier.explain.surface import ErrorSurface, error_surface

__all__ = [
    "Activations",
    "DecisionRegions",
    "Diagnosis",
    "ErrorSurface",
    "Finding",
    "LayerReport",
    "LayerStep",
    "Mistakes",
    "NeuronBackward",
    "Picture",
    "StepThrough",
    "WeightPath",
    "WrongRow",
    "activations",
    "decision_regions",
    "doctor",
    "error_surface",
    "mistakes",
    "network_diagram",
    "report",
    "step_through",
    "weight_picture",
]
