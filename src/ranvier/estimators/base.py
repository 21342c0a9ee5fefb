"""What the networks for scikit-learn have in common: reading data, training, the fitted state."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranvier.data.splits import train_test_split
from ranvier.data.targets import Targets
from ranvier.estimators.bodies import Shape, dense_layers, networks
from ranvier.estimators.callbacks import end_of_fit, epoch_listener
from ranvier.estimators.columns import Filling, Table
from ranvier.estimators.frames import category_columns
from ranvier.estimators.members import Member, Rows, Task, train, warn_unconverged
from ranvier.estimators.parameters import Checked, checked, own_penalty
from ranvier.estimators.scikit import BaseEstimator, CallbackSupportMixin, scikit
from ranvier.foundation.errors import ArgumentError, DataError
from ranvier.losses import Loss
from ranvier.losses import resolve as resolve_loss
from ranvier.models import Model
from ranvier.training.rules import UpdateRules

#: Of the seeds of members.
SEEDS = 2**31 - 1
Held = tuple[Rows, Targets]


class NetworkEstimator(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the networks: subclasses say what targets are and what outputs mean.

    Attributes:
        members_: the trained networks, as many as ``n_members``.
    """

    #: Whether targets are numbers.
    _numbers = False
    members_: list[Member]
    classes_: NDArray[Any]
    _dtype: str

    # --- what differs

    @abstractmethod
    def _learn_targets(self, y: Any) -> Targets:
        """Understand the targets of a first fit, and keep what predictions need of them."""

    @abstractmethod
    def _targets_like(self, y: Any) -> Targets:
        """Other targets in the form of those of the first fit."""

    @abstractmethod
    def _loss_and_outputs(self, targets: Targets) -> tuple[Loss, int, float]:
        """The loss, how many outputs it reads, and its factor."""

    @abstractmethod
    def _score_column(self) -> str:
        """What early stopping watches."""

    def _class_weights(self, y: Any) -> NDArray[np.float64] | None:
        return None

    # --- reading rows

    def _read(self, X: Any, y: Any = "no_validation", reset: bool = False) -> tuple[Rows, Any]:
        """Rows as the networks read them, and checked targets.

        Raises:
            ValueError, TypeError: what scikit-learn refuses, in its words.
        """
        known: Table | None = None if reset else getattr(self, "table_", None)
        columns = category_columns(X, always=known is not None)
        if reset:
            self.table_: Table | None = None
        if columns is None:
            fills = self.missing == "mean"
            rows = {
                "reset": reset,
                "accept_sparse": "csr",
                "dtype": (np.float64, np.float32) if reset else self._dtype,
                "ensure_all_finite": "allow-nan" if fills else True,
            }
            if not isinstance(y, str):
                checks = {"multi_output": True, "y_numeric": self._numbers}
                X, y = scikit.validate_data(self, X, y, **rows, **checks)
            else:
                X = scikit.validate_data(self, X, **rows)
            x = X.toarray() if hasattr(X, "toarray") else X
            codes: Rows = ()
        else:
            scikit.validate_data(self, X, reset=reset, skip_check_array=True)
            if not isinstance(y, str):
                y = scikit.check_array(y, ensure_2d=False, dtype=None, input_name="y")
            if reset:
                self.table_ = Table.learnt(columns, self.categorical == "embedding")
            table: Table = self.table_  # type: ignore[assignment]
            x = table.numbers_of(columns, "float64" if reset else self._dtype)
            codes = table.codes_of(columns)
            self._check_finite(x, table)
        if reset:
            self._dtype = x.dtype.name
            self._filling = Filling.learnt(x) if self.missing == "mean" and x.shape[1] else None
        x = x if self._filling is None else self._filling.filled(x)
        return ((x, *codes) if x.shape[1] else codes), y

    def _check_finite(self, x: NDArray[Any], table: Table) -> None:
        bad = ~np.isfinite(x) & ~(
            np.isnan(x) if self.missing == "mean" else np.zeros(x.shape, bool)
        )
        if bad.any():
            row, place = (int(k) for k in np.argwhere(bad)[0])
            value = "NaN" if np.isnan(x[row, place]) else "infinity"
            raise DataError(
                f"Input X contains {value}: column {table.numbers[place]!r}, row {row}.",
                happened=f"it is {x[row, place]}",
                needed="finite numbers",
                fix='fill missing values first, or let missing="mean" do it',
            )

    # --- training

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation: Any,
        epochs: int | None = None,
    ) -> Self:
        """Fit from the start, or go on where warm_start or partial_fit say so.

        Args:
            epochs: of partial_fit; None for all that max_iter allows.
        """
        parameters = checked(self)
        partial = epochs is not None
        goes_on = (partial or bool(self.warm_start)) and hasattr(self, "members_")
        x, y = self._read(X, y, reset=not goes_on)
        targets = self._targets_like(y) if goes_on else self._learn_targets(y)
        weights = self._row_weights(x, y, sample_weight)
        loss, outputs, factor = self._loss_and_outputs(targets)
        held = self._held(validation)
        if held is None and not partial and (parameters.early or parameters.calibrated):
            x, targets, weights, held = self._split(x, targets, weights, parameters)
        if parameters.early and partial:
            raise ArgumentError(
                f"{parameters.place}: partial_fit does not support early_stopping=True.",
                happened="early_stopping is True",
                needed="all rows at once, to set some of them aside",
                fix="use fit, or early_stopping=False",
            )
        batch = parameters.batch_size(len(targets.values))
        each = 1.0 if weights is None else float(weights.mean())
        body, penalty = own_penalty(self, parameters, max(batch * each, 1e-12))
        if not goes_on:
            shape = Shape(
                x[0].shape[1] if x[0].ndim > 1 else 0,
                self.table_.counts if self.table_ else (),
                outputs,
                self._dtype,
            )
            self._start(parameters, lambda: networks(shape, body))
        task = Task(
            x, targets, held, weights, loss, factor, self._score_column() if held else None,
            UpdateRules(penalty=penalty, clip_norm=self.clip_norm, average=self.average),
            self.callbacks or [], None, bool(self.shuffle), bool(self.verbose),
        )  # fmt: skip
        self._train(task, parameters, epochs, goes_on, X, y)
        if parameters.calibrated and not partial and held is not None:
            self._calibrate(*held)
        return self

    def _start(self, parameters: Checked, make: Callable[[], tuple[Model, Model]]) -> None:
        random = scikit.check_random_state(self.random_state)
        self.temperature_ = 1.0
        self.members_ = []
        for _ in range(parameters.members):
            whole, hidden = make()
            self.members_.append(Member(whole, hidden, int(random.randint(SEEDS))))

    def _train(
        self,
        task: Task,
        parameters: Checked,
        epochs: int | None,
        go_on: bool,
        X: Any,
        y: Any,
    ) -> None:
        most = parameters.epochs if epochs is None else epochs
        with_callbacks = scikit.with_callbacks(type(self)._train_members)
        with_callbacks(self, task, parameters, most, go_on, (X, y))
        if epochs is None:
            warn_unconverged(self._rule, parameters, most)
        rule = self._rule
        first = self.members_[0]
        if not go_on:
            self.loss_curve_: list[float] = []
        self.loss_curve_ = [*self.loss_curve_, *rule.losses]
        self.history_ = {name: list(numbers) for name, numbers in first.history.items()}
        self.n_iter_ = max(member.epochs for member in self.members_)
        self.t_ = self.n_iter_ * task.rows
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else np.nan
        watched = parameters.early
        self.best_loss_ = None if watched else min(self.loss_curve_, default=np.nan)
        self.validation_scores_ = list(rule.scores) if watched else None
        self.best_validation_score_ = max(rule.scores, default=np.nan) if watched else None
        del self._rule

    def _train_members(
        self, task: Task, parameters: Checked, epochs: int, go_on: bool, data: Any
    ) -> None:
        then = epoch_listener(self, self.members_[0], data)
        for place, member in enumerate(self.members_):
            own = replace(task, then=then if place == 0 else None)
            rule = train(member, own, parameters, epochs, go_on)
            if place == 0:
                self._rule = rule
            if not self.warm_start and epochs != 1 and not go_on:
                member.state = {}
        end_of_fit(self, data)

    # --- rows for validation, weights

    def _held(self, validation: Any) -> Held | None:
        """The rows that the user validates on."""
        if validation is None:
            return None
        if not isinstance(validation, tuple | list) or len(validation) != 2:
            raise ArgumentError(
                f"{type(self).__name__}: the argument validation is not understood.",
                happened=f"it is a {type(validation).__name__}",
                needed="a pair (X, y)",
                fix="write fit(X, y, validation=(X_valid, y_valid))",
            )
        x, y = self._read(*validation)
        return x, self._targets_like(y)

    def _split(
        self, x: Rows, targets: Targets, weights: Any, parameters: Checked
    ) -> tuple[Rows, Targets, Any, Held]:
        """Set rows aside, of each class its share."""
        rows = len(targets.values)
        seed = int(np.random.RandomState(self._split_seed()).randint(SEEDS))
        classes = targets.values if targets.kind == "classes" else None
        kept, held = train_test_split(rows, parameters.fraction, seed, classes)
        part = (tuple(one[held] for one in x), replace(targets, values=targets.values[held]))
        return (
            tuple(one[kept] for one in x),
            replace(targets, values=targets.values[kept]),
            None if weights is None else weights[kept],
            part,
        )

    def _split_seed(self) -> int:
        state = self.random_state
        return int(state) if isinstance(state, int | np.integer) else 0

    def _row_weights(self, x: Rows, y: Any, sample_weight: Any) -> NDArray[np.float64] | None:
        by_class = self._class_weights(y)
        if sample_weight is None:
            return by_class
        given = scikit.check_sample_weight(sample_weight, x[0], dtype=np.float64)
        if (given < 0).any():
            raise DataError(
                "Negative values in data passed to `sample_weight`.",
                happened=f"row {int((given < 0).argmax())} weighs {given.min():g}",
                needed="weights of 0 or more",
                fix="give 0 to leave a row out",
            )
        return np.asarray(given if by_class is None else given * by_class, np.float64)

    def _calibrate(self, x: Rows, targets: Targets) -> None:
        """Only classifiers have something to calibrate."""

    # --- asking

    def _outputs(self, X: Any) -> NDArray[Any]:
        """What each member's last layer gives. **Shapes**: ``(N, F) -> (members, N, outputs)``"""
        scikit.check_is_fitted(self)
        x, _ = self._read(X)
        return np.stack([member.outputs(x) for member in self.members_])

    @property
    def coefs_(self) -> list[NDArray[Any]]:
        """The weights of each fully connected layer of the first member, ``(inputs, units)``."""
        return [layer.values["weight"] for layer in dense_layers(self.members_[0].model)]

    @property
    def intercepts_(self) -> list[NDArray[Any]]:
        """The biases of each fully connected layer of the first member, ``(units,)``."""
        layers = dense_layers(self.members_[0].model)
        return [layer.values["bias"] for layer in layers if layer.use_bias]

    @property
    def n_layers_(self) -> int:
        """Layers of the first member, the inputs counted."""
        return len(dense_layers(self.members_[0].model)) + 1

    @property
    def n_outputs_(self) -> int:
        """Numbers that the last layer gives."""
        return int(self.members_[0].model.output_shape[0])

    def _chosen_loss(
        self, default: str, targets: Targets, outputs: tuple[int, ...]
    ) -> tuple[Loss, int]:
        """The loss, and the first of some numbers of outputs that it can read."""
        names = {None: default, "log_loss": "cross_entropy", "squared_error": "half_squared_error"}
        given = self.loss
        spec = names.get(given, given) if given is None or isinstance(given, str) else given
        classes = len(targets.class_names) or None
        for place, count in enumerate(outputs):
            try:
                loss = resolve_loss(spec, (count,), targets.kind, classes, None)
                loss.check((count,), targets.values.shape[1:], targets.kind, classes)
                return loss, count
            except ValueError:
                if place == len(outputs) - 1:
                    raise
        raise ArgumentError(
            "There are no outputs.", happened="none", needed="some", fix="give a loss"
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.missing == "mean"
        return tags
