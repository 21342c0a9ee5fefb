"""Rosenblatt's perceptron and Widrow and Hoff's ADALINE, as scikit-learn's users want them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranvier.estimators.scikit import (
    BaseEstimator,
    ClassifierMixin,
    MultiOutputMixin,
    RegressorMixin,
    scikit,
)
from ranvier.foundation.errors import DataError, TrainingError
from ranvier.models.classic import Adaline, Perceptron
from ranvier.training.records import History

SEEDS = 2**31 - 1


class _Unit(BaseEstimator):  # type: ignore[misc]
    """What the three have in common."""

    max_iter: int
    learning_rate: float | None
    shuffle: bool
    random_state: Any

    def _trained(self, unit: Any, x: NDArray[Any], y: Any) -> History:
        seed = int(scikit.check_random_state(self.random_state).randint(SEEDS))
        try:
            history: History = unit.fit(
                x,
                y,
                epochs=self.max_iter,
                learning_rate=self._rate(x),
                shuffle=bool(self.shuffle),
                seed=seed,
            )
        except TrainingError as error:
            raise DataError(
                f"{type(self).__name__}: the weights grew beyond all bounds.",
                happened=error.happened,
                needed="a rate that fits the length of the rows",
                fix="lower learning_rate, or scale the columns of X",
            ) from error
        self.coef_ = np.ascontiguousarray(unit.weights.T)
        self.intercept_ = unit.bias.copy()
        self.n_iter_ = history.epochs
        self.loss_curve_ = list(history["loss"])
        return history

    def _rate(self, x: NDArray[Any]) -> float:
        """The rate; left out, one at which no example is overshot."""
        if self.learning_rate is not None:
            return self.learning_rate
        longest = float(np.square(x, dtype=np.float64).sum(axis=1).max())
        return 1.0 / (1.0 + longest)

    def _net(self, X: Any) -> NDArray[Any]:
        scikit.check_is_fitted(self)
        x = scikit.validate_data(self, X, dtype=self.coef_.dtype, reset=False)
        # One row after the other, so that an answer does not depend on the rows around it.
        return np.asarray(np.einsum("nf,uf->nu", x, self.coef_) + self.intercept_)


class _UnitClassifier(ClassifierMixin, _Unit):  # type: ignore[misc]
    """Classes by threshold units."""

    _kind: type[Any]

    def fit(self, X: Any, y: Any) -> Self:
        """Learn. **Shapes**: ``X: (N, F), y: (N,)``

        Raises:
            ValueError: data that cannot be learnt from, or a parameter outside its domain.
        """
        x, y = scikit.validate_data(self, X, y, dtype=(np.float64, np.float32))
        scikit.check_classification_targets(y)
        self.classes_, places = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise DataError(
                f"{type(self).__name__} needs at least 2 classes.",
                happened="y has only one class",
                needed="two classes or more",
                fix="look at how y was made",
            )
        unit = self._kind(dtype=x.dtype.name)
        self.history_ = dict(self._trained(unit, x, places.astype(np.int32)))
        return self

    def decision_function(self, X: Any) -> NDArray[Any]:
        """The net inputs. **Shapes**: ``X: (N, F) -> (N,)`` for two classes, else ``(N, C)``"""
        found = self._net(X)
        return found[:, 0] if found.shape[1] == 1 else found

    def predict(self, X: Any) -> NDArray[Any]:
        """The classes. **Shapes**: ``X: (N, F) -> (N,)``"""
        found = self.decision_function(X)
        places = (found > 0).astype(int) if found.ndim == 1 else found.argmax(axis=1)
        return np.asarray(self.classes_[places])


class PerceptronClassifier(_UnitClassifier):
    """Rosenblatt's perceptron: :class:`ranvier.Perceptron` for scikit-learn.

    Formula: ``w = w + rate * (t - o) * x`` for each example that is answered wrongly.

    **Shapes**: ``X: (N, F), y: (N,)``

    Args:
        max_iter: epochs at most; it ends where one goes by without a mistake.
        learning_rate: of every example.
        shuffle: whether each epoch has an order of its own.
        random_state: of the orders.

    Attributes:
        classes_: the labels in sorted order.
        coef_, intercept_: weights ``(U, F)`` and biases ``(U,)``; U is 1 for two classes.
        n_iter_, loss_curve_, history_: epochs, and their numbers.

    Raises:
        ArgumentError: at fit, for a parameter outside its domain; a ValueError.

    Example:
        >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], ["no", "no", "no", "yes"]
        >>> PerceptronClassifier(random_state=0).fit(X, y).predict([[1, 1]]).tolist()
        ['yes']
    """

    _kind = Perceptron

    def __init__(
        self,
        *,
        max_iter: int = 1000,
        learning_rate: float = 1.0,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.shuffle = shuffle
        self.random_state = random_state


class AdalineClassifier(_UnitClassifier):
    """Widrow and Hoff's ADALINE for classes: :class:`ranvier.Adaline` for scikit-learn.

    Formula: ``w = w + rate * (t - z) * x`` for every example, with t of 1 or -1.

    **Shapes**: ``X: (N, F), y: (N,)``

    Args:
        max_iter: epochs.
        learning_rate: of every example; None: ``1 / (1 + |x| ** 2)`` of the longest row, which
            overshoots none. Too large a rate is an error that says so.
        shuffle: whether each epoch has an order of its own.
        random_state: of the orders.

    Attributes:
        classes_: the labels in sorted order.
        coef_, intercept_: weights ``(U, F)`` and biases ``(U,)``; U is 1 for two classes.
        n_iter_, loss_curve_, history_: epochs, and their numbers.

    Raises:
        ArgumentError: at fit, for a parameter outside its domain; a ValueError.

    Example:
        >>> X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], ["no", "yes", "yes", "yes"]
        >>> adaline = AdalineClassifier(learning_rate=0.1, random_state=0)
        >>> adaline.fit(X, y).predict([[0, 1]]).tolist()
        ['yes']
    """

    _kind = Adaline

    def __init__(
        self,
        *,
        max_iter: int = 200,
        learning_rate: float | None = None,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.shuffle = shuffle
        self.random_state = random_state


class AdalineRegressor(MultiOutputMixin, RegressorMixin, _Unit):  # type: ignore[misc]
    """Widrow and Hoff's ADALINE for numbers: :class:`ranvier.Adaline` for scikit-learn.

    Formula: ``w = w + rate * (t - z) * x`` for every example.

    **Shapes**: ``X: (N, F), y: (N,)`` or ``(N, U)``

    Args:
        max_iter: epochs.
        learning_rate: of every example; None: ``1 / (1 + |x| ** 2)`` of the longest row, which
            overshoots none. Too large a rate is an error that says so.
        shuffle: whether each epoch has an order of its own.
        random_state: of the orders.

    Attributes:
        coef_, intercept_: weights ``(U, F)`` and biases ``(U,)``.
        n_iter_, loss_curve_: epochs, and the loss of each.

    Raises:
        ArgumentError: at fit, for a parameter outside its domain; a ValueError.

    Example:
        >>> line = AdalineRegressor(max_iter=300, learning_rate=0.1, random_state=0)
        >>> line.fit([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0]).predict([[4.0]]).round(2).tolist()
        [9.0]
    """

    def __init__(
        self,
        *,
        max_iter: int = 200,
        learning_rate: float | None = None,
        shuffle: bool = True,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.shuffle = shuffle
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Learn. **Shapes**: ``X: (N, F), y: (N,)`` or ``(N, U)``

        Raises:
            ValueError: data that cannot be learnt from, or a parameter outside its domain.
        """
        x, y = scikit.validate_data(
            self, X, y, dtype=(np.float64, np.float32), multi_output=True, y_numeric=True
        )
        self._single = y.ndim == 1
        targets = y.astype(x.dtype).reshape(len(y), -1)
        self._trained(Adaline(dtype=x.dtype.name), x, targets)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The numbers. **Shapes**: ``X: (N, F) -> (N,)`` or ``(N, U)``"""
        found = self._net(X)
        return found[:, 0] if self._single else found
