"""`Explanation`: per row and feature, what was expected, what was seen, and what it costs.

Imports NumPy only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Explanation", "Reason"]


class Reason(NamedTuple):
    """One feature's part in one row's score; `str()` of it is a short sentence."""

    feature: str
    share: float
    contribution: float
    expected: float
    seen: float

    def __str__(self) -> str:
        return (
            f"{self.feature}: expected {self.expected:.4g}, saw {self.seen:.4g} "
            f"({self.share:.0%} of the error)"
        )


@dataclass(frozen=True, eq=False)
class Explanation:
    """How the scores of some rows spread over the features.

    Attributes
    ----------
    features : tuple of str
        Names of the d features; of an image or window, of its elements in C order.
    scores : float64 ndarray of shape (n,)
        Anomaly scores.
    share : float64 ndarray of shape (n, d), or (n, *row_shape) for images and windows
        Share of the error; each row adds up to 1, or is 0 where the score is.
    contribution : float64 ndarray of the same shape
        Share times score; each row adds up to its score. A log-likelihood may be negative, and
        so are its contributions then: `share` tells which feature is oddest.
    expected, seen : float64 ndarray of the same shape
        The reconstruction and the row itself, in the units of the table.
    """

    features: tuple[str, ...]
    scores: NDArray[np.float64]
    share: NDArray[np.float64]
    contribution: NDArray[np.float64]
    expected: NDArray[np.float64]
    seen: NDArray[np.float64]

    @classmethod
    def from_errors(
        cls,
        features: Sequence[str],
        scores: NDArray[np.float64],
        errors: NDArray[np.float64],
        expected: NDArray[np.float64],
        seen: NDArray[np.float64],
    ) -> Explanation:
        """Spread scores over features in proportion to their errors, of shape (n, ...)."""
        each_row = (-1, *(1,) * (errors.ndim - 1))
        total = errors.reshape(len(errors), -1).sum(axis=1).reshape(each_row)
        share = np.divide(errors, total, out=np.zeros_like(errors), where=total > 0)
        contribution = share * scores.reshape(each_row)
        return cls(tuple(features), scores, share, contribution, expected, seen)

    def __len__(self) -> int:
        return len(self.scores)

    def top(self, k: int = 3) -> list[list[Reason]]:
        """Return the `k` features that cost most, for each row, the largest first."""
        return [self.row(index, k) for index in range(len(self))]

    def row(self, index: int, k: int = 3) -> list[Reason]:
        """Return the `k` features that cost most in one row, the largest first."""
        parts = [
            part[index].ravel()
            for part in (self.share, self.contribution, self.expected, self.seen)
        ]
        order = np.argsort(-parts[0], kind="stable")[:k]
        return [
            Reason(self.features[feature], *(float(part[feature]) for part in parts))
            for feature in order
        ]

    def __str__(self) -> str:
        shown = min(len(self), 10)
        lines = [
            f"row {index}  score {self.scores[index]:.4g}  " + "; ".join(map(str, self.row(index)))
            for index in range(shown)
        ]
        if len(self) > shown:
            lines.append(f"... and {len(self) - shown} more rows")
        return "\n".join(lines)
