"""The one block of memory of a program, and NumPy's view of the buffers in it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.compiler.groups import Buffer
from ranvier.compiler.plan import MemoryPlan
from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.shapes import known_shape, resolve


class Arena:
    """Memory for one run of a program, 64-byte aligned, zeroed.

    Args:
        plan: what lies where.
    """

    ALIGNMENT = 64

    def __init__(self, plan: MemoryPlan) -> None:
        self.plan = plan
        self._raw = np.zeros(plan.bytes + self.ALIGNMENT, np.uint8)
        shift = -self._raw.ctypes.data % self.ALIGNMENT
        self.bytes: NDArray[np.uint8] = self._raw[shift : shift + plan.bytes]
        self.address = self.bytes.ctypes.data

    def view(self, buffer: Buffer, counts: dict[str, int] | None = None) -> NDArray[Any]:
        """A buffer as an array of its logical shape, without the padding.

        Args:
            counts: lengths of symbolic extents; their capacity where left out.
        """
        lengths = {**self.plan.capacity, **(counts or {})}
        shape = resolve(buffer.shape, lengths)
        size = itemsize(buffer.dtype)
        strides = tuple(stride * size for stride in buffer.strides())
        place = buffer.alias.offset if buffer.alias is not None else buffer.offset
        flat = self.bytes[place : place + buffer.bytes(dict(self.plan.capacity))]
        return np.ndarray(shape, buffer.dtype, flat.data, strides=strides)

    def read(self, buffer: Buffer) -> NDArray[Any]:
        """A copy of a buffer in canonical layout."""
        if not buffer.panel:
            return self.view(buffer).copy()
        rows, columns = known_shape(buffer.shape)
        whole = self._panels(buffer).transpose(1, 0, 2).reshape(rows, -1)
        return np.ascontiguousarray(whole[:, :columns])

    def write(self, buffer: Buffer, array: Any) -> None:
        """Fill a buffer from an array in canonical layout."""
        if not buffer.panel:
            self.view(buffer)[...] = array
            return
        rows, columns = known_shape(buffer.shape)
        panels = self._panels(buffer)
        whole = np.zeros((rows, len(panels) * buffer.panel), buffer.dtype)
        whole[:, :columns] = array
        panels[...] = whole.reshape(rows, len(panels), buffer.panel).transpose(1, 0, 2)

    def _panels(self, buffer: Buffer) -> NDArray[Any]:
        """A matrix in panels as (panel, row, column in the panel)."""
        rows, columns = known_shape(buffer.shape)
        count = -(-columns // buffer.panel)
        place = buffer.alias.offset if buffer.alias is not None else buffer.offset
        flat = self.bytes[place : place + buffer.bytes({})]
        return np.ndarray((count, rows, buffer.panel), buffer.dtype, flat.data)
