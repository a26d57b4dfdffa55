"""Tables between files and models: names with the rows, labels to anomalies, scores to columns.

It imports NumPy and `aeanom.data`, and is imported inside the commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aeanom.data import Table, is_anomaly_label, read_table
from aeanom.errors import InvalidDataError
from aeanom.model import AnomalyModel
from aeanom.thresholds import p_values
from aeanom.words import plural

__all__ = [
    "NamedRows",
    "check_output",
    "labels_to_anomalies",
    "make_table",
    "normal_rows",
    "read_arrays",
    "read_for_model",
    "score_columns",
    "text_column",
]

#: Rows that are scored and written at a time; memory grows with them and not with the table.
_PART_ROWS = 8 * 8192


class NamedRows:
    """Rows with column names, in the form in which a detector looks for names.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    names : sequence of str, length d
    """

    def __init__(self, rows: NDArray[np.float64], names: Sequence[str]) -> None:
        self._rows = rows
        self.columns = list(names)
        self.shape = rows.shape

    def __len__(self) -> int:
        return len(self._rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        # By position: NumPy before 2.0 knows no `copy` here.
        rows = self._rows if dtype is None else self._rows.astype(dtype, copy=False)
        return rows.copy() if copy else rows


def labels_to_anomalies(table: Table, normal: Sequence[str]) -> NDArray[np.bool_]:
    """Tell which rows of a table that was read with a label column are anomalies.

    Raises
    ------
    InvalidDataError
        If no row has a normal label.
    """
    if table.labels is None:
        raise InvalidDataError("the table was read without a label column")
    try:
        return is_anomaly_label(table.labels, normal or ("0",))
    except InvalidDataError as error:
        if normal or "normal label" not in str(error):
            raise
        raise InvalidDataError(f"{error}; name those of normal rows with --normal") from None


def read_for_model(
    model: AnomalyModel,
    path: str,
    *,
    label: str | None = None,
    ignore: Sequence[str] = (),
) -> Table:
    """Read the columns that a model was fitted with, by name where it knows their names.

    Raises
    ------
    InvalidDataError
        If the model is one for images or windows, which a table does not hold.
    """
    if len(model.row_shape) > 1:
        raise InvalidDataError(
            f"this model takes rows of shape {model.row_shape}, which a table does not hold: score "
            "them from Python, aeanom.load(...).anomaly_score(X)"
        )
    return read_table(path, label=label, ignore=ignore, columns=model.feature_names)


def read_arrays(path: str, labels: str | None = None) -> Table:
    """Read rows from a `.npy` file, and their labels from another.

    Raises
    ------
    InvalidDataError
        If a file is no array of numbers or text, or there is not one label a row.
    """
    rows = _read_array(path)
    if labels is None:
        return Table(rows, (), None, None)
    known = _read_array(labels)
    if known.shape != rows.shape[:1]:
        raise InvalidDataError(
            f"{labels} holds an array of shape {known.shape}, not one label for each of the "
            f"{len(rows)} rows of {path}"
        )
    return Table(rows, (), known.astype(object), None)


def _read_array(path: str) -> NDArray[Any]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise InvalidDataError(f"{path} is no array as numpy.save writes it: {error}") from None


def normal_rows(
    model: AnomalyModel, path: str, label: str, normal: Sequence[str], ignore: Sequence[str]
) -> tuple[NDArray[np.float64], str]:
    """Read the rows that baselines are fitted on, the normal ones where there are labels.

    Also returns them in words, such as "160 normal rows of train.csv".
    """
    if model.feature_names is None:
        # Only the label's name tells it from the features.
        read = read_for_model(model, path, label=label, ignore=ignore)
    else:
        # Most such tables have labels too, and need not.
        read = read_for_model(model, path)
        if label in read.original.column_names:
            values = read.original.column(label).to_pylist()
            read = replace(read, labels=np.fromiter(values, dtype=object, count=len(values)))
    if read.labels is None:
        return read.rows, f"{plural(len(read.rows), 'row')} of {path}"
    rows = read.rows[~labels_to_anomalies(read, normal)]
    return rows, f"{plural(len(rows), 'normal row')} of {path}"


def text_column(table: Table, name: str, source: str) -> list[str]:
    """Return a column of the table as text, empty cells as nothing.

    Raises
    ------
    InvalidDataError
        If there is no such column.
    """
    known = table.original.column_names
    if name not in known:
        guess = get_close_matches(name, known, n=1)
        raise InvalidDataError(
            f"{source} has no column {name!r} to name the rows by"
            + (f" (did you mean {guess[0]!r}?)" if guess else "")
            + f"; its columns are {', '.join(map(repr, known[:20]))}"
            + (f" and {len(known) - 20} more" if len(known) > 20 else "")
        )
    values = table.original.column(name).to_pylist()
    return ["" if value is None else str(value) for value in values]


def score_columns(model: AnomalyModel, table: Table) -> dict[str, NDArray[Any]]:
    """Return what `score` appends to a table: score, p-value, flag, and the oddest feature."""
    n = len(table.rows)
    scores, worst = np.empty(n), np.empty(n, dtype=np.int64)
    for start in range(0, n, _PART_ROWS):
        part = slice(start, start + _PART_ROWS)
        explanation = model.explain(table.rows[part])
        scores[part] = explanation.scores
        worst[part] = explanation.share.argmax(axis=1)
    held_out = model.calibration_scores
    return {
        "anomaly_score": scores,
        "p_value": p_values(scores, held_out if len(held_out) else model.training_scores),
        "is_anomaly": model.is_anomaly(table.rows, scores=scores),
        "top_feature": np.array(model.features, dtype=object)[worst],
    }


def make_table(
    rows: NDArray[np.float64], names: Sequence[str], others: Mapping[str, NDArray[Any]]
) -> Table:
    """Make a table of arrays: the other columns first, then the features."""
    import pyarrow

    columns = {**others, **dict(zip(names, rows.T, strict=True))}
    arrays = {name: pyarrow.array(np.ascontiguousarray(values)) for name, values in columns.items()}
    return Table(rows, tuple(names), None, pyarrow.table(arrays))


def check_output(path: Path) -> None:
    """Raise now what writing this file would raise after the work was done.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    IsADirectoryError
        If it is a folder.
    """
    import errno

    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder to write to", str(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "cannot write over a folder", str(path))
