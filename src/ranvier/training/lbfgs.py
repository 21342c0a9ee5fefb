"""The driver of L-BFGS: an engine around an engine that evaluates loss and gradient.

It leaves the control block as other engines do, with one iteration for an epoch, so that the
monitor, callbacks, progress, time limits and Ctrl-C work as they do everywhere.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Mapping, Sequence

import numpy as np

from ranvier.backends import control as words
from ranvier.backends.control import Control
from ranvier.foundation.errors import ArgumentError, ModelFileError
from ranvier.networks.network import Network
from ranvier.optimizers import ParameterGroups
from ranvier.optimizers.lbfgs import GRADIENT, LBFGS
from ranvier.training.engines import Array, Engine, is_better
from ranvier.training.line_search import Point, Vector, search
from ranvier.training.rules import UpdateRules

#: What the inner engine must know of the outer control block.
SHARED = ("rows", "batch_size", "validation_rows", "seed", "columns")


def check_driven(optimizer: object, rules: UpdateRules, network: Network) -> bool:
    """Whether L-BFGS drives a program.

    Args:
        optimizer: of the program, or groups.
        rules: what happens around its updates.
        network: whose parameters may have constraints.

    Raises:
        ArgumentError: if it does, together with something that it cannot do.
    """
    if isinstance(optimizer, ParameterGroups):
        driven = any(isinstance(one, LBFGS) for one in optimizer.optimizers)
        happened = "it is the optimizer of a group of layers"
    else:
        driven, happened = isinstance(optimizer, LBFGS), ""
    if driven and rules != UpdateRules():
        happened = "clipping, accumulation or averaging of weights is asked for"
    if driven and any(network.declared[name].constraint for name in network.trainable):
        happened = "a layer constrains its weights"
    if driven and happened:
        raise ArgumentError(
            "L-BFGS moves all trained parameters together, along a line that it searches.",
            happened=happened,
            needed="one optimizer, no constraints, and gradients as they are",
            fix='leave that out, or use another optimizer such as "adam"',
        )
    return driven


class Memory:
    """The last pairs of steps and changes of the gradient.

    Args:
        size: how many pairs are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.pairs: list[tuple[Vector, Vector, float]] = []

    def add(self, step: Vector, change: Vector) -> None:
        """Remember a pair, unless it shows no curvature."""
        product = float(step @ change)
        if product > 1e-10 * float(change @ change):
            self.pairs = [*self.pairs, (step, change, 1.0 / product)][-self.size :]

    def direction(self, gradient: Vector) -> Vector:
        """``-H g`` by the two-loop recursion."""
        q, parts = gradient.copy(), []
        for step, change, inverse in reversed(self.pairs):
            parts.append(inverse * float(step @ q))
            q -= parts[-1] * change
        if self.pairs:
            step, change, inverse = self.pairs[-1]
            q /= inverse * float(change @ change)
        for (step, change, inverse), part in zip(self.pairs, reversed(parts), strict=True):
            q += (part - inverse * float(change @ q)) * step
        return -q


class LBFGSEngine:
    """Iterations of L-BFGS as epochs.

    Args:
        inner: of a program whose optimizer is an `LBFGS`: a step evaluates and records.
        optimizer: its numbers.
        trained: names of the trained parameters.
        parameters: names of all parameters.

    Attributes:
        notes: why it came to an end by itself, if it did.
        evaluations: of loss and gradient so far.
    """

    def __init__(
        self,
        inner: Engine,
        optimizer: LBFGS,
        trained: Sequence[str],
        parameters: Sequence[str],
    ) -> None:
        self.inner, self.optimizer = inner, optimizer
        self.trained = list(trained)
        # What layers keep by themselves changes with steps that are taken, not with those tried.
        self.others = [name for name in parameters if name not in trained]
        self.control = Control(0)
        self.memory = Memory(optimizer.history)
        self._best: dict[str, Array] = {}
        self._keeps = False
        self._point: Point | None = None
        self._tried: Point | None = None
        self.evaluations = 0
        self.notes: tuple[str, ...] = ()

    # --- what every engine does

    def load(self, state: Mapping[str, Array]) -> None:
        """Take parameters; the memory of another place is of no use there."""
        self.inner.load(state)
        self._point = None
        self.memory.pairs = []

    def view(self, name: str) -> Array:
        """A parameter or a gradient as it is now."""
        return self.inner.view(name)

    def loss(self) -> float:
        """The loss after the last iteration."""
        return float("nan") if self._point is None else self._point.loss

    def memory_now(self) -> dict[str, Array]:
        """Copies of what it knows beside parameters and gradients; nothing before its begin."""
        point = self._point
        if point is None:
            return {}
        pairs = self.memory.pairs
        empty = np.zeros((0, len(self._here)))
        return {
            "here": self._here.copy(),
            "gradient": np.array(point.gradient),
            "point": np.array([point.length, point.loss, point.slope, *point.line]),
            "steps": np.stack([pair[0] for pair in pairs]) if pairs else empty,
            "changes": np.stack([pair[1] for pair in pairs]) if pairs else empty,
            "inverses": np.array([pair[2] for pair in pairs]),
            "evaluations": np.array([float(self.evaluations)]),
            **{f"others.{name}": np.array(one) for name, one in self._kept.items()},
        }

    def remember(self, found: Mapping[str, Array]) -> None:
        """Take back what :meth:`memory_now` gave, after the parameters were loaded.

        Raises:
            ModelFileError: anything else.
        """
        if not found:
            return
        self._learn_forms()
        count, columns = len(self._flat()), self.control["columns"]
        pairs = len(found["inverses"]) if "inverses" in found else 0
        shapes = {
            "here": (count,), "gradient": (count,), "point": (3 + columns,),
            "steps": (pairs, count), "changes": (pairs, count), "inverses": (pairs,),
            "evaluations": (1,),
            **{f"others.{name}": self.inner.view(name).shape for name in self.others},
        }  # fmt: skip
        if {name: one.shape for name, one in found.items()} != shapes:
            raise ModelFileError(
                "The checkpoint does not fit the run that it names.",
                happened="what L-BFGS remembers is missing or has other shapes",
                needed="a checkpoint of this optimizer and network, unchanged",
                fix="start the run anew without resume",
            )
        self._here = found["here"]
        self._kept = {name: found[f"others.{name}"] for name in self.others}
        length, loss, slope, *line = found["point"].tolist()
        self._point = Point(length, loss, slope, found["gradient"], np.array(line))
        triples = zip(found["steps"], found["changes"], found["inverses"].tolist(), strict=True)
        self.memory.pairs = [(step, change, inverse) for step, change, inverse in triples]
        self.evaluations = int(found["evaluations"][0])

    def _learn_forms(self) -> None:
        now = {name: self.inner.view(name) for name in self.trained}
        self._forms = {name: (array.shape, array.dtype) for name, array in now.items()}

    def keep_best(self) -> None:
        """Keep the best parameters from now on."""
        self._keeps = True

    def keep_now(self) -> None:
        """The present parameters are the best ones, if the best ones are kept."""
        if self._keeps:
            names = [*self.trained, *self.others]
            self._best = {name: np.array(self.inner.view(name)) for name in names}

    def best(self) -> Mapping[str, Array]:
        """The parameters that were kept."""
        return self._best

    def run(self) -> None:
        """Go on from the control block's position until it says why it stopped."""
        self.control["status"] = self._run()

    # --- iterations

    def _run(self) -> int:
        c = self.control
        for name in SHARED:
            self.inner.control[name] = c[name]
        self.inner.control["monitor_column"] = -1
        self._line = np.zeros(c["columns"])
        if c["epoch"] < c["last_epoch"] and self._point is None:
            self._learn_forms()
            self._here = self._flat()
            self._kept = {name: np.array(self.inner.view(name)) for name in self.others}
            self._point = self._evaluate(self._here)
            if not np.isfinite(self._point.loss):
                return words.NOT_FINITE
        while c["epoch"] < c["last_epoch"]:
            if c["stop"] or c["step"] >= c["last_step"]:
                return words.STOPPED if c["stop"] else words.STEP_LIMIT
            if not self._iterate():
                return words.STOPPED if c["stop"] else words.CONVERGED
            if self._epoch_end():
                return words.NO_PATIENCE
        return words.FINISHED

    def _iterate(self) -> bool:
        """One iteration; False where there is nothing to gain."""
        start = self._point
        if start is None:
            return False
        steepest = float(abs(start.gradient).max(initial=0.0))
        if steepest <= self.optimizer.tolerance_gradient:
            self.notes = (f"L-BFGS converged: no entry of the gradient is above {steepest:.2g}.",)
            return False
        here = self._here
        found = self._search(start)
        if found is None and self.memory.pairs and self.control["stop"] != words.STOP:
            # The pairs may mislead where rounding rules: once more, straight down.
            self.memory.pairs = []
            found = self._search(start)
        if self.control["stop"] == words.STOP:
            # Half an iteration is none: it begins anew where the run goes on.
            self._put(here)
            self.inner.load(self._kept)
            return False
        if found is None:
            self._put(here)
            self.notes = (
                "L-BFGS ended: no lower loss was found along its direction; the largest entry of "
                f"the gradient is {steepest:.2g}.",
            )
            return False
        step = found.length * self._direction
        self.memory.add(step, found.gradient - start.gradient)
        self._here, self._point = here + step, found
        # The last point that was tried need not be the one that was taken.
        if self.others and found is not self._tried:
            self._evaluate(self._here)
        self._put(self._here)
        return True

    def _search(self, start: Point) -> Point | None:
        here = self._here
        self._direction = direction = self.memory.direction(start.gradient)
        slope = float(direction @ start.gradient)
        if not slope < 0:
            return None
        first = self.control["learning_rate"]
        if not self.memory.pairs:
            first *= min(1.0, 1.0 / float(abs(start.gradient).sum()))

        def evaluate(length: float) -> Point:
            if self.control["stop"] == words.STOP:
                return Point(length, np.inf, 0.0, start.gradient, start.line)
            point = self._evaluate(here + length * direction)
            slope = float(point.gradient @ direction)
            self._tried = Point(length, point.loss, slope, point.gradient, point.line)
            return self._tried

        zero = Point(0.0, start.loss, slope, start.gradient, start.line)
        return search(evaluate, zero, first, self.optimizer.max_evaluations)

    # --- evaluations by the inner engine

    def _flat(self) -> Vector:
        parts = [np.asarray(self.inner.view(name), np.float64).ravel() for name in self.trained]
        return np.concatenate([*parts, np.zeros(0)])

    def _put(self, flat: Vector) -> None:
        """Give the inner engine its parameters."""
        place, state = 0, {}
        for name in self.trained:
            shape, dtype = self._forms[name]
            size = math.prod(shape)
            state[name] = flat[place : place + size].reshape(shape).astype(dtype)
            place += size
        self.inner.load(state)

    def _evaluate(self, flat: Vector) -> Point:
        """Loss, gradient and the numbers of the history somewhere, in one native call."""
        self.evaluations += 1
        self._put(flat)
        self.inner.load(self._kept)
        c = self.inner.control
        c["epoch"] = c["first_epoch"] = c["batch"] = c["step"] = c["stop"] = 0
        c["last_epoch"], c["last_step"] = 1, 2
        c["loss_sum"] = c["loss_count"] = 0.0
        c.sums()[:] = 0.0
        c["history"] = self._line.ctypes.data
        self.inner.run()
        names = [f"state.{name}.{GRADIENT}" for name in self.trained]
        parts = [np.asarray(self.inner.view(name), np.float64).ravel() for name in names]
        gradient = np.concatenate([*parts, np.zeros(0)])
        whole = c["status"] == words.FINISHED and bool(np.isfinite(gradient).all())
        loss = float(self._line[0]) if whole else np.inf
        return Point(0.0, loss, 0.0, gradient if whole else 0.0 * self._here, self._line.copy())

    # --- the end of an iteration

    def _epoch_end(self) -> bool:
        """Write the history, watch; returns whether patience is at its end."""
        c, point = self.control, self._point
        if point is None:
            return False
        self._kept = {name: np.array(self.inner.view(name)) for name in self.others}
        address = c["history"] + (c["epoch"] - c["first_epoch"]) * c["columns"] * 8
        numbers = (ctypes.c_double * c["columns"]).from_address(address)
        np.ctypeslib.as_array(numbers)[:] = point.line
        c["epoch"], c["step"] = c["epoch"] + 1, c["step"] + 1
        if c["monitor_column"] < 0:
            return False
        if is_better(c, float(point.line[c["monitor_column"]])):
            self.keep_now()
        return bool(c["waited"] >= c["patience"])
