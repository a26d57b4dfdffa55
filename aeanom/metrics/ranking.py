"""Figures of a whole ranking, for which no threshold is needed: ROC AUC and average precision.

Imports NumPy and `aeanom.errors` only. The curves behind the two are in `curves`, figures at one
place of the ranking (the first k rows, a false-positive rate) in `operating_points`, confidence
intervals in `bootstrap`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from aeanom.errors import InvalidParameterError
from aeanom.metrics._counts import Counts, Floats, count, require_anomalies, require_both_classes

__all__ = ["average_precision_score", "roc_auc_score"]


def roc_auc_score(y_true: ArrayLike, y_score: ArrayLike, *, max_fpr: float | None = None) -> float:
    """Area under the ROC curve: how often an anomaly scores above a normal row.

    It is the share of all pairs of an anomaly and a normal row in which the anomaly has the larger
    score; a tie counts as one half (the Mann-Whitney statistic over the number of pairs). Counted
    in whole numbers, so it is exact up to the last division.

    With `max_fpr` it is the area A of the part where at most that share f of the normal rows is
    flagged, standardised by McClish so that chance is 0.5 and the best 1 whatever f:
    (1 + (A − f² / 2) / (f − f² / 2)) / 2.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.
    max_fpr : float, optional
        f, above 0 and at most 1. An alarm that nobody could bear is not worth being good at: with
        0.05 only false-positive rates up to 5 % count.

    Returns
    -------
    float
        From 0 to 1; 0.5 is chance.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or one of the two classes is missing.
    InvalidParameterError
        When `max_fpr` is out of its range.

    References
    ----------
    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic
    (ROC) curve", Radiology 143 (1982).
    McClish, "Analyzing a portion of the ROC curve", Medical Decision Making 9 (1989).
    """
    return float(area(count(y_true, y_score)[0], max_fpr=max_fpr))


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
    return float(average_precision(count(y_true, y_score)[0]))


def area(counts: Counts, *, max_fpr: float | None = None) -> Floats:
    """ROC AUC of counts of shape (..., m), of shape (...); see `roc_auc_score`."""
    require_both_classes(counts, "ROC AUC")
    if max_fpr is not None and not 0 < max_fpr <= 1:
        raise InvalidParameterError(f"max_fpr must be above 0 and at most 1; got {max_fpr!r}")
    n_normal, n_anomalous = counts.n_normal, counts.n_anomalous
    # Each step of the curve is a trapezoid, of which a tie makes the slope.
    widths = np.diff(counts.false_positives, axis=-1, prepend=0)
    if max_fpr is None or max_fpr == 1:
        heights = counts.true_positives.copy()
        heights[..., 1:] += counts.true_positives[..., :-1]
        doubled = np.einsum("...i,...i->...", widths, heights)
        return np.asarray(doubled / (2 * n_normal * n_anomalous))
    # As much of each step as lies left of the limit.
    begins = counts.false_positives - widths
    used = np.clip(max_fpr * n_normal - begins, 0.0, widths)
    rises = np.diff(counts.true_positives, axis=-1, prepend=0)
    mean_heights = (counts.true_positives - rises) + rises * used / np.maximum(widths, 1) / 2
    partial = np.einsum("...i,...i->...", used, mean_heights) / (n_normal * n_anomalous)
    chance = max_fpr**2 / 2
    return np.asarray((1 + (partial - chance) / (max_fpr - chance)) / 2)


def average_precision(counts: Counts) -> Floats:
    """Average precision of counts of shape (..., m), of shape (...)."""
    require_anomalies(counts, "average precision")
    false_positives, true_positives = counts
    found = np.diff(true_positives, axis=-1, prepend=0)
    # In a resample the first scores may have no row at all.
    precision = true_positives / np.maximum(true_positives + false_positives, 1)
    return np.asarray(np.einsum("...i,...i->...", found, precision) / counts.n_anomalous)
