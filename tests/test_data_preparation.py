"""Preparation: found from the training rows, applied to raw ones, and safe to read from a file."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from ranvier.data.arrays import understand_targets
from ranvier.data.preparation import Preparation, fit_array, fit_pictures, fit_table
from ranvier.foundation.errors import DataError, DTypeError, ModelFileError, ShapeError


def columns() -> dict[str, np.ndarray]:
    return {
        "age": np.array([20.0, np.nan, 40.0, 60.0]),
        "city": np.array(["Oslo", "Rome", "Oslo", None], object),
        "same": np.full(4, 7),
    }


def test_numbers_are_standardized_and_texts_become_features() -> None:
    preparation, matrix = fit_table(columns())
    assert preparation.prepared_names == (
        "age",
        "age is missing",
        "city = Oslo",
        "city = Rome",
        "city is missing",
        "same",
    )
    assert preparation.prepared_shape == (6,)
    assert preparation.input_shape == (3,)
    deviation = np.std([20.0, 40.0, 60.0])
    expected = [
        [-20 / deviation, 0, 1, 0, 0, 0],
        [0, 1, 0, 1, 0, 0],
        [0, 0, 1, 0, 0, 0],
        [20 / deviation, 0, 0, 0, 1, 0],
    ]
    np.testing.assert_allclose(matrix, expected, rtol=1e-6)
    assert matrix.dtype == np.float32
    assert any("1 missing values" in note for note in preparation.notes)
    assert any("constant" in note for note in preparation.notes)


def test_raw_rows_are_prepared_by_name() -> None:
    preparation, matrix = fit_table(columns())
    shuffled = {name: columns()[name] for name in ("same", "city", "age")}
    again = preparation.apply_columns({**shuffled, "more": np.zeros(4)})
    np.testing.assert_array_equal(again, matrix)
    one = preparation.apply_columns(
        {"age": np.array(["40"]), "city": np.array(["Paris"]), "same": np.array([""])}
    )
    np.testing.assert_array_equal(one, [[0, 0, 0, 0, 0, 0]])


def test_categories_that_look_like_numbers_match_numbers() -> None:
    preparation, _ = fit_table({"code": np.array(["1", "2", "A"], object)})
    np.testing.assert_array_equal(
        preparation.apply_columns({"code": np.array([2.0, 1.0])}), [[0, 1, 0], [1, 0, 0]]
    )


def test_large_values_and_large_means_are_kept_exact() -> None:
    _, matrix = fit_table({"a": np.array([1e300, -1e300]), "b": 1e9 + np.array([0.0, 1.0])})
    np.testing.assert_allclose(matrix, [[1, -1], [-1, 1]])


def test_columns_that_say_nothing_are_left_out_and_said() -> None:
    names = np.array([f"name {i}" for i in range(50)], object)
    preparation, matrix = fit_table(
        {"name": names, "none": np.full(50, np.nan), "void": np.full(50, None), "x": np.arange(50)}
    )
    assert matrix.shape == (50, 1)
    assert sum("left out" in note for note in preparation.notes) == 3
    np.testing.assert_array_equal(preparation.apply_columns({"x": np.arange(50)}), matrix)


def test_notes_of_wide_tables_are_bounded() -> None:
    preparation, _ = fit_table({f"c{i}": np.zeros(2) for i in range(100)})
    assert len(preparation.notes) == 41
    assert "60 more" in preparation.notes[-1]


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"city": np.array(["Oslo"])}, ["'age' is missing", "city"]),
        (
            {"age": np.array([1, 2]), "city": np.array(["a"]), "same": np.zeros(2)},
            ["'city' has another length", "1 rows", "has 2"],
        ),
        (
            {"age": np.array(["1", "old"]), "city": np.array(["a", "b"]), "same": np.zeros(2)},
            ["'age'", "row 1", "'old'"],
        ),
        (
            {"age": np.array([1.0, -np.inf]), "city": np.array(["a", "b"]), "same": np.zeros(2)},
            ["'age' has infinity", "row 1"],
        ),
        (
            {"age": np.array([1.0, 1e300]), "city": np.array(["a", "b"]), "same": np.zeros(2)},
            ["'age' has a value far outside", "row 1"],
        ),
        (
            {"age": np.zeros((2, 2)), "city": np.array(["a", "b"]), "same": np.zeros(2)},
            ["'age' is not a column", "(2, 2)"],
        ),
        (
            {"age": np.array([{}, 1], object), "city": np.array(["a", "b"]), "same": np.zeros(2)},
            ["'age'", "row 0"],
        ),
        ({name: values[:0] for name, values in columns().items()}, ["empty"]),
    ],
)
def test_raw_rows_that_do_not_fit_are_named(given: dict[str, np.ndarray], parts: list[str]) -> None:
    preparation, _ = fit_table(columns())
    with pytest.raises(DataError) as caught:
        preparation.apply_columns(given)
    for part in parts:
        assert part in str(caught.value)


def test_tables_that_cannot_be_fitted() -> None:
    with pytest.raises(DataError, match="table is empty"):
        fit_table({})
    with pytest.raises(DataError, match="no column is left"):
        fit_table({"none": np.full(3, np.nan)})
    with pytest.raises(DataError, match=r"mixes texts and numbers, first in row 1"):
        fit_table({"a": np.array(["x", 1], object)})
    with pytest.raises(DataError, match=r"mixes texts and numbers, first in row 2"):
        fit_table({"a": np.array([1, None, "x"], object)})
    with pytest.raises(DataError, match="row 0 has none"):
        fit_table({"a": np.array([{}, 1], object)})
    with pytest.raises(DTypeError, match="datetime64"):
        fit_table({"a": np.zeros(3, "datetime64[D]")})


def test_pictures_are_scaled_to_one() -> None:
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    preparation = fit_pictures(x)
    scaled = preparation.apply_array(x)
    assert (scaled.min(), scaled.max(), scaled.dtype) == (0.0, 1.0, np.float32)
    assert fit_pictures(x // 16).scale == 1 / 15
    assert fit_pictures(x // 16, 16).scale == 1 / 16
    assert fit_pictures(np.zeros((1, 2), np.uint8)).scale == 1.0


def test_other_arrays_are_standardized_as_a_whole() -> None:
    x = np.random.default_rng(0).normal(5.0, 3.0, (50, 4, 4))
    scaled = fit_array(x).apply_array(x)
    assert abs(float(scaled.mean())) < 1e-5
    assert abs(float(scaled.std()) - 1.0) < 1e-5
    constant = np.full((3, 2, 2), 4.0)
    np.testing.assert_array_equal(fit_array(constant).apply_array(constant), 0 * constant)


def test_arrays_that_do_not_fit() -> None:
    preparation = fit_pictures(np.zeros((1, 8, 8), np.uint8), 16)
    with pytest.raises(ShapeError, match=r"\(8, 8\)"):
        preparation.apply_array(np.zeros((1, 64)))
    with pytest.raises(DataError, match="another kind"):
        preparation.apply_columns({"a": np.zeros(2)})
    with pytest.raises(DataError, match="infinity"):
        preparation.apply_array(np.full((1, 8, 8), 1e300))


def test_a_matrix_is_a_table_by_position() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    preparation, matrix = fit_table({name: x[:, i] for i, name in enumerate("abc")})
    np.testing.assert_array_equal(preparation.apply_array(x), matrix)


def test_targets_of_a_regression_go_there_and_back() -> None:
    y = np.array([[1e5, 2.0], [3e5, 2.0]])
    preparation = fit_table({"a": np.zeros(2)})[0].with_targets(understand_targets(y, 2))
    scaled = preparation.scale_targets(y)
    np.testing.assert_allclose(scaled, [[-1, 0], [1, 0]])
    np.testing.assert_allclose(preparation.restore_outputs(scaled), y)
    assert preparation.task == "regression"


@pytest.mark.parametrize(
    "labels", [["no", "yes"], [2, 4], [False, True], ["a", "b", "é"], [0.5, 1.5]]
)
def test_json_round_trip(labels: list[Any]) -> None:
    targets = understand_targets(np.array(labels), len(labels))
    preparation = fit_table(columns())[0].with_targets(targets, "label", 3)
    text = preparation.to_json()
    again = Preparation.from_json(text)
    assert again == preparation
    assert again.to_json() == text
    assert again.class_array.tolist() == targets.class_values.tolist()
    pictures = fit_pictures(np.zeros((1, 8, 8), np.uint8)).with_targets(targets)
    assert Preparation.from_json(pictures.to_json()) == pictures


def _changed(**changes: object) -> str:
    targets = understand_targets(["no", "yes"], 2)
    preparation = fit_table(columns())[0].with_targets(targets, "label", 3)
    return json.dumps({**json.loads(preparation.to_json()), **changes})


def _column(**changes: object) -> str:
    values = json.loads(_changed())["columns"]
    values[1] = {**values[1], **changes}
    return _changed(columns=values)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"a": 1, "a": 2}',
        "9" * 5000,
        _changed(more=1),
        _changed(version=2),
        _changed(version=True),
        _changed(kind="pickle"),
        _changed(kind=["table"]),
        _changed(kind="array"),
        _changed(input_shape=[4]),
        _changed(input_shape=[3.0]),
        _changed(input_shape=[-3]),
        _changed(input_shape=[2**31] * 8),
        _changed(input_shape="3"),
        _changed(columns=[1, 2, 3]),
        _changed(columns={}),
        _changed(scale="1"),
        _changed(scale=True),
        _changed(scale=0),
        _changed(scale=10**400),
        _changed(scale=float("nan")),
        _changed().replace('"scale": 1.0, "offset"', '"scale": 1e999, "offset"'),
        _changed(offset=1e35),
        _changed(task="binary", class_names=["a"], class_values=["a"]),
        _changed(task="regression"),
        _changed(task="regression", class_names=[], class_values=[], target_mean=[1.0]),
        _changed(
            task="regression",
            class_names=[],
            class_values=[],
            target_mean=[1.0],
            target_scale=[0.0],
        ),
        _changed(class_values=["no"]),
        _changed(class_values=["no", "no"]),
        _changed(class_values=["no", 1]),
        _changed(class_values=[1, True]),
        _changed(class_values=[1, None]),
        _changed(class_values=[1, 10**30]),
        _changed(class_names=["no", 5]),
        _changed(class_names="no"),
        _changed(target=None),
        _changed(target="x" * (1 << 21)),
        _changed(target_position=-2),
        _changed(notes=["a"] * 10_001),
        _column(name="age"),
        _column(name=1),
        _column(kind="number"),
        _column(kind="text", categories=["a", "a"]),
        _column(kind="text", categories=[]),
        _column(categories=["x"] * 1001),
        _column(scale=0),
        _column(scale=-1.0),
        _column(indicator=1),
        _column(mean=None),
        _column(more=1),
    ],
)
def test_odd_json_is_refused(text: str) -> None:
    with pytest.raises(ModelFileError):
        Preparation.from_json(text)


def test_only_text_of_a_bounded_length_is_read() -> None:
    for odd in (None, {}, b"{}", "x" * ((1 << 26) + 1)):
        with pytest.raises(ModelFileError, match="the preparation"):
            Preparation.from_json(odd)  # type: ignore[arg-type]
