"""Layers by the words that people type: ``"batch_norm"``, ``"BatchNorm"`` and ``"batchnorm"``."""

from __future__ import annotations

import re

from ranvier.layers.base import LAYERS, Layer
from ranvier.layers.configured import name_from_class


def word_of(kind: str) -> str:
    """A registered layer's name as a word of a text.

    >>> word_of("BatchNorm"), word_of("RMSNorm"), word_of("PReLU"), word_of("LeakyReLU")
    ('batch_norm', 'rms_norm', 'prelu', 'leaky_relu')
    """
    # ReLU is one word in spite of its capitals, and a single letter in front belongs to it.
    return re.sub(r"^(\w)_", r"\1", name_from_class(kind.replace("ReLU", "Relu")))


def layer_of_word(word: str) -> type[Layer] | None:
    """The registered layer that a word means, whatever its capitals and underscores; or None.

    >>> layer_of_word("prelu").__name__, layer_of_word("Batch_Norm").__name__
    ('PReLU', 'BatchNorm')
    """
    plain = word.replace("_", "").lower()
    return next((kind for name, kind in LAYERS.items() if name.lower() == plain), None)
