"""Figures of a decision already made: who was flagged, and who should have been.

Imports NumPy and `aeanom.errors` only. All of them are read off the confusion matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidParameterError
from aeanom.metrics._labels import read_labels, require_same_length

__all__ = [
    "accuracy_score",
    "balanced_accuracy_score",
    "classification_report",
    "confusion_matrix",
    "f1_score",
    "fbeta_score",
    "matthews_corrcoef",
    "precision_recall_fscore_support",
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
    return _class_figures(confusion_matrix(y_true, y_pred), 1, 1.0, zero_division).precision


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
    return _class_figures(confusion_matrix(y_true, y_pred), 1, 1.0, zero_division).recall


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
    return _class_figures(confusion_matrix(y_true, y_pred), 1, 1.0, zero_division).fscore


def fbeta_score(
    y_true: ArrayLike, y_pred: ArrayLike, *, beta: float, zero_division: float = 0.0
) -> float:
    """Mean of precision and recall in which recall counts beta times as much as precision.

    (1 + β²) TP / ((1 + β²) TP + FP + β² FN): β = 1 is F1, above 1 a missed anomaly weighs more, and
    below 1 a false alarm does.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    beta : float
        At least 0; 0 is precision, infinity is recall.
    zero_division : float, default=0.0
        What to return when there is neither an anomaly nor a flagged row.

    Returns
    -------
    float

    Raises
    ------
    InvalidDataError
        When labels cannot be used or the two differ in length.
    InvalidParameterError
        When beta is negative or NaN.

    References
    ----------
    Van Rijsbergen, "Information Retrieval", 2nd edition (1979), chapter 7.
    """
    return _class_figures(confusion_matrix(y_true, y_pred), 1, beta, zero_division).fscore


def precision_recall_fscore_support(
    y_true: ArrayLike, y_pred: ArrayLike, *, beta: float = 1.0, zero_division: float = 0.0
) -> ClassFigures:
    """Precision, recall, F score and number of rows of each class, as arrays.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    beta : float, default=1.0
        See `fbeta_score`.
    zero_division : float, default=0.0
        What to return where a figure is not defined.

    Returns
    -------
    precision, recall, fscore : ndarray of float64, shape (2,)
        Of the normal rows and of the anomalies.
    support : ndarray of int64, shape (2,)

    Raises
    ------
    InvalidDataError
        When labels cannot be used or the two differ in length.
    InvalidParameterError
        When beta is negative or NaN.
    """
    return class_figures(confusion_matrix(y_true, y_pred), beta, zero_division)


def accuracy_score(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Share of the rows that were judged right, whatever their class.

    With few anomalies it is high for a detector that finds none.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.

    Returns
    -------
    float

    Raises
    ------
    InvalidDataError
        When labels cannot be used or the two differ in length.
    """
    matrix = confusion_matrix(y_true, y_pred)
    return float(np.trace(matrix) / matrix.sum())


def balanced_accuracy_score(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Mean of the shares of normal rows and of anomalies that were judged right.

    Chance, and a detector that finds nothing, is 0.5. Where a class is missing from `y_true` it is
    the share of the other.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.

    Returns
    -------
    float

    Raises
    ------
    InvalidDataError
        When labels cannot be used or the two differ in length.
    """
    return balanced_accuracy(confusion_matrix(y_true, y_pred))


def matthews_corrcoef(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Correlation of the decision with the truth: φ, or MCC.

    (TP TN − FP FN) / √((TP + FP)(TP + FN)(TN + FP)(TN + FN)); 0 where a row or a column of the
    confusion matrix is empty.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.

    Returns
    -------
    float
        From −1 to 1; 0 is chance.

    Raises
    ------
    InvalidDataError
        When labels cannot be used or the two differ in length.

    References
    ----------
    Matthews, "Comparison of the predicted and observed secondary structure of T4 phage lysozyme",
    Biochimica et Biophysica Acta 405 (1975).
    """
    return correlation(confusion_matrix(y_true, y_pred))


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
    *figures_of_classes, supports = class_figures(matrix)
    classes = np.stack(figures_of_classes, axis=1)
    n_rows = int(supports.sum())
    accuracy = float(np.trace(matrix)) / n_rows

    width = max(len("weighted avg"), *(len(name) for name in target_names))
    header = f"{'':>{width}} " + "".join(f" {column:>9}" for column in _COLUMNS)

    def line(name: str, figures: Iterable[float], support: int) -> str:
        return f"{name:>{width}} " + "".join(f" {f:>9.2f}" for f in figures) + f" {support:>9}"

    lines = [header, ""]
    for name, figures, support in zip(target_names, classes, supports.tolist(), strict=True):
        lines.append(line(name, figures, support))
    lines += [
        "",
        f"{'accuracy':>{width}} {'':>10}{'':>10} {accuracy:>9.2f} {n_rows:>9}",
        line("macro avg", np.average(classes, axis=0), n_rows),
        line("weighted avg", np.average(classes, axis=0, weights=supports), n_rows),
    ]
    return "\n".join(lines) + "\n"


_COLUMNS = ("precision", "recall", "f1-score", "support")


class ClassFigures(NamedTuple):
    """Figures of the normal rows and of the anomalies, each an array of shape (2,)."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    fscore: NDArray[np.float64]
    support: NDArray[np.int64]


def class_figures(
    matrix: NDArray[np.int64], beta: float = 1.0, zero_division: float = 0.0
) -> ClassFigures:
    """Figures of both classes of a confusion matrix; see `precision_recall_fscore_support`."""
    classes = [_class_figures(matrix, label, beta, zero_division) for label in (0, 1)]
    precision, recall, fscore = np.array(classes, dtype=np.float64).T
    return ClassFigures(precision, recall, fscore, matrix.sum(axis=1))


def balanced_accuracy(matrix: NDArray[np.int64]) -> float:
    """Balanced accuracy of a confusion matrix; see `balanced_accuracy_score`."""
    supports = matrix.sum(axis=1)
    present = supports > 0
    return float(np.mean(np.diag(matrix)[present] / supports[present]))


def correlation(matrix: NDArray[np.int64]) -> float:
    """Matthews's correlation of a confusion matrix; see `matthews_corrcoef`."""
    # In Python's whole numbers: four factors of millions of rows are more than 64 bits hold.
    (tn, fp), (fn, tp) = matrix.tolist()
    product = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
    return (tp * tn - fp * fn) / math.sqrt(product) if product else 0.0


class _Figures(NamedTuple):
    precision: float
    recall: float
    fscore: float


def _class_figures(
    matrix: NDArray[np.int64], label: int, beta: float, zero_division: float
) -> _Figures:
    if not beta >= 0:
        raise InvalidParameterError(f"beta must be at least 0; got {beta!r}")
    hits = int(matrix[label, label])
    flagged, present = int(matrix[:, label].sum()), int(matrix[label].sum())

    def ratio(numerator: float, denominator: float) -> float:
        return numerator / denominator if denominator else float(zero_division)

    precision, recall = ratio(hits, flagged), ratio(hits, present)
    if math.isinf(beta):
        fscore = recall
    else:
        fscore = ratio((1 + beta**2) * hits, flagged + beta**2 * present)
    return _Figures(precision, recall, fscore)
