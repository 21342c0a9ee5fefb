"""Weights of rows: from `sample_weight` and `class_weight` to one number a row, of mean 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ranvier.data.targets import Targets
from ranvier.foundation.errors import ArgumentError, DataError, did_you_mean

ClassWeight: TypeAlias = Mapping[Any, float] | str | None


def row_weights(
    targets: Targets, sample_weight: NDArray[np.float64] | None, class_weight: ClassWeight
) -> NDArray[np.float64] | None:
    """One weight a training row, scaled once so that their mean is 1.

    A batch's loss is ``sum(weight * loss) / rows``: on a full batch weight 2 equals the row twice.

    **Shapes** ``sample_weight: (N,) -> (N,)``

    Args:
        targets: the training rows' targets.
        sample_weight: what `check_sample_weight` gave, of these rows, or None.
        class_weight: a dict from class to number (missing classes count 1), or ``"balanced"``:
            ``N / (C * rows of the class)``; None for equal classes.

    Returns:
        The weights, or None if nothing is weighted.

    Raises:
        DataError: weights that are all zero.
        ArgumentError: class weights without classes, or for a class that does not exist.

    Example:
        >>> from ranvier.data.arrays import understand_targets
        >>> row_weights(understand_targets([0, 0, 0, 1], 4), None, "balanced")
        array([0.66666667, 0.66666667, 0.66666667, 2.        ])
    """
    weights = sample_weight
    if class_weight is not None:
        by_class = _by_class(targets, class_weight)[targets.values]
        weights = by_class if weights is None else weights * by_class
    if weights is None:
        return None
    # The largest first: a mean of huge weights must not overflow, one of tiny ones not vanish.
    largest = float(weights.max(initial=0.0))
    if largest == 0.0:
        raise DataError(
            "All rows weigh nothing.",
            happened="the product of sample_weight and class_weight is 0 for every training row",
            needed="a positive weight for at least one row",
            fix="give the rows to learn from a weight above 0",
        )
    weights = weights / largest
    return np.asarray(weights / weights.mean(), np.float64)


def check_sample_weight(sample_weight: object, rows: int) -> NDArray[np.float64] | None:
    """The user's weights as an array.

    **Shapes** ``sample_weight: (N,) -> (N,)``

    Raises:
        DataError: another length, or a number that is negative or not finite.
    """
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, np.float64)
    except (ValueError, TypeError) as error:
        raise DataError(
            "sample_weight cannot be read as numbers.",
            happened=str(error),
            needed="one number a row",
            fix="give a list or an array of floats",
        ) from error
    if weights.shape != (rows,):
        raise DataError(
            "sample_weight does not match the rows.",
            happened=f"its shape is {weights.shape}",
            needed=f"one number for each of the {rows} rows of X, shape ({rows},)",
            fix="cut it from the same rows as X and y",
        )
    bad = ~np.isfinite(weights) | (weights < 0)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"sample_weight has a bad number in row {row}.",
            happened=f"it is {weights[row]}",
            needed="finite numbers of 0 or more",
            fix="correct it, or set it to 0 to leave the row out",
        )
    return weights


def _by_class(targets: Targets, class_weight: ClassWeight) -> NDArray[np.float64]:
    if targets.kind != "classes":
        raise ArgumentError(
            "class_weight needs classes.",
            happened="the targets are numbers",
            needed="targets that are classes: integers, booleans or texts",
            fix="use sample_weight, one number a row",
        )
    classes = len(targets.class_names)
    if class_weight == "balanced":
        counts = np.bincount(targets.values, minlength=classes)
        return np.asarray(len(targets.values) / (classes * np.maximum(counts, 1)), np.float64)
    if not isinstance(class_weight, Mapping):
        raise ArgumentError(
            "class_weight is not understood.",
            happened=f"it is {class_weight!r:.60}",
            needed="a dict from class to number, or 'balanced'",
            fix="for example class_weight={0: 1.0, 1: 5.0}",
        )
    return _from_mapping(targets, class_weight)


def _from_mapping(targets: Targets, class_weight: Mapping[Any, float]) -> NDArray[np.float64]:
    places = {value: place for place, value in enumerate(targets.class_values.tolist())}
    weights = np.ones(len(places), np.float64)
    for label, weight in class_weight.items():
        known = label.item() if isinstance(label, np.generic) else label
        if known not in places:
            raise ArgumentError(
                f"class_weight names a class that does not exist: {label!r}.",
                happened=f"no row of the targets is {label!r}",
                needed="the classes of the targets",
                fix=did_you_mean(str(label), targets.class_names),
            )
        number = isinstance(weight, int | float | np.integer | np.floating)
        if not number or not 0.0 <= float(weight) < float("inf"):
            raise ArgumentError(
                f"The class weight of {label!r} is out of range.",
                happened=f"it is {weight!r}",
                needed="a finite number of 0 or more",
                fix="1.0 is the weight of a class that is not named",
            )
        weights[places[known]] = weight
    return weights
