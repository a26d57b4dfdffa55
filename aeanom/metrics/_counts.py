"""What a ranking comes to: rows flagged at each distinct score, of each class.

Imports NumPy and `aeanom.errors` only. Every ranking figure sorts the scores once and works on
these counts, so that tied scores count as one point whatever their order. All figures take counts
with leading axes too, one line a resample: that is what makes `bootstrap` quick.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidDataError
from aeanom.metrics._labels import read_labels, read_scores, require_same_length

__all__ = ["Counts", "Floats", "Integers", "count", "require_anomalies", "require_both_classes"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Counts(NamedTuple):
    """What would be flagged from the largest score down to each distinct score.

    Attributes
    ----------
    false_positives, true_positives : ndarray of int64, shape (..., m)
        Normal rows and anomalies that score at least so much; they never decrease.
    """

    false_positives: Integers
    true_positives: Integers

    @property
    def n_normal(self) -> int:
        """Number of normal rows, the same in every line."""
        return int(self.false_positives[..., -1].flat[0])

    @property
    def n_anomalous(self) -> int:
        """Number of anomalies, the same in every line."""
        return int(self.true_positives[..., -1].flat[0])


def count(y_true: ArrayLike, y_score: ArrayLike) -> tuple[Counts, Floats]:
    """Count the rows flagged at each distinct score, from the largest downwards.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        Larger for more anomalous rows.

    Returns
    -------
    counts : Counts, of shape (m,)
    scores : ndarray of float64, shape (m,)
        The distinct scores, decreasing.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or the two differ in length.
    """
    anomalous = read_labels(y_true, "y_true")
    scores = read_scores(y_score, "y_score")
    require_same_length(anomalous, scores, "y_score")
    # The order of tied rows does not matter, so the fast unstable sort will do.
    order = np.argsort(scores)[::-1]
    scores = scores[order]
    last_of_each = np.append(np.flatnonzero(scores[1:] != scores[:-1]), scores.size - 1)
    true_positives = np.cumsum(anomalous[order], dtype=np.int64)[last_of_each]
    return Counts(last_of_each + 1 - true_positives, true_positives), scores[last_of_each]


def require_anomalies(counts: Counts, what: str) -> None:
    """Raise `InvalidDataError` unless there is an anomaly; `what` names the figure."""
    if counts.n_anomalous == 0:
        raise InvalidDataError(
            f"{what} needs anomalies: none of the {counts.n_normal} labels in y_true is 1"
        )


def require_both_classes(counts: Counts, what: str) -> None:
    """Raise `InvalidDataError` unless there are anomalies and normal rows."""
    require_anomalies(counts, what)
    if counts.n_normal == 0:
        raise InvalidDataError(
            f"{what} needs normal rows: none of the {counts.n_anomalous} labels in y_true is 0"
        )
