"""A data set as a training needs it: arrays, what they mean, and what was done to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.data.preparation import Preparation


@dataclass(frozen=True, eq=False)
class Dataset:
    """Examples, targets, and everything that was understood about them.

    Attributes:
        name: what the data set is called.
        x: ``(N, ...)``. A table is prepared already (float32 features); arrays and pictures are as
            stored, and `inputs` gives what the network reads.
        y: ``(N,)`` int32 indices into ``class_names``, ``(N, outputs)`` numbers, or None.
        preparation: what was, or for arrays is to be, done to the inputs.
        task: ``"classification"``, ``"binary"``, ``"regression"``, or ``""`` without targets.
        test_x, test_y: a test part in the same form, or None.
        val_x, val_y: a validation part in the same form, or None.
        class_names: what the classes are called.
        feature_names: the names of the features of a table.
        notes: plain sentences: what was understood and what was done.
        source, licence: where the data comes from, and under which licence, where that is known.
    """

    name: str
    x: NDArray[Any]
    y: NDArray[Any] | None
    preparation: Preparation
    task: str
    test_x: NDArray[Any] | None = None
    test_y: NDArray[Any] | None = None
    val_x: NDArray[Any] | None = None
    val_y: NDArray[Any] | None = None
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    licence: str = ""

    @property
    def inputs(self) -> NDArray[np.float32]:
        """The training examples as the network reads them (computed anew for arrays)."""
        return self._prepared(self.x)

    @property
    def test_inputs(self) -> NDArray[np.float32] | None:
        """The test examples as the network reads them, or None."""
        return None if self.test_x is None else self._prepared(self.test_x)

    @property
    def val_inputs(self) -> NDArray[np.float32] | None:
        """The validation examples as the network reads them, or None."""
        return None if self.val_x is None else self._prepared(self.val_x)

    def _prepared(self, x: NDArray[Any]) -> NDArray[np.float32]:
        return x if self.preparation.kind == "table" else self.preparation.apply_array(x)
