"""Whether p-values keep what they promise: how often normal rows get one this small.

Imports NumPy and `aeanom.errors` only. The p-values themselves come from a model
(`model.p_values`) or from `aeanom.thresholds.p_values`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.metrics._counts import Floats
from aeanom.metrics._labels import read_scores

__all__ = ["PValueCalibration", "p_value_calibration"]

_N_LEVELS = 101
# 0.07 · 100 is a hair above 7, and 0.57 · 100 a hair below 57.
_HAIR = 1e-9


@dataclass(frozen=True, eq=False)
class PValueCalibration:
    """How often normal rows have a p-value of at most α, beside how often they should.

    Attributes
    ----------
    levels : ndarray of float64, shape (m,)
        Each α.
    shares : ndarray of float64, shape (m,)
        The share of the rows with p ≤ α. More than expected means more false alarms than promised.
    expected : ndarray of float64, shape (m,)
        What it is on average if the promise holds: α itself, or for conformal p-values of n
        calibration rows ⌊α(n + 1)⌋ / (n + 1), as there are only n + 1 of them.
    low, high : ndarray of float64, shape (m,)
        The band in which the share of so many rows lies at each level by itself.
    ks_distance : float
        Kolmogorov-Smirnov: the largest distance between the shares and what is expected, over all
        levels and not just those above.
    excess : float
        The largest amount by which the shares are more than expected: the side on which a promise
        is broken. Not negative, as at the largest p-value all rows are counted.
    n_rows : int
    """

    levels: Floats
    shares: Floats
    expected: Floats
    low: Floats
    high: Floats
    ks_distance: float
    excess: float
    n_rows: int


def p_value_calibration(
    p_values: ArrayLike,
    *,
    n_calibration: int | None = None,
    levels: ArrayLike | None = None,
    confidence: float = 0.95,
) -> PValueCalibration:
    """Compare p-values of rows that are known to be normal with what p-values promise.

    Conformal p-values of n calibration rows are multiples of 1 / (n + 1), and all are compared with
    the same calibration rows: draw other ones, and all shares move together. So the number of N new
    rows with p ≤ k / (n + 1) is not binomial but beta-binomial, with parameters N, k and
    n + 1 − k. That is exact for rows without ties; with ties among the scores p-values are larger,
    and shares smaller.

    Parameters
    ----------
    p_values : array_like of shape (N,)
        From 0 to 1, of normal rows only: ``p_values[y_true == 0]``.
    n_calibration : int, optional
        n, the number of calibration scores behind conformal p-values. Without it they are taken as
        continuous and independent, and the band is binomial.
    levels : array_like of shape (m,), optional
        Where to compare, from 0 to 1; by default 101 at equal distances.
    confidence : float, default=0.95
        Of the band, at each level by itself.

    Returns
    -------
    PValueCalibration

    Raises
    ------
    InvalidDataError
        When there are no p-values, or some are not from 0 to 1.
    InvalidParameterError
        When a setting is out of its range.

    References
    ----------
    Marques, "Universal distribution of the empirical coverage in split conformal prediction",
    Statistics & Probability Letters 219 (2025).
    """
    p = np.sort(read_scores(p_values, "p_values"))
    if p[0] < 0 or p[-1] > 1:
        raise InvalidDataError(
            f"p_values must be from 0 to 1; they lie from {float(p[0])!r} to {float(p[-1])!r}"
        )
    if not 0 < confidence < 1:
        raise InvalidParameterError(
            f"confidence must be between 0 and 1, both excluded; got {confidence!r}"
        )
    if n_calibration is not None and (
        isinstance(n_calibration, bool)
        or not isinstance(n_calibration, int | np.integer)
        or n_calibration < 1
    ):
        raise InvalidParameterError(
            f"n_calibration must be a whole number of at least 1; got {n_calibration!r}"
        )
    at = np.linspace(0.0, 1.0, _N_LEVELS) if levels is None else np.asarray(levels, np.float64)
    if at.ndim != 1 or at.size == 0 or not ((at >= 0) & (at <= 1)).all():
        raise InvalidParameterError("levels must be numbers from 0 to 1, in one dimension")

    n_rows = p.size
    low, high = _band(n_rows, at, n_calibration, confidence)
    # The distance is largest where the shares jump: at a p-value, or just before the next.
    places = np.unique(p)
    shares_at = _shares(p, places)
    shares_before = np.concatenate(([0.0], shares_at[:-1]))
    over = shares_at - _expected(places, n_calibration)
    before = places if n_calibration is None else _previous(places, n_calibration)
    under = _expected(before, n_calibration) - shares_before
    return PValueCalibration(
        levels=at,
        shares=_shares(p, at),
        expected=_expected(at, n_calibration),
        low=low,
        high=high,
        ks_distance=float(max(over.max(), under.max())),
        excess=float(over.max()),
        n_rows=n_rows,
    )


def _shares(ordered: Floats, levels: Floats) -> Floats:
    """Share of the values that are at most each level, give or take rounding."""
    return np.searchsorted(ordered, levels + _HAIR, side="right") / ordered.size


def _expected(levels: Floats, n_calibration: int | None) -> Floats:
    if n_calibration is None:
        return levels
    return _ranks(levels, n_calibration) / (n_calibration + 1)


def _ranks(levels: Floats, n_calibration: int) -> Floats:
    return np.asarray(np.floor(levels * (n_calibration + 1) + _HAIR))


def _previous(places: Floats, n_calibration: int) -> Floats:
    """Return the largest possible p-value below each place."""
    return (np.ceil(places * (n_calibration + 1) - _HAIR) - 1) / (n_calibration + 1)


def _band(
    n_rows: int, levels: Floats, n_calibration: int | None, confidence: float
) -> tuple[Floats, Floats]:
    """Central interval of the share at each level, if the promise holds."""
    tail = (1 - confidence) / 2
    counted = np.arange(n_rows)
    ends = np.empty((2, levels.size))
    for index, level in enumerate(_expected(levels, n_calibration)):
        if level <= 0 or level >= 1:
            ends[:, index] = level
            continue
        # The probabilities of 0, 1, ..., N rows, each from the one before it.
        steps = np.log((n_rows - counted) / (counted + 1))
        if n_calibration is None:
            steps += np.log(level / (1 - level))
        else:
            first = level * (n_calibration + 1)
            second = n_calibration + 1 - first
            steps += np.log((counted + first) / (n_rows - 1 - counted + second))
        logarithms = np.concatenate(([0.0], np.cumsum(steps)))
        cumulative = np.cumsum(np.exp(logarithms - logarithms.max()))
        ends[:, index] = (
            np.searchsorted(cumulative, np.array([tail, 1 - tail]) * cumulative[-1]) / n_rows
        )
    return ends[0], ends[1]
