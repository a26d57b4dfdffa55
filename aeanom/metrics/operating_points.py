"""Figures at one place of a ranking: its first k rows, a false-positive rate, the best threshold.

Imports NumPy and `aeanom.errors` only. Figures of the whole ranking are in `ranking`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidParameterError
from aeanom.metrics._counts import Counts, Floats, count, require_anomalies, require_both_classes

__all__ = [
    "BestF1",
    "best_f1_score",
    "precision_at_k",
    "recall_at_k",
    "true_positive_rate_at",
]


class BestF1(NamedTuple):
    """The largest F1 of any threshold, and the threshold.

    Attributes
    ----------
    value : float
        The F1 score.
    threshold : float
        Rows that score strictly more are flagged.
    """

    value: float
    threshold: float


def precision_at_k(y_true: ArrayLike, y_score: ArrayLike, k: int | None = None) -> float:
    """Share of anomalies among the k rows with the largest scores.

    Where a tie lies across the k-th place it is the expectation over all orders of the tied rows:
    the order of the rows in a table decides nothing. With k left out, the number of anomalies, it
    is the precision at rank n (R-precision), and equal to the recall at that place.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.
    k : int, optional
        From 1 to n, such as the number of alarms that can be looked into; by default the number of
        anomalies.

    Returns
    -------
    float
        From 0 to 1; chance is the share of anomalies.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or k is left out and there is no anomaly.
    InvalidParameterError
        When k is no whole number from 1 to n.

    References
    ----------
    McSherry and Najork, "Computing information retrieval performance measures efficiently in the
    presence of tied scores", ECIR (2008).
    """
    return float(precision_of_first(count(y_true, y_score)[0], k=k))


def recall_at_k(y_true: ArrayLike, y_score: ArrayLike, k: int | None = None) -> float:
    """Share of all anomalies that are among the k rows with the largest scores.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.
    k : int, optional
        From 1 to n; by default the number of anomalies.

    Returns
    -------
    float
        From 0 to 1; the expectation over all orders of tied rows, see `precision_at_k`.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or there is no anomaly.
    InvalidParameterError
        When k is no whole number from 1 to n.
    """
    return float(recall_of_first(count(y_true, y_score)[0], k=k))


def true_positive_rate_at(
    y_true: ArrayLike, y_score: ArrayLike, false_positive_rate: float
) -> float:
    """Share of anomalies found by the best threshold that flags so few normal rows.

    Only thresholds that there are count: nothing is interpolated between two of them.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.
    false_positive_rate : float
        The largest share of normal rows that may be flagged, from 0 to 1.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or one of the two classes is missing.
    InvalidParameterError
        When the rate is not from 0 to 1.
    """
    return float(found_at(count(y_true, y_score)[0], false_positive_rate=false_positive_rate))


def best_f1_score(y_true: ArrayLike, y_score: ArrayLike) -> BestF1:
    """Largest F1 score that any threshold reaches, and that threshold.

    The threshold is the one of the labels at hand: on new rows it gives less. Of several that reach
    the same F1 it is the largest. It lies halfway between the smallest score that is flagged and
    the next one.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.

    Returns
    -------
    BestF1
        `value` and `threshold`: flagging ``y_score > threshold`` has that F1 score.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or there is no anomaly among the labels.
    """
    counts, scores = count(y_true, y_score)
    figures = _f1_scores(counts)
    best = int(np.argmax(figures))
    flagged = float(scores[best])
    if best == scores.size - 1:
        return BestF1(float(figures[best]), float(np.nextafter(flagged, -np.inf)))
    passed = float(scores[best + 1])
    halfway = passed / 2 + flagged / 2
    # Of two scores without a number between them, the smaller.
    threshold = halfway if passed <= halfway < flagged else passed
    return BestF1(float(figures[best]), threshold)


def precision_of_first(counts: Counts, *, k: int | None = None) -> Floats:
    """Precision at k of counts of shape (..., m), of shape (...); see `precision_at_k`."""
    hits, k = _hits(counts, k)
    return np.asarray(hits / k)


def recall_of_first(counts: Counts, *, k: int | None = None) -> Floats:
    """Recall at k of counts of shape (..., m), of shape (...); see `recall_at_k`."""
    require_anomalies(counts, "recall at k")
    return np.asarray(_hits(counts, k)[0] / counts.n_anomalous)


def found_at(counts: Counts, false_positive_rate: float) -> Floats:
    """True-positive rate at a false-positive rate, for counts of shape (..., m)."""
    require_both_classes(counts, "the true-positive rate at a false-positive rate")
    if not 0 <= false_positive_rate <= 1:
        raise InvalidParameterError(
            f"false_positive_rate must be from 0 to 1; got {false_positive_rate!r}"
        )
    # Divided, and not the rate multiplied: 5 / 100 is 0.05, and 0.07 · 100 is not 7.
    allowed = counts.false_positives / counts.n_normal <= false_positive_rate
    return np.asarray(np.max(counts.true_positives * allowed, axis=-1) / counts.n_anomalous)


def best_f1(counts: Counts) -> Floats:
    """Largest F1 score of counts of shape (..., m), of shape (...)."""
    return np.asarray(np.max(_f1_scores(counts), axis=-1))


def _f1_scores(counts: Counts) -> Floats:
    require_anomalies(counts, "the best F1 score")
    flagged = counts.true_positives + counts.false_positives
    return np.asarray(2 * counts.true_positives / (flagged + counts.n_anomalous))


def _hits(counts: Counts, k: int | None) -> tuple[Floats, int]:
    """Return how many of the first k rows are anomalies, of shape (...), and k."""
    n = counts.n_normal + counts.n_anomalous
    if k is None:
        require_anomalies(counts, "k, which is the number of anomalies unless it is given,")
        k = counts.n_anomalous
    elif isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= n:
        raise InvalidParameterError(f"k must be a whole number from 1 to {n}; got {k!r}")
    flagged = counts.true_positives + counts.false_positives
    # The tie in which the k-th row is: before it all count, in it the same share of each class.
    tie = np.count_nonzero(flagged < k, axis=-1, keepdims=True)

    def around(counted: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        before = np.take_along_axis(counted, np.maximum(tie - 1, 0), axis=-1)
        before = np.where(tie == 0, 0, before)[..., 0]
        return before, np.take_along_axis(counted, tie, axis=-1)[..., 0]

    flagged_before, flagged_after = around(flagged)
    hits_before, hits_after = around(counts.true_positives)
    share = (k - flagged_before) / (flagged_after - flagged_before)
    return hits_before + (hits_after - hits_before) * share, int(k)
