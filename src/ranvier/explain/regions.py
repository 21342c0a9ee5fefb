"""Decision regions: what a network says at every place of the plane of its two inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.explain.colours import CLASSES, SEQUENTIAL, Pixels, coloured, hex_colour
from ranvier.explain.subject import Array, ModelLike, Subject, subject_of
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.pictures import check_picture, new_figure, save_picture
from ranvier.foundation.shapes import N, show_shape
from ranvier.layers.arguments import whole_number


@dataclass(frozen=True, eq=False)
class DecisionRegions:
    """What a network says over the plane.

    Attributes:
        first, second: ``(A,), (B,)`` places on the axes.
        classes: ``(B, A)``, the most probable class; all 0 for numbers.
        values: ``(B, A)``, its probability; for numbers the output itself.
        class_names: what the classes are called; empty for numbers.
        x: ``(N, 2)`` rows to draw over it.
        targets: ``(N,)`` their classes or numbers.
    """

    first: NDArray[np.float64] = field(repr=False)
    second: NDArray[np.float64] = field(repr=False)
    classes: NDArray[np.int64] = field(repr=False)
    values: NDArray[np.float64] = field(repr=False)
    class_names: tuple[str, ...]
    x: Array = field(repr=False)
    targets: Array = field(repr=False)

    def pixels(self) -> Pixels:
        """The plane as a picture, the second axis upwards. **Shapes** ``-> (B, A, 3)``"""
        if not self.class_names:
            shown = coloured(
                self.values, float(self.values.min()), float(self.values.max()), SEQUENTIAL
            )
            return shown[::-1]
        pure = CLASSES[self.classes % len(CLASSES)].astype(np.float64)
        # The less sure, the paler.
        floor = 1.0 / max(2, len(self.class_names))
        sure = np.clip((self.values - floor) / (1.0 - floor), 0.0, 1.0)[..., None]
        share = 0.15 + 0.6 * sure
        return np.asarray(np.round(255.0 - (255.0 - pure) * share), np.uint8)[::-1]

    def plot(self, path: str | Path) -> None:
        """Draw the plane with the rows over it.

        Args:
            path: of the file; ``.png``, ``.svg`` or ``.pdf``.

        Raises:
            MissingExtraError: without matplotlib.
            FileError: a place where no picture can be written.
        """
        place = Path(path)
        figure = new_figure("A picture of decision regions", 6.0, 5.4)
        check_picture(place, f"The picture {str(place)!r} cannot be written.", "regions.png")
        axes = figure.add_subplot()
        extent = (self.first[0], self.first[-1], self.second[0], self.second[-1])
        axes.imshow(self.pixels(), extent=extent, aspect="auto", interpolation="bilinear")
        if self.class_names:
            for number, name in enumerate(self.class_names):
                own = self.x[self.targets == number]
                colour = hex_colour(CLASSES[number % len(CLASSES)])
                axes.scatter(
                    *own.T, s=12, color=colour, edgecolors="black", linewidths=0.4, label=name
                )
            axes.legend()
        else:
            colours = (
                coloured(self.targets, self.values.min(), self.values.max(), SEQUENTIAL) / 255.0
            )
            axes.scatter(*self.x.T, s=12, color=colours, edgecolors="black", linewidths=0.4)
        axes.set(xlabel="input 0", ylabel="input 1")
        save_picture(figure, place, "give another place")


def decision_regions(
    model: ModelLike,
    x: object,
    y: object,
    *,
    points: int = 150,
    margin: float = 0.1,
    engine: str = "native",
) -> DecisionRegions:
    """What a network of two inputs says at every place around its rows.

    **Shapes** ``x: (N, 2), y: (N,)``

    Args:
        model: built, with one input of two numbers a row; for classes, or one number.
        x, y: rows to draw over it.
        points: on each axis.
        margin: how far the plane reaches beyond the rows, as a share of their range.
        engine: of the predictions, "native" or "reference".

    Returns:
        A record; ``.plot("regions.png")`` draws it.

    Raises:
        NotBuiltError: before the first fit or build.
        ArgumentError: a network with another number of inputs, or several numbers as outputs.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> model = rv.Sequential(rv.Dense(2)).build((2,))
        >>> model.layers[0].weight[:] = [[-1.0, 1.0], [0.0, 0.0]]
        >>> x, y = np.array([[-1.0, 0.0], [1.0, 1.0]]), np.array([0, 1])
        >>> found = rv.explain.decision_regions(model, x, y, points=4, engine="reference")
        >>> found.classes[0].tolist()
        [0, 0, 1, 1]
    """
    whole_number("decision_regions", "points", points, low=2)
    subject = subject_of("decision_regions", model, x, y)
    network = subject.network
    numbers_only = not subject.for_classes and network.output_shape != (1,)
    if not subject.single or network.input_shape != (2,) or numbers_only:
        read = " and ".join(show_shape((N, *shape)) for shape in network.input_shapes)
        raise ArgumentError(
            "decision_regions draws the plane of two inputs.",
            happened=f"the network reads {read} and gives {show_shape((N, *network.output_shape))}",
            needed="one input (N, 2), and classes or one number as output",
            fix="train a model on two columns, or use rv.explain.activations",
        )
    lines = []
    for column in subject.x[0].astype(np.float64).T:
        extra = margin * (float(np.ptp(column)) or 1.0)
        lines.append(np.linspace(column.min() - extra, column.max() + extra, points))
    plane = np.stack(np.meshgrid(lines[0], lines[1]), axis=-1).reshape(-1, 2)
    plane = plane.astype(network.dtype)
    return _said(subject, lines, plane, points, engine)


def _said(
    subject: Subject, lines: list[NDArray[np.float64]], plane: Array, points: int, engine: str
) -> DecisionRegions:
    x, targets = subject.x[0], subject.targets[0]
    names: tuple[str, ...] = ()
    if subject.for_classes:
        shares: Any = np.asarray(subject.model.predict_proba(plane, engine=engine), np.float64)
        classes, values, names = shares.argmax(axis=1), shares.max(axis=1), subject.class_names
    else:
        values = np.asarray(subject.model.predict(plane, engine=engine), np.float64)[:, 0]
        classes, targets = np.zeros(len(values), np.int64), targets.reshape(len(targets), -1)[:, 0]
    grid = (points, points)
    return DecisionRegions(
        lines[0], lines[1], classes.reshape(grid), values.reshape(grid), names, x, targets
    )
