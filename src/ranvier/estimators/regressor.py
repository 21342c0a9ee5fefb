"""The network that scikit-learn's users know as MLPRegressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranvier.data.targets import Targets
from ranvier.estimators.base import NetworkEstimator
from ranvier.estimators.classifier import _refuse_lbfgs
from ranvier.estimators.scikit import MultiOutputMixin, RegressorMixin
from ranvier.foundation.errors import DataError
from ranvier.losses import Loss, Poisson
from ranvier.models.callbacks import Callbacks
from ranvier.optimizers import OptimizerLike, Schedule


class NetworkRegressor(MultiOutputMixin, RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network for numbers, with the parameters of scikit-learn's ``MLPRegressor`` and more.

    Formula: a stack of ``activation(x @ weight + bias)``, the last without activation; minimized is
    half the squared error, added up over the numbers of a row and averaged over rows, and
    ``alpha / 2 * sum(weight ** 2) / batch rows``. With ``loss="poisson"`` the answer is the
    exponential of the last layer's.

    **Shapes**: ``X: (N, F), y: (N,)`` or ``(N, K)``

    Args:
        hidden_layer_sizes: units of each hidden layer.
        activation: "identity", "logistic", "tanh", "relu", or another of Ranvier's.
        solver: "adam", "sgd" or "lbfgs".
        alpha: strength of the penalty on squared weights.
        batch_size: rows of a step; "auto": 200, or all if there are fewer.
        learning_rate: "constant"; for sgd also "invscaling": rate / t ** power_t, or "adaptive": a
            fifth of it when training no longer gets better; or a schedule such as
            ``rv.OneCycle(...)``.
        learning_rate_init: the rate.
        power_t: the exponent of invscaling.
        max_iter: epochs at most; for lbfgs iterations.
        shuffle: whether each epoch has an order of its own.
        random_state: of first weights, orders and validation rows.
        tol: how much better an epoch must be to count.
        verbose: whether each epoch is printed.
        warm_start: whether fit goes on from the weights that are there.
        momentum: of sgd.
        nesterovs_momentum: of sgd.
        early_stopping: stop by R2 on rows that are set aside, and keep the best weights.
        validation_fraction: the share of rows set aside.
        beta_1: of adam.
        beta_2: of adam.
        epsilon: of adam.
        n_iter_no_change: epochs in a row without an improvement that are accepted.
        max_fun: evaluations of the loss at most, for lbfgs.
        body: a list of layers or a model in the place of the hidden layers; copied.
        dropout: the share of hidden outputs that is dropped in training.
        loss: None or "squared_error", "poisson", or another loss, or its name.
        optimizer: in the place of solver: one of Ranvier's, or its name.
        callbacks: of Ranvier: ``[rv.EarlyStopping(...)]``, other callbacks, functions.
        categorical: what becomes of columns of a data frame that are no numbers: "one_hot", or
            "embedding": each category has learned numbers.
        missing: "error", or "mean": the mean of the column, and a column that marks it.
        n_members: networks with other first weights; their answers are averaged.
        clip_norm: the largest norm of all gradients together, or None.
        average: what stays of the weights' running average in each update, or None.
        threads: how many at most work on a step; None: what ``RANVIER_THREADS`` says, else all
            there are, and one where several fits run at once, as in ``GridSearchCV(n_jobs=2)``.

    Attributes:
        coefs_, intercepts_: weights and biases, layer by layer.
        loss_curve_, loss_, best_loss_: of each epoch, the last, the least.
        validation_scores_, best_validation_score_: with early_stopping.
        n_iter_, t_: epochs, and rows seen.
        n_layers_, n_outputs_, out_activation_: of the network.
        history_: all numbers of each epoch by name.
        members_: the networks.

    Raises:
        ArgumentError: at fit, for a parameter outside its domain; a ValueError.

    Example:
        >>> import numpy as np
        >>> X = np.linspace(-1.0, 1.0, 200)[:, None]
        >>> y = np.sin(3.0 * X[:, 0])
        >>> model = NetworkRegressor((32,), "tanh", solver="lbfgs", random_state=0).fit(X, y)
        >>> bool(model.score(X, y) > 0.99)
        True
    """

    _numbers = True

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        body: object = None,
        dropout: float = 0.0,
        loss: str | Loss | None = None,
        optimizer: OptimizerLike | None = None,
        callbacks: Callbacks | None = None,
        categorical: str = "one_hot",
        missing: str = "error",
        n_members: int = 1,
        clip_norm: float | None = None,
        average: float | None = None,
        threads: int | None = None,
    ) -> None:
        self.hidden_layer_sizes, self.activation = hidden_layer_sizes, activation
        self.solver, self.alpha, self.batch_size = solver, alpha, batch_size
        self.learning_rate, self.learning_rate_init = learning_rate, learning_rate_init
        self.power_t, self.max_iter, self.shuffle = power_t, max_iter, shuffle
        self.random_state, self.tol, self.verbose = random_state, tol, verbose
        self.warm_start, self.momentum = warm_start, momentum
        self.nesterovs_momentum, self.early_stopping = nesterovs_momentum, early_stopping
        self.validation_fraction, self.beta_1, self.beta_2 = validation_fraction, beta_1, beta_2
        self.epsilon, self.n_iter_no_change, self.max_fun = epsilon, n_iter_no_change, max_fun
        self.body, self.dropout, self.loss, self.optimizer = body, dropout, loss, optimizer
        self.callbacks, self.categorical, self.missing = callbacks, categorical, missing
        self.n_members, self.clip_norm = n_members, clip_norm
        self.average, self.threads = average, threads

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        validation: tuple[Any, Any] | None = None,
    ) -> Self:
        """Train.

        **Shapes**: ``X: (N, F), y: (N,)`` or ``(N, K), sample_weight: (N,)``

        Args:
            X: rows: an array, a sparse matrix, or a data frame.
            y: a number for each row, or several.
            sample_weight: a number for each row.
            validation: ``(X, y)`` to validate on, in the place of rows set aside.

        Raises:
            ValueError: data that cannot be trained on, or a parameter outside its domain.
        """
        return self._fit(X, y, sample_weight, validation)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch; the optimizer goes on where the last call left it.

        Args:
            X: rows.
            y: a number for each row, or several.
            sample_weight: a number for each row.

        Raises:
            ValueError: with solver "lbfgs".
        """
        _refuse_lbfgs(self)
        return self._fit(X, y, sample_weight, None, epochs=1)

    def _learn_targets(self, y: Any) -> Targets:
        self._single = np.ndim(y) == 1
        return self._targets_like(y)

    def _targets_like(self, y: Any) -> Targets:
        values = np.asarray(y, self._dtype).reshape(len(y), -1)
        if self.loss == "poisson" and (values < 0).any():
            raise DataError(
                "Some values of y are negative, which loss='poisson' cannot learn.",
                happened=f"row {int((values < 0).any(axis=1).argmax())} is {values.min():g}",
                needed="numbers of 0 or more",
                fix="use loss='squared_error'",
            )
        return Targets("numbers", np.ascontiguousarray(values))

    def _loss_and_outputs(self, targets: Targets) -> tuple[Loss, int, float]:
        count = targets.values.shape[1]
        loss, _ = self._chosen_loss("half_squared_error", targets, (count,))
        # scikit-learn's gradient adds the numbers of a row up, where the loss takes their mean.
        return loss, count, float(count)

    def _score_column(self) -> str:
        return "val_r2"

    @property
    def out_activation_(self) -> str:
        """ "identity", or "exp" with the Poisson loss."""
        poisson = self.loss == "poisson" or isinstance(self.loss, Poisson)
        return "exp" if poisson else "identity"

    def predict(self, X: Any) -> NDArray[Any]:
        """The answers, averaged over the members.

        **Shapes**: ``X: (N, F) -> (N,)`` or ``(N, K)``
        """
        return np.asarray(self._of_members(X).mean(axis=0))

    def predict_spread(self, X: Any) -> NDArray[Any]:
        """How far members are apart: the standard deviation of their answers.

        **Shapes**: ``X: (N, F) -> (N,)`` or ``(N, K)``; zeros for one member
        """
        return np.asarray(self._of_members(X).std(axis=0))

    def _of_members(self, X: Any) -> NDArray[Any]:
        found = self._outputs(X)
        found = np.exp(found) if self.out_activation_ == "exp" else found
        return found[:, :, 0] if self._single else found
