"""Networks in one line of text: ``"dense 64 relu, dropout 0.2, dense 10"``.

network    = layer , { "," , layer }
layer      = "dense" units [ activation ] | "dropout" rate | "flatten"
           | "rescaling" scale [ offset ] | "activation" name | name of an activation
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ranvier.foundation.errors import ArgumentError, RanvierError, UnknownNameError, did_you_mean
from ranvier.layers import (
    ACTIVATIONS,
    Activation,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Rescaling,
)


@dataclass(frozen=True)
class Word:
    """One kind of layer in the text.

    Attributes:
        usage: how it is written, for errors.
        least, most: how many words follow it.
        make: the layer from these words.
    """

    usage: str
    least: int
    most: int
    make: Callable[[list[str]], Layer]


def _dense(words: list[str]) -> Layer:
    return Dense(_whole(words[0]), activation=words[1] if len(words) > 1 else None)


def _rescaling(words: list[str]) -> Layer:
    return Rescaling(*(_number(word) for word in words))


WORDS: dict[str, Word] = {
    "dense": Word("dense 64, or dense 64 relu", 1, 2, _dense),
    "dropout": Word("dropout 0.2", 1, 1, lambda words: Dropout(_number(words[0]))),
    "flatten": Word("flatten", 0, 0, lambda words: Flatten()),
    "rescaling": Word("rescaling 0.00392", 1, 2, _rescaling),
    "activation": Word("activation tanh", 1, 1, lambda words: Activation(words[0])),
}


def parse_network(text: str) -> list[Layer]:
    """The layers that a text describes.

    Args:
        text: layers, separated by commas.

    Returns:
        New layers in order.

    Raises:
        ArgumentError: a part that is empty, or has too few, too many or wrong words.
        UnknownNameError: a word that is no layer, with the nearest one that is.

    Example:
        >>> parse_network("dense 64 relu, dropout 0.2, dense 10")
        [Dense(64, activation='relu'), Dropout(0.2), Dense(10)]
    """
    parts = [part.strip() for part in text.split(",")]
    return [_layer(number, part) for number, part in enumerate(parts, start=1)]


def _layer(number: int, part: str) -> Layer:
    place = f"--network: part {number}, {part!r},"
    words = part.lower().split()
    if not words:
        raise ArgumentError(
            f"{place} is empty.",
            happened="there is nothing between two commas, or nothing at all",
            needed='layers such as "dense 64 relu, dense 10"',
            fix="remove the comma, or write the missing layer",
        )
    name, rest = words[0], words[1:]
    if name in ACTIVATIONS and not rest:
        return Activation(name)
    if name not in WORDS:
        raise UnknownNameError(
            f"{place} is not understood.",
            happened=f"{name!r} is no layer",
            needed="the name of a layer or of an activation",
            fix=did_you_mean(name, [*WORDS, *ACTIVATIONS]),
        )
    word = WORDS[name]
    if not word.least <= len(rest) <= word.most:
        missing = len(rest) < word.least
        raise ArgumentError(
            f"{place} is not complete." if missing else f"{place} says too much.",
            happened=f"{name!r} is followed by {len(rest)} word{'' if len(rest) == 1 else 's'}",
            needed=word.usage,
            fix=f"write {word.usage}",
        )
    try:
        return word.make(rest)
    except RanvierError as error:
        raise _placed(error, place) from error


def _placed(error: RanvierError, place: str) -> RanvierError:
    """The same error, saying where in the text."""
    return type(error)(
        f"{place} is not understood.",
        happened=f"{error.headline} {error.happened}",
        needed=error.needed,
        fix=error.fix,
    )


def _whole(word: str) -> int:
    if not word.isascii() or not word.isdigit():
        raise ArgumentError(
            "That is no number of units.",
            happened=f"it is {word!r}",
            needed="a whole number of 1 or more",
            fix="write for example dense 64",
        )
    return int(word)


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError as error:
        raise ArgumentError(
            "That is no number.",
            happened=f"it is {word!r}",
            needed="a number such as 0.2",
            fix="use a point for decimals; commas separate layers",
        ) from error
