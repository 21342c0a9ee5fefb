"""What every model has: a network, what was learnt of its data, predictions, scores, its file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from numpy.typing import NDArray

from ranvier.compiler.plan import MemoryPlan
from ranvier.data.preparation import Preparation
from ranvier.explain.step_through import StepThrough, step_through
from ranvier.foundation.errors import ArgumentError, NotBuiltError, UnsupportedOperationError
from ranvier.graph.show import show
from ranvier.layers.arguments import one_of, whole_number
from ranvier.layers.base import Layer
from ranvier.losses import Loss
from ranvier.models.answers import class_indices, probabilities
from ranvier.models.evaluation import evaluate_outputs, forward_graph, joined_scores
from ranvier.models.fitting import all_examples, targets_like
from ranvier.models.parts import parts, wishes
from ranvier.models.plan import Metrics
from ranvier.models.request import ENGINES, ends_of
from ranvier.models.stored import store
from ranvier.models.summary import summary_text
from ranvier.networks.nested import Nested
from ranvier.networks.network import Network
from ranvier.training.predictor import Predictor
from ranvier.training.program import PredictionProgram, several


class BaseModel:
    """A network that predicts; how it is made and trained is for :class:`ranvier.Model`.

    Attributes:
        network: the structure and the parameters.
        preparations: what was learnt of the data of each output; None before the first fit.
    """

    def _take(self, network: Network) -> None:
        self.network = network
        self.preparations: tuple[Preparation | None, ...] = (None,) * len(network.wiring.outputs)
        self._losses: tuple[Loss | None, ...] = (None,) * len(network.wiring.outputs)
        self._loss_weights: tuple[float, ...] = (1.0,) * len(network.wiring.outputs)
        self._memory: MemoryPlan | None = None
        self._programs: dict[str, PredictionProgram] = {}
        self._layer = Nested(network)

    @classmethod
    def from_network(
        cls,
        network: Network,
        preparations: Sequence[Preparation | None] = (None,),
        losses: Sequence[Loss | None] = (None,),
    ) -> Self:
        """A model around a network that exists already, as a file gives it."""
        model = cls.__new__(cls)
        model._take(network)
        model.preparations, model._losses = tuple(preparations), tuple(losses)
        return model

    @property
    def preparation(self) -> Preparation | None:
        """What was learnt of the data of the first output; None before the first fit."""
        return self.preparations[0]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one example of the first output, without the batch axis.

        Raises:
            NotBuiltError: before the input shape is known.
        """
        return self.network.output_shape

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
        """The loss of the last fit (of the first output), or None."""
        return self._losses[0]

    @property
    def losses(self) -> tuple[Loss | None, ...]:
        """The loss of each output in the last fit; None before."""
        return self._losses

    def input_arrays(self, x: object) -> tuple[NDArray[Any], ...]:
        """Examples as training reads them, one array for each input.

        **Shapes** ``x: (N, ...)``

        Raises:
            NotBuiltError: before the first fit or build.
            RanvierError: examples that do not fit the model.
        """
        self._check_built("input_arrays")
        arrays = all_examples(x, ends_of(self.network), "X")
        self.network.check_rows(arrays)
        return arrays

    def training_arrays(
        self, x: object, y: object
    ) -> tuple[tuple[NDArray[Any], ...], tuple[NDArray[Any], ...]]:
        """Examples and targets as training reads them, one array for each input and output.

        **Shapes** ``x: (N, ...), y: (N,)`` or ``(N, outputs)``

        Raises:
            NotBuiltError: before the first fit or build.
            RanvierError: rows that do not fit the model.
        """
        arrays = self.input_arrays(x)
        given = parts(y, self.network.wiring.output_names, "y")
        shapes, rows = self.network.output_shapes, len(arrays[0])
        ends = zip(given, self.preparations, shapes, strict=True)
        targets = tuple(targets_like(one, own, shape, rows, "y") for one, own, shape in ends)
        return arrays, targets

    @property
    def memory(self) -> MemoryPlan | None:
        """The plan of the last program's memory, or None before there is one."""
        return self._memory

    def build(self, input_shape: tuple[int, ...] | None = None, seed: int = 0) -> Self:
        """Fix the shape of one example and draw the first weights; `fit` does it by itself.

        Args:
            input_shape: of one example, without the batch axis; left out where inputs have theirs.
            seed: of the first weights.

        Returns:
            The model itself.

        Raises:
            ShapeError: if a layer cannot read what the one before gives.
            ArgumentError: a seed that is not 0 or more.
        """
        whole_number("build", "seed", seed, low=0, high=2**63 - 1)
        self.network.build(None if input_shape is None else tuple(input_shape), seed=seed)
        self._forget_programs()
        return self

    def predict(self, x: object, *, engine: str = "native", threads: int | None = None) -> Any:
        """What the last layer gives for each example.

        **Shapes** ``x: (N, ...) -> (N, ...)``

        Args:
            x: examples; a tuple or a dict by name for several inputs.
            engine: ``"native"`` or ``"reference"``.
            threads: how many at most share the rows; left out: what ``RANVIER_THREADS`` says, else
                all processors. Few rows have one; the bits are the same for any number.

        Returns:
            An array; a tuple of arrays for several outputs, or a dict if they have names.

        Raises:
            NotBuiltError: before the first fit or build.
            ShapeError: examples of another shape than the network's.
        """
        return self._named(self._outputs(x, "predict", engine, threads))

    def predictor(self, batch: int = 1, *, dtype: str | Sequence[str] | None = None) -> Predictor:
        """The forward pass as a callable with arrays of its own, for control loops and servers.

        Nothing is allocated in a call. Write the rows into ``inputs`` and call; or call with rows,
        which are copied there. What comes back is ``outputs``, overwritten by the next call. The
        numbers are those of `predict`, to the bit.

        It has the parameters of the moment it is made; ``update()`` takes those of another. One
        predictor serves one thread: make one for each. Calls that take less than about 20
        microseconds keep Python's lock. What is in the rows is not checked.

        **Shapes** ``x: (batch, ...) -> (batch, ...)``

        Args:
            batch: rows of every call.
            dtype: of the input arrays; one for all, or one for each input; left out: the network's.

        Raises:
            NotBuiltError: before the first fit or build.
            ArgumentError: a batch that is not 1 or more, another number of dtypes than inputs.
            DTypeError: a dtype that data cannot have.

        Example:
            >>> import numpy as np, ranvier as rv
            >>> model = rv.Sequential(rv.Dense(3)).build((2,))
            >>> predict = model.predictor()
            >>> predict.inputs[0] = 0.5, -0.5
            >>> bool((predict() == model.predict([[0.5, -0.5]])).all())
            True
            >>> predict(np.zeros(2)) is predict.outputs
            True
        """
        self._check_built("predictor")
        whole_number("predictor", "batch", batch, high=2**20)
        return Predictor(self.network, batch, dtype, self._named)

    def _outputs(
        self, x: object, method: str, engine: str, threads: int | None = None
    ) -> tuple[NDArray[Any], ...]:
        """One array for each output."""
        self._check_built(method)
        arrays = all_examples(x, ends_of(self.network), "X")
        self.network.check_rows(arrays)
        one_of(method, "engine", engine, ENGINES)
        return several(self._prediction(engine)(*arrays, threads=threads))

    def _named(self, found: Sequence[Any]) -> Any:
        """As the model's outputs were given: one thing, a tuple, or a dict."""
        names = self.network.wiring.output_names
        if names == ("output",):
            return found[0]
        if names == tuple(f"output_{k}" for k in range(len(names))):
            return tuple(found)
        return dict(zip(names, found, strict=True))

    def predict_proba(self, x: object, *, engine: str = "native") -> Any:
        """The probability of each class.

        **Shapes** ``x: (N, ...) -> (N, C)``, also for one output and two classes

        Raises:
            ArgumentError: if the model was trained on numbers.
        """
        outputs = self._outputs(x, "predict_proba", engine)
        activations = self.network.last_activations
        for place in range(len(outputs)):
            self._check_classes("predict_proba", place)
        return self._named(list(map(probabilities, outputs, activations)))

    def predict_classes(self, x: object, *, engine: str = "native") -> Any:
        """The most probable class of each example, in the words of the training's ``y``.

        **Shapes** ``x: (N, ...) -> (N,)``

        Raises:
            ArgumentError: if the model was trained on numbers.
        """
        outputs = self._outputs(x, "predict_classes", engine)
        found = []
        for place, (one, last) in enumerate(
            zip(outputs, self.network.last_activations, strict=True)
        ):
            self._check_classes("predict_classes", place)
            indices, learnt = class_indices(one, last), self.preparations[place]
            named = learnt is not None and learnt.class_values
            found.append(learnt.class_array[indices] if learnt and named else indices)
        return self._named(found)

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
        outputs = self._outputs(x, "evaluate", engine)
        network, names = self.network, self.network.wiring.output_names
        wanted = wishes(metrics, names, "metrics")
        given = parts(y, names, "y")
        scores = []
        for place, one in enumerate(outputs):
            shape, rows = network.output_shapes[place], len(one)
            targets = targets_like(given[place], self.preparations[place], shape, rows, "y")
            loss, last = self._losses[place], network.last_activations[place]
            scores.append(evaluate_outputs(one, targets, loss, wanted[place], last))
        return joined_scores(scores, names, self._loss_weights)

    def step_through(self, x: object, y: object, *, learning_rate: float = 0.01) -> StepThrough:
        """Forward propagation, loss, backpropagation and one update for one example, in numbers.

        **Shapes** ``x: (...)`` one example, ``y: ()`` its target

        Args:
            x: one example; a tuple or a dict by name for several inputs.
            y: its target; a tuple or a dict by name for several outputs.
            learning_rate: of the step that is shown.

        Returns:
            A record; ``print`` it. See :func:`ranvier.explain.step_through`.

        Raises:
            NotBuiltError: before the first fit or build.
            DataError: several examples.
        """
        return step_through(self, x, y, learning_rate=learning_rate)

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
        store(path, self.network, self.preparations, self._losses)

    def __getstate__(self) -> dict[str, Any]:
        # Native programs hold addresses of this process; they are made again when needed.
        return {**self.__dict__, "_programs": {}, "_memory": None}

    def __repr__(self) -> str:
        inner = ", ".join(layer.describe() for layer in self.layers)
        return f"{type(self).__name__}({inner})"

    def _prediction(self, engine: str) -> PredictionProgram:
        if engine not in self._programs:
            self._programs[engine] = PredictionProgram(self.network, engine=engine)
        return self._programs[engine]

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

    def _check_classes(self, method: str, place: int = 0) -> None:
        learnt = self.preparations[place]
        if learnt is not None and learnt.task == "regression":
            raise ArgumentError(
                f"{method} needs a model for classes.",
                happened="the model was trained on numbers",
                needed="targets that are classes: integers, booleans or texts",
                fix="use model.predict",
            )
