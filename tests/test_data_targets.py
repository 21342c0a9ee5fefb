"""Targets: integers, booleans and texts are classes, floats are numbers; labels keep names."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.data.arrays import check_target_numbers, encode_targets, understand_targets
from ranvier.foundation.errors import ArgumentError, DataError, DTypeError


@pytest.mark.parametrize(
    ("y", "values", "names", "task"),
    [
        ([3, 1, 3, 2], [2, 0, 2, 1], ("1", "2", "3"), "classification"),
        ([True, False], [1, 0], ("False", "True"), "binary"),
        (["no", "yes", "no"], [0, 1, 0], ("no", "yes"), "binary"),
        (np.array(["b", "a"], object), [1, 0], ("a", "b"), "binary"),
        ([b"b", b"a"], [1, 0], ("a", "b"), "binary"),
        (np.array([5, -1], np.int8), [1, 0], ("-1", "5"), "binary"),
        (np.array([5, 2**63], np.uint64), [0, 1], ("5", str(2**63)), "binary"),
        (np.array([2, 1], object), [1, 0], ("1", "2"), "binary"),
    ],
)
def test_labels_become_indices(
    y: object, values: list[int], names: tuple[str, ...], task: str
) -> None:
    targets = understand_targets(y, len(values))
    assert targets.kind == "classes"
    assert targets.values.dtype == np.int32
    assert targets.values.tolist() == values
    assert targets.class_names == names
    assert targets.task == task
    back = targets.class_values[targets.values].tolist()
    assert [str(label) for label in back] == [names[i] for i in values]


def test_floats_become_a_matrix_of_their_dtype() -> None:
    single = understand_targets(np.array([0.5, 1.5], np.float32), 2)
    assert (single.kind, single.task, single.values.shape) == ("numbers", "regression", (2, 1))
    assert single.values.dtype == np.float32
    assert single.class_names == ()
    assert understand_targets(np.zeros((3, 2)) + 0.5, 3).values.shape == (3, 2)
    assert understand_targets(np.array([0.5, 1], np.float16), 2).values.dtype == np.float32
    assert understand_targets(np.array([0.5, 1], ">f8"), 2).values.dtype.isnative
    assert understand_targets(np.array([0.5, 1], object), 2).values.tolist() == [[0.5], [1.0]]


def test_a_column_of_labels_is_taken_with_a_note() -> None:
    targets = understand_targets(np.array([[0], [1], [1]]), 3)
    assert targets.values.tolist() == [0, 1, 1]
    assert any("(N, 1)" in note for note in targets.notes)


def test_many_integers_are_said_and_can_be_numbers() -> None:
    y = np.arange(60)
    many = understand_targets(y, 60)
    assert (many.kind, len(many.class_names)) == ("classes", 60)
    assert any("60 different integers" in note for note in many.notes)
    assert understand_targets(np.arange(50).repeat(2), 100).notes == ()
    numbers = understand_targets(y, 60, kind="numbers")
    assert (numbers.kind, numbers.values.shape) == ("numbers", (60, 1))
    assert numbers.values.dtype == np.float64


def test_the_users_word_is_stronger_than_the_loss() -> None:
    y = np.array([0.0, 1.0, 1.0])
    assert understand_targets(y, 3).kind == "numbers"
    assert understand_targets(y, 3, loss_hint="classes").kind == "classes"
    assert understand_targets(y, 3, loss_hint="classes", kind="numbers").kind == "numbers"
    assert understand_targets([0, 1, 1], 3, loss_hint="numbers").kind == "numbers"
    assert understand_targets(np.eye(2, dtype=int), 2, kind="numbers").values.shape == (2, 2)


@pytest.mark.parametrize(
    ("y", "rows", "kind", "parts"),
    [
        ([0, 1, 1], 4, None, ["4 rows", "has 3"]),
        ([1, 1, 1], 3, None, ["one class only", "all 3 labels are 1"]),
        (["a", "a"], 2, None, ["one class only", "'a'"]),
        ([], 0, None, ["empty"]),
        ([0.5, np.nan], 2, None, ["NaN", "row 1"]),
        ([[0.5], [np.inf]], 2, None, ["infinity", "row 1, column 0"]),
        (["a", None], 2, None, ["missing label", "row 1"]),
        (np.array(["a", float("nan")], object), 2, None, ["missing label", "row 1"]),
        (np.array(["a", 1], object), 2, None, ["mixes", "row 1"]),
        (np.array([1, True], object), 2, None, ["mixes", "row 1"]),
        (np.array([{}, 1], object), 2, None, ["mixes", "a dict"]),
        (np.array([2**70, 1], object), 2, None, ["too large"]),
        ([[1, 0], [0, 1]], 2, None, ["several labels a row", "argmax"]),
        ([[1, 2], [3]], 2, None, ["ragged", "row 1"]),
        (7, 1, None, ["single int"]),
        (["a", "b"], 2, "numbers", ["texts", "'a'"]),
        ([0.5, 1.0], 2, "classes", ["numbers, not classes", "row 0", "0.5"]),
        ([2.0**60, 1.0], 2, "classes", ["numbers, not classes"]),
    ],
)
def test_targets_that_cannot_be_learnt_are_named(
    y: object, rows: int, kind: str | None, parts: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        understand_targets(y, rows, kind=kind)
    for part in parts:
        assert part in str(caught.value)


def test_kinds_and_dtypes_that_do_not_exist() -> None:
    with pytest.raises(ArgumentError, match="argument kind"):
        understand_targets([0, 1], 2, kind="mse")
    with pytest.raises(ArgumentError, match="argument loss_hint"):
        understand_targets([0, 1], 2, loss_hint="mse")
    with pytest.raises(DTypeError, match="complex128"):
        understand_targets(np.array([1j, 2j]), 2)


def test_known_labels_are_found_in_any_order() -> None:
    known = np.array(["setosa", "alba"], object)
    assert encode_targets(["alba", "setosa", "alba"], known).tolist() == [1, 0, 1]
    assert encode_targets(np.array([[4], [2]]), np.array([2, 4])).tolist() == [1, 0]
    assert encode_targets([2.0, 4.0], [2, 4]).tolist() == [0, 1]
    assert encode_targets(["b"], ("a", "b"), 1).dtype == np.int32


@pytest.mark.parametrize(
    ("y", "known", "parts"),
    [
        ([1, 9, 2], [1, 2], ["row 1", "is 9", "1, 2"]),
        ([0, 1], [1, 2], ["row 0", "is 0"]),
        (["a", "setoza"], ["setosa", "a"], ["row 1", "'setoza'", "did you mean 'setosa'"]),
        (["1"], [1, 2], ["row 0", "'1'"]),
        ([1], ["1", "2"], ["row 0", "is 1"]),
        ([99], list(range(30)), ["and 10 more"]),
    ],
)
def test_unknown_labels_are_named_with_their_row(
    y: object, known: list[object], parts: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        encode_targets(y, known, name="y_val")
    for part in ["y_val", *parts]:
        assert part in str(caught.value)


def test_lengths_are_compared_when_encoding() -> None:
    with pytest.raises(DataError, match="has another number of rows"):
        encode_targets([1, 2], [1, 2], 3)
    with pytest.raises(DataError, match="has another number of rows"):
        check_target_numbers([1.0, 2.0], 3)
    assert check_target_numbers([1, 2], 2).dtype == np.float64
