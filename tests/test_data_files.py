"""Opening data by name, the built-ins, and real data where it is at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ranvier.data import BUILTINS, Preparation, open_dataset, read_rows, spirals
from ranvier.foundation.errors import ArgumentError, FileError, UnknownNameError


@pytest.mark.parametrize(
    ("name", "train", "test", "classes", "task"),
    [
        ("digits", (1438, 8, 8), (359, 8, 8), 10, "classification"),
        ("iris", (120, 4), (30, 4), 3, "classification"),
        ("breast_cancer", (455, 30), (114, 30), 2, "binary"),
        ("spirals", (800, 2), (200, 2), 2, "binary"),
    ],
)
def test_builtins_have_a_fixed_test_part(
    name: str, train: tuple[int, ...], test: tuple[int, ...], classes: int, task: str
) -> None:
    data = open_dataset(name)
    assert (data.x.shape, data.test_x.shape) == (train, test)
    assert (len(data.class_names), data.task) == (classes, task)
    assert data.source
    assert data.licence
    counts = np.bincount(data.y) + np.bincount(data.test_y)
    np.testing.assert_allclose(np.bincount(data.test_y) / counts, 0.2, atol=0.01)
    again = open_dataset(name, test_fraction=0.5, seed=5)
    np.testing.assert_array_equal(again.test_x, data.test_x)
    rows = read_rows(name, data.preparation)
    np.testing.assert_array_equal(rows.x, data.test_inputs)
    np.testing.assert_array_equal(rows.y, data.test_y)
    assert Preparation.from_json(data.preparation.to_json()) == data.preparation


def test_digits_are_bytes_that_are_scaled_by_a_sixteenth() -> None:
    digits = open_dataset("digits")
    assert digits.x.dtype == np.uint8
    assert digits.preparation.scale == 1 / 16
    assert digits.inputs.max() == 1.0
    assert digits.class_names == tuple("0123456789")
    counts = np.bincount(digits.y) + np.bincount(digits.test_y)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_tables_inside_the_package_are_standardized() -> None:
    iris = open_dataset("iris")
    np.testing.assert_allclose(iris.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(iris.x.std(axis=0), 1, rtol=1e-5)
    assert iris.class_names == ("setosa", "versicolor", "virginica")
    assert iris.feature_names[0] == "sepal length (cm)"
    cancer = open_dataset("breast_cancer")
    assert cancer.class_names == ("malignant", "benign")
    counts = np.bincount(cancer.y) + np.bincount(cancer.test_y)
    assert counts.tolist() == [212, 357]


def test_xor_is_four_rows_as_they_are() -> None:
    xor = open_dataset("xor")
    assert xor.x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert xor.y.tolist() == [0, 1, 1, 0]
    assert xor.test_x is None
    assert xor.test_inputs is None
    assert read_rows("xor", xor.preparation).y.tolist() == [0, 1, 1, 0]


def test_spirals_are_the_same_for_a_seed() -> None:
    x, y = spirals(100, seed=3, classes=3)
    assert (x.shape, np.bincount(y).tolist()) == ((100, 2), [34, 33, 33])
    np.testing.assert_array_equal(x, spirals(100, seed=3, classes=3)[0])
    assert not np.array_equal(x, spirals(100, seed=4, classes=3)[0])
    assert np.abs(x).max() < 1.1
    calm, _ = spirals(10, noise=0.0)
    np.testing.assert_allclose(np.hypot(*calm.T), np.repeat(np.arange(1, 6) / 5, 2))


@pytest.mark.parametrize(
    "arguments", [{"rows": 1}, {"classes": 1}, {"seed": -1}, {"noise": -0.1}, {"noise": np.nan}]
)
def test_spirals_that_cannot_be_made(arguments: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="Spirals"):
        spirals(**arguments)  # type: ignore[arg-type]


def test_unknown_names_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'digits'") as caught:
        open_dataset("digit")
    assert "no such file" in str(caught.value)
    for name in BUILTINS:
        assert name in str(caught.value)
    for missing in ("nothing.csv", f"{tmp_path}/digits", tmp_path / "digits", Path("digits")):
        with pytest.raises(FileError, match="There is no file"):
            open_dataset(missing)
    with pytest.raises(UnknownNameError):
        read_rows("iriss", open_dataset("iris").preparation)


def test_builtins_know_their_targets() -> None:
    with pytest.raises(ArgumentError, match="target"):
        open_dataset("iris", target="species")
    with pytest.raises(ArgumentError, match="kind"):
        open_dataset("iris", kind="numbers")
    assert open_dataset("iris", kind="classes").task == "classification"


def test_the_package_stays_small() -> None:
    folder = Path(__file__).resolve().parents[1] / "src" / "ranvier" / "data" / "builtin_files"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 200_000
    text = (folder / "SOURCES.md").read_text(encoding="utf-8")
    for path in folder.glob("*.npz"):
        assert f"`{path.name}`" in text


def test_mnist(real_data: Path) -> None:
    folder = real_data / "handwriting" / "mnist"
    if not folder.is_dir():
        pytest.skip("MNIST is not in the folder of real data")
    data = open_dataset(folder)
    assert (data.x.shape, data.test_x.shape) == ((60_000, 28, 28), (10_000, 28, 28))
    assert data.x.dtype == np.uint8
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.y).tolist() == counts
    assert np.bincount(data.test_y)[:3].tolist() == [980, 1135, 1032]


def real_table(real_data: Path, name: str) -> Path:
    pytest.importorskip("polars", reason="the extra 'tables' is not installed")
    path = real_data / "tables" / name
    if not path.is_file():
        pytest.skip(f"{name} is not in the folder of real data")
    return path


def test_iris_from_a_file(real_data: Path) -> None:
    data = open_dataset(real_table(real_data, "iris.csv"), test_fraction=0.2)
    assert (data.x.shape, data.test_x.shape) == ((120, 4), (30, 4))
    assert data.class_names == ("Iris-setosa", "Iris-versicolor", "Iris-virginica")
    assert np.bincount(data.test_y).tolist() == [10, 10, 10]


def test_breast_cancer_from_a_file(real_data: Path) -> None:
    data = open_dataset(real_table(real_data, "breast-cancer-wisconsin.csv"))
    assert data.x.shape == (699, 10)
    assert np.bincount(data.y).tolist() == [458, 241]
    assert data.class_names == ("2", "4")
    assert int(data.x[:, 6].sum()) == 16


def test_adult_from_a_file(real_data: Path) -> None:
    path = real_table(real_data, "adult-train.csv.gz")
    data = open_dataset(path)
    assert data.x.shape == (32_561, 108)
    assert np.bincount(data.y).tolist() == [24_720, 7_841]
    assert data.class_names == ("<=50K", ">50K")
    rows = read_rows(path, Preparation.from_json(data.preparation.to_json()))
    np.testing.assert_array_equal(rows.x, data.x)
    np.testing.assert_array_equal(rows.y, data.y)


def test_houses_from_a_file(real_data: Path) -> None:
    path = real_table(real_data, "california_housing.csv.gz")
    data = open_dataset(path, target="median_house_value")
    assert (data.task, data.x.shape, data.y.shape) == ("regression", (20_640, 14), (20_640, 1))
    scaled = data.preparation.scale_targets(data.y)
    assert abs(float(scaled.std()) - 1.0) < 1e-6
