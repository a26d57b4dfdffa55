"""Bands around a ROC or precision-recall curve, from the same resamples as the intervals.

Imports NumPy and `aeanom.errors` only. The curves themselves are in `curves`, the resampling is in
`bootstrap`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from aeanom.errors import InvalidParameterError
from aeanom.metrics._counts import (
    Counts,
    Floats,
    count,
    require_anomalies,
    require_both_classes,
)
from aeanom.metrics._labels import read_scores, require_same_length
from aeanom.metrics.bootstrap import RandomState, Ranking, Resampling, require_confidence

__all__ = ["CurveBand", "precision_recall_curve_band", "roc_curve_band"]

_N_POINTS = 201
#: How far rounding may take a rate times a number of rows from a whole number.
_HAIR = 1e-9


class CurveBand(NamedTuple):
    """A curve on a grid, and where it lies in the middle of its resamples.

    Attributes
    ----------
    grid : ndarray of float64, shape (g,)
        Increasing: false-positive rates of a ROC curve, recalls of a precision-recall curve.
    value, low, high : ndarray of float64, shape (g,)
        The curve of the rows at hand, and the ends of the interval at each point of the grid.
    """

    grid: Floats
    value: Floats
    low: Floats
    high: Floats


def roc_curve_band(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    grid: ArrayLike | None = None,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    random_state: RandomState = 0,
) -> CurveBand:
    """ROC curve with a confidence interval of the true-positive rate at each false-positive rate.

    The intervals are those of each point by itself; the whole curve lies within the band less
    often. Between two distinct scores the curve is a straight line; where it rises straight up, the
    upper end counts.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.
    grid : array_like of shape (g,), optional
        Increasing false-positive rates from 0 to 1; by default 201 at equal distances.
    confidence, n_resamples, random_state
        See `bootstrap_interval`.

    Returns
    -------
    CurveBand

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or one of the two classes is missing.
    InvalidParameterError
        When a setting is out of its range.

    References
    ----------
    Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27 (2006), section 9.1,
    vertical averaging.
    """
    require_both_classes(count(y_true, y_score)[0], "a ROC curve")
    return _band(true_positive_rates, y_true, y_score, grid, confidence, n_resamples, random_state)


def precision_recall_curve_band(
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    grid: ArrayLike | None = None,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    random_state: RandomState = 0,
) -> CurveBand:
    """Precision-recall curve with a confidence interval of the precision at each recall.

    The precision at a recall is that of the largest threshold that reaches the recall, the steps of
    which the average precision is the area; at recall 0, of the first anomaly found. The intervals
    are those of each point by itself.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.
    grid : array_like of shape (g,), optional
        Increasing recalls from 0 to 1; by default 201 at equal distances.
    confidence, n_resamples, random_state
        See `bootstrap_interval`.

    Returns
    -------
    CurveBand

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or there is no anomaly.
    InvalidParameterError
        When a setting is out of its range.
    """
    require_anomalies(count(y_true, y_score)[0], "a precision-recall curve")
    return _band(precisions, y_true, y_score, grid, confidence, n_resamples, random_state)


def true_positive_rates(counts: Counts, grid: Floats) -> Floats:
    """True-positive rates at false-positive rates, of shape (r, g), for counts of shape (r, m)."""
    # As a number of rows; 0.07 · 100 is a hair above 7.
    at = grid * counts.n_normal
    at = np.where(np.abs(at - np.rint(at)) < _HAIR, np.rint(at), at)
    result = np.empty((len(counts.true_positives), grid.size))
    for line, drawn in enumerate(zip(*counts, strict=True)):
        # The curve starts where nothing is flagged. Not np.interp, which promises nothing where a
        # false-positive rate appears more than once; here the last is meant.
        false_positives, true_positives = (np.append(0, counted) for counted in drawn)
        left = np.searchsorted(false_positives, at, side="right") - 1
        right = np.minimum(left + 1, false_positives.size - 1)
        width = np.maximum(false_positives[right] - false_positives[left], 1)
        share = (at - false_positives[left]) / width
        rise = true_positives[right] - true_positives[left]
        result[line] = true_positives[left] + rise * share
    return result / counts.n_anomalous


def precisions(counts: Counts, grid: Floats) -> Floats:
    """Precisions at recalls, of shape (r, g), for counts of shape (r, m)."""
    needed = np.maximum(np.ceil(grid * counts.n_anomalous - _HAIR), 1)
    result = np.empty((len(counts.true_positives), grid.size))
    for line, (false_positives, true_positives) in enumerate(zip(*counts, strict=True)):
        first = np.searchsorted(true_positives, needed)
        result[line] = true_positives[first] / (true_positives[first] + false_positives[first])
    return result


def _band(
    curve: Callable[[Counts, Floats], Floats],
    y_true: ArrayLike,
    y_score: ArrayLike,
    grid: ArrayLike | None,
    confidence: float,
    n_resamples: int,
    random_state: RandomState,
) -> CurveBand:
    require_confidence(confidence)
    points = np.linspace(0.0, 1.0, _N_POINTS) if grid is None else _read_grid(grid)
    resampling = Resampling(y_true, n_resamples, random_state)
    scores = read_scores(y_score, "y_score")
    require_same_length(resampling.anomalous, scores, "y_score")
    ranking = Ranking(resampling.anomalous, scores)
    value = curve(ranking.counts(*resampling.everything()), points)[0]
    drawn = [curve(ranking.counts(*draws), points) for draws in resampling.draws()]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(drawn), [tail, 1 - tail], axis=0)
    return CurveBand(points, value, low, high)


def _read_grid(grid: ArrayLike) -> Floats:
    points = np.asarray(grid, dtype=np.float64)
    if (
        points.ndim != 1
        or points.size == 0
        or not (points[0] >= 0 and points[-1] <= 1)
        or not (np.diff(points) >= 0).all()
    ):
        raise InvalidParameterError("grid must be increasing rates from 0 to 1, in one dimension")
    return points
