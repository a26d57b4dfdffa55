"""What users hand in as rows, checked once: every refusal says what, where and what to do.

The phrases are those that scikit-learn's estimator checks look for. NumPy only, so that a
scorer without scikit-learn or pandas checks its input by the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aeanom.architectures import Shape
from aeanom.core.weights import Float
from aeanom.errors import DataTypeError, InvalidDataError

__all__ = ["as_rows", "check_finite", "check_names", "column_names"]

NAMED_COLUMNS = 5


def column_names(X: Any) -> tuple[str, ...] | None:
    """Names of a DataFrame's columns (pandas, polars, pyarrow); None for anything else."""
    if not hasattr(X, "shape"):
        return None
    # pandas and polars name them `columns`, pyarrow `column_names` (its `columns` are arrays).
    for attribute in ("columns", "column_names"):
        names = getattr(X, attribute, None)
        if names is None or callable(names):
            continue
        names = tuple(names)
        if names and all(isinstance(name, str) for name in names):
            return names
    return None


def check_names(X: Any, expected: Sequence[str] | None, caller: str) -> None:
    """Raise `InvalidDataError` if a DataFrame has other columns, or another order, than `fit`'s."""
    names = column_names(X)
    if names is None or expected is None or tuple(expected) == names:
        return
    message = "The feature names should match those that were passed during fit."
    unseen = [name for name in names if name not in expected]
    missing = [name for name in expected if name not in names]
    for title, which in (
        ("Feature names unseen at fit time:", unseen),
        ("Feature names seen at fit time, yet now missing:", missing),
    ):
        if which:
            message += "\n" + title + "".join(f"\n- {name}" for name in sorted(which)[:5])
            message += "\n- ..." if len(which) > 5 else ""
    if not unseen and not missing:
        message += "\nFeature names must be in the same order as they were in fit."
    raise InvalidDataError(f"{message}\n({caller} was fitted with {len(expected)} columns.)")


def as_rows(
    X: Any,
    *,
    caller: str,
    row_shape: Shape | None = None,
    names: Sequence[str] | None = None,
    minimum: int = 1,
    finite: bool = True,
) -> Float:
    """Return `X` as a float array, or say why it cannot be one.

    Parameters
    ----------
    X : array-like of shape (n, *row_shape), or DataFrame of shape (n, d)
        Never changed. float32 and float64 are taken as they are, other numbers as float64.
    caller : str
        Name for messages, such as `"AnomalyDetector"`.
    row_shape : tuple of int, optional
        What the shape of a row must be. None takes tables (n, d), windows of a series
        (n, time, channels) and images (n, height, width) or (n, height, width, channels).
    names : sequence of str, optional
        Column names for messages.
    minimum : int
        Rows that there must be at least.
    finite : bool
        False leaves it to the caller to call `check_finite`, which is a pass over all values.

    Returns
    -------
    float32 or float64 ndarray of shape (n, *row_shape)
        May share memory with `X`.

    Raises
    ------
    DataTypeError
        For a sparse matrix, or cells that cannot be turned into numbers.
    InvalidDataError
        For anything else: no rows and columns, complex, empty, too few rows, another shape, NaN,
        infinity.
    """
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise DataTypeError(
            f"{caller} got a sparse matrix, and sparse data is not supported: dense arrays only. "
            "Use X.toarray() if it fits in memory"
        )
    names = names or column_names(X)
    rows = _as_floats(X, names)
    _check_rank(rows, row_shape)
    n = len(rows)
    if n < minimum:
        raise InvalidDataError(
            f"Found array with {n} sample(s) (shape={rows.shape}) while a minimum of {minimum} "
            f"is required by {caller} (n_samples={n})"
        )
    if min(rows.shape[1:]) < 1:
        raise InvalidDataError(
            f"Found array with 0 feature(s) (shape={rows.shape}) while a minimum of 1 is "
            f"required by {caller}"
        )
    if row_shape is not None and rows.shape[1:] != row_shape:
        given, wanted = (
            f"{shape[0]} features" if len(row_shape) == 1 else f"rows of shape {shape}"
            for shape in (rows.shape[1:], row_shape)
        )
        raise InvalidDataError(f"X has {given}, but {caller} is expecting {wanted} as input")
    if finite:
        check_finite(rows, names)
    return rows


def check_finite(rows: Float, names: Sequence[str] | None = None) -> None:
    """Raise `InvalidDataError` that says where, if any value is NaN or infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        # One pass without a temporary; only if it is not finite is it worth a second look. In
        # the rows' own precision, where a large sum may overflow, it takes half as long.
        if np.isfinite(rows.sum()):
            return
    finite = np.isfinite(rows)
    if finite.all():
        return
    n_nan = int(np.isnan(rows).sum())
    n_infinite = int(rows.size - finite.sum()) - n_nan
    n_rows = int((~finite).reshape(len(rows), -1).any(axis=1).sum())
    where = ""
    if rows.ndim == 2:
        where = f", {_list_columns(np.flatnonzero((~finite).any(axis=0)).tolist(), names)}"
    raise InvalidDataError(
        f"Input X contains NaN or infinity: {n_nan} NaN and {n_infinite} infinity (inf) in "
        f"{n_rows} of {len(rows)} rows{where}. Missing "
        "values are not accepted: drop those rows, or fill them in"
        + (" (sklearn.impute.SimpleImputer)" if rows.ndim == 2 else "")
    )


def _check_rank(rows: Float, row_shape: Shape | None) -> None:
    ranks = (2, 3, 4) if row_shape is None else (1 + len(row_shape),)
    if rows.ndim in ranks:
        return
    message = f"Expected {min(ranks)}D array, got {rows.ndim}D array instead (shape {rows.shape}). "
    if rows.ndim > 4 and row_shape is None:
        raise InvalidDataError(message + "Rows have one axis, two or three: see architectures")
    if ranks[0] == 2:
        message += "Reshape your data: X.reshape(-1, 1) if it is one feature, X.reshape(1, -1) "
        raise InvalidDataError(message + "if one row")
    raise InvalidDataError(message + f"Rows have the shape {row_shape} here")


def _as_floats(X: Any, names: Sequence[str] | None) -> Float:
    if np.ma.is_masked(X):
        raise InvalidDataError(
            "rows have masked values. Missing values are not accepted: drop those rows, or fill "
            "them in (X.filled(...))"
        )
    try:
        rows = np.asarray(X)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InvalidDataError(f"rows do not make an array: {error}") from None
    if rows.dtype.kind == "c":
        raise InvalidDataError("Complex data not supported: split it into real and imaginary parts")
    if rows.dtype in (np.float32, np.float64):
        return rows
    if rows.dtype.kind in "mMV":
        raise InvalidDataError(
            f"values of type {rows.dtype} are not numbers; turn them into numbers first"
        )
    try:
        return rows.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        kind = DataTypeError if isinstance(error, TypeError) else InvalidDataError
        raise kind(_not_numbers(rows, names, error)) from None


def _not_numbers(rows: np.ndarray[Any, Any], names: Sequence[str] | None, error: Exception) -> str:
    message = f"could not read the rows as numbers: {error}"
    if rows.ndim != 2:
        return message
    wrong = []
    for column in range(rows.shape[1]):
        try:
            rows[:, column].astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            wrong.append(column)
    return (
        f"{message}. Not numbers: {_list_columns(wrong, names)}; leave these columns out or "
        "encode them as numbers"
    )


def _list_columns(columns: Sequence[int], names: Sequence[str] | None) -> str:
    shown = [repr(names[column]) if names else str(column) for column in columns[:NAMED_COLUMNS]]
    more = f" and {len(columns) - NAMED_COLUMNS} more" if len(columns) > NAMED_COLUMNS else ""
    return f"column{'s' if len(columns) > 1 else ''} {', '.join(shown)}{more}"
