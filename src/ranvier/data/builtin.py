"""The data sets inside the package: digits, iris, breast_cancer, xor and spirals.

The first three are small files with their sources and licences in `builtin_files/SOURCES.md`; the
other two are computed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ranvier.data.columns import Column
from ranvier.data.preparation import Preparation
from ranvier.data.raw import RawData, split_raw
from ranvier.data.targets import Targets
from ranvier.foundation.errors import ArgumentError
from ranvier.foundation.random import uniform

_LICENCE = "CC BY 4.0"
#: Share of rows and seed of the fixed test part.
TEST_FRACTION, TEST_SEED = 0.2, 0
#: Sites of the random numbers of `spirals`.
_SITE_X, _SITE_Y = 1, 2


def spirals(
    rows: int = 1000, seed: int = 0, classes: int = 2, noise: float = 0.03
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Points on spiral arms around the origin: small, and not linearly separable.

    **Shapes** ``-> (rows, 2), (rows,)``

    Args:
        rows: the number of points, shared among the arms.
        seed: of the noise.
        classes: the number of arms.
        noise: half the width of the noise added to both coordinates.

    Returns:
        The points, within about 1 of the origin, and the number of the arm of each.

    Raises:
        ArgumentError: fewer than two arms or fewer rows than arms, negative seed or noise.

    >>> x, y = spirals(6)
    >>> x.shape, y.tolist()
    ((6, 2), [0, 1, 0, 1, 0, 1])
    """
    if classes < 2 or rows < classes or seed < 0 or not 0 <= noise < np.inf:
        raise ArgumentError(
            "Spirals cannot be made from these arguments.",
            happened=f"rows={rows}, seed={seed}, classes={classes}, noise={noise}",
            needed="two classes or more, at least one row each, seed and noise of 0 or more",
            fix="spirals() gives 1000 points on two arms",
        )
    arm = np.arange(rows) % classes
    along = (np.arange(rows) // classes + 1) / ((rows + classes - 1) // classes)
    angle = 2 * np.pi * (1.5 * along + arm / classes)
    points = np.stack([along * np.cos(angle), along * np.sin(angle)], axis=1)
    for axis, site in enumerate((_SITE_X, _SITE_Y)):
        points[:, axis] += noise * (2 * uniform((rows,), seed, 0, site).astype(np.float64) - 1)
    return points, arm.astype(np.int32)


def builtin_raw(name: str) -> RawData:
    """A built-in as it is stored, with its fixed test part."""
    return _MAKERS[name]()


def _stored(name: str, title: str, largest: int | None = None) -> RawData:
    with (
        files("ranvier.data").joinpath("builtin_files", f"{name}.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as archive,
    ):
        x, labels = archive["x"], archive["y"].astype(np.int32)
        classes = tuple(str(text) for text in archive["class_names"])
        features = [str(text) for text in archive["feature_names"]]
    raw = RawData(
        name=name,
        x=None if features else x,
        columns={feature: x[:, i] for i, feature in enumerate(features)},
        targets=_named(labels, classes),
        largest=largest,
        source=f"{title}, UCI Machine Learning Repository",
        licence=_LICENCE,
    )
    return split_raw(raw, TEST_FRACTION, TEST_SEED)[0]


def _named(labels: NDArray[np.int32], names: tuple[str, ...]) -> Targets:
    """Targets whose labels are their names; those of digits stay integers."""
    values = (
        np.array([int(name) for name in names])
        if all(name.isdigit() for name in names)
        else np.array(names, object)
    )
    return Targets("classes", labels, names, values)


def _digits() -> RawData:
    return _stored("digits", "Optical Recognition of Handwritten Digits", largest=16)


def _iris() -> RawData:
    return _stored("iris", "Iris")


def _breast_cancer() -> RawData:
    return _stored("breast_cancer", "Breast Cancer Wisconsin (Diagnostic)")


def _xor() -> RawData:
    first = np.array([0.0, 0.0, 1.0, 1.0])
    second = np.array([0.0, 1.0, 0.0, 1.0])
    preparation = Preparation(
        "table",
        (2,),
        columns=(Column("a", "number"), Column("b", "number")),
        notes=("The four rows are used as they are.",),
    )
    return RawData(
        name="xor",
        columns={"a": first, "b": second},
        targets=_named(np.array([0, 1, 1, 0], np.int32), ("0", "1")),
        preparation=preparation,
        source="computed: a xor b",
        licence="public domain",
    )


def _spirals() -> RawData:
    points, arms = spirals()
    raw = RawData(
        name="spirals",
        columns={"x": points[:, 0], "y": points[:, 1]},
        targets=_named(arms, ("0", "1")),
        source="computed: ranvier.data.builtin.spirals()",
        licence="public domain",
    )
    return split_raw(raw, TEST_FRACTION, TEST_SEED)[0]


_MAKERS: dict[str, Callable[[], RawData]] = {
    "digits": _digits,
    "iris": _iris,
    "breast_cancer": _breast_cancer,
    "xor": _xor,
    "spirals": _spirals,
}

#: The names that `open_dataset` knows without a file.
BUILTINS = tuple(_MAKERS)
