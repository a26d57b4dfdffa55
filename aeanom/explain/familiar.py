"""`Familiar`: what is usual for a model, and the ranges that its training saw. Both are O(d).

`explanation.py` measures rows by it; `aeanom/assessment.py` makes one after a fit. Imports NumPy
only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Familiar", "SeenRange", "UsualErrors"]

Floats = NDArray[np.float64]

# Of the typical error of all features, added to each one's own: see `UsualErrors.scale`.
SHARE_OF_ALL = 0.3
# Least that a feature's usual miss counts, and its range, relative to those of all features.
LEAST_RESIDUAL = 0.1
LEAST_WIDTH = 0.05

LEAST_MARGIN = 0.1
FLAGGED = 0.01
# With fewer calibration rows the share above cannot be told from 0, and the margin is this one.
ROWS_TO_CALIBRATE = round(1 / FLAGGED) - 1
UNCALIBRATED_MARGIN = 0.5

_ELEMENTS_AT_ONCE = 1 << 18


@dataclass(frozen=True, eq=False)
class UsualErrors:
    """How large the error of each feature usually is, on the 95 % of rows with the lowest scores.

    Attributes
    ----------
    errors : float64 ndarray of shape row_shape
        The square of the mean square root of the element errors: for a squared error the square of
        the mean absolute residual. A few large ones count less in it than in the mean.
    residuals : float64 ndarray of shape row_shape
        Mean absolute difference of seen and expected values, in the units of the table; at least
        a tenth of what is typical of all features in scaled units.
    sample : {"calibration", "training"}
        Which rows these were.
    n_rows : int
        How many.
    """

    errors: Floats
    residuals: Floats
    sample: str
    n_rows: int

    @classmethod
    def of(cls, errors: Floats, residuals: Floats, unit: Floats, sample: str) -> UsualErrors:
        """Summarise the errors and residuals of some rows.

        Parameters
        ----------
        errors, residuals : float64 ndarray of shape (n, *row_shape)
            Both in scaled units.
        unit : float64 ndarray that broadcasts to row_shape
            The scaler's unit of each feature.
        sample : str
        """
        usual = np.abs(residuals).mean(axis=0)
        usual = np.maximum(usual, LEAST_RESIDUAL * usual.mean())
        with np.errstate(over="ignore"):
            in_units = np.minimum(usual * unit, np.finfo(np.float64).max)
        return cls(np.square(np.sqrt(errors).mean(axis=0)), in_units, sample, len(errors))

    @property
    def scale(self) -> Floats:
        """What errors are divided by before they are compared, of shape row_shape; 1 on average.

        A feature's own usual error and 0.3 of the mean of all. A feature that never erred, a
        constant one perhaps, would otherwise be the culprit of every row.
        """
        mean = float(self.errors.mean())
        if mean == 0:
            return np.ones_like(self.errors)
        return np.asarray((self.errors / mean + SHARE_OF_ALL) / (1 + SHARE_OF_ALL))


@dataclass(frozen=True, eq=False)
class SeenRange:
    """Least and largest value that training saw of each input, or of each unit of the latent.

    Attributes
    ----------
    low, high : float64 ndarray
    width : float64 ndarray
        The unit in which distances beyond the range count: `high - low`, and for what hardly
        varies at least a twentieth of the mean of all in scaled units.
    margin : float
        How far beyond, in that unit, a value must lie to be called outside.
    """

    low: Floats
    high: Floats
    width: Floats
    margin: float = UNCALIBRATED_MARGIN

    @classmethod
    def of(cls, rows: NDArray[Any], unit: Floats) -> SeenRange:
        """Take the range of rows of shape (n, ...); `unit` is as in `UsualErrors.of`."""
        low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
        with np.errstate(over="ignore"):
            width = np.minimum(high - low, np.finfo(np.float64).max)
        mean = float(np.minimum(width / unit, 1e9).mean()) or 1.0
        return cls(low, high, np.maximum(width, LEAST_WIDTH * mean * unit))

    def beyond(self, rows: NDArray[Any]) -> Floats:
        """Return how far values lie beyond the range, in widths, of the rows' shape; 0 inside."""
        with np.errstate(over="ignore"):
            distance = np.maximum(self.low - rows, rows - self.high)
            return np.asarray(np.maximum(distance, 0.0) / self.width, dtype=np.float64)

    def farthest(self, rows: NDArray[Any]) -> Floats:
        """Return the largest of a row's distances, of shape (n,)."""
        result = np.empty(len(rows))
        axes = tuple(range(1, rows.ndim))
        # In parts, so that memory does not grow with the rows.
        size = max(_ELEMENTS_AT_ONCE // max(self.low.size, 1), 1)
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            self.beyond(rows[part]).max(axis=axes, initial=0.0, out=result[part])
        return result

    def calibrated(self, rows: NDArray[Any]) -> SeenRange:
        """Return this range with the margin that at most 1 % of new normal rows exceed.

        On average over calibrations, as for a conformal threshold; with fewer than 99 rows it is
        the farthest of them, and at least half of a width. It is never less than a tenth.

        Parameters
        ----------
        rows : ndarray of shape (n, ...)
            Calibration rows, or their latents.
        """
        farthest = np.sort(self.farthest(rows))
        rank = max(floor(FLAGGED * (len(rows) + 1)), 1)
        least = LEAST_MARGIN if len(rows) >= ROWS_TO_CALIBRATE else UNCALIBRATED_MARGIN
        reached = float(farthest[-rank]) if len(rows) else 0.0
        return replace(self, margin=min(max(reached, least), 1e300))

    def outside(self, rows: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether any value of each row lies outside, of shape (n,)."""
        return np.asarray(self.farthest(rows) > self.margin)


@dataclass(frozen=True, eq=False)
class Familiar:
    """What a model knows as usual, and what it has seen.

    Attributes
    ----------
    usual : UsualErrors
    inputs : SeenRange or None
        Of the training rows, in the units of the table. None for a model of a file that did not
        write it down.
    latents : SeenRange or None
        Of their latents; None for a module that has no latent, too.
    """

    usual: UsualErrors
    inputs: SeenRange | None = None
    latents: SeenRange | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what is not an array as JSON-able values."""
        return {
            "sample": self.usual.sample,
            "n_rows": self.usual.n_rows,
            "input_margin": None if self.inputs is None else self.inputs.margin,
            "latent_margin": None if self.latents is None else self.latents.margin,
        }

    def arrays(self) -> dict[str, Floats]:
        """Return the arrays by the names that they have in a file."""
        arrays = {"usual": np.stack([self.usual.errors, self.usual.residuals])}
        for name, seen in (("inputs", self.inputs), ("latents", self.latents)):
            if seen is not None:
                arrays[name] = np.stack([seen.low, seen.high, seen.width])
        return arrays

    @classmethod
    def from_parts(cls, values: Mapping[str, Any], arrays: Mapping[str, Floats]) -> Familiar:
        """Read back what `to_dict` and `arrays` gave."""

        def seen(name: str, margin: str) -> SeenRange | None:
            if values[margin] is None:
                return None
            low, high, width = arrays[name]
            return SeenRange(low, high, width, float(values[margin]))

        errors, residuals = arrays["usual"]
        usual = UsualErrors(errors, residuals, str(values["sample"]), int(values["n_rows"]))
        return cls(usual, seen("inputs", "input_margin"), seen("latents", "latent_margin"))
