"""Small labelled data sets for demonstrations, tests and the reference runs.

It imports NumPy and `aeanom.errors`; scikit-learn, which ships two of the sets, inside the
functions that need it. Fashion-MNIST is in `images.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.data._require import require
from aeanom.errors import InvalidDataError, InvalidParameterError

__all__ = [
    "LabelledTable",
    "breast_cancer",
    "digits",
    "pytorch_tutorial_rows",
    "train_test_split_normal",
]


@dataclass(frozen=True, eq=False)
class LabelledTable:
    """A table whose anomalies are known.

    Attributes
    ----------
    rows : ndarray of float64, shape (n, d)
    names : tuple of str, length d
        The columns' names.
    is_anomaly : ndarray of bool, shape (n,)
    title : str
        What the set is called.
    description : str
        One sentence: what a row is, what is normal and what is not.
    """

    rows: NDArray[np.float64]
    names: tuple[str, ...]
    is_anomaly: NDArray[np.bool_]
    title: str
    description: str


def breast_cancer() -> LabelledTable:
    """Breast Cancer Wisconsin (Diagnostic): 569 rows of 30 features, 212 of them malignant.

    Raises
    ------
    MissingDependencyError
        scikit-learn is not installed.

    References
    ----------
    Wolberg, Mangasarian, Street and Street (1993), UCI Machine Learning Repository,
    doi:10.24432/C5DW2B; read from scikit-learn.
    """
    bunch = require("sklearn.datasets", "scikit-learn", "this data set").load_breast_cancer()
    return LabelledTable(
        rows=np.array(bunch.data, dtype=np.float64, order="C"),
        names=tuple(str(name) for name in bunch.feature_names),
        # By name: in scikit-learn's numbering 1 is benign, the opposite of what one expects.
        is_anomaly=np.asarray(bunch.target_names)[bunch.target] == "malignant",
        title="Breast Cancer Wisconsin (Diagnostic)",
        description=(
            "Each row describes the cell nuclei of one breast mass: "
            "benign ones are normal, malignant ones anomalies."
        ),
    )


def digits() -> LabelledTable:
    """Handwritten digits: 1797 images of 8 × 8 pixels, as 64 features from 0 to 16.

    Raises
    ------
    MissingDependencyError
        scikit-learn is not installed.

    References
    ----------
    Alpaydin and Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, doi:10.24432/C50P49; read from scikit-learn.
    """
    bunch = require("sklearn.datasets", "scikit-learn", "this data set").load_digits()
    return LabelledTable(
        rows=np.array(bunch.data, dtype=np.float64, order="C"),
        names=tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
        is_anomaly=np.asarray(bunch.target) >= 5,
        title="Handwritten digits",
        description=(
            "Each row is one handwritten digit, 8 × 8 grey pixels: "
            "0 to 4 are normal, 5 to 9 anomalies."
        ),
    )


def pytorch_tutorial_rows() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the made-up rows of the PyTorch reference run: 1000 normal ones, then 50 anomalies.

    Normal rows have means 1 to 10 and standard deviation 0.5; anomalies have means 10 to 1 and
    standard deviation 3. Always the same rows.

    Returns
    -------
    rows : ndarray of float64, shape (1050, 10)
    is_anomaly : ndarray of bool, shape (1050,)
    """
    # The old generator, as the rows are to be those of the tutorial; its own, not the global one.
    state = np.random.RandomState(42)
    normal = state.randn(1000, 10) * 0.5 + np.arange(1, 11)
    anomalies = state.randn(50, 10) * 3 + np.arange(10, 0, -1)
    return np.concatenate([normal, anomalies]), np.repeat([False, True], [1000, 50])


def train_test_split_normal(
    rows: ArrayLike, is_anomaly: ArrayLike, test_fraction: float, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split rows for a detector that trains on normal rows only.

    Parameters
    ----------
    rows : array-like, shape (n, ...)
        Only its length matters.
    is_anomaly : array-like of bool, shape (n,)
    test_fraction : float
        Between 0 and 1, exclusive: the share of the normal rows that is kept for the test, rounded,
        with at least one row on either side.
    seed : int
        For `numpy.random.default_rng`; the same seed gives the same split.

    Returns
    -------
    train : ndarray of intp
        Indices of normal rows, ascending.
    test : ndarray of intp
        Indices of the remaining normal rows and of all anomalies, ascending.

    Raises
    ------
    InvalidParameterError
        `test_fraction` is not between 0 and 1.
    InvalidDataError
        The two arrays differ in length, `is_anomaly` is not boolean, or fewer than two rows are
        normal.
    """
    if not 0 < test_fraction < 1:
        raise InvalidParameterError(
            f"test_fraction must be between 0 and 1, exclusive; got {test_fraction!r}"
        )
    anomalous = np.asarray(is_anomaly)
    if anomalous.dtype != np.bool_ or anomalous.ndim != 1:
        raise InvalidDataError(
            "is_anomaly must be a one-dimensional array of booleans; "
            f"got {anomalous.dtype} of shape {anomalous.shape}"
        )
    count = len(np.asarray(rows))
    if count != len(anomalous):
        raise InvalidDataError(f"there are {count} rows and {len(anomalous)} values of is_anomaly")
    normal = np.flatnonzero(~anomalous)
    if len(normal) < 2:
        raise InvalidDataError(
            f"a split needs at least 2 normal rows, to train on and to test; found {len(normal)}"
        )
    kept = min(max(round(test_fraction * len(normal)), 1), len(normal) - 1)
    shuffled = np.random.default_rng(seed).permutation(normal)
    test = np.concatenate([shuffled[:kept], np.flatnonzero(anomalous)])
    return np.sort(shuffled[kept:]), np.sort(test)
