"""What a hidden layer makes of the rows, as a step of a pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranvier.estimators.base import NetworkEstimator
from ranvier.estimators.classifier import NetworkClassifier
from ranvier.estimators.regressor import NetworkRegressor
from ranvier.estimators.scikit import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    scikit,
)


class NetworkTransformer(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """The outputs of the last hidden layer of a network, as features for what follows.

    With targets the network learns them: classes if they are integers, booleans or texts, else
    numbers. Without targets it learns to give its inputs back (an autoencoder), and the hidden
    layer is what it needs to know for that.

    **Shapes**: ``X: (N, F) -> (N, units of the last hidden layer)``

    Args:
        hidden_layer_sizes: units of each hidden layer.
        activation: of the hidden layers.
        solver: "adam", "sgd" or "lbfgs".
        alpha: strength of the penalty on squared weights.
        batch_size: rows of a step; "auto": 200, or all if there are fewer.
        learning_rate_init: the rate.
        max_iter: epochs at most.
        random_state: of first weights and orders.
        tol: how much better an epoch must be to count.
        n_iter_no_change: epochs in a row without an improvement that are accepted.
        body: a list of layers or a model in the place of the hidden layers.
        dropout: the share of hidden outputs that is dropped in training.

    Attributes:
        network_: the :class:`NetworkClassifier` or :class:`NetworkRegressor` that was trained.
        n_iter_: its epochs.

    Raises:
        ArgumentError: at fit, for a parameter outside its domain; a ValueError.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> transformer = NetworkTransformer((20, 2), max_iter=500, random_state=0)
        >>> transformer.fit_transform(X, y).shape
        (150, 2)
    """

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        random_state: Any = None,
        tol: float = 1e-4,
        n_iter_no_change: float = 10,
        body: object = None,
        dropout: float = 0.0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.body = body
        self.dropout = dropout

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Train the network.

        **Shapes**: ``X: (N, F), y: (N,)`` or ``(N, K)``

        Args:
            X: rows.
            y: classes or numbers to learn; None: the rows themselves.
            sample_weight: a number for each row.

        Raises:
            ValueError: data that cannot be trained on, or a parameter outside its domain.
        """
        x = scikit.validate_data(self, X, dtype=(np.float64, np.float32))
        labels = y is not None and np.asarray(y).dtype.kind not in "f"
        kind: type[NetworkEstimator] = NetworkClassifier if labels else NetworkRegressor
        self.network_ = kind(**self.get_params())
        self.network_.fit(x, x if y is None else y, sample_weight)
        self.n_iter_ = self.network_.n_iter_
        return self

    def transform(self, X: Any) -> NDArray[Any]:
        """The last hidden layer's outputs. **Shapes**: ``X: (N, F) -> (N, units)``"""
        scikit.check_is_fitted(self)
        dtype = self.network_._dtype
        x = scikit.validate_data(self, X, dtype=dtype, reset=False)
        return self.network_.members_[0].inside((x,))

    @property
    def _n_features_out(self) -> int:
        return int(self.network_.members_[0].hidden.output_shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
