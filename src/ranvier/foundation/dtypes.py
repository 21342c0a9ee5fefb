"""The dtypes of values, and how two of them meet.

A value has one storage dtype. Sums of float values accumulate in the same dtype; loss and metric
totals over an epoch are kept in float64.
"""

from __future__ import annotations

import numpy as np

from ranvier.foundation.errors import DTypeError

FLOATS = ("float32", "float64")
INTEGERS = ("uint8", "int32", "int64")
#: Dtypes in which data may be stored; a value of one is cast before anything is computed.
STORED = ("int8", "uint16", "int16", "float16")
VALUE_DTYPES = (*FLOATS, *INTEGERS, *STORED, "bool")

#: Dtypes that data may have in memory; they are converted when a batch is loaded.
DATA_DTYPES = (
    "uint8",
    "int8",
    "uint16",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "bool",
)

_RANKS = ("bool", "uint8", "int8", "uint16", "int16", "int32", "int64", "float16", *FLOATS)
_ORDER = {name: rank for rank, name in enumerate(_RANKS)}


def is_float(dtype: str) -> bool:
    """Whether the dtype is a floating-point one."""
    return dtype.startswith("float")


def itemsize(dtype: str) -> int:
    """Bytes of one element."""
    return int(np.dtype(dtype).itemsize)


def canonical(dtype: object) -> str:
    """The name of a dtype that values may have.

    Raises:
        DTypeError: if Ranvier has no such dtype.
    """
    if isinstance(dtype, str) and dtype in _ORDER:
        return dtype  # NumPy takes microseconds to find the name that is there already
    try:
        name = np.dtype(dtype).name  # type: ignore[call-overload]
    except TypeError:
        name = str(dtype)
    if name not in _ORDER:
        raise DTypeError(
            f"A value cannot have dtype {name}.",
            happened=f"dtype {name} was asked for",
            needed="one of " + ", ".join(VALUE_DTYPES),
            fix="convert the array, for example with x.astype('float32')",
        )
    return str(name)


def promote(first: str, second: str) -> str:
    """The dtype in which two values meet: the later one of bool, integers, float32, float64."""
    return first if _ORDER[first] >= _ORDER[second] else second
