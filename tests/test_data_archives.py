"""NumPy archives, and folders of IDX files as MNIST has them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from ranvier.data.files import open_dataset, read_rows
from ranvier.foundation.errors import ArgumentError, DataError, FileError, ShapeError
from test_data_idx import idx_bytes

GENERATOR = np.random.default_rng(0)
PICTURES = GENERATOR.integers(0, 256, (12, 4, 4)).astype(np.uint8)
LABELS = np.arange(12) % 3


def mnist_like(folder: Path) -> Path:
    """A folder like MNIST's: the training part compressed, the test part not."""
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(PICTURES)))
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(LABELS)))
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(PICTURES[:5]))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS[:5]))
    return folder


def test_a_folder_of_idx_files(tmp_path: Path) -> None:
    data = open_dataset(mnist_like(tmp_path))
    np.testing.assert_array_equal(data.x, PICTURES)
    np.testing.assert_array_equal(data.y, LABELS)
    np.testing.assert_array_equal(data.test_x, PICTURES[:5])
    np.testing.assert_array_equal(data.test_y, LABELS[:5])
    np.testing.assert_allclose(data.inputs, PICTURES / np.float32(255), rtol=1e-6)
    assert (data.task, data.class_names) == ("classification", ("0", "1", "2"))
    rows = read_rows(tmp_path, data.preparation)
    np.testing.assert_array_equal(rows.x, data.test_inputs)
    np.testing.assert_array_equal(rows.y, data.test_y)


def test_one_idx_file_finds_its_labels(tmp_path: Path) -> None:
    mnist_like(tmp_path)
    data = open_dataset(str(tmp_path / "train-images-idx3-ubyte.gz"))
    np.testing.assert_array_equal(data.y, LABELS)
    assert data.test_x is None
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    alone = open_dataset(tmp_path / "train-images-idx3-ubyte.gz")
    assert alone.y is None
    assert alone.task == ""
    assert any("No file of labels" in note for note in alone.notes)
    with pytest.raises(FileError, match="holds labels"):
        open_dataset(tmp_path / "t10k-labels-idx1-ubyte")


def test_a_test_part_is_set_aside_by_class(tmp_path: Path) -> None:
    mnist_like(tmp_path)
    data = open_dataset(tmp_path / "train-images-idx3-ubyte.gz", test_fraction=0.25)
    assert data.x.shape == (9, 4, 4)
    assert sorted(data.test_y) == [0, 1, 2]
    # A test part of its own stays as it is.
    assert len(open_dataset(tmp_path, test_fraction=0.5).test_x) == 5


@pytest.mark.parametrize("extra", [None, "other-images-idx3-ubyte"])
def test_folders_without_one_training_pair(tmp_path: Path, extra: str | None) -> None:
    if extra is not None:
        mnist_like(tmp_path)
        (tmp_path / extra).write_bytes(idx_bytes(PICTURES))
    with pytest.raises(FileError, match="no folder of one data set") as caught:
        open_dataset(tmp_path)
    assert ("other" if extra else "(none)") in str(caught.value)


def test_labels_of_another_length(tmp_path: Path) -> None:
    mnist_like(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(idx_bytes(LABELS[:3]))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte.gz has another number of rows"):
        open_dataset(tmp_path)


def test_a_truncated_file_in_the_folder_is_named(tmp_path: Path) -> None:
    path = mnist_like(tmp_path) / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileError, match=r"train-images-idx3-ubyte.gz cannot be read"):
        open_dataset(tmp_path)


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    "names",
    [
        ("x", "y", "x_test", "y_test"),
        ("X_train", "Y_train", "X_test", "Y_test"),
        ("data", "labels", "test_x", "test_y"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_archives_by_their_usual_names(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = (PICTURES, LABELS, PICTURES[:4], LABELS[:4])
    path = save(tmp_path / "a.npz", **dict(zip(names, arrays, strict=True)), odd=np.zeros(1))
    data = open_dataset(path)
    np.testing.assert_array_equal(data.x, PICTURES)
    np.testing.assert_array_equal(data.test_y, LABELS[:4])
    assert any("odd" in note for note in data.notes)


def test_a_matrix_is_standardized_by_column(tmp_path: Path) -> None:
    x = GENERATOR.normal(5, [1, 2, 3], (40, 3))
    y = np.array(["a", "b"] * 20)
    path = save(tmp_path / "a.npz", x=x, y=y, x_test=x[:7], y_test=y[:7])
    data = open_dataset(path)
    np.testing.assert_allclose(data.x.std(axis=0), 1, rtol=1e-5)
    np.testing.assert_array_equal(data.test_x, data.x[:7])
    assert data.feature_names == ("feature_1", "feature_2", "feature_3")
    assert data.class_names == ("a", "b")
    np.testing.assert_array_equal(read_rows(path, data.preparation).x, data.x[:7])


def test_numbers_and_arrays_of_floats(tmp_path: Path) -> None:
    x = GENERATOR.normal(5, 2, (10, 3, 3)).astype(np.float32)
    path = save(tmp_path / "a.npz", x=x, y=np.arange(10), x_test=x, y_test=np.arange(10))
    data = open_dataset(path, kind="numbers")
    assert data.task == "regression"
    assert data.y.shape == (10, 1)
    assert data.test_y.shape == (10, 1)
    assert abs(float(data.inputs.mean())) < 1e-4
    assert data.test_inputs.shape == (10, 3, 3)
    rows = read_rows(path, data.preparation)
    np.testing.assert_array_equal(rows.y, data.test_y)


def test_flat_pictures_are_taken_for_pictures(tmp_path: Path) -> None:
    data = open_dataset(save(tmp_path / "a.npz", x=PICTURES, y=LABELS))
    flat = save(tmp_path / "flat.npz", x=PICTURES.reshape(12, 16))
    rows = read_rows(flat, data.preparation)
    np.testing.assert_array_equal(rows.x, data.inputs)
    assert rows.y is None
    with pytest.raises(ShapeError, match=r"shape \(4, 4\)"):
        read_rows(save(tmp_path / "b.npz", x=PICTURES[:, :3]), data.preparation)


def test_unknown_labels_of_new_rows(tmp_path: Path) -> None:
    data = open_dataset(save(tmp_path / "a.npz", x=PICTURES, y=LABELS))
    other = save(tmp_path / "b.npz", x=PICTURES, y=LABELS + 1)
    with pytest.raises(DataError, match=r"row 2 .*"):
        read_rows(other, data.preparation)


@pytest.mark.parametrize(
    ("arrays", "error", "part"),
    [
        ({"a": PICTURES}, FileError, "its arrays are: a"),
        ({"x": np.array([{}, 1], object)}, FileError, "Python objects"),
        ({"x": np.zeros((0, 2))}, DataError, "empty"),
        ({"x": np.array([[1.0], [np.nan]])}, DataError, "row 1, column 0"),
        ({"x": np.array([["a"]])}, DataError, "text"),
        ({"x": PICTURES, "y": LABELS[:3]}, DataError, "another number of rows"),
        ({"x": PICTURES, "y": LABELS * 0}, DataError, "one class only"),
        ({"x": PICTURES, "x_test": PICTURES[:, :2]}, DataError, "another shape"),
        (
            {"x": PICTURES, "y": LABELS, "x_test": PICTURES[:1], "y_test": np.array([9])},
            DataError,
            "is 9",
        ),
    ],
)
def test_archives_that_cannot_be_used(
    tmp_path: Path, arrays: dict[str, np.ndarray], error: type[Exception], part: str
) -> None:
    path = save(tmp_path / "bad.npz", **arrays)
    with pytest.raises(error) as caught:
        open_dataset(path)
    assert part in str(caught.value)


def test_damaged_archives_are_named(tmp_path: Path) -> None:
    good = save(tmp_path / "good.npz", x=PICTURES, y=LABELS).read_bytes()
    path = tmp_path / "bad.npz"
    changed = bytearray(good)
    changed[200] ^= 0xFF
    for data in (b"", b"text", good[: len(good) // 2], bytes(changed)):
        path.write_bytes(data)
        with pytest.raises(FileError, match=r"bad.npz cannot be read"):
            open_dataset(path)
    np.save(tmp_path / "single.npy", PICTURES)
    (tmp_path / "single.npy").rename(path)
    with pytest.raises(FileError, match="a single array"):
        open_dataset(path)


def test_arguments_that_make_no_sense_for_arrays(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", x=PICTURES, y=LABELS)
    with pytest.raises(ArgumentError, match="target"):
        open_dataset(path, target="y")
    with pytest.raises(ArgumentError, match="kind"):
        open_dataset(path, kind="mse")
    with pytest.raises(ArgumentError, match="test_fraction"):
        open_dataset(path, test_fraction=1.0)
    other = tmp_path / "a.xyz"
    other.write_text("hello")
    with pytest.raises(FileError, match="of no kind that is known"):
        open_dataset(other)
