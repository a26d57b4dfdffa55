"""Figures of a ranking, for which no threshold is needed: ROC and precision-recall.

Imports NumPy and `aeanom.errors` only. Every function sorts the scores once and works on the
counts at each distinct score, so that tied scores count as one point whatever their order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidDataError
from aeanom.metrics._labels import read_labels, read_scores, require_same_length

__all__ = ["average_precision_score", "precision_recall_curve", "roc_auc_score", "roc_curve"]

Floats = NDArray[np.float64]


class _Counts(NamedTuple):
    """What would be flagged at each distinct score, from the largest downwards."""

    false_positives: NDArray[np.int64]
    true_positives: NDArray[np.int64]
    thresholds: Floats


def roc_auc_score(y_true: ArrayLike, y_score: ArrayLike) -> float:
    """Area under the ROC curve: how often an anomaly scores above a normal row.

    It is the share of all pairs of an anomaly and a normal row in which the anomaly has the larger
    score; a tie counts as one half (the Mann-Whitney statistic over the number of pairs). Counted
    in whole numbers, so it is exact up to the last division.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.

    Returns
    -------
    float
        From 0 to 1; 0.5 is chance.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or one of the two classes is missing.

    References
    ----------
    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic
    (ROC) curve", Radiology 143 (1982).
    """
    counts = _counts(y_true, y_score)
    n_normal, n_anomalous = _require_both_classes(counts, "ROC AUC")
    # Twice the area: each step of the curve is a trapezoid, of which a tie makes the slope.
    step_width = np.diff(counts.false_positives, prepend=0)
    step_heights = counts.true_positives.copy()
    step_heights[1:] += counts.true_positives[:-1]
    return int(np.dot(step_width, step_heights)) / (2 * n_normal * n_anomalous)


def average_precision_score(y_true: ArrayLike, y_score: ArrayLike) -> float:
    """Average precision: the precision at each threshold, weighted by the recall it adds.

    AP = Σ (Rᵢ − Rᵢ₋₁) Pᵢ over the distinct scores from the largest downwards, without
    interpolation. Chance is the share of anomalies, not 0.5.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or there is no anomaly among the labels.
    """
    counts = _counts(y_true, y_score)
    n_anomalous = _require_anomalies(counts, "average precision")
    recall_added = np.diff(counts.true_positives, prepend=0) / n_anomalous
    precision = counts.true_positives / (counts.true_positives + counts.false_positives)
    return float(np.dot(recall_added, precision))


def roc_curve(
    y_true: ArrayLike, y_score: ArrayLike, *, drop_intermediate: bool = True
) -> tuple[Floats, Floats, Floats]:
    """Points of the ROC curve, as scikit-learn returns them.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.
    drop_intermediate : bool, default=True
        Whether to leave out points on a straight line between their neighbours: they change
        neither the picture nor the area.

    Returns
    -------
    false_positive_rate, true_positive_rate, thresholds : ndarray of float64, shape (m,)
        The rates when rows with `score >= thresholds[i]` are flagged; `thresholds` decreases and
        starts at infinity, where nothing is flagged.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or one of the two classes is missing.
    """
    counts = _counts(y_true, y_score)
    n_normal, n_anomalous = _require_both_classes(counts, "a ROC curve")
    if drop_intermediate:
        fp, tp = counts.false_positives, counts.true_positives
        counts = _keep(counts, (np.diff(fp, 2) != 0) | (np.diff(tp, 2) != 0))
    return (
        np.concatenate(([0.0], counts.false_positives / n_normal)),
        np.concatenate(([0.0], counts.true_positives / n_anomalous)),
        np.concatenate(([np.inf], counts.thresholds)),
    )


def precision_recall_curve(
    y_true: ArrayLike, y_score: ArrayLike, *, drop_intermediate: bool = False
) -> tuple[Floats, Floats, Floats]:
    """Points of the precision-recall curve, as scikit-learn returns them.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.
    drop_intermediate : bool, default=False
        Whether to leave out the points inside a vertical line of the picture.

    Returns
    -------
    precision, recall : ndarray of float64, shape (m + 1,)
        The figures when rows with `score >= thresholds[i]` are flagged, then a last point
        (1, 0) that belongs to no threshold and closes the curve.
    thresholds : ndarray of float64, shape (m,)
        Increasing.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or there is no anomaly among the labels.
    """
    counts = _counts(y_true, y_score)
    n_anomalous = _require_anomalies(counts, "a precision-recall curve")
    if drop_intermediate:
        tp = counts.true_positives
        counts = _keep(counts, (np.diff(tp[:-1]) != 0) | (np.diff(tp[1:]) != 0))
    precision = counts.true_positives / (counts.true_positives + counts.false_positives)
    recall = counts.true_positives / n_anomalous
    return (
        np.concatenate((precision[::-1], [1.0])),
        np.concatenate((recall[::-1], [0.0])),
        counts.thresholds[::-1],
    )


def _counts(y_true: ArrayLike, y_score: ArrayLike) -> _Counts:
    """Count the rows flagged at each distinct score, from the largest downwards."""
    anomalous = read_labels(y_true, "y_true")
    scores = read_scores(y_score, "y_score")
    require_same_length(anomalous, scores, "y_score")
    # The order of tied rows does not matter, so the fast unstable sort will do.
    order = np.argsort(scores)[::-1]
    scores = scores[order]
    last_of_each = np.append(np.flatnonzero(scores[1:] != scores[:-1]), scores.size - 1)
    true_positives = np.cumsum(anomalous[order], dtype=np.int64)[last_of_each]
    false_positives = last_of_each + 1 - true_positives
    return _Counts(false_positives, true_positives, scores[last_of_each])


def _keep(counts: _Counts, inner: NDArray[np.bool_]) -> _Counts:
    """Keep the first point, the last, and those between them that `inner` marks."""
    if counts.thresholds.size <= 2:
        return counts
    chosen = np.concatenate(([True], inner, [True]))
    false_positives, true_positives, thresholds = counts
    return _Counts(false_positives[chosen], true_positives[chosen], thresholds[chosen])


def _require_anomalies(counts: _Counts, what: str) -> int:
    n_anomalous = int(counts.true_positives[-1])
    if n_anomalous == 0:
        raise InvalidDataError(
            f"{what} needs anomalies: none of the {int(counts.false_positives[-1])} labels in "
            "y_true is 1"
        )
    return n_anomalous


def _require_both_classes(counts: _Counts, what: str) -> tuple[int, int]:
    n_anomalous = _require_anomalies(counts, what)
    n_normal = int(counts.false_positives[-1])
    if n_normal == 0:
        raise InvalidDataError(
            f"{what} needs normal rows: none of the {n_anomalous} labels in y_true is 0"
        )
    return n_normal, n_anomalous
