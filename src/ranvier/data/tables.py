"""Tables of text: CSV and TSV files, read by polars (the only file that imports it).

The layout is checked before anything is read: every line has as many fields as the first, quotes
are closed, the text is UTF-8. Errors name the line of the file, counted from 1.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranvier.foundation.errors import DataError, FileError, missing_extra

#: Fields that mean "no value here".
MISSING = ("", "?", "NA", "N/A", "n/a", "nan", "NaN", "NAN", "null", "NULL", "Null")
#: A column of numbers with a few texts in it and more different values than this is a mistake.
_FEW_VALUES = 20


@dataclass(frozen=True, eq=False)
class Table:
    """A table of stripped texts.

    Attributes:
        path: the file.
        names: the columns, from the header or ``column_1``, ``column_2`` ...
        has_header: whether the file names its columns.
        frame: the polars frame, all texts, null where missing.
        notes: plain sentences about what was understood.
    """

    path: Path
    names: tuple[str, ...]
    has_header: bool
    frame: Any
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """The number of rows without the header."""
        return int(self.frame.height)

    def line(self, row: int) -> int:
        """The line of a row in the file, counted from 1."""
        return row + 1 + int(self.has_header)

    def texts(self, name: str) -> NDArray[Any]:
        """A column as texts, None where missing."""
        texts = np.empty(self.rows, object)
        texts[:] = self.frame[name].to_list()
        return texts

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A column as numbers, NaN where missing.

        Raises:
            DataError: a field that is no finite number, with its line.
        """
        polars = _polars()
        texts = self.frame[name]
        cast = texts.cast(polars.Float64, strict=False)
        wrong = texts.is_not_null() & ~cast.is_finite().fill_null(False)
        if wrong.any():
            raise self._not_a_number(name, int(wrong.arg_max()))
        return np.asarray(cast.fill_null(float("nan")).to_numpy(), np.float64)

    def guessed(self, name: str) -> NDArray[Any]:
        """A column as numbers if all its fields are, else as texts.

        Raises:
            DataError: mostly numbers, and a field that is none: that is a mistake in the file.
        """
        polars = _polars()
        texts = self.frame[name]
        cast = texts.cast(polars.Float64, strict=False)
        present = int(texts.is_not_null().sum())
        good = int(cast.is_not_null().sum())
        mostly = good > present / 2 and int(texts.n_unique()) > _FEW_VALUES
        return self.numbers(name) if good == present or mostly else self.texts(name)

    def labels(self, name: str) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The targets that are there, as integers, floats or texts, and where they are there."""
        polars = _polars()
        texts = self.frame[name]
        present = np.asarray(texts.is_not_null().to_numpy(), bool)
        kept = texts.drop_nulls()
        integers = kept.cast(polars.Int64, strict=False)
        if integers.null_count() == 0:
            return np.asarray(integers.to_numpy(), np.int64), present
        floats = kept.cast(polars.Float64, strict=False)
        if floats.null_count() == 0:
            return self.numbers(name)[present], present
        labels = np.empty(len(kept), object)
        labels[:] = kept.to_list()
        return labels, present

    def _not_a_number(self, name: str, row: int) -> DataError:
        return DataError(
            f"{self.path}, line {self.line(row)}: the column {name!r} needs a number.",
            happened=f"the field is {self.frame[name][row]!r:.60}",
            needed="a finite number with a decimal point, or an empty field where it is missing",
            fix=f"correct line {self.line(row)} of the file",
        )


def _polars() -> ModuleType:
    try:
        import polars
    except ImportError as error:
        raise missing_extra("polars", "tables", "Reading a table") from error
    return polars


def read_table(path: Path, known_names: Iterable[str] = ()) -> Table:
    """Read a CSV or TSV file, plain or compressed with gzip.

    Args:
        path: the file.
        known_names: names of columns; a first line that holds one of them is a header.

    Raises:
        FileError: a file that cannot be read, is empty, not text, or ragged.
        DataError: columns with the same name, or a header without rows.
        MissingExtraError: polars is not installed.
    """
    polars = _polars()
    data = _text_bytes(path)
    separator = _separator(path, data)
    _check_layout(path, data, separator)
    try:
        frame = polars.read_csv(
            io.BytesIO(data), has_header=False, infer_schema=False, separator=separator
        )
    except polars.exceptions.PolarsError as error:
        raise _unreadable(path, str(error).splitlines()[0]) from error
    text = polars.all().str.strip_chars()
    frame = frame.select(polars.when(~text.is_in(list(MISSING))).then(text))
    first = [None if field is None else str(field) for field in frame.row(0)]
    has_header = _is_header(first, frame, set(known_names))
    names = _column_names(path, first if has_header else [None] * len(first))
    frame.columns = list(names)
    if has_header:
        frame = frame.slice(1)
    if not frame.height:
        raise DataError(
            f"{path} has no rows.",
            happened="there is a header line and nothing else",
            needed="at least one row",
            fix="look at how the file was written",
        )
    table = Table(path, names, has_header, frame)
    return _without_index(table) if has_header and first[0] is None else table


def _text_bytes(path: Path) -> bytes:
    """The bytes of a text file that end with one line feed."""
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, str(error) or type(error).__name__) from error
    data = data.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    if not data.strip():
        raise FileError(
            f"{path} is empty.",
            happened="there is no text in it",
            needed="rows of fields separated by commas or tabs",
            fix="look at how the file was written",
        )
    if b"\0" in data[: 1 << 20]:
        raise _unreadable(path, "it holds zero bytes: it is a binary file, or text in UTF-16")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, f"line {line} is not UTF-8 text") from error
    return data + b"\n"


def _separator(path: Path, data: bytes) -> str:
    """Tabs in .tsv files; else what the first line has most of."""
    if path.name.removesuffix(".gz").endswith(".tsv"):
        return "\t"
    outside = b"".join(data.split(b"\n", 1)[0].split(b'"')[::2])
    return max((",", ";", "\t"), key=lambda separator: outside.count(separator.encode()))


def _check_layout(path: Path, data: bytes, separator: str) -> None:
    """Every line has as many fields as the first; quotes hide separators and line feeds."""
    codes = np.frombuffer(data, np.uint8)
    ends, splits = codes == ord("\n"), codes == ord(separator)
    quotes = codes == ord('"')
    if quotes.any():
        # Counting modulo 256 keeps the parity, which is all that is asked.
        outside = (np.cumsum(quotes, dtype=np.uint8) & 1) == 0
        if not outside[-1]:
            raise _unreadable(path, "a quotation mark is opened and never closed")
        ends, splits = ends & outside, splits & outside
    line_ends = np.flatnonzero(ends)
    fields = np.diff(np.searchsorted(np.flatnonzero(splits), line_ends), prepend=0) + 1
    wrong = np.flatnonzero(fields != fields[0])
    if len(wrong):
        line = int(wrong[0])
        start = int(line_ends[line - 1]) + 1
        empty = not data[start : int(line_ends[line])].strip()
        found = "it is empty" if empty else f"it has {int(fields[line])} fields"
        raise FileError(
            f"{path} is ragged: line {line + 1} has another number of fields than line 1.",
            happened=f"{found}, line 1 has {int(fields[0])}",
            needed="as many fields in each line",
            fix=f"correct or remove line {line + 1}; put texts that hold a separator in quotes",
        )


def _is_header(first: list[str | None], frame: Any, known: set[str]) -> bool:
    """Whether the first line names the columns."""
    named = [name for name in first if name is not None]
    if known & set(named):
        return True
    if not named or any(_is_number(name) for name in named):
        return False
    polars = _polars()
    rest = frame.slice(1)
    if not rest.height:
        return len(first) > 1
    numeric = [
        rest[column].null_count() < rest.height
        and rest[column].cast(polars.Float64, strict=False).null_count()
        == rest[column].null_count()
        for column in rest.columns
    ]
    if any(numeric):
        return True
    # Only texts: the names of columns differ, and do not come again below them.
    return len(set(named)) == len(named) and not any(
        (rest[column] == name).any()
        for column, name in zip(rest.columns, first, strict=True)
        if name is not None
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _column_names(path: Path, first: list[str | None]) -> tuple[str, ...]:
    names = tuple(name or f"column_{i + 1}" for i, name in enumerate(first))
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(
            f"{path} has two columns called {twice[0]!r}.",
            happened="the header names these more than once: " + ", ".join(twice[:20]),
            needed="a name of its own for each column",
            fix="rename the columns in the first line",
        )
    return names


def _without_index(table: Table) -> Table:
    """Leave out a first column without a name that only counts the rows: it gives order away."""
    counted = [str(i) for i in range(table.rows)]
    if table.frame[table.names[0]].to_list() != counted or len(table.names) < 2:
        return table
    note = "The first column has no name and counts the rows; it is left out."
    return Table(table.path, table.names[1:], True, table.frame.drop(table.names[0]), (note,))


def _unreadable(path: Path, happened: str) -> FileError:
    return FileError(
        f"{path} cannot be read as a table.",
        happened=happened,
        needed="text in UTF-8: rows of fields separated by commas, semicolons or tabs, plain or "
        "compressed with gzip",
        fix="look at the file in a text editor, and save it again as CSV in UTF-8",
    )
