"""The network that scikit-learn's users know as MLPClassifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranvier.data.targets import Targets
from ranvier.estimators.base import NetworkEstimator
from ranvier.estimators.members import Rows
from ranvier.estimators.scikit import ClassifierMixin, scikit
from ranvier.estimators.temperature import best_temperature, log_loss_of
from ranvier.foundation.errors import ArgumentError
from ranvier.losses import Loss
from ranvier.models.answers import probabilities
from ranvier.models.callbacks import Callbacks
from ranvier.optimizers import OptimizerLike, Schedule


class NetworkClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A network for classes, with the parameters of scikit-learn's ``MLPClassifier`` and more.

    Formula: a stack of ``activation(x @ weight + bias)``, and softmax (two classes or several
    labels: sigmoid) of the last one; minimized is the mean cross-entropy and
    ``alpha / 2 * sum(weight ** 2) / batch rows``.

    **Shapes**: ``X: (N, F), y: (N,)``, or ``(N, K)`` of 0 and 1 for several labels

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
        early_stopping: stop by the accuracy on rows that are set aside, and keep the best weights.
        validation_fraction: the share of rows set aside.
        beta_1: of adam.
        beta_2: of adam.
        epsilon: of adam.
        n_iter_no_change: epochs in a row without an improvement that are accepted.
        max_fun: evaluations of the loss at most, for lbfgs.
        body: a list of layers or a model in the place of the hidden layers; copied.
        dropout: the share of hidden outputs that is dropped in training.
        loss: None or "log_loss": cross-entropy; or another loss, or its name.
        optimizer: in the place of solver: one of Ranvier's, or its name.
        class_weight: a dict from class to number, "balanced", or None.
        callbacks: of Ranvier: ``[rv.EarlyStopping(...)]``, other callbacks, functions.
        categorical: what becomes of columns of a data frame that are no numbers: "one_hot", or
            "embedding": each category has learned numbers.
        missing: "error", or "mean": the mean of the column, and a column that marks it.
        n_members: networks with other first weights; their probabilities are averaged.
        calibration: None, or "temperature": logits are divided by a number that is found on rows
            set aside.
        clip_norm: the largest norm of all gradients together, or None.
        average: what stays of the weights' running average in each update, or None.
        threads: how many at most work on a step; None: what ``RANVIER_THREADS`` says, else all
            there are, and one where several fits run at once, as in ``GridSearchCV(n_jobs=2)``.

    Attributes:
        classes_: the labels in sorted order.
        coefs_, intercepts_: weights and biases, layer by layer.
        loss_curve_, loss_, best_loss_: of each epoch, the last, the least.
        validation_scores_, best_validation_score_: with early_stopping.
        n_iter_, t_: epochs, and rows seen.
        n_layers_, n_outputs_, out_activation_: of the network.
        history_: all numbers of each epoch by name.
        members_: the networks.
        temperature_: 1 without calibration.

    Raises:
        ArgumentError: at fit, for a parameter outside its domain; a ValueError.

    Example:
        >>> from sklearn.datasets import load_iris
        >>> X, y = load_iris(return_X_y=True)
        >>> model = NetworkClassifier((16,), learning_rate_init=0.01, max_iter=500, random_state=0)
        >>> model = model.fit(X, y)
        >>> bool(model.score(X, y) > 0.9), model.predict_proba(X[:2]).shape
        (True, (2, 3))
    """

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
        class_weight: Mapping[Any, float] | str | None = None,
        callbacks: Callbacks | None = None,
        categorical: str = "one_hot",
        missing: str = "error",
        n_members: int = 1,
        calibration: str | None = None,
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
        self.class_weight, self.callbacks, self.categorical = class_weight, callbacks, categorical
        self.missing, self.n_members, self.calibration = missing, n_members, calibration
        self.clip_norm, self.average, self.threads = clip_norm, average, threads

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
            y: their classes; a matrix of 0 and 1 for several labels a row.
            sample_weight: a number for each row.
            validation: ``(X, y)`` to validate on, in the place of rows set aside.

        Raises:
            ValueError: data that cannot be trained on, or a parameter outside its domain.
        """
        return self._fit(X, y, sample_weight, validation)

    def partial_fit(
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
    ) -> Self:
        """Train for one epoch; the optimizer goes on where the last call left it.

        Args:
            X: rows.
            y: their classes.
            classes: all classes there are; needed in the first call.
            sample_weight: a number for each row.

        Raises:
            ValueError: no classes in the first call, or with solver "lbfgs".
        """
        if not hasattr(self, "members_"):
            if classes is None:
                raise ArgumentError(
                    "classes must be passed on the first call to partial_fit.",
                    happened="classes is None",
                    needed="all classes that there will be",
                    fix="write partial_fit(X, y, classes=[0, 1, 2])",
                )
            self._known = np.unique(classes)
        _refuse_lbfgs(self)
        return self._fit(X, y, sample_weight, None, epochs=1)

    # --- targets

    def _learn_targets(self, y: Any) -> Targets:
        scikit.check_classification_targets(y)
        self._labels = scikit.type_of_target(y, input_name="y") == "multilabel-indicator"
        if self._labels:
            y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
            self.classes_ = np.arange(y.shape[1])
        else:
            given = self.__dict__.pop("_known", None)
            self.classes_ = np.unique(scikit.column_or_1d(y)) if given is None else given
        return self._targets_like(y)

    def _targets_like(self, y: Any) -> Targets:
        if self._labels:
            y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
            if y.ndim != 2 or y.shape[1] != len(self.classes_):
                raise self._other_classes(f"it has shape {y.shape}")
            return Targets("numbers", y.astype(self._dtype))
        y = scikit.column_or_1d(y, warn=True)
        places = np.searchsorted(self.classes_, y).clip(0, len(self.classes_) - 1)
        known = self.classes_[places] == y
        if not np.all(known):
            raise self._other_classes(f"{str(y[int(np.argmin(known))])!r:.80} is not among them")
        names = [str(value) for value in self.classes_.tolist()]
        values = np.array(self.classes_)
        if len(names) == 1:
            # A second class that never comes: the network then says so by its one output.
            names, values = [*names, "no other"], np.array([0, 1])
        return Targets("classes", places.astype(np.int32), tuple(names), values)

    def _other_classes(self, happened: str) -> ArgumentError:
        return ArgumentError(
            "`y` has classes not in those of the first fit: warm_start, partial_fit and validation "
            "can only be used with the same classes.",
            happened=happened,
            needed=f"the classes {self.classes_.tolist()!r:.200}",
            fix="fit a new estimator on rows of all classes",
        )

    def _loss_and_outputs(self, targets: Targets) -> tuple[Loss, int, float]:
        if self._labels:
            count = targets.values.shape[1]
            loss, _ = self._chosen_loss("binary_cross_entropy", targets, (count,))
            # scikit-learn adds labels up where the loss takes their mean.
            return loss, count, float(count)
        count = len(targets.class_names)
        counts = (1, 2) if count == 2 else (count,)
        loss, outputs = self._chosen_loss("cross_entropy", targets, counts)
        return loss, outputs, 1.0

    def _score_column(self) -> str:
        return "val_loss" if self._labels else "val_accuracy"

    def _class_weights(self, y: Any) -> NDArray[np.float64] | None:
        if self.class_weight is None:
            return None
        weights = scikit.compute_sample_weight(self.class_weight, y)
        return np.asarray(weights, np.float64)

    # --- answers

    @property
    def out_activation_(self) -> str:
        """ "softmax", or "logistic" for two classes and for several labels."""
        return "logistic" if self._labels or self.n_outputs_ == 1 else "softmax"

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class, or for several labels 1 where it is more probable than not.

        **Shapes**: ``X: (N, F) -> (N,)`` or ``(N, K)``
        """
        found = self.predict_proba(X)
        if self._labels:
            return (found > 0.5).astype(int)
        return np.asarray(self.classes_[found.argmax(axis=1)])

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """The probability of each class, averaged over the members.

        **Shapes**: ``X: (N, F) -> (N, C)``
        """
        return self._mean(self._outputs(X), self.temperature_)

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """The logarithm of :meth:`predict_proba`. **Shapes**: ``X: (N, F) -> (N, C)``"""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.predict_proba(X)))

    def predict_spread(self, X: Any) -> NDArray[Any]:
        """How far members are apart: the standard deviation of their probabilities.

        **Shapes**: ``X: (N, F) -> (N, C)``; zeros for one member
        """
        return np.asarray(self._of_members(self._outputs(X), self.temperature_).std(axis=0))

    def _of_members(self, outputs: NDArray[Any], temperature: float) -> NDArray[Any]:
        """Probabilities of each member. **Shapes**: ``(members, N, outputs) -> (members, N, C)``"""
        cooled = outputs / outputs.dtype.type(temperature)
        if self._labels:
            pairs = [probabilities(one.reshape(-1, 1), None)[:, 1] for one in cooled]
            return np.stack([p.reshape(cooled.shape[1:]) for p in pairs])
        found = np.stack([probabilities(one, None) for one in cooled])
        return found[:, :, :1] / found[:, :, :1] if len(self.classes_) == 1 else found

    def _mean(self, outputs: NDArray[Any], temperature: float) -> NDArray[Any]:
        return np.asarray(self._of_members(outputs, temperature).mean(axis=0))

    def _calibrate(self, x: Rows, targets: Targets) -> None:
        outputs = np.stack([member.outputs(x) for member in self.members_])
        right = targets.values
        if not self._labels:
            right = np.eye(max(len(self.classes_), 1))[right]

        def log_loss(temperature: float) -> float:
            found = self._mean(outputs, temperature)
            if not self._labels:
                return log_loss_of(found, right)
            return log_loss_of(found, right) + log_loss_of(1.0 - found, 1.0 - right)

        self.temperature_ = best_temperature(log_loss)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _refuse_lbfgs(estimator: Any) -> None:
    if estimator.solver == "lbfgs" and estimator.optimizer is None:
        raise ArgumentError(
            "partial_fit is only available for stochastic optimizers.",
            happened="solver is 'lbfgs', which needs all rows at once",
            needed="solver 'sgd' or 'adam'",
            fix="use fit, or another solver",
        )
