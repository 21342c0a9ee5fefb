"""A network as a diagram: neurons as circles, weights as lines whose width is their size."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np

from ranvier.explain.colours import (
    DIVERGING,
    SEQUENTIAL,
    coloured,
    data_uri,
    hex_colour,
    picture_of_data,
)
from ranvier.explain.passes import CallRecord, forward_pass
from ranvier.explain.subject import Array, ModelLike, check_model, one_example
from ranvier.foundation.shapes import N, show_shape
from ranvier.layers import Dense
from ranvier.layers.arguments import whole_number
from ranvier.networks.network import Network
from ranvier.networks.shapes import infer_shapes
from ranvier.networks.wiring import Call

#: Distances in pixels.
COLUMN, ROW, RADIUS, TOP, SIDE = 170.0, 26.0, 9.0, 62.0, 70.0
#: Lines between two layers; the strongest are drawn.
MOST_LINES = 600
#: The widest line.
WIDEST = 5.0
POSITIVE, NEGATIVE, GREY = "#b2182b", "#2166ac", "#999999"


@dataclass(frozen=True)
class _Column:
    """What one value of the network is drawn as.

    Attributes:
        x: where.
        units: how many numbers a row has; 0 for what has several axes: it is a box.
        shown: which of them are circles.
        top: the height of the first circle.
        title, below: texts.
        values: numbers of an example, or None.
    """

    x: float
    units: int
    shown: tuple[int, ...]
    top: float
    title: str
    below: str
    values: Array | None

    def y(self, unit: int) -> float:
        """The height of a circle (of the gap for those that are not shown)."""
        if unit in self.shown:
            place = self.shown.index(unit)
            gap = place >= _first_half(self.shown, self.units)
            return self.top + ROW * (place + (1 if gap else 0))
        return self.top + ROW * _first_half(self.shown, self.units)

    @property
    def bottom(self) -> float:
        """The height of the lowest circle."""
        return self.y(self.shown[-1]) if self.shown else self.top + 2 * ROW

    @property
    def middle(self) -> float:
        """Half way down."""
        return (self.top + self.bottom) / 2.0


def _first_half(shown: tuple[int, ...], units: int) -> int:
    return (len(shown) + 1) // 2 if len(shown) < units else len(shown)


def network_diagram(model: ModelLike, x: object = None, *, most: int = 12) -> str:
    """A model as an SVG picture; its text can be written to a file or put into a page.

    A layer that gives rows of numbers is a column of circles, others are boxes. Between a Dense
    layer and what it reads there is a line for each weight, red above 0 and blue below, as wide as
    the weight is large (among those of its layer). Large layers show their first and last neurons.

    Args:
        model: built.
        x: one example: circles then have the colours of their values; None: white.
        most: circles of a column.

    Returns:
        The text of the SVG file.

    Raises:
        NotBuiltError: before the first fit or build.
        ArgumentError: fewer than 2 circles.
        RanvierError: an example that does not fit the model.

    Example:
        >>> import ranvier as rv
        >>> model = rv.Sequential(rv.Dense(3, activation="relu"), rv.Dense(2)).build((4,))
        >>> picture = rv.explain.network_diagram(model)
        >>> picture.count("<circle"), picture.count("<line")
        (9, 18)
    """
    check_model("network_diagram", model)
    whole_number("network_diagram", "most", most, low=2)
    network = model.network
    records = None
    if x is not None:
        given = model.input_arrays(one_example(network, x))
        records = forward_pass(
            network, [a[:1] for a in given], [False] * len(network.wiring.outputs)
        )[0]
        inputs: list[Array | None] = [one[0] for one in given]
    else:
        inputs = [None] * len(network.wiring.inputs)
    columns = _columns(network, records, inputs, most)
    lines = [part for call in network.wiring.calls for part in _connections(network, call, columns)]
    marks = [part for column in columns.values() for part in _marks(column)]
    width = max(column.x for column in columns.values()) + SIDE
    height = max(column.bottom for column in columns.values()) + 50.0
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
            f'width="{width:.0f}" height="{height:.0f}" font-family="sans-serif" font-size="11">',
            f'<rect width="{width:.0f}" height="{height:.0f}" fill="white"/>',
            *lines,
            *marks,
            "</svg>",
        ]
    )


def _columns(
    network: Network, records: list[CallRecord] | None, inputs: list[Array | None], most: int
) -> dict[int, _Column]:
    """Each value of the network with its place in the picture."""
    wiring, depth = network.wiring, dict.fromkeys(range(len(network.wiring.inputs)), 0)
    shapes = dict(enumerate(network.input_shapes))
    texts = {
        k: (f"input {n!r}" if len(inputs) > 1 else "input") for k, n in enumerate(wiring.inputs)
    }
    values: dict[int, Array | None] = dict(enumerate(inputs))
    inferred = infer_shapes(network.layers, wiring, network.input_shapes, network.dtype)
    for place, (call, one) in enumerate(zip(wiring.calls, inferred, strict=True)):
        for k, value in enumerate(call.gives):
            depth[value] = 1 + max(depth[read] for read in call.reads)
            shapes[value] = one.output_shapes[k]
            texts[value] = f"{call.layer} {network.layers[call.layer].describe()}"
            values[value] = None if records is None else records[place].outputs[k][0]
    heights = {v: _height(shape, most) for v, shape in shapes.items()}
    stacks: dict[int, list[int]] = {}
    for value, level in depth.items():
        stacks.setdefault(level, []).append(value)
    gap = 70.0
    tallest = max(
        sum(heights[v] for v in stack) + gap * (len(stack) - 1) for stack in stacks.values()
    )
    found = {}
    for level, stack in stacks.items():
        whole = sum(heights[v] for v in stack) + gap * (len(stack) - 1)
        top = TOP + (tallest - whole) / 2.0
        for value in stack:
            units = shapes[value][0] if len(shapes[value]) == 1 else 0
            found[value] = _Column(
                SIDE + COLUMN * level, units, _shown(units, most), top, texts[value],
                show_shape((N, *shapes[value])), values[value],
            )  # fmt: skip
            top += heights[value] + gap
    return found


def _shown(units: int, most: int) -> tuple[int, ...]:
    if units <= most:
        return tuple(range(units))
    first = (most + 1) // 2
    return (*range(first), *range(units - (most - first), units))


def _height(shape: tuple[int, ...], most: int) -> float:
    if len(shape) != 1:
        return 2 * ROW
    units = shape[0]
    return ROW * (units - 1 if units <= most else most)


def _connections(network: Network, call: Call, columns: dict[int, _Column]) -> list[str]:
    """The lines from what a layer reads to what it gives."""
    layer, target = network.layers[call.layer], columns[call.gives[0]]
    source = columns[call.reads[0]]
    if isinstance(layer, Dense) and source.units and target.units:
        weight = np.asarray(layer.values["weight"], np.float64)
        weight = np.nan_to_num(weight, nan=0.0, posinf=0.0, neginf=0.0)
        pairs = [(i, j) for i in source.shown for j in target.shown]
        pairs.sort(key=lambda pair: -abs(weight[pair]))
        largest = float(np.abs(weight).max()) or 1.0
        # The largest on top.
        return [
            _line(source, target, i, j, WIDEST * abs(weight[i, j]) / largest,
                  POSITIVE if weight[i, j] >= 0 else NEGATIVE)
            for i, j in reversed(pairs[:MOST_LINES])
        ]  # fmt: skip
    lines = []
    for read in call.reads:
        source = columns[read]
        if source.units and source.units == target.units:
            lines += [_line(source, target, k, k, 0.8, GREY) for k in source.shown]
        else:
            start, end = (
                (source.x + _reach(source), source.middle),
                (target.x - _reach(target), target.middle),
            )
            lines.append(_stroke(start, end, 2.5, GREY))
    return lines


def _reach(column: _Column) -> float:
    # Beside a column with a gap the word for what is left out stands in the middle.
    return 30.0 if column.units else 28.0


def _line(source: _Column, target: _Column, i: int, j: int, width: float, colour: str) -> str:
    start, end = (source.x + RADIUS, source.y(i)), (target.x - RADIUS, target.y(j))
    return _stroke(start, end, max(width, 0.15), colour)


def _stroke(start: tuple[float, float], end: tuple[float, float], width: float, colour: str) -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{colour}" stroke-width="{width:.2f}" stroke-opacity="0.75"/>'
    )


def _marks(column: _Column) -> list[str]:
    """Circles or a box, and the texts."""
    words = _wrapped(column.title)
    parts = [
        _text(column.x, column.top - 22.0 - 12.0 * (len(words) - 1 - k), word)
        for k, word in enumerate(words)
    ]
    colours = _colours(column)
    for unit in column.shown:
        fill = colours[unit]
        label = f"neuron {unit}"
        if column.values is not None:
            label += f": {float(column.values[unit]):.4g}"
        parts.append(
            f'<circle cx="{column.x:.1f}" cy="{column.y(unit):.1f}" r="{RADIUS}" fill="{fill}" '
            f'stroke="#333333"><title>{label}</title></circle>'
        )
    if column.units > len(column.shown):
        hidden = column.units - len(column.shown)
        height = column.top + ROW * _first_half(column.shown, column.units)
        parts.append(_text(column.x, height + 4.0, f"{hidden} more"))
    pixels = None if column.values is None or column.units else picture_of_data(column.values)
    if pixels is not None:
        parts.append(
            f'<image href="{data_uri(pixels)}" x="{column.x - 26:.1f}" y="{column.top:.1f}" '
            f'width="52" height="{2 * ROW:.1f}" style="image-rendering: pixelated"/>'
        )
    elif not column.units:
        parts.append(
            f'<rect x="{column.x - 26:.1f}" y="{column.top:.1f}" width="52" height="{2 * ROW:.1f}" '
            'rx="5" fill="#eeeeee" stroke="#333333"/>'
        )
    parts.append(_text(column.x, column.bottom + 26.0, column.below))
    return parts


def _colours(column: _Column) -> dict[int, str]:
    if column.values is None or not column.units:
        return dict.fromkeys(column.shown, "white")
    numbers: Any = np.asarray(column.values, np.float64)
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if low < 0.0:
        size = max(abs(low), abs(high))
        pixels = coloured(numbers, -size, size, DIVERGING)
    else:
        pixels = coloured(numbers, low, high, SEQUENTIAL)
    return {unit: hex_colour(pixels[unit]) for unit in column.shown}


def _wrapped(title: str, width: int = 24, most: int = 3) -> list[str]:
    """A text in lines that fit between the columns."""
    lines = textwrap.wrap(title, width) or [""]
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][:-1] + "…"]


def _text(x: float, y: float, words: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{html.escape(words)}</text>'
