"""CSV and TSV tables: headers, targets, missing values, raw rows, and errors that name the line."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from ranvier.data.files import open_dataset, read_rows
from ranvier.data.tables import read_table
from ranvier.foundation.errors import DataError, FileError, MissingExtraError, ShapeError

FLOWERS = "width,height,colour,kind\n" + "".join(
    f"{i},{i * i % 7}.5,{'red' if i % 3 else 'blue'},{'rose' if i % 2 else 'tulip'}\n"
    for i in range(12)
)


@pytest.fixture(autouse=True)
def _needs_polars(request: pytest.FixtureRequest) -> None:
    if "monkeypatch" not in request.fixturenames:
        pytest.importorskip("polars", reason="the extra 'tables' is not installed")


def write(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    path = folder / name
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.tsv.gz"])
def test_a_table_with_a_header(tmp_path: Path, name: str) -> None:
    text = FLOWERS.replace(",", "\t") if ".tsv" in name else FLOWERS
    data = open_dataset(write(tmp_path, text, name))
    assert data.feature_names == ("width", "height", "colour = blue", "colour = red")
    assert (data.x.shape, data.x.dtype) == ((12, 4), np.float32)
    assert data.class_names == ("rose", "tulip")
    assert data.y.tolist() == [1, 0] * 6
    assert data.task == "binary"
    assert data.preparation.target == "kind"
    assert any("last column, 'kind'" in note for note in data.notes)


@pytest.mark.parametrize(
    "text",
    [
        FLOWERS.replace("\n", "\r\n"),
        "\ufeff" + FLOWERS,
        FLOWERS + "\n\n",
        FLOWERS.replace(",", ";"),
        FLOWERS.replace(",", " ,  "),
        FLOWERS.rstrip("\n"),
        FLOWERS.replace("red", '"red"').replace("width", '"width"'),
    ],
)
def test_other_ways_to_write_the_same_table(tmp_path: Path, text: str) -> None:
    expected = open_dataset(write(tmp_path, FLOWERS, "b.csv"))
    data = open_dataset(write(tmp_path, text))
    np.testing.assert_array_equal(data.x, expected.x)
    np.testing.assert_array_equal(data.y, expected.y)
    assert data.feature_names == expected.feature_names


def test_quotes_hide_separators_and_line_feeds(tmp_path: Path) -> None:
    text = 'n,text,y\n1,"a, b\nc",0\n2,"say ""x""",1\n3,"a, b\nc",0\n'
    data = open_dataset(write(tmp_path, text))
    assert data.feature_names == ("n", "text = a, b\nc", 'text = say "x"')


def test_a_table_without_a_header(tmp_path: Path) -> None:
    rows = FLOWERS.split("\n", 1)[1]
    data = open_dataset(write(tmp_path, rows))
    assert len(data.x) == 12
    assert data.preparation.target == "column_4"
    assert any("no header line" in note for note in data.notes)
    only_texts = "".join(f"{'pq'[i % 2]},{'uvw'[i % 3]},{'ab'[i % 2]}\n" for i in range(9))
    assert len(open_dataset(write(tmp_path, only_texts)).x) == 9
    with_names = "first,second,third\n" + only_texts
    assert open_dataset(write(tmp_path, with_names)).feature_names[0] == "first = p"


def test_the_target_is_asked_for_or_found_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, "a,Class,b\n1.5,x,2\n2.5,y,3\n3.5,x,9\n")
    data = open_dataset(path)
    assert data.preparation.target == "Class"
    assert any("because of its name" in note for note in data.notes)
    asked = open_dataset(path, target="a")
    assert (asked.task, asked.y.tolist()) == ("regression", [[1.5], [2.5], [3.5]])
    assert asked.feature_names == ("Class = x", "Class = y", "b")
    integers = open_dataset(path, target="b")
    assert (integers.task, integers.class_names) == ("classification", ("2", "3", "9"))
    assert open_dataset(path, target="b", kind="numbers").task == "regression"
    with pytest.raises(DataError, match="a, Class, b") as caught:
        open_dataset(path, target="clas")
    assert "did you mean 'Class'" in str(caught.value)


def test_missing_values_and_missing_targets(tmp_path: Path) -> None:
    text = "a,b,y\n1,u,p\n?,v,q\nNA,,p\n4,u,\n5,v,q\n"
    data = open_dataset(write(tmp_path, text))
    assert data.feature_names == ("a", "a is missing", "b = u", "b = v", "b is missing")
    assert data.x.shape == (4, 5)
    assert data.x[:, 1].tolist() == [0, 1, 1, 0]
    assert data.y.tolist() == [0, 1, 0, 1]
    assert any("1 rows without a target" in note for note in data.notes)
    assert any("2 missing values" in note for note in data.notes)


def test_an_index_without_a_name_is_left_out(tmp_path: Path) -> None:
    text = ",a,y\n" + "".join(f"{i},{i % 3},{'pq'[i % 2]}\n" for i in range(6))
    data = open_dataset(write(tmp_path, text))
    assert data.feature_names == ("a",)
    assert any("counts the rows" in note for note in data.notes)
    other = open_dataset(write(tmp_path, text.replace("\n5,", "\n9,")))
    assert other.feature_names == ("column_1", "a")


def test_raw_rows_with_and_without_the_target(tmp_path: Path) -> None:
    data = open_dataset(write(tmp_path, FLOWERS))
    rows = read_rows(tmp_path / "a.csv", data.preparation)
    np.testing.assert_array_equal(rows.x, data.x)
    np.testing.assert_array_equal(rows.y, data.y)
    turned = "\n".join(",".join(line.split(",")[2::-1]) for line in FLOWERS.split("\n"))
    rows = read_rows(write(tmp_path, turned, "b.csv"), data.preparation)
    np.testing.assert_array_equal(rows.x, data.x)
    assert rows.y is None
    empty = "\n".join([FLOWERS.split("\n")[0], "3,2.5,green,", ""])
    rows = read_rows(write(tmp_path, empty, "c.csv"), data.preparation)
    assert rows.y is None
    assert rows.x[0, 2:].tolist() == [0, 0]


def test_raw_rows_by_position(tmp_path: Path) -> None:
    lines = FLOWERS.split("\n")[1:-1]
    by_name = open_dataset(write(tmp_path, FLOWERS), target="width")
    whole = write(tmp_path, "\n".join(lines), "whole.csv")
    for data in (by_name, open_dataset(whole, target="column_1")):
        rows = read_rows(whole, data.preparation)
        np.testing.assert_array_equal(rows.x, data.x)
        np.testing.assert_array_equal(rows.y, data.y)
        features = "\n".join(line.split(",", 1)[1] for line in lines)
        rows = read_rows(write(tmp_path, features, "features.csv"), data.preparation)
        np.testing.assert_array_equal(rows.x, data.x)
        assert rows.y is None
    with pytest.raises(ShapeError, match="another number of columns"):
        read_rows(write(tmp_path, "1,2\n3,4\n", "two.csv"), by_name.preparation)


def test_raw_rows_of_a_regression(tmp_path: Path) -> None:
    path = write(tmp_path, "a,y\n1,0.5\n2,1.5\n3,4\n")
    data = open_dataset(path)
    np.testing.assert_array_equal(read_rows(path, data.preparation).y, data.y)


def test_raw_rows_for_a_model_of_arrays(tmp_path: Path) -> None:
    digits = open_dataset("digits")
    flat = digits.x[:3].reshape(3, 64)
    path = tmp_path / "digits.csv"
    np.savetxt(path, flat, "%d", ",")
    np.testing.assert_array_equal(
        read_rows(path, digits.preparation).x, digits.preparation.apply_array(digits.x[:3])
    )
    path.write_text(path.read_text().replace("0,", "?,", 1))
    with pytest.raises(DataError, match="line 1: the column 'column_1' is empty"):
        read_rows(path, digits.preparation)
    with pytest.raises(ShapeError, match=r"\(2,\)"):
        read_rows(write(tmp_path, "1,2\n3,4\n"), digits.preparation)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("width,height,kind\n1,2,rose\n", ["'colour' is missing", "width, height\n"]),
        ("width,height,colour\n1,2,red\n3,tall,red\n", ["line 3", "'height'", "'tall'"]),
        ("width,height,colour\n1,inf,red\n", ["line 2", "'height'", "'inf'"]),
        ("width,height,colour,kind\n1,2,red,oak\n", ["'kind'", "'oak'", "row 0"]),
        (
            "width,height,colour,kind\n1,2,red,rose\n1,2,red,\n",
            ["line 3", "'kind' has no value", "1 rows"],
        ),
    ],
)
def test_raw_rows_that_do_not_fit(tmp_path: Path, text: str, parts: list[str]) -> None:
    data = open_dataset(write(tmp_path, FLOWERS))
    with pytest.raises(DataError) as caught:
        read_rows(write(tmp_path, text, "new.csv"), data.preparation)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (b"", ["is empty"]),
        (b"\n\n", ["is empty"]),
        ("a,b\n1,2\n3\n", ["line 3", "it has 1 fields", "line 1 has 2"]),
        ("a,b\n1,2,3\n3,4\n", ["line 2", "it has 3 fields"]),
        ("a,b\n1,2\n\n3,4\n", ["line 3", "it is empty"]),
        ('a,b\n"1,2\n3,4\n', ["quotation mark"]),
        (b"a,b\n1,\xff\n", ["line 2 is not UTF-8"]),
        ("a,b\n1,2\n".encode("utf-16"), ["binary file, or text in UTF-16"]),
        (b"a,b\n1,2\0\n", ["zero bytes"]),
    ],
)
def test_files_that_are_no_tables(tmp_path: Path, text: str | bytes, parts: list[str]) -> None:
    path = write(tmp_path, text, "bad.csv")
    with pytest.raises(FileError) as caught:
        open_dataset(path)
    for part in ["bad.csv", *parts]:
        assert part in str(caught.value)


def test_damaged_gzip(tmp_path: Path) -> None:
    path = write(tmp_path, FLOWERS, "a.csv.gz")
    good = path.read_bytes()
    for data in (good[:-12], good[:40] + b"\0\0\0\0" + good[44:]):
        path.write_bytes(data)
        with pytest.raises(FileError, match=r"a\.csv\.gz cannot be read"):
            open_dataset(path)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a,b,a\n1,2,3\n", ["two columns called 'a'"]),
        ("a,b\n", ["no rows"]),
        ("a\n1\n2\n", ["one column only", "'a'"]),
        ("a,y\n1,\n2,?\n", ["'y'", "is empty", "none of 2 rows"]),
        ("a,y\n1,p\n2,p\n", ["one class only"]),
        ("a,y\n?,p\n?,q\n", ["no column is left"]),
        (
            "a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(30)) + "12kg,1\n",
            ["line 32", "'a'", "'12kg'"],
        ),
        ("a,y\n1,0.5\n2,inf\n", ["line 3", "'y'", "'inf'"]),
    ],
)
def test_tables_that_cannot_be_learnt(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        open_dataset(write(tmp_path, text))
    for part in parts:
        assert part in str(caught.value)


def test_stray_quotes_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"a\.csv"):
        open_dataset(write(tmp_path, 'a b"c,1\n2" x,3\n'))


def test_the_extra_is_named_when_polars_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(MissingExtraError, match=r"ranvier\[tables\]"):
        read_table(write(tmp_path, FLOWERS))
