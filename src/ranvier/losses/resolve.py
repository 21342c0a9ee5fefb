"""From what a user writes (a name, a loss, nothing) to the loss that is trained."""

from __future__ import annotations

from ranvier.foundation.errors import ArgumentError, UnknownNameError, did_you_mean
from ranvier.layers.arguments import needs_call
from ranvier.losses.base import LOSSES, Loss

CROSS_ENTROPY = "cross_entropy"
#: Families of two: binary for one output and two classes or for numbers, else categorical.
FAMILIES = {
    CROSS_ENTROPY: ("binary_cross_entropy", "categorical_cross_entropy"),
    "focal": ("binary_focal", "categorical_focal"),
}


def resolve(
    spec: str | Loss | None,
    output_shape: tuple[int, ...],
    target_kind: str,
    classes: int | None = None,
    last_activation: str | None = None,
) -> Loss:
    """The loss that is meant.

    Args:
        spec: a loss, its name, or None: cross-entropy for classes, mean squared error for numbers.
        output_shape: of the network, without the batch axis.
        target_kind: ``"classes"`` or ``"numbers"``.
        classes: how many classes there are.
        last_activation: of the network; a loss that includes another one is refused.

    Raises:
        UnknownNameError: for a name that is not known.
        ArgumentError: for something else than a name or a loss, or a loss that does not fit the
            last activation.

    Example:
        >>> resolve("cross_entropy", (1,), "classes", 2), resolve(None, (3,), "numbers")
        (BinaryCrossEntropy(), MeanSquaredError())
    """
    if isinstance(spec, type):
        raise needs_call("loss", spec)
    if spec is None:
        spec = CROSS_ENTROPY if target_kind == "classes" else "mean_squared_error"
    if isinstance(spec, str):
        loss = _named(spec, output_shape, target_kind, classes)
    elif isinstance(spec, Loss):
        loss = spec
    else:
        raise ArgumentError(
            "The argument loss is not understood.",
            happened=f"loss is {spec!r:.80}",
            needed="a name, a Loss such as MeanSquaredError(), or None",
            fix='write for example loss="cross_entropy"',
        )
    loss.takes_logits(last_activation)
    return loss


def _named(name: str, output_shape: tuple[int, ...], target_kind: str, classes: int | None) -> Loss:
    if name in FAMILIES:
        several_labels = target_kind == "numbers"
        binary = several_labels or (output_shape == (1,) and classes in (None, 2))
        name = FAMILIES[name][0 if binary else 1]
    if name not in LOSSES:
        raise UnknownNameError(
            f"There is no loss called {name!r}.",
            happened=f"{name!r} is not known",
            needed="the name of a registered loss",
            fix=did_you_mean(name, [*FAMILIES, *LOSSES]),
        )
    return LOSSES[name]()


def kind_read_by(spec: str | Loss | None) -> str | None:
    """``"classes"``, ``"numbers"``, or None if the loss reads both or is not chosen yet.

    Example:
        >>> kind_read_by("mse"), kind_read_by("cross_entropy"), kind_read_by(None)
        ('numbers', 'classes', None)
    """
    if isinstance(spec, Loss):
        return spec.reads
    if spec in FAMILIES:
        return "classes"
    return LOSSES[spec].reads if spec is not None and spec in LOSSES else None


def means_own_units(spec: str | Loss | None) -> bool:
    """Whether a loss means targets as they are, so that they must not be rescaled.

    Example:
        >>> means_own_units("poisson"), means_own_units("mse"), means_own_units(None)
        (True, False, False)
    """
    return _attribute(spec, "own_units")


def gives_output_per_class(spec: str | Loss | None, output_shape: tuple[int, ...]) -> bool:
    """Whether a network of these outputs would have one for each class under this loss.

    Example:
        >>> gives_output_per_class(None, (10,)), gives_output_per_class("cross_entropy", (1,))
        (True, False)
    """
    if len(output_shape) != 1 or output_shape == (1,):
        return False
    return _attribute(CROSS_ENTROPY if spec is None else spec, "output_per_class")


def _attribute(spec: str | Loss | None, name: str) -> bool:
    """What a loss says of itself before it is chosen; a family speaks by its last member."""
    if isinstance(spec, str):
        spec = FAMILIES[spec][-1] if spec in FAMILIES else spec
        return spec in LOSSES and bool(getattr(LOSSES[spec], name))
    return spec is not None and bool(getattr(spec, name, False))


def choice_notes(
    spec: str | Loss | None, loss: Loss, last_activation: str | None
) -> tuple[str, ...]:
    """Plain sentences about what was chosen for the user.

    Example:
        >>> choice_notes(None, LOSSES["mse"](), None)
        ('The loss is mean_squared_error, chosen because y holds numbers.',)
    """
    notes = []
    if spec is None:
        kind = "numbers" if loss.name == "mean_squared_error" else "classes"
        notes.append(f"The loss is {loss.name}, chosen because y holds {kind}.")
    if loss.takes_logits(last_activation):
        notes.append(
            f"The network ends in {last_activation}, which {loss.name} includes: "
            f"it is trained on the input of {last_activation}."
        )
    return tuple(notes)
