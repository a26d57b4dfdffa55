"""Decisions about a batch of rows that bound the share of false alarms among the alarms.

Imports NumPy, the standard library and `aeanom.errors`. The p-values come from
`conformal.p_values`; `AnomalyModel.detect` does both.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import CalibrationWarning, InvalidDataError, warn
from aeanom.thresholds.reading import Floats, read_parameter

__all__ = ["adjusted_p_values", "benjamini_hochberg", "warn_if_too_few_to_discover"]

# p ≤ i·q / m is often an equality for conformal p-values, and must not be lost to rounding.
_SLACK = 1e-12


def benjamini_hochberg(p_values: ArrayLike, false_discovery_rate: float = 0.1) -> NDArray[np.bool_]:
    """Say which rows are anomalous, so that a bounded share of those named is normal.

    With p₍₁₎ ≤ ... ≤ p₍ₘ₎, the rows of the i smallest p-values are named for the largest i with
    p₍ᵢ₎ ≤ i·q / m. Of the rows named the expected share of normal ones is then at most q (in
    truth q times the share of normal rows among the m), for p-values that are independent and for
    conformal ones of one calibration alike. Which rows are named depends on all rows of the batch.

    Parameters
    ----------
    p_values : array_like of shape (m,)
        From 0 to 1; none at all is a batch in which nothing is named.
    false_discovery_rate : float, default=0.1
        q, between 0 and 1, both excluded.

    Returns
    -------
    ndarray of bool, shape (m,)

    Raises
    ------
    InvalidDataError
        When some p-values are not from 0 to 1, or they are not one-dimensional.
    InvalidParameterError
        When q is out of range.

    References
    ----------
    Benjamini and Hochberg, "Controlling the false discovery rate", Journal of the Royal Statistical
    Society B 57 (1995). Bates, Candès, Lei, Romano and Sesia, "Testing for outliers with conformal
    p-values", Annals of Statistics 51 (2023), theorem 2.
    """
    rate = _read_rate(false_discovery_rate)
    return np.asarray(adjusted_p_values(p_values) <= rate * (1 + _SLACK), dtype=np.bool_)


def adjusted_p_values(p_values: ArrayLike) -> Floats:
    """Return the smallest q with which `benjamini_hochberg` names each row.

    min over j ≥ i of p₍ⱼ₎·m / j, and at most 1; equal to `scipy.stats.false_discovery_control`.

    Parameters
    ----------
    p_values : array_like of shape (m,)
        From 0 to 1.

    Returns
    -------
    ndarray of float64, shape (m,)

    Raises
    ------
    InvalidDataError
        When some p-values are not from 0 to 1, or they are not one-dimensional.
    """
    values = np.asarray(p_values, dtype=np.float64)
    if values.ndim != 1:
        raise InvalidDataError(f"p-values must be one-dimensional; their shape is {values.shape}")
    n_wrong = int(np.count_nonzero(~((values >= 0) & (values <= 1))))
    if n_wrong:
        raise InvalidDataError(f"{n_wrong} of {values.size} p-values are not from 0 to 1")
    order = np.argsort(values)
    ratios = values[order] * values.size / np.arange(1, values.size + 1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.minimum.accumulate(ratios[::-1])[::-1], 1.0)
    return adjusted


def warn_if_too_few_to_discover(
    n_calibration: int, n_rows: int, false_discovery_rate: float
) -> None:
    """Warn where no single row can be named, however odd: p-values are at least 1 / (n + 1).

    Parameters
    ----------
    n_calibration : int
        n, the calibration scores that the p-values were counted among.
    n_rows : int
        m, the rows of the batch.
    false_discovery_rate : float
        q.

    Warns
    -----
    CalibrationWarning
        When 1 / (n + 1) > q / m, with the calibration rows that it takes.
    """
    rate = _read_rate(false_discovery_rate)
    together = math.ceil(n_rows / (rate * (n_calibration + 1)) * (1 - _SLACK))
    if together <= 1:
        return
    needed = math.ceil(n_rows / rate * (1 - _SLACK)) - 1
    reached = (
        f"{together} rows odder than all of these would have to be among them"
        if together <= n_rows
        else "not even if every row were odder than all of these"
    )
    warn(
        f"with {n_calibration} calibration rows no p-value is below {1 / (n_calibration + 1):.3g}, "
        f"too much to name a single one of {n_rows} rows at a false discovery rate of {rate:.6g}: "
        f"{reached}. It takes {needed} calibration rows, or fewer rows at a time",
        CalibrationWarning,
    )


def _read_rate(rate: float) -> float:
    return read_parameter(
        "false_discovery_rate", rate, "between 0 and 1, both excluded", lambda q: 0 < q < 1
    )
