"""The error over two weights or directions, a landscape, and the way that training took in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ranvier import ops
from ranvier.backends.compile import ENGINES, compile
from ranvier.explain.passes import row_loss_function, taken_logits
from ranvier.explain.path import WeightPath
from ranvier.explain.subject import Array, ModelLike, Subject, subject_of
from ranvier.foundation.errors import (
    ArgumentError,
    PositionError,
    ShapeError,
    UnknownNameError,
    did_you_mean,
)
from ranvier.foundation.pictures import check_picture, new_figure, save_picture
from ranvier.foundation.random import host_generator
from ranvier.foundation.shapes import show_shape
from ranvier.layers import Context
from ranvier.layers.arguments import number, one_of, whole_number
from ranvier.networks.network import Network

#: One weight: the parameter's name and the place in it.
Weight: TypeAlias = tuple[str, tuple[int, ...]]
Snapshots: TypeAlias = Sequence[Mapping[str, NDArray[Any]]]


@dataclass(frozen=True, eq=False)
class ErrorSurface:
    """A loss over two axes.

    Attributes:
        first, second: ``(A,), (B,)`` places on the axes: weights as they are, or steps along
            directions from the middle.
        losses: ``(B, A)``, the mean loss of the rows, without penalties.
        labels: of the two axes.
        path: ``(S, 2)``, the training's places on the axes; None without.
        path_losses: ``(S,)``, the loss at each of its places (with all its weights); None without.
        told: the share of the path's length (squared, in all weights) that the two axes show.
    """

    first: NDArray[np.float64] = field(repr=False)
    second: NDArray[np.float64] = field(repr=False)
    losses: NDArray[np.float64] = field(repr=False)
    labels: tuple[str, str]
    path: NDArray[np.float64] | None = field(repr=False)
    path_losses: NDArray[np.float64] | None = field(repr=False)
    told: float | None

    @property
    def lowest(self) -> tuple[float, float]:
        """Where on the axes the loss is lowest."""
        row, column = np.unravel_index(int(np.nanargmin(self.losses)), self.losses.shape)
        return float(self.first[column]), float(self.second[row])

    def levels(self) -> NDArray[np.float64]:
        """The losses as colours show them: on a logarithmic scale where they span decades."""
        shown = np.where(np.isfinite(self.losses), self.losses, np.nan)
        if np.isnan(shown).all():
            return np.zeros_like(shown)
        low, high = float(np.nanmin(shown)), float(np.nanmax(shown))
        return np.log10(shown) if low > 0.0 and high > 30.0 * low else shown

    def plot(self, path: str | Path) -> None:
        """Draw the landscape with the path.

        Args:
            path: of the file; ``.png``, ``.svg`` or ``.pdf``.

        Raises:
            MissingExtraError: without matplotlib.
            FileError: a place where no picture can be written.
        """
        place = Path(path)
        figure = new_figure("A picture of an error surface", 6.4, 5.0)
        check_picture(place, f"The picture {str(place)!r} cannot be written.", "surface.png")
        axes = figure.add_subplot()
        shown = self.levels()
        plain = np.array_equal(shown, self.losses, equal_nan=True)
        label = "loss" if plain else "log10 of the loss"
        filled = axes.contourf(self.first, self.second, shown, 30, cmap="viridis")
        axes.contour(self.first, self.second, shown, 12, colors="white", linewidths=0.4, alpha=0.6)
        figure.colorbar(filled, ax=axes, label=label)
        if self.path is not None:
            axes.plot(*self.path.T, color="white", linewidth=2.5)
            axes.plot(*self.path.T, color="black", linewidth=1.2, label="training")
            axes.plot(*self.path[0], "o", color="black", label="start")
            axes.plot(*self.path[-1], "*", color="red", markersize=12, label="end")
            axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False)
        axes.set(xlabel=self.labels[0], ylabel=self.labels[1])
        save_picture(figure, place, "give another place")


@dataclass(frozen=True, eq=False)
class _Axes:
    """Two directions from a middle, in all trained weights as one vector."""

    middle: NDArray[np.float64]
    directions: NDArray[np.float64]
    start: tuple[float, float]
    labels: tuple[str, str]

    def places(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where vectors lie on the axes. **Shapes** ``vectors: (S, W) -> (S, 2)``"""
        found = np.linalg.lstsq(self.directions.T, (vectors - self.middle).T, rcond=None)[0].T
        return np.asarray(found + np.array(self.start))


def error_surface(
    model: ModelLike,
    x: object,
    y: object,
    *,
    axes: tuple[Weight, Weight] | None = None,
    path: Snapshots | WeightPath | None = None,
    span: float | None = None,
    points: int = 31,
    rows: int = 500,
    seed: int = 0,
    engine: str = "native",
) -> ErrorSurface:
    """The loss over two weights, or over two directions through the weights as they are now.

    Without `axes` the directions are the first two principal components of the path, so that most
    of it is seen; without a path, two random directions whose columns are as long as those of the
    weights (Li, Xu, Taylor, Studer and Goldstein, "Visualizing the loss landscape of neural nets",
    NeurIPS 2018). All other weights stay as they are now; the path is seen from above.

    **Shapes** ``x: (N, ...), y: (N,)`` or ``(N, outputs)``

    Args:
        model: built; it stays as it is.
        x, y: rows, as for `fit`.
        axes: two weights, such as ``(("layers.0.weight", (0, 0)), ("layers.0.bias", (0,)))``.
        path: snapshots of a training, oldest first: an `rv.explain.WeightPath`, or dicts of arrays.
        span: how far the axes go to each side of the middle; None: as far as the path (or 1).
        points: on each axis.
        rows: how many rows are used, chosen by the seed.
        seed: of the rows and of random directions.
        engine: "native" or "reference".

    Returns:
        A record with grid and path; ``.plot("surface.png")`` draws it.

    Raises:
        NotBuiltError: before the first fit or build.
        UnknownNameError, PositionError: a weight that is not there.
        RanvierError: rows, snapshots or arguments that cannot be used.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = np.linspace(-1.0, 1.0, 32)[:, None]
        >>> model = rv.Sequential(rv.Dense(1), dtype="float64").build((1,))
        >>> pair = (("layers.0.weight", (0, 0)), ("layers.0.bias", (0,)))
        >>> model.layers[0].weight[:] = 1.5
        >>> bowl = rv.explain.error_surface(model, x, 2.0 * x + 0.5, axes=pair, points=41, span=2.0)
        >>> [round(place, 6) for place in bowl.lowest]
        [2.0, 0.5]
    """
    whole_number("error_surface", "points", points, low=2)
    whole_number("error_surface", "rows", rows, low=1)
    whole_number("error_surface", "seed", seed, low=0, high=2**63 - 1)
    one_of("error_surface", "engine", engine, ENGINES)
    if span is not None:
        number("error_surface", "span", span, 0.0, above_low=True)
    subject = subject_of("error_surface", model, x, y).sample(rows, seed)
    names = subject.network.trainable
    given = path.snapshots if isinstance(path, WeightPath) else path
    vectors = _path_vectors(subject, names, given)
    chosen = _chosen_axes(subject, names, axes, vectors, seed)
    loss_at = _loss_function(subject, engine)
    return _surveyed(subject, names, chosen, vectors, given, span, points, loss_at)


def _vector(parameters: Mapping[str, Array], names: Sequence[str]) -> NDArray[np.float64]:
    parts = [np.asarray(parameters[name], np.float64).reshape(-1) for name in names]
    return np.concatenate([*parts, np.zeros(0)])


def _parameters(
    subject: Subject, names: Sequence[str], vector: NDArray[np.float64]
) -> dict[str, Array]:
    """All parameters of the network, the trained ones from a vector."""
    found, place = dict(subject.network.parameters), 0
    for name in names:
        old = found[name]
        found[name] = vector[place : place + old.size].reshape(old.shape).astype(old.dtype)
        place += old.size
    return found


def _path_vectors(
    subject: Subject, names: Sequence[str], path: Snapshots | None
) -> NDArray[np.float64] | None:
    if path is None or not len(path):
        return None
    parameters = subject.network.parameters
    for place, snapshot in enumerate(path):
        for name in parameters:
            found = np.shape(snapshot[name]) if name in snapshot else None
            if found != parameters[name].shape:
                raise ShapeError(
                    f"error_surface: snapshot {place} of the path is not of this model.",
                    happened=f"it has no {name}" if found is None else
                    f"its {name} has shape {show_shape(found)}",
                    needed=f"{name} of shape {show_shape(parameters[name].shape)}",
                    fix="record it with fit(..., callbacks=[rv.explain.WeightPath()])",
                )  # fmt: skip
    return np.stack([_vector(snapshot, names) for snapshot in path])


def _chosen_axes(
    subject: Subject,
    names: Sequence[str],
    axes: tuple[Weight, Weight] | None,
    path: NDArray[np.float64] | None,
    seed: int,
) -> _Axes:
    now = _vector(subject.network.parameters, names)
    if axes is not None:
        return _of_two_weights(subject, names, axes, now)
    if path is not None and len(path) > 2:
        moved = path - path.mean(axis=0)
        _, sizes, components = np.linalg.svd(moved, full_matrices=False)
        if len(sizes) > 1 and sizes[1] > 1e-9 * sizes[0]:
            labels = ("first direction of the path", "second direction of the path")
            return _Axes(now, components[:2], (0.0, 0.0), labels)
    generator, columns = host_generator(seed, "explain.surface"), []
    for _ in range(2):
        parts = []
        for name in names:
            array = np.asarray(subject.network.parameters[name], np.float64)
            drawn = generator.standard_normal(array.shape)
            length = np.linalg.norm(drawn.reshape(-1, array.shape[-1] if array.ndim else 1), axis=0)
            wanted = np.linalg.norm(array.reshape(-1, array.shape[-1] if array.ndim else 1), axis=0)
            parts.append((drawn * wanted / np.where(length > 0.0, length, 1.0)).reshape(-1))
        columns.append(np.concatenate([*parts, np.zeros(0)]))
    labels = ("first random direction", "second random direction")
    return _Axes(now, np.stack(columns), (0.0, 0.0), labels)


def _of_two_weights(
    subject: Subject,
    names: Sequence[str],
    axes: tuple[Weight, Weight],
    now: NDArray[np.float64],
) -> _Axes:
    directions, labels, start = np.zeros((2, len(now))), [], []
    if len(axes) != 2 or axes[0] == axes[1]:
        raise ArgumentError(
            "error_surface: the argument axes is not understood.",
            happened=f"it is {axes!r:.120}",
            needed="two different weights",
            fix='write axes=(("layers.0.weight", (0, 0)), ("layers.0.weight", (1, 0)))',
        )
    for row, (name, place) in enumerate(axes):
        if name not in names:
            raise UnknownNameError(
                f"error_surface: there is no trained parameter {name!r:.80}.",
                happened="the network does not have it",
                needed="the full name of a parameter",
                fix=did_you_mean(str(name), names),
            )
        shape = subject.network.parameters[name].shape
        fits = len(place) == len(shape) and all(
            0 <= k < n for k, n in zip(place, shape, strict=True)
        )
        if not fits:
            raise PositionError(
                f"error_surface: {name} has no place {place!r:.80}.",
                happened=f"its shape is {show_shape(shape)}",
                needed="a place for each axis, from 0",
                fix=f"for example {tuple(0 for _ in shape)}",
            )
        before = sum(subject.network.parameters[n].size for n in names[: list(names).index(name)])
        directions[row, before + int(np.ravel_multi_index(place, shape))] = 1.0
        labels.append(f"{name}{list(place)}")
        start.append(float(now[directions[row] == 1.0][0]))
    return _Axes(now, directions, (start[0], start[1]), (labels[0], labels[1]))


def _surveyed(
    subject: Subject,
    names: Sequence[str],
    axes: _Axes,
    vectors: NDArray[np.float64] | None,
    path: Snapshots | None,
    span: float | None,
    points: int,
    loss_at: Callable[[Mapping[str, Array]], float],
) -> ErrorSurface:
    way = None if vectors is None else axes.places(vectors)
    lines = []
    for k in range(2):
        low = high = axes.start[k]
        if way is not None:
            low, high = min(low, float(way[:, k].min())), max(high, float(way[:, k].max()))
        margin = 0.25 * (high - low) if high > low else 1.0
        low, high = (low - margin, high + margin) if span is None else (
            axes.start[k] - span, axes.start[k] + span)  # fmt: skip
        lines.append(np.linspace(low, high, points))
    losses = np.empty((points, points))
    for row, b in enumerate(lines[1]):
        for column, a in enumerate(lines[0]):
            steps = np.array([a - axes.start[0], b - axes.start[1]])
            there = _parameters(subject, names, axes.middle + steps @ axes.directions)
            losses[row, column] = loss_at(there)
    along = None if path is None or way is None else np.array([loss_at(p) for p in path])
    told = None
    if vectors is not None and way is not None:
        moved = vectors - vectors.mean(axis=0)
        seen = (way - way.mean(axis=0)) @ axes.directions
        whole = float((moved**2).sum())
        told = float((seen**2).sum()) / whole if whole > 0.0 else None
    return ErrorSurface(lines[0], lines[1], losses, axes.labels, way, along, told)


def _loss_function(subject: Subject, engine: str) -> Callable[[Mapping[str, Array]], float]:
    """A function from parameters to the mean loss of the rows, layers as after training."""
    network = subject.network
    x = tuple(_as_read(network, place, one) for place, one in enumerate(subject.x))
    logits = tuple(taken_logits(network, subject.losses))
    of_rows, goals = row_loss_function(network, subject.targets, subject.losses)

    def mean_loss(parameters: Any, x: Any, goals: Any) -> Any:
        context = Context(dtype=network.dtype)
        found = network.forward(tuple(x), parameters, context, logits=logits)
        outputs = found if isinstance(found, tuple) else (found,)
        return ops.mean(of_rows(*outputs, *goals))

    compiled = compile(mean_loss, engine=engine)
    return lambda parameters: float(compiled(dict(parameters), x, tuple(goals)))


def _as_read(network: Network, place: int, x: Array) -> Array:
    """An input in the network's dtype, unless somebody reads it as integers."""
    readers = [network.layers[c.layer] for c in network.wiring.calls if place in c.reads]
    whole = any(layer.reads_integers for layer in readers) and x.dtype.kind in "iu"
    return x if whole else x.astype(network.dtype, copy=False)
