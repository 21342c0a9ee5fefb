"""The model people use: fit, predict, evaluate, summary, trace and save.

It decides nothing by itself: data is understood by the data room, the loss is chosen by the losses
room, the loop is a training program, the file is the formats room's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ranvier.layers.arguments import whole_number
from ranvier.layers.base import Layer
from ranvier.layers.symbolic import SymbolicTensor
from ranvier.models.base import BaseModel
from ranvier.models.callbacks import Callbacks
from ranvier.models.checkpoint import bind, state_in
from ranvier.models.fitting import Validation
from ranvier.models.plan import FitPlan, Losses, LossWeights, Metrics
from ranvier.models.progress_line import both, final_text, progress_line
from ranvier.models.request import FitRequest, training_program, understood
from ranvier.models.row_weights import ClassWeight
from ranvier.models.training_plan import training_plan_text
from ranvier.networks.network import Network
from ranvier.networks.wiring import find_wiring
from ranvier.optimizers import OptimizerLike
from ranvier.training.program import History, Progress, TrainingProgram
from ranvier.training.rules import UpdateRules


class Model(BaseModel):
    """A network of any acyclic graph of layers: several inputs and outputs, shared layers.

    Args:
        inputs: what `rv.Input` gave; a tuple for several.
        outputs: what a layer's call gave; a tuple for several, or a dict by name.
        dtype: ``"float32"`` or ``"float64"``: of parameters and all arithmetic.

    Attributes:
        network: the structure and the parameters.
        preparations: what was learnt of the data of each output; None before the first fit.

    Raises:
        ArgumentError: inputs that lead nowhere, outputs that read something else, equal names.
        ShapeError: a layer that cannot read what it receives.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = rv.Input((4,))
        >>> h = rv.Dense(4, activation="relu")(x)
        >>> model = rv.Model(x, {"sum": rv.Dense(1)(rv.Add()([h, x])), "kind": rv.Dense(3)(h)})
        >>> found = model.build().predict(np.zeros((5, 4)), engine="reference")
        >>> found["sum"].shape, found["kind"].shape
        ((5, 1), (5, 3))
    """

    def __init__(self, inputs: object, outputs: object, dtype: str = "float32") -> None:
        found = find_wiring(inputs, outputs)
        self._take(Network.wired(found.layers, found.wiring, found.input_shapes, dtype))

    def __call__(self, *inputs: SymbolicTensor | Sequence[SymbolicTensor]) -> Any:
        """Use the whole model as one layer of another; both have the same parameters.

        Example:
            >>> import ranvier as rv
            >>> encoder, x = rv.Sequential(rv.Dense(2)), rv.Input((4,))
            >>> rv.Model(x, rv.Dense(4)(encoder(x))).output_shape
            (4,)
        """
        return self._layer(*inputs)

    def as_layer(self) -> Layer:
        """The layer that stands for this model inside others."""
        return self._layer

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
        verbose: bool | str = "auto",
        engine: str = "native",
        threads: int | None = None,
        time_limit: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        resume: str | Path | None = None,
    ) -> History:
        """Train. A second fit goes on from the weights with a fresh optimizer.

        **Shapes** ``x: (N, ...), y: (N,)`` or ``(N, outputs)``

        Args:
            x: examples; a tuple or a dict by name for several inputs.
            y: targets: integers, booleans and texts are classes, floats are numbers; a tuple or a
                dict by name for several outputs.
            loss: a name or a Loss; left out: cross-entropy for classes, mean squared error for
                numbers. For several outputs one for all, a tuple, or a dict by name.
            optimizer: a name, an Optimizer, or a dict from layers' paths to these:
                ``{"layers.0": rv.Adam(1e-4), "*": rv.Adam(1e-3)}``; the longest path wins.
            epochs: how often all rows are seen.
            batch_size: rows of a step; None: all rows; 1: one example at a time.
            validation: ``(x, y)``, or the fraction of the rows to keep for it.
            callbacks: ``[rv.EarlyStopping(...)]``, other `rv.Callback`, and functions that are
                called after each epoch.
            metrics: names; left out: accuracy for classes.
            sample_weight: a number for each row.
            class_weight: a dict from class to number, or ``"balanced"``.
            clip_norm: the largest norm of all gradients together; larger ones are scaled down.
            clip_value: the largest size of each number of a gradient.
            accumulate: how many batches make one update, with the mean of their gradients.
            average: what stays of the weights' running average in each update, such as 0.999:
                validation, predictions and the file use the average. None: no average.
            loss_weights: what the loss of each of several outputs counts in their sum: a tuple, or
                a dict by name.
            shuffle: whether each epoch has an order of its own.
            seed: of the first weights, the order of rows, dropout, and the validation rows.
            verbose: True, False, or ``"auto"``: progress in a terminal only.
            engine: ``"native"`` or ``"reference"``.
            threads: how many at most work on a step; left out: what ``RANVIER_THREADS`` says, else
                all processors. Short steps have one; the bits are the same for any number.
            time_limit: seconds after which training stops cleanly.
            on_progress: called now and then with a Progress.
            resume: a file that `rv.Checkpoint` wrote in a run of the same network, data and
                arguments, which goes on from there exactly; `epochs` are then those of both.

        Returns:
            The history: ``history["loss"]``, ``history["val_accuracy"]`` ..., a number an epoch.

        Raises:
            RanvierError: data or arguments that cannot be used; each says how to fix it.
            TrainingError: a loss that is no longer a finite number.
        """
        whole_number("fit", "epochs", epochs)
        line = progress_line(verbose)
        request = FitRequest(
            x, y, loss, optimizer, batch_size, validation, callbacks, metrics,
            sample_weight, class_weight, shuffle, seed, engine,
            UpdateRules(clip_norm, clip_value, accumulate, average), loss_weights, threads,
        )  # fmt: skip
        # Read first: the file may be the one that a checkpoint of this run replaces.
        state, said = (None, []) if resume is None else state_in(resume)
        program, plan = self._program(request)
        if state is not None:
            program.go_on_from(state)
        plan_notes = [*plan.notes, *said]
        if line is not None:
            line.say(plan_notes)
        history = program.run(epochs, on_progress=both(line, on_progress), time_limit=time_limit)
        if line is not None:
            line.finish("\n".join([final_text(history), *history.notes]))
        history.notes = [*plan_notes, *history.notes]
        return history

    def training_program(
        self,
        x: object,
        y: object,
        *,
        loss: Losses = None,
        optimizer: OptimizerLike = "adam",
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
        engine: str = "native",
        threads: int | None = None,
    ) -> TrainingProgram:
        """The program that `fit` would run, to look at or to run oneself; arguments as `fit`.

        ``program.passes()`` shows each step of the compiler, ``program.source()`` the LLVM text,
        ``program.memory()`` the exact bytes, ``program.run(epochs)`` trains.
        """
        request = FitRequest(
            x, y, loss, optimizer, batch_size, validation, callbacks, metrics,
            sample_weight, class_weight, shuffle, seed, engine,
            UpdateRules(clip_norm, clip_value, accumulate, average), loss_weights, threads,
        )  # fmt: skip
        return self._program(request)[0]

    def training_plan(
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
        engine: str = "native",
        threads: int | None = None,
        time_limit: float | None = None,
    ) -> str:
        """The loop that `fit` would run, as text; arguments as `fit`. Nothing is trained.

        It says how many rows and steps there are, what one step does in which order, what is
        validated and watched, and where Python is entered.

        Example:
            >>> import numpy as np, ranvier as rv
            >>> model = rv.Sequential(rv.Dense(3, activation="relu"), rv.Dense(1))
            >>> x = np.zeros((100, 2))
            >>> text = model.training_plan(x, x[:, :1], epochs=5, engine="reference")
            >>> [line for line in text.splitlines() if line.startswith(("batches", "steps"))]
            ['batches         32 rows a step, 4 in the last', 'steps           4 an epoch']
        """
        request = FitRequest(
            x, y, loss, optimizer, batch_size, validation, callbacks, metrics,
            sample_weight, class_weight, shuffle, seed, engine,
            UpdateRules(clip_norm, clip_value, accumulate, average), loss_weights, threads,
        )  # fmt: skip
        # A copy: an unbuilt model stays unbuilt, and the next fit may bring other rows.
        network = copy.deepcopy(self.network)
        plan = understood(request, network, self.preparations)
        program = training_program(request, plan, network)
        return training_plan_text(request, plan, network, program, epochs, time_limit)

    def _program(self, request: FitRequest) -> tuple[TrainingProgram, FitPlan]:
        plan = understood(request, self.network, self.preparations)
        program = training_program(request, plan, self.network)
        bind(plan.listeners, plan.preparations, plan.losses)
        self.learn(plan)
        # The reference computes with NumPy and plans no memory.
        self._memory = program.memory() if request.engine == "native" else None
        return program, plan

    def learn(self, plan: FitPlan) -> None:
        """Keep what a fit learnt of its data: classes, and the losses that fit them."""
        self.preparations, self._losses = plan.preparations, plan.losses
        self._loss_weights = plan.loss_weights
