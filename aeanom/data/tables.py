"""Tables in (CSV, Parquet), float arrays out; and scored tables back.

A CSV's feature columns are parsed as numbers and all its other columns are kept as the text that
they are, so that an identifier such as 0017 comes out of scoring as it went in. It imports NumPy,
`aeanom.errors` and `aeanom.storage.atomic`; pyarrow inside the functions that need it. Missing
cells become NaN here and are judged later, by whoever fits or scores.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import os
import shlex
import sys
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from aeanom.data._require import require
from aeanom.data._text import number_of, quoted
from aeanom.errors import InvalidDataError
from aeanom.storage.atomic import replace_file

__all__ = ["Table", "read_table", "write_scored"]

_PARQUET = (".parquet", ".pq")
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
# A row must fit into two of pyarrow's blocks: its default of 1 MiB is too little for tables of some
# hundred thousand columns.
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, eq=False)
class Table:
    """The numeric columns of a table, and the table that they came from.

    Attributes
    ----------
    rows : ndarray of float64, shape (n, d)
        The features; empty cells are NaN.
    names : tuple of str, length d
        The features' names.
    labels : ndarray of object, shape (n,), or None
        The label column as it was read (text from a CSV), None where a Parquet file has none.
    original : pyarrow.Table
        All n rows with all columns, for `write_scored`.
    """

    rows: NDArray[np.float64]
    names: tuple[str, ...]
    labels: NDArray[np.object_] | None
    original: Any


def read_table(
    path: str | os.PathLike[str],
    *,
    label: str | None = None,
    ignore: Sequence[str] = (),
    columns: Sequence[str] | None = None,
) -> Table:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : str or path-like
        `.csv` or `.tsv` (UTF-8, with a header; also gzip-compressed), `.parquet` or `.pq`; "-" is
        CSV on standard input.
    label : str, optional
        The column that tells normal rows from anomalies; it is not a feature.
    ignore : sequence of str
        Columns that are not features.
    columns : sequence of str, optional
        The features, by name and in this order; all other columns are left alone. Without it,
        every column is a feature but the label, the ignored ones and a row index that pandas
        left (a nameless first CSV column, a Parquet file's index columns).

    Returns
    -------
    Table
        Integers, decimals and floats as float64, booleans as 0 and 1, empty cells as NaN.

    Raises
    ------
    InvalidDataError
        The file cannot be parsed, has no rows, nameless or repeated columns, unknown names in
        `label` or `ignore`, missing `columns`, or features that are not numbers.
    FileNotFoundError
        There is no such file.
    MissingDependencyError
        pyarrow is not installed.
    """
    ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
    source = "standard input" if os.fspath(path) == "-" else os.fspath(path)
    if os.fspath(path) != "-" and _suffix(path) in _PARQUET:
        original, index = _read_parquet(path, source)
        features = _choose(original.column_names, index, label, ignore, columns, source)
    else:
        delimiter = "," if os.fspath(path) == "-" else _delimiter(path)
        content = _read_bytes(path, source)
        names, index = _csv_header(content, delimiter, source)
        features = _choose(names, index, label, ignore, columns, source)
        original = _read_csv(content, delimiter, names, features, source)
    if original.num_rows == 0:
        raise InvalidDataError(f"{source} has a header and no rows")
    labels = None
    if label is not None:
        labels = np.empty(original.num_rows, dtype=object)
        labels[:] = original.column(label).to_pylist()
    rows = _numbers(original, features, ignore if columns is None else None, source)
    return Table(rows, features, labels, original)


def write_scored(
    path: str | os.PathLike[str] | None, table: Table, columns: Mapping[str, NDArray[Any]]
) -> None:
    """Write a table's original columns with new ones after them.

    Parameters
    ----------
    path : str, path-like or None
        `.csv`, `.tsv` (either with `.gz`), `.parquet` or `.pq`, put in place only when it is
        complete; None or "-" is CSV on standard output. Floats are written with the digits that
        read back as the same number.
    table : Table
        What `read_table` returned.
    columns : mapping of str to ndarray, shape (n,)
        The columns to add, in this order.

    Raises
    ------
    InvalidDataError
        A new column has the name of an old one or another length, the extension is unknown, or
        CSV cannot hold an original column (lists, for one). Nothing is written then.
    OSError
        The file cannot be written.
    MissingDependencyError
        pyarrow is not installed.
    """
    pyarrow = require("pyarrow", "pyarrow", "writing tables")
    scored = table.original
    taken = [name for name in columns if name in scored.column_names]
    if taken:
        raise InvalidDataError(
            f"the table already has columns called {quoted(taken)}, which the scores would be "
            "written to (has it been scored before?); rename or remove them first"
        )
    for name, values in columns.items():
        if np.shape(values) != (scored.num_rows,):
            raise InvalidDataError(
                f"column {name!r} has shape {np.shape(values)}, "
                f"and the table {scored.num_rows} rows"
            )
        scored = scored.append_column(name, pyarrow.array(np.asarray(values)))
    if path is None or os.fspath(path) == "-":
        _write_standard_output(scored)
    elif _suffix(path) in _PARQUET:
        parquet = require("pyarrow.parquet", "pyarrow", "writing tables")
        replace_file(path, lambda file: parquet.write_table(scored, file))
    else:
        delimiter, compressed = _delimiter(path), Path(path).suffix.lower() == ".gz"

        def write(file: BinaryIO) -> None:
            if not compressed:
                _write_csv(scored, delimiter, file)
                return
            # No name and no time inside, so that the same scores give the same file.
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                _write_csv(scored, delimiter, packed)

        replace_file(path, write)


# Which columns ------------------------------------------------------------------------------------


def _choose(
    names: Sequence[str],
    index: Sequence[str],
    label: str | None,
    ignore: Sequence[str],
    columns: Sequence[str] | None,
    source: str,
) -> tuple[str, ...]:
    """Return the features' names, or say which name is wrong."""
    if label is not None and label not in names:
        raise InvalidDataError(
            f"{source} has no column {label!r} to take the labels from{_close(label, names)}; "
            f"its columns are {quoted(names)}"
        )
    for name in ignore:
        if name not in names:
            raise InvalidDataError(
                f"{source} has no column {name!r} to ignore{_close(name, names)}; "
                f"its columns are {quoted(names)}"
            )
    if columns is None:
        others = {label, *ignore, *index}
        features = [name for name in names if name not in others]
        if not features:
            raise InvalidDataError(
                f"{source} has no feature columns left: its columns are {quoted(names)}, "
                f"the label is {label!r} and {quoted(ignore) or 'none'} are ignored"
            )
        return tuple(features)
    known = set(names)
    missing = [name for name in columns if name not in known]
    if missing:
        shown = ", ".join(f"{name!r}{_close(name, names)}" for name in missing[:10])
        more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise InvalidDataError(
            f"{source} lacks {len(missing)} of the {len(columns)} columns that the model was "
            f"fitted with: {shown}{more}"
        )
    needed = [name for name in columns if name == label or name in ignore]
    if needed:
        raise InvalidDataError(
            f"the model was fitted with {quoted(needed)} as a feature, so it can be neither the "
            "label nor ignored"
        )
    return tuple(columns)


def _close(name: str, names: Sequence[str]) -> str:
    by_lower = {known.strip().lower(): known for known in names}
    matches = difflib.get_close_matches(name.strip().lower(), by_lower, n=1)
    return f" (did you mean {by_lower[matches[0]]!r}?)" if matches else ""


def _check_names(names: Sequence[str], source: str) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InvalidDataError(f"{source} has more than one column called {quoted(repeated)}")


# Reading ------------------------------------------------------------------------------------------


def _suffix(path: str | os.PathLike[str]) -> str:
    suffixes = [suffix.lower() for suffix in Path(path).suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _delimiter(path: str | os.PathLike[str]) -> str:
    suffix = _suffix(path)
    if suffix not in _DELIMITERS:
        raise InvalidDataError(
            f"{os.fspath(path)}: tables are .csv or .tsv (also with .gz), .parquet or .pq, "
            f"not {suffix or 'without an extension'}"
        )
    return _DELIMITERS[suffix]


def _read_bytes(path: str | os.PathLike[str], source: str) -> bytes:
    content = sys.stdin.buffer.read() if os.fspath(path) == "-" else Path(path).read_bytes()
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidDataError(f"{source} is damaged: gzip cannot read it ({error})") from error
    if not content.strip():
        raise InvalidDataError(f"{source} is empty")
    return content


def _csv_header(
    content: bytes, delimiter: str, source: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the column names, and those of them that are a row index."""
    # pyarrow gives its names only with parsed columns, and how a column is to be parsed depends
    # on its name.
    lines = csv.reader(
        io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline=""), delimiter=delimiter
    )
    try:
        names = tuple(next(line for line in lines if line))
    except (UnicodeDecodeError, csv.Error, StopIteration) as error:
        raise InvalidDataError(f"{source} is not CSV in UTF-8: {error}") from error
    _check_names(names, source)
    if len(names) == 1:
        for other in sorted({",", ";", "\t", "|"} - {delimiter}):
            if other in names[0]:
                raise InvalidDataError(
                    f"{source} seems to separate its columns with {other!r}, not {delimiter!r}: "
                    f"its header is read as one column, {names[0]!r}"
                )
    if "" in names[1:]:
        raise InvalidDataError(f"{source}: column {names.index('', 1) + 1} has no name")
    # What pandas writes for a data frame's index, unless told not to.
    return names, names[:1] if names[0] == "" else ()


def _read_csv(
    content: bytes, delimiter: str, names: tuple[str, ...], features: Sequence[str], source: str
) -> Any:
    pyarrow = require("pyarrow", "pyarrow", "reading tables")
    pyarrow_csv = require("pyarrow.csv", "pyarrow", "reading tables")
    chosen = set(features)
    text = {name: pyarrow.string() for name in names if name not in chosen}

    def parse(use_threads: bool) -> Any:
        return pyarrow_csv.read_csv(
            pyarrow.BufferReader(content),
            read_options=pyarrow_csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=use_threads),
            parse_options=pyarrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pyarrow_csv.ConvertOptions(column_types=text),
        )

    try:
        try:
            table = parse(use_threads=True)
        except pyarrow.ArrowInvalid:
            table = parse(use_threads=False)  # only then does pyarrow say in which row
    except pyarrow.ArrowInvalid as error:
        raise InvalidDataError(f"{source} cannot be read as CSV: {error}") from error
    if tuple(table.column_names) != names:
        raise InvalidDataError(f"{source} cannot be read as CSV: its header is ambiguous")
    return table


def _read_parquet(path: str | os.PathLike[str], source: str) -> tuple[Any, tuple[str, ...]]:
    """Return the table, and which of its columns are the index of the data frame it was."""
    pyarrow = require("pyarrow", "pyarrow", "reading tables")
    parquet = require("pyarrow.parquet", "pyarrow", "reading tables")
    with open(path, "rb") as file:
        try:
            table = parquet.read_table(file)
        except (pyarrow.ArrowException, OSError) as error:  # damaged pages are an OSError
            raise InvalidDataError(f"{source} cannot be read as Parquet: {error}") from error
    _check_names(table.column_names, source)
    pandas = table.schema.pandas_metadata or {}
    # An index that is only a range is not stored as a column, and stands here as a dict.
    index = [name for name in pandas.get("index_columns", ()) if isinstance(name, str)]
    return table, tuple(index)


def _numbers(
    table: Any, features: Sequence[str], ignored: Sequence[str] | None, source: str
) -> NDArray[np.float64]:
    """Return the features as one array; `ignored` is None where no more can be left out."""
    pyarrow = require("pyarrow", "pyarrow", "reading tables")
    types = pyarrow.types
    numeric = (types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)
    rows = np.empty((table.num_rows, len(features)), dtype=np.float64)
    wrong = []
    # By position, as pyarrow looks a name up by going through all of them.
    positions = {name: position for position, name in enumerate(table.column_names)}
    for position, name in enumerate(features):
        column = table.column(positions[name])
        if types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if types.is_null(column.type):
            rows[:, position] = np.nan
        elif any(is_kind(column.type) for is_kind in numeric):
            rows[:, position] = column.cast(pyarrow.float64(), safe=False).to_numpy()
        else:
            wrong.append((name, *_example(column)))
    if not wrong:
        return rows
    shown = ", ".join(
        f"{name!r} (such as {value!r} in row {row})" for name, value, row in wrong[:5]
    )
    if len(wrong) > 5:
        shown += f" and {len(wrong) - 5} more"
    columns = "a column that is" if len(wrong) == 1 else f"{len(wrong)} columns that are"
    if ignored is None:
        advice = "the model was fitted with numbers there; empty cells stand for missing values"
    else:
        names = [*ignored, *(name for name, _, _ in wrong)]
        advice = (
            f"leave {'it' if len(wrong) == 1 else 'them'} out with "
            f"--ignore {shlex.quote(','.join(names))}, or write numbers there"
        )
    raise InvalidDataError(f"{source} has {columns} not numeric: {shown}; {advice}")


def _example(column: Any) -> tuple[object, int]:
    """Return the first cell that is no number, and its row counted from 1 after the header."""
    first: tuple[object, int] | None = None
    for row, value in enumerate(column.to_pylist(), start=1):
        if value is None or value == "":
            continue
        first = first or (value if isinstance(value, str) else str(value), row)
        if not isinstance(value, str) or number_of(value) is None:
            return str(value), row
    return first or ("", 1)


# Writing ------------------------------------------------------------------------------------------


def _write_standard_output(table: Any) -> None:
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is not None:
        _write_csv(table, ",", binary)
        return
    # A notebook's or a redirected standard output takes text only.
    content = io.BytesIO()
    _write_csv(table, ",", content)
    sys.stdout.write(content.getvalue().decode("utf-8"))


def _write_csv(table: Any, delimiter: str, file: Any) -> None:
    pyarrow = require("pyarrow", "pyarrow", "writing tables")
    pyarrow_csv = require("pyarrow.csv", "pyarrow", "writing tables")
    types = pyarrow.types
    for position, name in enumerate(table.column_names):
        column = table.column(position)
        if types.is_nested(column.type):
            raise InvalidDataError(
                f"column {name!r} ({column.type}) cannot be written as CSV; "
                "write .parquet, or remove the column"
            )
        if types.is_dictionary(column.type):
            table = table.set_column(position, name, column.cast(column.type.value_type))
    header = io.StringIO()
    csv.writer(header, delimiter=delimiter, lineterminator="\n").writerow(table.column_names)
    file.write(header.getvalue().encode("utf-8"))
    options = pyarrow_csv.WriteOptions(
        include_header=False,
        delimiter=delimiter,
        batch_size=65536,
        # "needed" puts quotation marks around every text, so it is used only where one needs them.
        quoting_style="needed" if _needs_quotes(table, delimiter) else "none",
    )
    pyarrow_csv.write_csv(table, file, options)
    file.flush()


def _needs_quotes(table: Any, delimiter: str) -> bool:
    pyarrow = require("pyarrow", "pyarrow", "writing tables")
    compute = require("pyarrow.compute", "pyarrow", "writing tables")
    types = pyarrow.types
    for column in table.columns:
        if types.is_binary(column.type) or types.is_large_binary(column.type):
            return True
        if types.is_string(column.type) or types.is_large_string(column.type):
            special = compute.match_substring_regex(column, f'["\r\n{delimiter}]')
            if compute.any(special).as_py():
                return True
    return False
