"""Arrays for fit and predict: what is taken as it is, and how what is refused is named."""

from __future__ import annotations

import numpy as np
import pytest

from ranvier.data.arrays import check_inputs
from ranvier.foundation.dtypes import DATA_DTYPES
from ranvier.foundation.errors import DataError, DTypeError


class Frame:
    """Something that only knows how to become an array, as a pandas frame does."""

    def __init__(self, values: object, dtype: object = None) -> None:
        self.values, self.dtype = values, dtype

    def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=self.dtype)


class Sparse:
    def toarray(self) -> np.ndarray:
        return np.eye(2)


@pytest.mark.parametrize("dtype", DATA_DTYPES)
def test_every_data_dtype_is_kept_without_a_copy(dtype: str) -> None:
    x = np.ones((3, 4), dtype)
    checked = check_inputs(x)
    assert checked.dtype == x.dtype
    assert np.shares_memory(checked, x)


def test_lists_frames_and_numbers_as_objects_become_arrays() -> None:
    assert check_inputs([[1, 2], [3, 4]]).dtype == np.int64
    assert check_inputs(Frame([[1.5, 2.0]])).shape == (1, 2)
    objects = check_inputs(np.array([[1, 2.5], [True, np.float32(4)]], object))
    np.testing.assert_array_equal(objects, [[1.0, 2.5], [1.0, 4.0]])


def test_rows_apart_are_kept_and_torn_rows_are_copied() -> None:
    x = np.arange(24.0).reshape(6, 4)
    assert np.shares_memory(check_inputs(x[::2]), x)
    for torn in (x[:, ::2], x.T, x[::-1]):
        checked = check_inputs(torn)
        assert not np.shares_memory(checked, x)
        np.testing.assert_array_equal(checked, torn)
    pictures = np.zeros((2, 3, 4, 5), np.uint8).transpose(0, 2, 3, 1)
    assert check_inputs(pictures)[0].flags.c_contiguous


def test_other_byte_orders_and_subclasses_become_plain_arrays() -> None:
    swapped = np.array([[1.0, 2.0]], ">f4")
    checked = check_inputs(swapped)
    assert checked.dtype == np.float32
    assert checked.dtype.isnative
    np.testing.assert_array_equal(checked, swapped)
    masked = np.ma.MaskedArray([[1.0, 2.0]], mask=False)
    assert type(check_inputs(masked)) is np.ndarray


@pytest.mark.parametrize(
    ("x", "parts"),
    [
        ([[1, 2], [3], [4, 5]], ["row 1", "(1,)", "(2,)"]),
        ([[[1], [2]], [[1], [2, 3]]], ["row 1"]),
        ([[1, "cat"], [3, 4]], ["text", "row 0, column 1", "'cat'"]),
        ([["1", "2"]], ["text", "row 0, column 0", "'1'"]),
        ([b"ab"], ["text", "row 0"]),
        (np.array([[1.0, None]], object), ["missing", "row 0, column 1"]),
        (np.array([[1.0], [{}]], object), ["a dict", "row 1, column 0"]),
        (np.array([[1.0], [2j]], object), ["a complex", "row 1"]),
        ([[10**400, 1]], ["too large"]),
        (np.zeros((2, 2), complex), ["Complex data not supported"]),
        (5.0, ["single float"]),
        (None, ["single NoneType"]),
        (np.zeros((0, 3)), ["empty", "no rows", "(0, 3)"]),
        (np.zeros((3, 0)), ["empty", "no values in a row"]),
        ([], ["empty"]),
        (Sparse(), ["sparse", "toarray"]),
        (np.ma.MaskedArray([[1.0], [2.0]], mask=[[False], [True]]), ["masked", "row 1"]),
    ],
)
def test_what_is_no_array_of_numbers_is_named(x: object, parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        check_inputs(x, "X_new")
    assert "X_new" in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("dtype", ["uint32", "uint64", "datetime64[D]", "longdouble"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    if np.dtype(dtype).name in DATA_DTYPES:
        pytest.skip("long double is float64 here")
    with pytest.raises(DTypeError, match="astype"):
        check_inputs(np.zeros((2, 2), dtype))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("bad", "word"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_values_that_are_not_finite_are_counted_and_the_first_is_named(
    dtype: str, bad: float, word: str
) -> None:
    x = np.zeros((700, 2000), dtype)
    x[650, 7] = bad
    x[699, 3] = -np.inf
    with pytest.raises(DataError) as caught:
        check_inputs(x)
    assert f"X has {word} at row 650, column 7" in str(caught.value)
    assert "2 of 1400000" in str(caught.value)


def test_places_in_pictures_and_in_single_columns() -> None:
    pictures = np.zeros((2, 3, 4))
    pictures[1, 2, 0] = np.nan
    with pytest.raises(DataError, match=r"row 1, position \(2, 0\)"):
        check_inputs(pictures)
    with pytest.raises(DataError, match="NaN at row 1"):
        check_inputs([1.0, np.nan])


def test_what_fails_to_become_an_array_is_said() -> None:
    class Broken:
        def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
            raise ValueError("lost the connection")

    with pytest.raises(DataError, match="cannot be read as an array") as caught:
        check_inputs(Broken())
    assert "lost the connection" in str(caught.value)
