"""Everything that a run needs to go on in the same bits: copied while it pauses, and put back.

What is compared before it is put back says what would make another run of it: another network,
loss, optimizer, data, batch size, seed.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ranvier.foundation.errors import ArgumentError, ModelFileError
from ranvier.layers.configured import Configured
from ranvier.networks.network import Network
from ranvier.optimizers import Optimizer, ParameterGroups
from ranvier.training.callbacks import Callback
from ranvier.training.engines import Array, Engine, batch_bounds
from ranvier.training.graphs import Recipe, StepGraph
from ranvier.training.lbfgs import LBFGSEngine
from ranvier.training.records import History, Monitor
from ranvier.training.run_state import COUNTS, REALS, RunState

#: First parts of the names of arrays: of the present state, the best parameters, L-BFGS.
NOW, BEST, DRIVER = "now.", "best.", "driver."
#: Bytes of data that are hashed at a time.
PIECE = 1 << 24


class Fingerprint:
    """What makes a run this run and no other, as short texts.

    Args:
        recipe: what is trained.
        monitor: what is watched, or None.
        arrays: rows to train on, and to validate on.
        settings: further ones, by name.
    """

    def __init__(
        self,
        recipe: Recipe,
        monitor: Monitor | None,
        arrays: tuple[Sequence[Array], Sequence[Array]],
        settings: Mapping[str, object],
    ) -> None:
        self._recipe, self._monitor = recipe, monitor
        self._arrays, self._settings = arrays, settings
        self._lock = threading.Lock()
        self._hashes: dict[str, str] = {}

    def __call__(self) -> Mapping[str, str]:
        """All of it; the first call reads all data."""
        recipe, (train, held) = self._recipe, self._arrays
        with self._lock:
            if not self._hashes:
                self._hashes = {"training data": _hash(train), "validation data": _hash(held)}
        return {
            "architecture": to_text(recipe.network.architecture()),
            "losses": ", ".join(one.describe() for one in recipe.losses),
            "loss weights": to_text(recipe.loss_weights),
            "optimizer": _optimizer_text(recipe.optimizer),
            "metrics": ", ".join(m.describe() for own in recipe.metrics for m in own),
            "rules of the update": repr(recipe.rules),
            "EarlyStopping": repr(self._monitor),
            **{name: str(value) for name, value in self._settings.items()},
            **self._hashes,
        }


def to_text(value: object) -> str:
    """JSON of anything that a configuration holds; functions by their names."""
    return json.dumps(value, sort_keys=True, default=_name_of)


def _name_of(value: object) -> object:
    if isinstance(value, Configured):
        return {"name": type(value).__name__, "config": value.config()}
    return f"function {getattr(value, '__qualname__', type(value).__name__)}"


def _optimizer_text(optimizer: Optimizer | ParameterGroups) -> str:
    if isinstance(optimizer, Optimizer):
        return type(optimizer).__name__ + to_text(optimizer.config())
    parts = zip(optimizer.paths, optimizer.optimizers, strict=True)
    return "; ".join(f"{path}: {_optimizer_text(one)}" for path, one in parts)


def _hash(arrays: Sequence[Array]) -> str:
    """SHA-256 over rows, piece by piece: a row may be longer in memory than its numbers."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        rows = max(1, PIECE // max(1, array[:1].nbytes))
        for low in range(0, len(array), rows):
            digest.update(np.ascontiguousarray(array[low : low + rows]).data)
    rows = len(arrays[0]) if arrays else 0
    return f"{rows} rows, sha256 {digest.hexdigest()}"


def check_same_run(then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on with what was another run.

    Raises:
        ArgumentError: naming everything that differs.
    """
    differing = [name for name in now if then.get(name) != now[name]]
    if differing:
        raise ArgumentError(
            "The checkpoint belongs to another run: " + ", ".join(differing) + " differ.",
            happened="\n".join(_difference(n, then.get(n, "nothing"), now[n]) for n in differing),
            needed="the network, data and settings that the checkpoint was written with",
            fix="give fit the same arguments, or start a new run without resume",
        )


def _difference(name: str, then: str, now: str, width: int = 60) -> str:
    """Both texts around the first place where they differ."""
    pairs = enumerate(zip(then, now, strict=False))
    place = next((k for k, (a, b) in pairs if a != b), min(len(then), len(now)))
    start = max(0, place - width // 3) if max(len(then), len(now)) > width else 0

    def part(text: str) -> str:
        cut = text[start : start + width]
        return ("..." if start else "") + cut + ("..." if start + width < len(text) else "")

    return f"{name}: {part(then)!r} in the checkpoint, {part(now)!r} now"


@dataclass(frozen=True, eq=False)
class Keeper:
    """Copies the state of one program's runs, and puts it back.

    Attributes:
        engine: what runs.
        names: of everything it keeps: parameters, averages, optimizer state.
        sources: from each parameter to the array that the network gets after a run.
        keeps_best: whether the best parameters are put back at the end.
        said: what metrics of whole sets had to say; grows.
        network: whose structure is kept too.
        run: what the run is.
    """

    engine: Engine
    names: tuple[str, ...]
    sources: Mapping[str, str]
    keeps_best: bool
    said: dict[str, str]
    network: Network = field(repr=False)
    run: Fingerprint = field(repr=False)

    def take(
        self,
        first: tuple[int, int],
        history: History,
        seconds: float,
        reason: str,
        callbacks: Sequence[Callback],
    ) -> RunState:
        """A copy of everything; the engine must be still.

        Args:
            first: epoch and step at which the run began.
            history: so far.
            seconds: of training so far.
            reason: "running", or why it ended.
            callbacks: who listens.
        """
        engine, c = self.engine, self.engine.control
        arrays = {NOW + name: np.array(engine.view(name)) for name in self.names}
        found = c["best_epoch"] >= 0 and self.keeps_best
        if found:
            arrays |= {BEST + name: np.array(one) for name, one in engine.best().items()}
        if isinstance(engine, LBFGSEngine):
            arrays |= {DRIVER + name: one for name, one in engine.memory_now().items()}
        kind = BEST if found else NOW
        told = [(type(one).__name__, one.checkpoint_state()) for one in callbacks]
        return RunState(
            arrays,
            {name: kind + source for name, source in self.sources.items()},
            {**{name: c[name] for name in COUNTS[:-2]}, "first": first[0], "first_step": first[1]},
            {name: c[name] for name in REALS},
            c.sums().copy(),
            {name: list(numbers) for name, numbers in history.items()},
            seconds,
            reason,
            tuple((name, own) for name, own in told if own),
            dict(self.said),
            json.loads(to_text(self.network.architecture())),
            self.run,
        )

    def put_back(self, state: RunState) -> None:
        """Bring engine and control block to where they were.

        Raises:
            ArgumentError: the state of another run.
            ModelFileError: arrays that this program does not have.
        """
        check_same_run(state.run(), self.run())
        engine, c = self.engine, self.engine.control
        now = _group(state.arrays, NOW)
        best, driver = _group(state.arrays, BEST), _group(state.arrays, DRIVER)
        _check_counts(state, len(batch_bounds(c["rows"], c["batch_size"])))
        _check(now, {name: engine.view(name) for name in self.names})
        if best:
            wanted = {*self.sources.values(), *(set(best) & set(self.names))}
            _check(best, {name: engine.view(name) for name in wanted})
            engine.load(best)
            engine.keep_now()
        engine.load(now)
        if isinstance(engine, LBFGSEngine):
            engine.remember(driver)
        for name in COUNTS[:-2]:
            c[name] = state.counts[name]
        for name in REALS:
            c[name] = state.reals[name]
        if state.sums.shape != c.sums().shape:
            raise _odd("it has another number of running sums")
        c.sums()[:] = state.sums
        self.said.update(state.said)

    def tell(self, state: RunState, callbacks: Sequence[Callback]) -> None:
        """Give callbacks what they knew.

        Raises:
            ArgumentError: if one of them is not there any more.
        """
        waiting = list(callbacks)
        for name, own in state.callbacks:
            place = next((k for k, one in enumerate(waiting) if type(one).__name__ == name), None)
            if place is None:
                raise ArgumentError(
                    "The checkpoint belongs to another run: a callback is missing.",
                    happened=f"a {name} listened to it, and does not listen now",
                    needed="the callbacks that the checkpoint was written with, in their order",
                    fix=f"put the same {name} into callbacks=[...]",
                )
            try:
                waiting[place].resume_from(own)
            except (LookupError, TypeError, ValueError) as error:
                raise _odd(f"the callback {name} cannot use what was kept of it") from error
            waiting = waiting[place + 1 :]


def keeper_of(
    engine: Engine,
    recipe: Recipe,
    step: StepGraph,
    monitor: Monitor | None,
    said: dict[str, str],
    run: Fingerprint,
) -> Keeper:
    """The keeper of a training program; arguments as of `Keeper` and `Fingerprint`."""
    parameters = recipe.network.parameters
    return Keeper(
        engine,
        (*parameters, *step.averages.values(), *step.state),
        {name: step.averages.get(name, name) for name in parameters},
        monitor is not None and monitor.keep_best,
        said,
        recipe.network,
        run,
    )


def fill(history: History, state: RunState) -> None:
    """Give a history the epochs of a state.

    Raises:
        ModelFileError: epochs of another history.
    """
    epochs = state.counts["epoch"] - state.counts["first"]
    lengths = {len(numbers) for numbers in state.history.values()}
    if set(state.history) != set(history) or lengths != {epochs}:
        raise _odd("it has another history")
    for name in history:
        history[name] = list(state.history[name])
    history.epochs = epochs


def _group(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    found = {name: one for name, one in arrays.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): one for name, one in found.items()}


def _check_counts(state: RunState, steps: int) -> None:
    """A place that a run of so many steps an epoch can be at: native code believes it."""
    counts = state.counts
    epochs, done = counts["epoch"] - counts["first"], counts["step"] - counts["first_step"]
    fits = (
        0 <= counts["batch"] < steps
        and counts["first"] >= 0
        and counts["first_step"] >= 0
        and epochs >= 0
        and done >= 0
        and -1 <= counts["best_epoch"] < max(counts["epoch"], 1)
        and counts["waited"] >= 0
    )
    if not fits:
        raise _odd(f"no run can be at the place {dict(counts)}")


def _check(given: Mapping[str, Array], known: Mapping[str, Array]) -> None:
    for name in {*given, *known}:
        if name not in given or name not in known:
            raise _odd(f"the array {name!r:.80} is missing or left over")
        if (given[name].shape, given[name].dtype) != (known[name].shape, known[name].dtype):
            raise _odd(f"the array {name!r:.80} has another shape or dtype")


def _odd(happened: str) -> ModelFileError:
    return ModelFileError(
        "The checkpoint does not fit the run that it names.",
        happened=happened,
        needed="a checkpoint written by this version of Ranvier, unchanged",
        fix="start the run anew without resume",
    )
