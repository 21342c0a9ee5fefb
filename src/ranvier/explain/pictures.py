"""Weights and activations of a layer as pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ranvier.explain.colours import DIVERGING, SEQUENTIAL, Pixels, coloured, mosaic, png_bytes
from ranvier.explain.passes import forward_pass, own_parameters
from ranvier.explain.subject import Array, ModelLike, check_model
from ranvier.foundation.errors import (
    ArgumentError,
    PositionError,
    ShapeError,
    UnknownNameError,
    did_you_mean,
)
from ranvier.foundation.pictures import check_picture, new_figure, save_picture
from ranvier.foundation.shapes import show_shape
from ranvier.layers import (
    Activation,
    AlphaDropout,
    BatchNorm,
    Dropout,
    Flatten,
    GaussianNoise,
    Rescaling,
)
from ranvier.networks.network import Network

#: Layers behind which each number still belongs to its place in the input.
IN_ORDER = (Activation, AlphaDropout, BatchNorm, Dropout, Flatten, GaussianNoise, Rescaling)
#: Tiles of a picture.
MOST_TILES = 64
#: The longest side of a matrix that is drawn whole.
LONGEST_SIDE = 1024


@dataclass(frozen=True, eq=False)
class Picture:
    """Numbers as tiles of colours: weights around 0 in blue and red, others from dark to light.

    Attributes:
        title: what is drawn.
        tiles: ``(T, H, W)``.
        labels: of each tile.
        low, high: the numbers of the first and last colour.
        signed: whether 0 is in the middle of the colours.
    """

    title: str
    tiles: Array = field(repr=False)
    labels: tuple[str, ...] = field(repr=False)
    low: float
    high: float
    signed: bool

    def pixels(self) -> Pixels:
        """All tiles in one picture, a pixel for each number. **Shapes** ``-> (H, W, 3)``"""
        ramp = DIVERGING if self.signed else SEQUENTIAL
        colours = coloured(self.tiles, self.low, self.high, ramp)
        return mosaic(colours, math.ceil(math.sqrt(len(self.tiles))))

    def png(self) -> bytes:
        """The same as a PNG file."""
        return png_bytes(self.pixels())

    def plot(self, path: str | Path) -> None:
        """Draw it with a scale of colours.

        Args:
            path: of the file; ``.png``, ``.svg`` or ``.pdf``.

        Raises:
            MissingExtraError: without matplotlib; :meth:`png` needs no package.
            FileError: a place where no picture can be written.
        """
        place = Path(path)
        figure = new_figure("A picture of weights", 6.0, 5.2)
        check_picture(place, f"The picture {str(place)!r} cannot be written.", "weights.png")
        places = figure.add_gridspec(1, 2, width_ratios=(24.0, 1.0))
        axes, side = figure.add_subplot(places[0]), figure.add_subplot(places[1])
        axes.imshow(self.pixels(), interpolation="nearest")
        axes.set(xticks=[], yticks=[], title=self.title)
        ramp = DIVERGING if self.signed else SEQUENTIAL
        scale = coloured(np.linspace(self.high, self.low, 256)[:, None], self.low, self.high, ramp)
        side.imshow(scale, aspect="auto", extent=(0.0, 1.0, self.low, self.high))
        side.set(xticks=[])
        side.yaxis.tick_right()
        save_picture(figure, place, "give another place")


def weight_picture(
    model: ModelLike,
    layer: int = 0,
    name: str = "weight",
    *,
    shape: tuple[int, int] | None = None,
    most: int = MOST_TILES,
) -> Picture:
    """The weights of a layer as a picture, red above 0 and blue below.

    A Dense layer that reads pictures (behind Flatten) gives a tile for each neuron, in the shape of
    the pictures; another one its whole matrix, inputs downwards and neurons to the right. A kernel
    of four axes (height, width, channels, filters) gives a tile for each filter and channel.

    Args:
        model: built.
        layer: its number.
        name: of the parameter.
        shape: of the tiles of a matrix, (height, width); None: the pictures' where it has some.
        most: how many tiles are drawn.

    Raises:
        NotBuiltError: before the first fit or build.
        PositionError: a layer that is not there.
        UnknownNameError: a parameter that the layer does not have.
        ShapeError: a shape with another number of inputs.

    Example:
        >>> import ranvier as rv
        >>> model = rv.Sequential(rv.Flatten(), rv.Dense(5)).build((4, 3))
        >>> rv.explain.weight_picture(model, 1).tiles.shape
        (5, 4, 3)
    """
    check_model("weight_picture", model)
    network = model.network
    number = _checked_layer("weight_picture", network, layer)
    own = own_parameters(network.parameters, number)
    if name not in own:
        raise UnknownNameError(
            f"layer {number}, {network.layers[number].describe()}, has no parameter {name!r:.40}.",
            happened="the layer did not declare it",
            needed="the name of one of its parameters" if own else "a layer with parameters",
            fix=did_you_mean(name, own) if own else "choose another layer",
        )
    values = own[name].astype(np.float64)
    tiles, labels = _weight_tiles(values, shape, _read_pictures(network, number))
    largest = float(np.abs(values).max()) if values.size else 1.0
    title = f"{name} of layer {number}, {network.layers[number].describe()}"
    return Picture(title, tiles[:most], labels[:most], -largest or -1.0, largest or 1.0, True)


def _weight_tiles(
    values: Array, shape: tuple[int, int] | None, pictures: tuple[int, ...]
) -> tuple[Array, tuple[str, ...]]:
    if values.ndim == 2:
        inputs, units = values.shape
        if shape is None and len(pictures) in (2, 3) and math.prod(pictures) == inputs:
            tiles = values.T.reshape(units, *pictures)
            # Of several colours each is a tile below the other.
            tiles = (
                tiles
                if len(pictures) == 2
                else np.concatenate(list(tiles.transpose(3, 0, 1, 2)), 1)
            )
            return tiles, tuple(f"neuron {k}" for k in range(units))
        if shape is not None:
            if math.prod(shape) != inputs:
                raise ShapeError(
                    "weight_picture: the weights do not fit into tiles of this shape.",
                    happened=f"a neuron has {inputs} weights, shape is {show_shape(shape)}",
                    needed="height x width = the number of inputs",
                    fix="leave the shape out to draw the whole matrix",
                )
            return values.T.reshape(units, *shape), tuple(f"neuron {k}" for k in range(units))
        return values[None, :LONGEST_SIDE, :LONGEST_SIDE], ("inputs x neurons",)
    if values.ndim == 4:
        height, width, channels, filters = values.shape
        tiles = values.transpose(3, 2, 0, 1).reshape(filters * channels, height, width)
        pairs = [(f, c) for f in range(filters) for c in range(channels)]
        return tiles, tuple(f"filter {f}, channel {c}" for f, c in pairs)
    flat = values.reshape(
        1, max(1, values.size // max(1, values.shape[-1] if values.ndim else 1)), -1
    )
    return flat[:, :LONGEST_SIDE, :LONGEST_SIDE], ("all",)


def _read_pictures(network: Network, number: int) -> tuple[int, ...]:
    """The shape of the pictures whose numbers a layer reads, in their order; () for others."""
    wiring = network.wiring
    call = next(one for one in wiring.calls if one.layer == number)
    while True:
        place = wiring.source(call.reads[0])
        if place is None:
            return network.input_shapes[call.reads[0]]
        call = wiring.calls[place]
        if not isinstance(network.layers[call.layer], IN_ORDER):
            return ()


def _checked_layer(place: str, network: Network, layer: object) -> int:
    count = len(network.layers)
    if isinstance(layer, bool) or not isinstance(layer, int) or not -count <= layer < count:
        raise PositionError(
            f"{place}: the network has no layer {layer!r:.40}.",
            happened=f"it has {count} layers",
            needed=f"a number from 0 to {count - 1}",
            fix="model.summary() lists the layers with their numbers",
        )
    return layer % count


@dataclass(frozen=True, eq=False)
class Activations:
    """What a layer gives for some examples.

    Attributes:
        layer: its number.
        description: the layer as it is written.
        values: ``(N, ...)``, of the first place where it is used.
        net_inputs: ``(N, ...)`` before the activation, or None.
    """

    layer: int
    description: str
    values: Array = field(repr=False)
    net_inputs: Array | None = field(repr=False)

    def picture(self, most: int = MOST_TILES) -> Picture:
        """As a picture: an example a line; of layers that give pictures a tile each.

        Args:
            most: how many examples (or tiles of the first example) are drawn.
        """
        values = self.values.astype(np.float64)
        if values.ndim == 4:
            tiles = values[0].transpose(2, 0, 1)[:most]
            labels = tuple(f"channel {k}" for k in range(len(tiles)))
        elif values.ndim == 3:
            tiles, labels = values[:most], tuple(f"example {k}" for k in range(len(values[:most])))
        else:
            tiles, labels = (
                values.reshape(len(values), -1)[None, :most, :LONGEST_SIDE],
                ("examples",),
            )
        low, high = float(values.min()), float(values.max())
        signed = low < 0.0 < high
        size = max(abs(low), abs(high))
        title = f"activations of layer {self.layer}, {self.description}"
        return Picture(
            title, tiles, labels, -size if signed else low, size if signed else high, signed
        )

    def plot(self, path: str | Path) -> None:
        """Draw :meth:`picture`; see :meth:`Picture.plot`."""
        self.picture().plot(path)


def activations(model: ModelLike, x: object, layer: int = -1) -> Activations:
    """What a layer gives for examples, as after training.

    **Shapes** ``x: (N, ...) -> (N, ...)``

    Args:
        model: built.
        x: examples, as for `predict`.
        layer: its number; -1 is the last one.

    Raises:
        NotBuiltError: before the first fit or build.
        PositionError: a layer that is not there.
        RanvierError: examples that do not fit the model.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> model = rv.Sequential(rv.Dense(3, activation="relu"), rv.Dense(2)).build((4,))
        >>> rv.explain.activations(model, np.ones((5, 4)), 0).values.shape
        (5, 3)
    """
    check_model("activations", model)
    network = model.network
    number = _checked_layer("activations", network, layer)
    arrays = model.input_arrays(x)
    calls, _ = forward_pass(network, arrays, [False] * len(network.wiring.outputs))
    record = next(one for one in calls if one.number == number)
    if record.outputs[0].ndim < 2:
        raise ArgumentError(
            f"activations: {record.title} gives one number a row.",
            happened=f"its shape is {show_shape(record.outputs[0].shape)}",
            needed="a layer with outputs of at least one axis a row",
            fix="use model.predict for it",
        )
    return Activations(number, record.layer.describe(), record.outputs[0], record.net_inputs)
