"""The embedding: a row of a learned table for every number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import ranvier.ops as ops
from ranvier.data.inputs import place
from ranvier.foundation.dtypes import is_float
from ranvier.foundation.errors import DataError
from ranvier.layers.arguments import whole_number
from ranvier.layers.base import LAYERS, Context, Layer, Parameter
from ranvier.layers.initializers import InitializerLike, initializer_from, initializer_of
from ranvier.layers.regularizers import Regularizer, regularizer_from
from ranvier.ops import Tensor
from ranvier.ops.value import dtype_of


@LAYERS.register("Embedding")
class Embedding(Layer):
    """A row of a learned table for every number: words, users, items as vectors.

    Formula: ``out[..., d] = weight[x[...], d]``.

    Only rows that a batch has read get a gradient, but momentum, moments and weight decay move
    every row, as in PyTorch; with plain :class:`ranvier.SGD` and no penalty only those rows are
    written, and the gradient of the table never exists in memory.

    Bengio, Ducharme, Vincent and Jauvin, "A neural probabilistic language model", JMLR 3, 2003.

    **Shapes**: ``x: (N,) -> (N, D)``, ``x: (N, T) -> (N, T, D)``, ``weight: (V, D)``

    Args:
        num_embeddings: rows V of the table; inputs are integers from 0 to V - 1.
        embedding_dim: numbers D in a row.
        embeddings_initializer: the table's initializer: its name, or one such as
            ``Normal(0.0, 1.0)`` (PyTorch's). The default is Keras's: uniform in (-0.05, 0.05).
        embeddings_regularizer: a penalty on the whole table such as ``L2(1e-4)``, or None.

    Raises:
        ArgumentError: for an argument outside its domain.

    Example:
        >>> import numpy as np
        >>> layer = Embedding(3, 2)
        >>> values = {"weight": np.array([[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]])}
        >>> layer.forward(np.array([2, 0]), values, Context()).tolist()
        [[2.0, 2.5], [0.0, 0.5]]
    """

    reads_integers = True

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        embeddings_initializer: InitializerLike = "uniform",
        embeddings_regularizer: Regularizer | None = None,
    ) -> None:
        self.num_embeddings = whole_number("Embedding", "num_embeddings", num_embeddings)
        self.embedding_dim = whole_number("Embedding", "embedding_dim", embedding_dim)
        self.embeddings_initializer = initializer_from(
            "Embedding", "embeddings_initializer", embeddings_initializer
        )
        self.embeddings_regularizer = regularizer_from(
            "Embedding", "embeddings_regularizer", embeddings_regularizer
        )

    def declare(self, input_shape: tuple[int, ...]) -> dict[str, Parameter]:
        """``weight: (V, D)``, for inputs of any shape."""
        return {
            "weight": Parameter(
                (self.num_embeddings, self.embedding_dim),
                initializer_of(self.embeddings_initializer),
                self.embeddings_regularizer,
            )
        }

    def forward(self, x: Tensor, parameters: Mapping[str, Tensor], context: Context) -> Any:
        """``weight[x]``; floats are truncated to integers first. **Shapes**: ``(...) -> (..., D)``

        Numbers outside of the table mean its first or last row here; :meth:`check_rows` refuses
        them before a model trains or predicts.
        """
        if dtype_of(x) == "bool" or is_float(dtype_of(x)):
            x = ops.cast(x, "int32")
        return ops.take(parameters["weight"], x)

    def check_rows(self, x: Any, name: str = "X") -> None:
        """Check that every number of an array is the number of a row of the table.

        Args:
            x: an array of numbers of any shape; floats must be whole.
            name: what the array is called, for the error.

        Raises:
            DataError: with the first number that is not, and where it stands.

        Example:
            >>> import numpy as np
            >>> Embedding(3, 2).check_rows(np.array([[0, 1], [2, 2]]))
        """
        array = np.asarray(x)
        last = self.num_embeddings - 1
        whole = array.dtype.kind != "f"
        if array.size == 0 or (whole and array.min() >= 0 and array.max() <= last):
            return
        wrong = ~((array >= 0) & (array <= last))
        if not whole:
            wrong |= array != np.floor(array)
        if not wrong.any():
            return
        first = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), array.shape))
        raise DataError(
            f"{name} has a number that {self.describe()} has no row for, first at {place(first)}.",
            happened=f"it is {array[first]}; {int(wrong.sum())} of {array.size} numbers are wrong",
            needed=f"integers from 0 to {last}",
            fix="number what is embedded from 0 upwards, and give num_embeddings the largest "
            "number plus 1",
        )
