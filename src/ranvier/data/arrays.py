"""The arrays a user brings: what `fit`, `predict` and `evaluate` do with them first.

Inputs are checked (`inputs.py`), targets are understood (`targets.py`), rows are split
(`splits.py`); this file offers the three under one roof.
"""

from ranvier.data.inputs import check_finite, check_inputs
from ranvier.data.splits import train_test_split
from ranvier.data.targets import (
    Targets,
    check_target_numbers,
    encode_targets,
    understand_targets,
    with_classes,
)

__all__ = [
    "Targets",
    "check_finite",
    "check_inputs",
    "check_target_numbers",
    "encode_targets",
    "train_test_split",
    "understand_targets",
    "with_classes",
]
