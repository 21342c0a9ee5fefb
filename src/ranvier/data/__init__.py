"""Data: checked arrays, tables, pictures and built-ins, and the preparation saved with a model."""

from ranvier.data.arrays import (
    Targets,
    check_inputs,
    encode_targets,
    train_test_split,
    understand_targets,
)
from ranvier.data.builtin import BUILTINS, spirals
from ranvier.data.dataset import Dataset
from ranvier.data.files import Rows, open_dataset, read_rows
from ranvier.data.idx import read_idx
from ranvier.data.preparation import Preparation, fit_array, fit_pictures, fit_table

__all__ = [
    "BUILTINS",
    "Dataset",
    "Preparation",
    "Rows",
    "Targets",
    "check_inputs",
    "encode_targets",
    "fit_array",
    "fit_pictures",
    "fit_table",
    "open_dataset",
    "read_idx",
    "read_rows",
    "spirals",
    "train_test_split",
    "understand_targets",
]
