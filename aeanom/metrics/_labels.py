"""Reading labels and scores: what every metric checks before it counts anything.

Imports NumPy and `aeanom.errors` only. The metrics themselves are in `ranking` and
`classification`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidDataError

__all__ = ["read_labels", "read_scores", "require_same_length"]


def read_labels(values: ArrayLike, name: str) -> NDArray[np.bool_]:
    """Labels as booleans, True for an anomaly.

    Parameters
    ----------
    values : array_like of shape (n,)
        Booleans, or numbers that are 0 or 1.
    name : str
        The argument's name, for the error message.

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    InvalidDataError
        When there are no labels, they are not one-dimensional, or some are neither 0 nor 1.
    """
    labels = _one_dimension(values, name)
    if labels.dtype.kind == "b":
        return labels.astype(np.bool_, copy=False)
    if labels.dtype.kind not in "iuf":
        raise InvalidDataError(
            f"{name} has dtype {labels.dtype}; labels are booleans, or 0 for normal rows and 1 "
            "for anomalies"
        )
    anomalous = np.equal(labels, 1)
    wrong = ~(anomalous | np.equal(labels, 0))
    n_wrong = int(np.count_nonzero(wrong))
    if n_wrong:
        raise InvalidDataError(_describe_wrong_labels(labels, wrong, n_wrong, name))
    return np.asarray(anomalous, dtype=np.bool_)


def read_scores(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """Scores as float64.

    Parameters
    ----------
    values : array_like of shape (n,)
        Finite numbers, larger for more anomalous rows.
    name : str
        The argument's name, for the error message.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    InvalidDataError
        When there are no scores, they are not one-dimensional, or some are not finite numbers.
    """
    array = _one_dimension(values, name)
    if array.dtype.kind not in "biuf":
        raise InvalidDataError(f"{name} has dtype {array.dtype}; scores are numbers")
    scores = np.asarray(array, dtype=np.float64)
    finite = np.isfinite(scores)
    if not finite.all():
        n_wrong = int(np.count_nonzero(~finite))
        raise InvalidDataError(
            f"{name} has {n_wrong} of {scores.size} scores that are NaN or infinite, the first "
            f"at row {int(np.argmin(finite))}"
        )
    return scores


def require_same_length(first: NDArray[np.generic], second: NDArray[np.generic], name: str) -> None:
    """Raise `InvalidDataError` unless y_true (`first`) and `second` have as many rows.

    Parameters
    ----------
    first, second : ndarray of shape (n,)
        The true labels, and what is compared with them.
    name : str
        The second argument's name, for the error message.
    """
    if first.size != second.size:
        raise InvalidDataError(
            f"y_true has {first.size} rows and {name} has {second.size}; they must be of the same "
            "rows in the same order"
        )


def _one_dimension(values: ArrayLike, name: str) -> NDArray[np.generic]:
    try:
        array = np.asarray(values)
    except ValueError as error:  # ragged lists
        raise InvalidDataError(f"{name} is not an array: {error}") from error
    if array.ndim != 1:
        raise InvalidDataError(f"{name} must be one-dimensional; its shape is {array.shape}")
    if array.size == 0:
        raise InvalidDataError(f"{name} is empty: there is nothing to compare")
    return array


def _describe_wrong_labels(
    labels: NDArray[np.generic], wrong: NDArray[np.bool_], n_wrong: int, name: str
) -> str:
    if labels.dtype.kind == "f" and np.isnan(labels[wrong]).all():
        return f"{name} has {n_wrong} of {labels.size} labels that are NaN"
    classes = np.unique(labels)
    if set(classes.tolist()) <= {-1, 1}:
        return (
            f"{name} has {n_wrong} of {labels.size} labels that are -1; labels are 0 for normal "
            "rows and 1 for anomalies. If these are predictions in scikit-learn's sense (-1 for an "
            f"anomaly), pass {name} == -1"
        )
    shown = ", ".join(str(value) for value in classes[:5].tolist())
    dots = ", ..." if classes.size > 5 else ""
    return (
        f"{name} has {n_wrong} of {labels.size} labels that are neither 0 nor 1; its "
        f"{classes.size} different values are {shown}{dots}. Labels are 0 for normal rows and 1 "
        "for anomalies"
    )
