"""The model people use: a stack of layers with fit, predict, evaluate, summary, trace and save.

It decides nothing by itself: data is understood by the data room, the loss is chosen by the losses
room, the loop is a training program, the file is the formats room's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from ranvier.compiler.plan import MemoryPlan
from ranvier.data.preparation import Preparation
from ranvier.foundation.errors import ArgumentError, NotBuiltError, UnsupportedOperationError
from ranvier.graph.show import show
from ranvier.layers.arguments import one_of, whole_number
from ranvier.layers.base import Layer
from ranvier.losses import Loss
from ranvier.models.answers import class_indices, probabilities
from ranvier.models.callbacks import EarlyStopping
from ranvier.models.evaluation import evaluate_outputs, forward_graph
from ranvier.models.fitting import Validation, check_input_shape, examples, targets_like
from ranvier.models.plan import FitPlan, Metrics
from ranvier.models.progress_line import both, final_text, progress_line
from ranvier.models.request import ENGINES, FitRequest, training_program, understood
from ranvier.models.row_weights import ClassWeight
from ranvier.models.stored import store
from ranvier.models.summary import summary_text
from ranvier.networks.network import Network
from ranvier.optimizers import Optimizer
from ranvier.training.program import History, PredictionProgram, Progress, TrainingProgram


class Sequential:
    """A stack of layers, each reading what the one before gives.

    Args:
        layers: in the order of the forward pass.
        dtype: ``"float32"`` or ``"float64"``: of parameters and all arithmetic.

    Attributes:
        network: the structure and the parameters.
        preparation: what was learnt of the data: classes, and what a command line did to raw rows;
            None before the first fit.

    Raises:
        ArgumentError: no layers, something that is no layer, or another dtype.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> model = rv.Sequential(rv.Dense(3, activation="relu"), rv.Dense(2)).build((4,))
        >>> model.predict(np.zeros((5, 4)), engine="reference").shape
        (5, 2)
    """

    def __init__(self, *layers: Layer, dtype: str = "float32") -> None:
        self._take(Network(layers, dtype=dtype))

    def _take(self, network: Network) -> None:
        self.network = network
        self.preparation: Preparation | None = None
        self._loss: Loss | None = None
        self._memory: MemoryPlan | None = None
        self._programs: dict[str, PredictionProgram] = {}

    @classmethod
    def from_network(
        cls,
        network: Network,
        preparation: Preparation | None = None,
        loss: Loss | None = None,
    ) -> Self:
        """A model around a network that exists already, as a file gives it."""
        model = cls.__new__(cls)
        model._take(network)
        model.preparation = preparation
        model._loss = loss
        return model

    @property
    def layers(self) -> Sequence[Layer]:
        """The layers in order; ``model.layers[0].weight`` is an array once the model is built."""
        return self.network.layers

    @property
    def built(self) -> bool:
        """Whether shapes are known and parameters exist."""
        return self.network.built

    @property
    def loss(self) -> Loss | None:
        """The loss of the last fit, or None."""
        return self._loss

    @property
    def memory(self) -> MemoryPlan | None:
        """The plan of the last program's memory, or None before there is one."""
        return self._memory

    def build(self, input_shape: tuple[int, ...], seed: int = 0) -> Self:
        """Fix the shape of one example and draw the first weights; `fit` does it by itself.

        Args:
            input_shape: of one example, without the batch axis.
            seed: of the first weights.

        Returns:
            The model itself.

        Raises:
            ShapeError: if a layer cannot read what the one before gives.
            ArgumentError: a seed that is not 0 or more.
        """
        whole_number("build", "seed", seed, low=0, high=2**63 - 1)
        self.network.build(tuple(input_shape), seed=seed)
        self._forget_programs()
        return self

    def fit(
        self,
        x: object,
        y: object,
        *,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer = "adam",
        epochs: int = 10,
        batch_size: int | None = 32,
        validation: Validation = None,
        callbacks: Sequence[EarlyStopping] = (),
        metrics: Metrics = None,
        sample_weight: object = None,
        class_weight: ClassWeight = None,
        shuffle: bool = True,
        seed: int = 0,
        verbose: bool | str = "auto",
        engine: str = "native",
        time_limit: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> History:
        """Train. A second fit goes on from the weights with a fresh optimizer.

        **Shapes** ``x: (N, ...), y: (N,)`` or ``(N, outputs)``

        Args:
            x: examples.
            y: targets: integers, booleans and texts are classes, floats are numbers.
            loss: a name or a Loss; left out: cross-entropy for classes, mean squared error for
                numbers.
            optimizer: a name or an Optimizer.
            epochs: how often all rows are seen.
            batch_size: rows of a step; None: all rows; 1: one example at a time.
            validation: ``(x, y)``, or the fraction of the rows to keep for it.
            callbacks: ``[rv.EarlyStopping(...)]``.
            metrics: names; left out: accuracy for classes.
            sample_weight: a number for each row.
            class_weight: a dict from class to number, or ``"balanced"``.
            shuffle: whether each epoch has an order of its own.
            seed: of the first weights, the order of rows, dropout, and the validation rows.
            verbose: True, False, or ``"auto"``: progress in a terminal only.
            engine: ``"native"`` or ``"reference"``.
            time_limit: seconds after which training stops cleanly.
            on_progress: called now and then with a Progress.

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
        )  # fmt: skip
        program, plan = self._program(request)
        if line is not None:
            line.say(plan.notes)
        history = program.run(epochs, on_progress=both(line, on_progress), time_limit=time_limit)
        if line is not None:
            line.finish("\n".join([final_text(history), *history.notes]))
        history.notes = [*plan.notes, *history.notes]
        return history

    def training_program(
        self,
        x: object,
        y: object,
        *,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer = "adam",
        batch_size: int | None = 32,
        validation: Validation = None,
        callbacks: Sequence[EarlyStopping] = (),
        metrics: Metrics = None,
        sample_weight: object = None,
        class_weight: ClassWeight = None,
        shuffle: bool = True,
        seed: int = 0,
        engine: str = "native",
    ) -> TrainingProgram:
        """The program that `fit` would run, to look at or to run oneself; arguments as `fit`.

        ``program.passes()`` shows each step of the compiler, ``program.source()`` the LLVM text,
        ``program.memory()`` the exact bytes, ``program.run(epochs)`` trains.
        """
        request = FitRequest(
            x, y, loss, optimizer, batch_size, validation, callbacks, metrics,
            sample_weight, class_weight, shuffle, seed, engine,
        )  # fmt: skip
        return self._program(request)[0]

    def predict(self, x: object, *, engine: str = "native") -> NDArray[Any]:
        """What the last layer gives for each example.

        **Shapes** ``x: (N, ...) -> (N, ...)``

        Raises:
            NotBuiltError: before the first fit or build.
            ShapeError: examples of another shape than the network's.
        """
        self._check_built("predict")
        array = examples(x, "X")
        check_input_shape("X", array.shape[1:], self.network.input_shape or ())
        one_of("predict", "engine", engine, ENGINES)
        return self._prediction(engine)(array)

    def predict_proba(self, x: object, *, engine: str = "native") -> NDArray[Any]:
        """The probability of each class.

        **Shapes** ``x: (N, ...) -> (N, C)``, also for one output and two classes

        Raises:
            ArgumentError: if the model was trained on numbers.
        """
        self._check_classes("predict_proba")
        return probabilities(self.predict(x, engine=engine), self.network.last_activation)

    def predict_classes(self, x: object, *, engine: str = "native") -> NDArray[Any]:
        """The most probable class of each example, in the words of the training's ``y``.

        **Shapes** ``x: (N, ...) -> (N,)``

        Raises:
            ArgumentError: if the model was trained on numbers.
        """
        self._check_classes("predict_classes")
        found = class_indices(self.predict(x, engine=engine), self.network.last_activation)
        if self.preparation is None or not self.preparation.class_values:
            return found
        return self.preparation.class_array[found]

    def evaluate(
        self, x: object, y: object, *, metrics: Metrics = None, engine: str = "native"
    ) -> dict[str, float]:
        """The loss and the metrics on other rows.

        **Shapes** ``x: (N, ...), y: (N,)`` or ``(N, outputs)``

        Returns:
            ``{"loss": ..., "accuracy": ...}``; the loss without penalties on weights.

        Raises:
            NotBuiltError: before the first fit or build.
            DataError: a label that the training did not have.
        """
        self._check_built("evaluate")
        outputs = self.predict(x, engine=engine)
        targets = targets_like(y, self.preparation, self.network.output_shape, len(outputs), "y")
        return evaluate_outputs(outputs, targets, self._loss, metrics, self.network.last_activation)

    def summary(self) -> str:
        """Layers, shapes, parameters, operations and planned memory, as text.

        The memory is that of the last fit's program; before a fit, that of the one that predicts.

        Raises:
            NotBuiltError: before the first fit or build.
        """
        self._check_built("summary")
        if self._memory is not None:
            return summary_text(self.network, self._memory, "training")
        try:
            planned = self._prediction("native").memory(self.network.dtype)
        except UnsupportedOperationError:
            # An operation of one's own without a native form: there is no plan to show.
            return summary_text(self.network, None)
        return summary_text(self.network, planned, "prediction")

    def trace(self) -> str:
        """The forward pass as the graph that is compiled, one line an operation.

        Raises:
            NotBuiltError: before the first fit or build.
        """
        self._check_built("trace")
        return show(forward_graph(self.network))

    def save(self, path: str | Path) -> None:
        """Write the model into one safetensors file; the file appears whole or not at all.

        Raises:
            NotBuiltError: before the first fit or build.
            FileError: a place that cannot be written to, or a file there that is no Ranvier model.
        """
        self._check_built("save")
        store(path, self.network, self.preparation, self._loss)

    def __getstate__(self) -> dict[str, Any]:
        # Native programs hold addresses of this process; they are made again when needed.
        return {**self.__dict__, "_programs": {}, "_memory": None}

    def __repr__(self) -> str:
        inner = ", ".join(layer.describe() for layer in self.layers)
        return f"Sequential({inner})"

    def _prediction(self, engine: str) -> PredictionProgram:
        if engine not in self._programs:
            self._programs[engine] = PredictionProgram(self.network, engine=engine)
        return self._programs[engine]

    def _program(self, request: FitRequest) -> tuple[TrainingProgram, FitPlan]:
        plan = understood(request, self.network, self.preparation)
        program = training_program(request, plan, self.network)
        self.preparation, self._loss = plan.preparation, plan.loss
        # The reference computes with NumPy and plans no memory.
        self._memory = program.memory() if request.engine == "native" else None
        return program, plan

    def _forget_programs(self) -> None:
        self._programs = {}
        self._memory = None

    def _check_built(self, method: str) -> None:
        if not self.network.built:
            raise NotBuiltError(
                f"{method} needs a model with parameters.",
                happened="neither fit nor build was called yet, so no shape is known",
                needed="the shape of one example",
                fix="call model.fit(X, y), or model.build((features,)) with the shape of a row",
            )

    def _check_classes(self, method: str) -> None:
        self._check_built(method)
        if self.preparation is not None and self.preparation.task == "regression":
            raise ArgumentError(
                f"{method} needs a model for classes.",
                happened="the model was trained on numbers",
                needed="targets that are classes: integers, booleans or texts",
                fix="use model.predict",
            )
