"""Networks in one line of text: ``"dense 64 relu, dropout 0.2, dense 10"``.

network    = layer , { "," , layer }
layer      = "dense" units [ activation ] | "dropout" rate | "flatten"
           | "rescaling" scale [ offset ] | "reshape" length { length } | "activation" name
           | name of an activation | name of any other layer of one input { argument }
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass

from ranvier.foundation.errors import ArgumentError, RanvierError, UnknownNameError, did_you_mean
from ranvier.layers import (
    ACTIVATIONS,
    LAYERS,
    Activation,
    Dense,
    Dropout,
    Flatten,
    Layer,
    Rescaling,
    Reshape,
)
from ranvier.layers.words import layer_of_word, word_of


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
    "reshape": Word("reshape 8 8", 1, 8, lambda words: Reshape([_length(word) for word in words])),
    "activation": Word("activation tanh", 1, 1, lambda words: Activation(words[0])),
}
#: Types of arguments that a word can stand for.
_READ: dict[str, Callable[[str], object]] = {
    "int": lambda word: _length(word),
    "float": lambda word: _number(word),
    "bool": lambda word: _yes_or_no(word),
    "str": str,
}


def layer_words() -> dict[str, Word]:
    """Every layer that the text knows: those above, and the registered ones of one input whose
    first arguments are numbers or names.

    >>> layer_words()["batch_norm"].usage
    'batch_norm, or batch_norm momentum epsilon axis center scale'
    """
    found = dict(WORDS)
    for name, kind in LAYERS.items():
        # Rows of files are numbers, never the integers that an embedding reads.
        unfit = kind.several_inputs or kind.reads_integers or word_of(name) in found
        word = None if unfit else _registered(kind)
        if word is not None:
            found[word_of(name)] = word
    return found


def _registered(kind: type[Layer]) -> Word | None:
    """The word of a layer from its constructor; None if a text cannot say what it must have."""
    readers: list[tuple[str, Callable[[str], object]]] = []
    needed = 0
    for name, argument in list(inspect.signature(kind.__init__).parameters.items())[1:]:
        asked = argument.default is argument.empty
        type_ = argument.annotation
        written = type_.__name__ if isinstance(type_, type) else str(type_)
        reader = _READ.get(written.removesuffix(" | None"))
        if reader is None or argument.kind is not argument.POSITIONAL_OR_KEYWORD:
            if asked:
                return None
            break
        readers.append((name, reader))
        needed += asked
    word, names = word_of(kind.__name__), [name for name, _ in readers]
    usage = " ".join([word, *names[:needed]])
    if len(names) > needed:
        usage += f", or {' '.join([word, *names])}"

    def make(words: list[str]) -> Layer:
        return kind(*(read(one) for one, (_, read) in zip(words, readers, strict=False)))

    return Word(usage, needed, len(readers), make)


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
    known = layer_words()
    found = layer_of_word(name)
    name = name if found is None else word_of(found.__name__)
    if name not in known:
        raise UnknownNameError(
            f"{place} is not understood.",
            happened=f"{name!r} is no layer",
            needed="the name of a layer or of an activation",
            fix=did_you_mean(name, {*known, *ACTIVATIONS}),
        )
    word = known[name]
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


def _length(word: str) -> int:
    try:
        return int(word)
    except ValueError as error:
        raise ArgumentError(
            "That is no whole number.",
            happened=f"it is {word!r}",
            needed="a whole number such as 8",
            fix="write digits only",
        ) from error


def _yes_or_no(word: str) -> bool:
    if word not in ("true", "false"):
        raise ArgumentError(
            "That is neither true nor false.",
            happened=f"it is {word!r}",
            needed="true or false",
            fix="write true or false",
        )
    return word == "true"


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
