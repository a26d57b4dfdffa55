"""A score as a figure from 0 to 1, for dashboards: a monotone map, and no posterior.

Imports NumPy and the standard library.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["anomaly_probability"]


def anomaly_probability(
    scores: ArrayLike, normal_scores: NDArray[np.float64], threshold: float
) -> NDArray[np.float64]:
    """Map scores to (0, 1]: 0.5 at the threshold, 0.05 at the median of normal rows.

    With u = 9 (score - threshold) / (threshold - median)::

        1 - 1 / (2 (1 + u))   for u ≥ 0            1 / (2 (1 - u))   for u < 0

    so that a score as far above the threshold as the median lies below it gets 0.95, and one ten
    times as far 0.995. It approaches 1 slowly on purpose: scores far beyond any normal one are
    still told apart, where a logistic curve would call all of them 1. What it says is where a score
    lies between normal rows and the threshold. How probable an anomaly is depends on how many there
    are, which no score knows.

    Parameters
    ----------
    scores : array_like of any shape
    normal_scores : float64 ndarray of shape (n,)
        Of calibration rows, or of the training rows where there are none. Only their median
        counts, and their 95th percentile where the threshold is not above the median.
    threshold : float

    Returns
    -------
    float64 ndarray of the scores' shape
        It never falls as the score rises, and rises as far as a float64 can show it. Above 0.5
        exactly where the score is above the threshold, but for scores within rounding of it.
    """
    values = np.asarray(scores, dtype=np.float64)
    median, high = np.quantile(normal_scores, (0.5, 0.95))
    candidates = (threshold - median, high - median, abs(threshold), 1.0)
    unit = next(float(unit) for unit in candidates if unit > 0 and np.isfinite(unit)) / 9
    with np.errstate(over="ignore"):
        distance = (values - threshold) / max(unit, np.finfo(np.float64).tiny)
    half = 0.5 / (1 + np.abs(distance))
    return np.asarray(np.where(distance >= 0, 1 - half, half), dtype=np.float64)
