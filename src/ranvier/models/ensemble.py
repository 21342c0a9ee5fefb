"""Many networks of one architecture as one thing: trained in one program, asked together.

Ensembles of networks that differ in their first weights (Lakshminarayanan, Pritzel and Blundell:
"Simple and scalable predictive uncertainty estimation using deep ensembles", 2017) predict better
than one, and where members disagree they know little.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.dtypes import itemsize
from ranvier.foundation.errors import ArgumentError, UnsupportedOperationError
from ranvier.layers.arguments import flag, whole_number
from ranvier.metrics import WholeSetMetric
from ranvier.models.callbacks import Callbacks
from ranvier.models.ensemble_history import EnsembleHistory
from ranvier.models.ensemble_members import Members, classes_of, first_weights, over_members
from ranvier.models.fitting import Validation
from ranvier.models.model import Model
from ranvier.models.plan import FitPlan, Losses, LossWeights, Metrics
from ranvier.models.request import FitRequest, understood
from ranvier.models.row_weights import ClassWeight
from ranvier.optimizers import LBFGS, OptimizerLike, optimizers_of
from ranvier.training.graphs import DataSpec, Recipe, names_of_columns
from ranvier.training.program import History
from ranvier.training.rules import UpdateRules
from ranvier.training.side_by_side import Job, SideBySideProgram, lanes_for

Array = NDArray[Any]

#: Members at most; more are a slip.
MOST_MEMBERS = 1_000_000
#: Bytes of a block up to which members train side by side: of parameters and optimizer state, and
#: of what layers give and receive back. Beyond, one network alone fills its vectors, and a block
#: leaves the second-level cache (measured: docs/ensembles.md).
LARGEST_STATE, LARGEST_BATCH = 384 << 10, 4 << 20


class Ensemble:
    """Members of one architecture, each with first weights of its own.

    Member k is, to the bit, what ``model.build(shape, seed=seed + k)`` and then
    ``model.fit(..., seed=seed)`` give: members see the rows in one order, and dropout draws are
    shared. With ``own_order=True`` it is what ``model.fit(..., seed=seed + k)`` gives.

    Small networks train side by side, one in each lane of a vector; others one after another.

    Args:
        model: the architecture; it stays as it is, and its weights are not used.
        members: how many networks.

    Attributes:
        members: the networks; ``ensemble.members[3]`` is a model like any other.

    Raises:
        ArgumentError: something that is no model, or a number of members below 1.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
        >>> model = rv.Sequential(rv.Dense(8, activation="tanh"), rv.Dense(1))
        >>> ensemble = rv.Ensemble(model, members=5)
        >>> history = ensemble.fit(x, x**2, epochs=3)
        >>> history["loss"].shape, ensemble.predict(x).shape, ensemble.spread(x).shape
        ((3, 5), (64, 1), (64, 1))
        >>> alone = rv.Sequential(rv.Dense(8, activation="tanh"), rv.Dense(1)).build((1,), seed=3)
        >>> _ = alone.fit(x, x**2, epochs=3)
        >>> bool((alone.predict(x) == ensemble.members[3].predict(x)).all())
        True
    """

    def __init__(self, model: Model, members: int = 16) -> None:
        if not isinstance(model, Model):
            raise ArgumentError(
                "An ensemble is made of a model.",
                happened=f"it was given {model!r:.80}",
                needed="a Sequential or a Model: the architecture of all members",
                fix="write rv.Ensemble(rv.Sequential(...), members=16)",
            )
        count = whole_number("Ensemble", "members", members, high=MOST_MEMBERS)
        self._model = copy.deepcopy(model)
        self._parameters: list[dict[str, Array]] = []
        self.members = Members(count, self._member)

    def __len__(self) -> int:
        return len(self.members)

    def __repr__(self) -> str:
        return f"Ensemble({self._model!r}, members={len(self)})"

    @property
    def built(self) -> bool:
        """Whether shapes are known and every member has weights."""
        return bool(self._parameters)

    def build(self, input_shape: tuple[int, ...] | None = None, seed: int = 0) -> Self:
        """Draw the first weights, member k's from seed + k; `fit` does it by itself.

        Args:
            input_shape: of one example; left out where inputs have theirs.
            seed: of the first member's weights.

        Returns:
            The ensemble itself.

        Raises:
            ShapeError: if a layer cannot read what the one before gives.
            ArgumentError: a seed that is not 0 or more.
        """
        whole_number("build", "seed", seed, low=0, high=2**63 - 1 - len(self))
        self._model.build(input_shape, seed=seed)
        self._draw(seed)
        return self

    def fit(
        self,
        x: object,
        y: object,
        *,
        loss: Losses = None,
        optimizer: OptimizerLike = "adam",
        epochs: int = 10,
        batch_size: int | None = 32,
        validation: Validation = None,
        callbacks: Callbacks = (),
        metrics: Metrics = None,
        sample_weight: object = None,
        class_weight: ClassWeight = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        accumulate: int = 1,
        average: float | None = None,
        loss_weights: LossWeights = None,
        shuffle: bool = True,
        seed: int = 0,
        own_order: bool = False,
        engine: str = "native",
        threads: int | None = None,
    ) -> EnsembleHistory:
        """Train all members. A second fit goes on from their weights with fresh optimizers.

        **Shapes** ``x: (N, ...), y: (N,)`` or ``(N, outputs)``

        Args:
            own_order: whether member k has everything that `fit` draws from its own seed + k, the
                order of rows, dropout and validation rows; members then train one after another.
            callbacks: each member's own run hears them, one member after another;
                `rv.EarlyStopping` ends each at its own epoch.
            threads: how many workers at most; the bits are the same for any number.

        The other arguments are those of `rv.Model.fit`.

        Returns:
            The history: ``history["loss"]`` of shape ``(epochs, members)``; ``history.members[k]``
            is that of one member; ``history.notes`` says how they were trained, and why.

        Raises:
            RanvierError: data or arguments that cannot be used; each says how to fix it.
            TrainingError: the loss of a member is no longer a finite number.
        """
        whole_number("fit", "epochs", epochs)
        whole_number("fit", "seed", seed, low=0, high=2**63 - 1 - len(self))
        flag("fit", "own_order", own_order)
        rules = UpdateRules(clip_norm, clip_value, accumulate, average)
        request = FitRequest(
            x, y, loss, optimizer, batch_size, validation, callbacks, metrics,
            sample_weight, class_weight, shuffle, seed, engine, rules, loss_weights, threads,
        )  # fmt: skip
        begin, model = time.perf_counter(), self._model
        plan = understood(request, model.network, model.preparations)
        if not self._parameters:
            self._draw(seed)
        program, why = self._program(request, plan, own_order)
        if program is None:
            histories = [
                one.fit(
                    x, y, loss=loss, optimizer=optimizer, epochs=epochs, batch_size=batch_size,
                    validation=validation, callbacks=callbacks, metrics=metrics,
                    sample_weight=sample_weight, class_weight=class_weight, clip_norm=clip_norm,
                    clip_value=clip_value, accumulate=accumulate, average=average,
                    loss_weights=loss_weights, shuffle=shuffle, seed=seed + own_order * number,
                    verbose=False, engine=engine, threads=threads,
                )
                for number, one in enumerate(self.members)
            ]  # fmt: skip
            lanes, interrupted = 1, any(one.interrupted for one in histories)
        else:
            outcome = program.run(self._parameters, epochs)
            outputs, held = model.network.wiring.output_names, plan.data.validation is not None
            names = names_of_columns(plan.metrics, outputs, held)
            histories = [
                _history(names, outcome.lines[:, :, k], outcome.interrupted)
                for k in range(len(self))
            ]
            lanes, interrupted = program.lanes, outcome.interrupted
        self._learn(plan)
        seconds = time.perf_counter() - begin
        return EnsembleHistory(histories, lanes, seconds, interrupted, (*plan.notes, *why))

    # --- answers

    def predict(self, x: object, *, engine: str = "native", threads: int | None = None) -> Any:
        """The mean over the members of what the last layer gives.

        **Shapes** ``x: (N, ...) -> (N, ...)``

        Raises:
            NotBuiltError: before the first fit or build.
            ShapeError: examples of another shape than the network's.
        """
        return over_members(
            self._each(lambda m: m.predict(x, engine=engine, threads=threads)), np.mean
        )

    def spread(self, x: object, *, engine: str = "native", threads: int | None = None) -> Any:
        """How much the members differ: the standard deviation of their predictions.

        Formula: ``sqrt(mean over members of (prediction - mean prediction)^2)``

        **Shapes** ``x: (N, ...) -> (N, ...)``

        Raises:
            NotBuiltError: before the first fit or build.
            ShapeError: examples of another shape than the network's.
        """
        return over_members(
            self._each(lambda m: m.predict(x, engine=engine, threads=threads)), np.std
        )

    def predict_proba(self, x: object, *, engine: str = "native") -> Any:
        """The mean over the members of the probability of each class.

        **Shapes** ``x: (N, ...) -> (N, C)``

        Raises:
            NotBuiltError: before the first fit or build.
            ArgumentError: if the members were trained on numbers.
        """
        return over_members(self._each(lambda m: m.predict_proba(x, engine=engine)), np.mean)

    def predict_classes(self, x: object, *, engine: str = "native") -> Any:
        """The class with the largest mean probability, in the words of the training's ``y``.

        **Shapes** ``x: (N, ...) -> (N,)``

        Raises:
            NotBuiltError: before the first fit or build.
            ArgumentError: if the members were trained on numbers.
        """
        found, learnt = self.predict_proba(x, engine=engine), self._model.preparations
        if isinstance(found, np.ndarray):
            return classes_of(found, learnt[0])
        if isinstance(found, dict):
            pairs = zip(found.items(), learnt, strict=True)
            return {name: classes_of(one, own) for (name, one), own in pairs}
        return tuple(classes_of(one, own) for one, own in zip(found, learnt, strict=True))

    def _each(self, ask: Callable[[Model], Any]) -> list[Any]:
        """What each member answers; one model takes the weights of one after another."""
        if not self._parameters:
            return [ask(self._model)]  # whose error says what is missing
        answers, held = [], self._model.network.parameters
        for own in self._parameters:
            for name, array in held.items():
                array[...] = own[name]
            answers.append(ask(self._model))
        return answers

    # --- members

    def _draw(self, seed: int) -> None:
        self._parameters = [first_weights(self._model.network, seed + k) for k in range(len(self))]
        self.members.made.clear()

    def _member(self, number: int) -> Model:
        member = copy.deepcopy(self._model)
        if self._parameters:
            member.network.fill(self._parameters[number])
        return member

    def _learn(self, plan: FitPlan) -> None:
        """What the fit learnt of the data, for all members."""
        for model in (self._model, *self.members.made.values()):
            model.learn(plan)

    # --- the program

    def _program(
        self, request: FitRequest, plan: FitPlan, own_order: bool
    ) -> tuple[SideBySideProgram | None, list[str]]:
        """The program for all members; or None, and a sentence that says why there is none."""
        why = self._reason(request, plan, own_order)
        if not why:
            try:
                return SideBySideProgram(_job(self._model, request, plan), len(self)), []
            except UnsupportedOperationError as error:
                why = str(error).splitlines()[0]
        return None, [f"Members were trained one after another: {why}"]

    def _reason(self, request: FitRequest, plan: FitPlan, own_order: bool) -> str:
        """Why members cannot train side by side; empty if they can."""
        network, optimizers = self._model.network, optimizers_of(plan.optimizer)
        arrays = self._parameters[0].values()
        lane = lanes_for(len(self)) * itemsize(network.dtype)
        states = 1 + max(len(one.state((), network.dtype)) for one in optimizers)
        state = sum(array.size for array in arrays) * states * lane
        units = sum(array.shape[-1] for array in arrays if array.ndim > 1)
        rows = min(request.batch_size or plan.data.rows, plan.data.rows)
        large = state > LARGEST_STATE or 2 * rows * units * lane > LARGEST_BATCH
        whole = any(isinstance(m, WholeSetMetric) for own in plan.metrics for m in own)
        reasons = {
            "the ensemble has one.": len(self) == 1,
            "the reference engine knows one network.": request.engine != "native",
            "each has an order of rows of its own.": own_order,
            "callbacks watch one network.": bool(plan.listeners) or plan.monitor is not None,
            "L-BFGS goes on by what one network finds.": any(
                isinstance(one, LBFGS) for one in optimizers
            ),
            "metrics of all rows at once are not native.": whole
            and plan.data.validation is not None,
            "one network fills the vectors of this machine by itself.": large,
        }
        return next((reason for reason, holds in reasons.items() if holds), "")


def _job(model: Model, request: FitRequest, plan: FitPlan) -> Job:
    """What a training program for all members needs."""
    data = plan.data
    targets = tuple(one.values for one in data.targets)
    specs = [tuple(DataSpec(a.shape[1:], a.dtype.name) for a in part) for part in (data.x, targets)]
    recipe = Recipe(
        model.network, plan.losses, plan.optimizer, plan.metrics, specs[0], specs[1],
        data.weights is not None, plan.loss_weights, request.rules,
    )  # fmt: skip
    size = data.rows if request.batch_size is None else min(request.batch_size, data.rows)
    return Job(
        recipe, (*data.x, *targets), data.weights, data.validation, size, request.shuffle,
        request.seed, request.threads,
    )  # fmt: skip


def _history(names: Sequence[str], lines: Array, interrupted: bool) -> History:
    """The history of one member, from its lines of numbers."""
    history = History(tuple(names))
    for column, name in enumerate(names):
        history[name] += lines[:, column].tolist()
    history.epochs, history.interrupted = len(lines), interrupted
    return history
