"""The two curves of a ranking: ROC and precision-recall, as points to draw.

Imports NumPy and `aeanom.errors` only. The areas under them are in `ranking`, the bands within
which they may lie in `bands`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.metrics._counts import Floats, count, require_anomalies, require_both_classes

__all__ = ["precision_recall_curve", "roc_curve"]


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
    counts, scores = count(y_true, y_score)
    require_both_classes(counts, "a ROC curve")
    false_positives, true_positives = counts
    if drop_intermediate:
        kept = _ends_and(
            (np.diff(false_positives, 2) != 0) | (np.diff(true_positives, 2) != 0), scores.size
        )
        false_positives, true_positives = false_positives[kept], true_positives[kept]
        scores = scores[kept]
    return (
        np.concatenate(([0.0], false_positives / counts.n_normal)),
        np.concatenate(([0.0], true_positives / counts.n_anomalous)),
        np.concatenate(([np.inf], scores)),
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
    counts, scores = count(y_true, y_score)
    require_anomalies(counts, "a precision-recall curve")
    false_positives, true_positives = counts
    if drop_intermediate:
        found = np.diff(true_positives) != 0
        kept = _ends_and(found[:-1] | found[1:], scores.size)
        false_positives, true_positives = false_positives[kept], true_positives[kept]
        scores = scores[kept]
    precision = true_positives / (true_positives + false_positives)
    recall = true_positives / counts.n_anomalous
    return (
        np.concatenate((precision[::-1], [1.0])),
        np.concatenate((recall[::-1], [0.0])),
        scores[::-1],
    )


def _ends_and(inner: NDArray[np.bool_], n_points: int) -> NDArray[np.bool_]:
    """Mark the first point, the last, and those between them that `inner` marks."""
    kept = np.ones(n_points, dtype=np.bool_)
    if n_points > 2:
        kept[1:-1] = inner
    return kept
