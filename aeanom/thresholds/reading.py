"""Reading what callers hand in: parameters, scores, labels, entries of a file.

Imports NumPy, the standard library and `aeanom.errors`. Every refusal says what was wrong, where,
and what is allowed. `base` and the methods call this.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidDataError, InvalidParameterError

__all__ = ["Floats", "check_names", "read_count", "read_labels", "read_parameter", "read_scores"]

Floats = NDArray[np.float64]


def read_parameter(
    name: str, value: object, allowed: str, is_allowed: Callable[[float], bool]
) -> float:
    """Return `value` as a float, or raise `InvalidParameterError` that names it and its range.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : object
        What was given; a Python or NumPy number, not a bool.
    allowed : str
        The range in words.
    is_allowed : callable of float returning bool
        The range. NaN and infinity are never allowed.
    """
    number = math.nan
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        # Through text, so that np.float32(0.05) is the 0.05 that was meant.
        number = float(str(value)) if isinstance(value, np.floating) else float(value)
    if not (math.isfinite(number) and is_allowed(number)):
        raise InvalidParameterError(f"{name} must be {allowed}; got {value!r}")
    return number


def read_scores(scores: ArrayLike, name: str) -> Floats:
    """Return a sample of scores as float64 of shape (n,), or raise `InvalidDataError`."""
    try:
        array = np.asarray(scores)
    except ValueError as error:  # ragged lists
        raise InvalidDataError(f"{name} are not an array: {error}") from error
    if array.ndim != 1:
        raise InvalidDataError(f"{name} must be one-dimensional; their shape is {array.shape}")
    if array.size == 0:
        raise InvalidDataError(f"{name} are empty: a threshold needs at least one score")
    if array.dtype.kind not in "biuf":
        raise InvalidDataError(f"{name} have dtype {array.dtype}; they must be numbers")
    values = np.asarray(array, dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        raise InvalidDataError(
            f"{int(np.count_nonzero(~finite))} of {values.size} {name} are NaN or infinite, the "
            f"first at row {int(np.argmin(finite))}"
        )
    return values


def check_names(what: str, values: object, names: set[str]) -> None:
    """Raise `InvalidParameterError` unless `values` is a mapping with exactly these names."""
    if not isinstance(values, Mapping):
        raise InvalidParameterError(f"{what} must be a mapping; got {type(values).__name__}")
    missing, unknown = sorted(names - values.keys()), sorted(map(str, values.keys() - names))
    if missing or unknown:
        raise InvalidParameterError(
            f"{what} has "
            + " and ".join(
                f"{kind} entries {', '.join(map(repr, found))}"
                for kind, found in (("missing", missing), ("unknown", unknown))
                if found
            )
        )


def read_labels(labels: ArrayLike, n_rows: int) -> NDArray[np.bool_]:
    """Return labels as booleans of shape (n_rows,), True for an anomaly.

    Parameters
    ----------
    labels : array_like of shape (n_rows,)
        Booleans, or numbers that are 0 (normal) or 1 (anomaly).
    n_rows : int
        How many rows there are.

    Raises
    ------
    InvalidDataError
        When there are more or fewer of them, or some are neither 0 nor 1.
    """
    array = np.asarray(labels)
    if array.shape != (n_rows,):
        raise InvalidDataError(
            f"y must have one label for each of the {n_rows} rows; its shape is {array.shape}"
        )
    if array.dtype.kind == "b":
        return np.asarray(array, dtype=np.bool_)
    if array.dtype.kind not in "iuf":
        raise InvalidDataError(
            f"y has dtype {array.dtype}; labels are booleans, or 0 for normal rows and 1 for "
            "anomalies: pass y != 'normal', for example"
        )
    anomalous = array == 1
    n_wrong = int(np.count_nonzero(~(anomalous | (array == 0))))
    if n_wrong:
        message = f"{n_wrong} of {n_rows} labels in y are neither 0 (normal) nor 1 (anomaly)"
        if set(np.unique(array).tolist()) <= {-1, 1}:
            message += ". If -1 marks an anomaly, as in scikit-learn's predictions, pass y == -1"
        raise InvalidDataError(message)
    return np.asarray(anomalous, dtype=np.bool_)


def read_count(name: str, value: object, most: float, least: int = 0) -> int:
    """Return a whole number from `least` to `most`, or raise `InvalidParameterError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        upper = "" if math.isinf(most) else f" and at most {most}"
        raise InvalidParameterError(
            f"{name} must be a whole number of at least {least}{upper}; got {value!r}"
        )
    return value
