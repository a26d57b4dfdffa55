"""Figures of a decision already made: who was flagged, and who should have been.

Imports NumPy and `aeanom.errors` only. All of them are read off the confusion matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidParameterError
from aeanom.metrics._labels import read_labels, require_same_length

__all__ = [
    "classification_report",
    "confusion_matrix",
    "f1_score",
    "precision_score",
    "recall_score",
]


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.int64]:
    """Count rows by true class (rows of the matrix) and decision (columns).

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.

    Returns
    -------
    ndarray of int64, shape (2, 2)
        ``[[TN, FP], [FN, TP]]``, even when one class is absent.

    Raises
    ------
    InvalidDataError
        When labels cannot be used or the two differ in length.
    """
    truth = read_labels(y_true, "y_true")
    flagged = read_labels(y_pred, "y_pred")
    require_same_length(truth, flagged, "y_pred")
    n_anomalous, n_flagged = int(np.count_nonzero(truth)), int(np.count_nonzero(flagged))
    tp = int(np.count_nonzero(truth & flagged))
    fp, fn = n_flagged - tp, n_anomalous - tp
    return np.array([[truth.size - fp - fn - tp, fp], [fn, tp]], dtype=np.int64)


def precision_score(y_true: ArrayLike, y_pred: ArrayLike, *, zero_division: float = 0.0) -> float:
    """Share of the flagged rows that are anomalies: TP / (TP + FP).

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    zero_division : float, default=0.0
        What to return when no row was flagged.

    Returns
    -------
    float

    Raises
    ------
    InvalidDataError
        When labels cannot be used or the two differ in length.
    """
    return _class_figures(confusion_matrix(y_true, y_pred), 1, zero_division).precision


def recall_score(y_true: ArrayLike, y_pred: ArrayLike, *, zero_division: float = 0.0) -> float:
    """Share of the anomalies that were flagged: TP / (TP + FN).

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    zero_division : float, default=0.0
        What to return when there is no anomaly.

    Returns
    -------
    float

    Raises
    ------
    InvalidDataError
        When labels cannot be used or the two differ in length.
    """
    return _class_figures(confusion_matrix(y_true, y_pred), 1, zero_division).recall


def f1_score(y_true: ArrayLike, y_pred: ArrayLike, *, zero_division: float = 0.0) -> float:
    """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN).

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    zero_division : float, default=0.0
        What to return when there is neither an anomaly nor a flagged row.

    Returns
    -------
    float

    Raises
    ------
    InvalidDataError
        When labels cannot be used or the two differ in length.
    """
    return _class_figures(confusion_matrix(y_true, y_pred), 1, zero_division).f1


def classification_report(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    target_names: Sequence[str] = ("normal", "anomaly"),
) -> str:
    """Precision, recall, F1 and number of rows of each class, as a text table.

    The text is scikit-learn's, with two digits, both classes always listed, and 0.00 where a
    figure is not defined.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    target_names : sequence of two str, default=("normal", "anomaly")
        What to call class 0 and class 1.

    Returns
    -------
    str
        Several lines, ending in a newline.

    Raises
    ------
    InvalidDataError
        When labels cannot be used or the two differ in length.
    InvalidParameterError
        When there are not two target names.
    """
    if isinstance(target_names, str) or len(target_names) != 2:
        raise InvalidParameterError(
            f"target_names must be two names, of class 0 and class 1; got {target_names!r}"
        )
    matrix = confusion_matrix(y_true, y_pred)
    classes = [_class_figures(matrix, label, 0.0) for label in (0, 1)]
    supports = matrix.sum(axis=1)
    n_rows = int(supports.sum())
    accuracy = float(np.trace(matrix)) / n_rows

    width = max(len("weighted avg"), *(len(name) for name in target_names))
    header = f"{'':>{width}} " + "".join(f" {column:>9}" for column in _COLUMNS)

    def line(name: str, figures: _Figures, support: int) -> str:
        return f"{name:>{width}} " + "".join(f" {f:>9.2f}" for f in figures) + f" {support:>9}"

    lines = [header, ""]
    for name, figures, support in zip(target_names, classes, supports.tolist(), strict=True):
        lines.append(line(name, figures, support))
    lines += [
        "",
        f"{'accuracy':>{width}} {'':>10}{'':>10} {accuracy:>9.2f} {n_rows:>9}",
        line("macro avg", _Figures(*np.average(classes, axis=0)), n_rows),
        line("weighted avg", _Figures(*np.average(classes, axis=0, weights=supports)), n_rows),
    ]
    return "\n".join(lines) + "\n"


_COLUMNS = ("precision", "recall", "f1-score", "support")


class _Figures(NamedTuple):
    precision: float
    recall: float
    f1: float


def _class_figures(matrix: NDArray[np.int64], label: int, zero_division: float) -> _Figures:
    hits = int(matrix[label, label])
    flagged, present = int(matrix[:, label].sum()), int(matrix[label].sum())

    def ratio(numerator: int, denominator: int) -> float:
        return numerator / denominator if denominator else float(zero_division)

    return _Figures(ratio(hits, flagged), ratio(hits, present), ratio(2 * hits, flagged + present))
