"""`Sample`: some rows as the network sees them, and all that it makes of them.

Imports NumPy only; `aeanom/assessment.py` makes one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Sample", "usual_count"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Some rows of a kind, scaled, and what the network makes of them; all float64.

    Attributes
    ----------
    rows, reconstruction : ndarray of shape (n, *row_shape)
        Scaled.
    errors : ndarray of shape (n, *row_shape)
        What each element costs, over the least that it can cost.
    latents : ndarray of shape (n, *latent_shape) or None
        None for a module that has none.
    penalties : ndarray of shape (n,)
        What layers add to the loss of each row: KL and L1 terms.
    """

    rows: Floats
    reconstruction: Floats
    errors: Floats
    latents: Floats | None
    penalties: Floats

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def row_errors(self) -> Floats:
        """Mean error of each row, of shape (n,)."""
        return np.asarray(self.errors.reshape(len(self.errors), -1).mean(axis=1))

    def usual_rows(self) -> NDArray[np.intp]:
        """Return the places of the rows with the lowest errors, 95 % of them, in order.

        A few rows that are far off would be most of any mean over all rows.
        """
        return np.sort(np.argsort(self.row_errors, kind="stable")[: usual_count(len(self))])


def usual_count(n: int) -> int:
    """Return how many of n rows are the usual ones: 95 %, at least one."""
    return max(n - n // 20, 1)
