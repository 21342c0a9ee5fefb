"""What one neuron computed for one example: every number on the way, and the table of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A table shows this many inputs at its start and at its end; the record holds all of them.
SHOWN = 10


@dataclass(frozen=True, eq=False)
class NeuronComputation:
    """The way from a neuron's inputs to its output; printed, it is a table.

    Everything is in the neuron's dtype. ``partials[i]`` is ``partials[i - 1] + products[i]`` (with
    ``combine="product"`` times instead of plus), ``net_input`` is ``partials[-1] + bias``, and
    ``output`` is ``activation(net_input)``: each step exactly as NumPy rounds it.

    Attributes:
        title: how the neuron prints.
        inputs: ``(F,)``.
        weights: ``(F,)``.
        products: ``(F,)``, weight times input.
        partials: ``(F,)``, the sum (or product) of the products so far.
        bias: one number.
        net_input: what goes into the activation.
        activation: its name, or None.
        output: what the neuron gives.
        combine: ``"sum"`` or ``"product"``.
        layer_net_inputs: ``(U,)`` net inputs of the whole layer, where the activation reads them
            all (softmax); else None. The output is the neuron's place in their activation.
        note: a plain sentence, or nothing.

    Example:
        >>> import ranvier as rv
        >>> found = rv.Neuron([0.5, -1.0], bias=0.25).explain([2.0, 0.5])
        >>> found.products.tolist(), found.partials.tolist(), float(found.net_input)
        ([1.0, -0.5], [1.0, 0.5], 0.75)
    """

    title: str
    inputs: NDArray[Any]
    weights: NDArray[Any]
    products: NDArray[Any]
    partials: NDArray[Any]
    bias: Any
    net_input: Any
    activation: str | None
    output: Any
    combine: str
    layer_net_inputs: NDArray[Any] | None = None
    note: str = ""

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [
            ("input", "x", "weight", "product", f"{self.combine} so far")
        ]
        columns = (self.inputs, self.weights, self.products, self.partials)
        count = len(self.inputs)
        cut = count > 2 * SHOWN + 1
        for place in range(count):
            if cut and place == SHOWN:
                rows.append((f"{count - 2 * SHOWN} more", "...", "...", "...", "..."))
            if not cut or place < SHOWN or place >= count - SHOWN:
                rows.append((str(place), *(_shown(column[place]) for column in columns)))
        rows.append(("bias", "", "", _shown(self.bias), _shown(self.net_input)))
        rows.append(("net input", "", "", "", _shown(self.net_input)))
        rows.append((self.activation or "output", "", "", "", _shown(self.output)))
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
            for row in rows
        ]
        if self.layer_net_inputs is not None:
            shown = [_shown(number) for number in self.layer_net_inputs[: 2 * SHOWN]]
            more = [] if len(self.layer_net_inputs) <= 2 * SHOWN else ["..."]
            lines.append("net inputs of the layer: " + ", ".join([*shown, *more]))
        return "\n".join([self.title, *lines, *([self.note] if self.note else [])])


@dataclass(frozen=True, eq=False)
class Steps:
    """What neurons with the same inputs compute before their activations.

    Attributes:
        products: ``(F, U)``, weights times inputs.
        partials: ``(F, U)``, sums (or products) of them so far.
        net_inputs: ``(U,)``, the last of these plus the biases.
    """

    products: NDArray[Any]
    partials: NDArray[Any]
    net_inputs: NDArray[Any]


def steps_of(
    inputs: NDArray[Any], weights: NDArray[Any], biases: NDArray[Any], combine: str
) -> Steps:
    """Every step of neurons with the same inputs, in the order of the inputs.

    **Shapes**: ``inputs: (F,), weights: (F, U), biases: (U,)``; all of one dtype

    >>> steps_of(np.array([2.0]), np.array([[3.0]]), np.array([1.0]), "sum").net_inputs.tolist()
    [7.0]
    """
    products = weights * inputs[:, None]
    # accumulate works through axis 0 in order, so each line is one rounded addition.
    kind = np.add if combine == "sum" else np.multiply
    partials = kind.accumulate(products, axis=0)
    return Steps(products, partials, partials[-1] + biases)


def _shown(number: Any) -> str:
    """The fewest digits that give the same number again."""
    return str(number)
