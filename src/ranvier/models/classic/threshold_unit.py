"""The threshold unit of McCulloch and Pitts, and networks of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import ranvier.ops as ops
from ranvier.foundation.errors import ArgumentError, ShapeError
from ranvier.layers.arguments import number, whole_number
from ranvier.layers.neuron import Neuron
from ranvier.ops import Tensor


class ThresholdUnit:
    """Answers 1 where the weighted sum of its inputs reaches a threshold, else 0.

    Formula: ``1 if w_0 x_0 + w_1 x_1 + ... >= threshold else 0``.

    McCulloch and Pitts, "A logical calculus of the ideas immanent in nervous activity", 1943.
    There every exciting input counts 1, and one active inhibiting input alone keeps the unit
    silent; see :meth:`with_inhibition` for weights that do the same. Nothing is learnt.

    **Shapes**: ``x: (F,) -> ()`` for one example, ``x: (N, F) -> (N,)`` for rows; int32

    Args:
        weights: one number for each input.
        threshold: the sum from which on the unit answers 1.

    Raises:
        ShapeError: for weights with no or several axes.
        ArgumentError: for weights or a threshold that are no finite numbers.

    Example:
        >>> both = ThresholdUnit([1, 1], threshold=2)
        >>> both([[0, 0], [0, 1], [1, 0], [1, 1]]).tolist()
        [0, 0, 0, 1]
    """

    def __init__(self, weights: object, threshold: float) -> None:
        self._neuron = Neuron(weights)
        self.threshold = number("ThresholdUnit", "threshold", threshold)

    @classmethod
    def with_inhibition(cls, excitatory: int, inhibitory: int, threshold: int) -> Self:
        """A unit of 1943: exciting inputs first, then inhibiting ones, each of them a veto.

        The veto is a weight so far below zero that all exciting inputs together stay under the
        threshold: ``min(-1, threshold - 1 - excitatory)``. This holds for inputs of 0 and 1.

        Args:
            excitatory: how many inputs count 1 each.
            inhibitory: how many inputs silence the unit when active.
            threshold: how many exciting inputs must be active, without a veto; at least 0.

        Raises:
            ArgumentError: for numbers that are not whole, or are below 0; no inputs at all.

        Example:
            >>> but_not = ThresholdUnit.with_inhibition(2, 1, threshold=1)
            >>> but_not
            ThresholdUnit([1.0, 1.0, -2.0], threshold=1)
            >>> but_not([[1, 0, 0], [1, 1, 1]]).tolist()
            [1, 0]
        """
        place = "ThresholdUnit.with_inhibition"
        excitatory = whole_number(place, "excitatory", excitatory, low=0)
        inhibitory = whole_number(place, "inhibitory", inhibitory, low=0)
        threshold = whole_number(place, "threshold", threshold, low=0)
        if excitatory + inhibitory == 0:
            raise ArgumentError(
                "A threshold unit needs an input.",
                happened="excitatory and inhibitory are both 0",
                needed="at least one input",
                fix="write for example with_inhibition(2, 1, threshold=1)",
            )
        veto = float(min(-1, threshold - 1 - excitatory))
        return cls([1.0] * excitatory + [veto] * inhibitory, threshold)

    @property
    def weights(self) -> Any:
        """One number for each input. **Shapes**: ``(F,)``"""
        return self._neuron.weights

    def __call__(self, x: Tensor) -> Any:
        """1 where the threshold is reached, else 0; see :class:`ThresholdUnit`.

        Raises:
            ShapeError: for inputs of another length than the weights'.
        """
        return ops.cast(ops.less_equal(self.threshold, self._neuron.net_input(x)), "int32")

    def __repr__(self) -> str:
        return f"ThresholdUnit({self.weights.tolist()}, threshold={self.threshold:g})"


class ThresholdNetwork:
    """Layers of threshold units, each reading what all units of the layer before answer.

    **Shapes**: ``x: (F,) -> (U,)`` or ``(N, F) -> (N, U)``, int32; with a single unit in the last
    layer ``()`` or ``(N,)``

    Args:
        layers: lists of units, in the order of the forward pass.

    Raises:
        ArgumentError: for no layers, an empty one, or something that is no unit.
        ShapeError: for a unit that reads another number of inputs than there are.

    Example:
        >>> either, not_both = ThresholdUnit([1, 1], 1), ThresholdUnit([-1, -1], -1)
        >>> xor = ThresholdNetwork([either, not_both], [ThresholdUnit([1, 1], 2)])
        >>> xor([[0, 0], [0, 1], [1, 0], [1, 1]]).tolist()
        [0, 1, 1, 0]
    """

    def __init__(self, *layers: Sequence[ThresholdUnit]) -> None:
        self.layers = tuple(tuple(layer) for layer in layers)
        if not self.layers or not all(self.layers):
            raise ArgumentError(
                "A network of threshold units needs units in every layer.",
                happened=f"the layers have {[len(layer) for layer in self.layers]} units",
                needed="at least one layer, and at least one unit in each",
                fix="write for example ThresholdNetwork([unit, unit], [unit])",
            )
        for place, layer in enumerate(self.layers):
            for unit in layer:
                self._check(place, unit)

    def _check(self, place: int, unit: object) -> None:
        if not isinstance(unit, ThresholdUnit):
            raise ArgumentError(
                f"layer {place} holds something that is no threshold unit.",
                happened=f"it is {unit!r:.80}",
                needed="units such as ThresholdUnit([1, 1], threshold=2)",
                fix="give lists of ThresholdUnit",
            )
        first = place == 0
        wanted = len(self.layers[0][0].weights) if first else len(self.layers[place - 1])
        if len(unit.weights) != wanted:
            raise ShapeError(
                f"layer {place}, {unit!r}, does not fit the network.",
                happened=f"it reads {len(unit.weights)} inputs",
                needed=f"{wanted} inputs, as many as there are in front of it",
                fix="give it one weight for each of them",
            )

    @property
    def units(self) -> tuple[ThresholdUnit, ...]:
        """All units, layer after layer."""
        return tuple(unit for layer in self.layers for unit in layer)

    def __call__(self, x: Tensor) -> Any:
        """What the last layer answers; see :class:`ThresholdNetwork`.

        Raises:
            ShapeError: for inputs of another length than the first units' weights.
        """
        for layer in self.layers[:-1]:
            x = _joined([unit(x) for unit in layer])
        answers = [unit(x) for unit in self.layers[-1]]
        return answers[0] if len(answers) == 1 else _joined(answers)

    def __repr__(self) -> str:
        return f"ThresholdNetwork({', '.join(repr(list(layer)) for layer in self.layers)})"


def _joined(answers: Sequence[Tensor]) -> Any:
    """Answers of units side by side. **Shapes**: U of ``(...) -> (..., U)``"""
    return ops.concatenate([ops.expand(answer, -1) for answer in answers], -1)
