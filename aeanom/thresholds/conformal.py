"""The split-conformal threshold, which promises a false-positive rate, and conformal p-values.

Imports NumPy, the standard library and `aeanom.errors`; SciPy only for the interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from aeanom.errors import CalibrationWarning, InvalidDataError, MissingDependencyError, warn
from aeanom.thresholds.base import (
    FittedThreshold,
    Placement,
    Promise,
    Threshold,
    name_scores,
    ordinal,
    percent,
)
from aeanom.thresholds.placement import above, count_for_one, floor_of_share
from aeanom.thresholds.reading import Floats, read_parameter, read_scores

__all__ = ["Conformal", "p_values"]


@dataclass(frozen=True)
class Conformal(Threshold):
    """At most this share of normal rows is flagged, on average over calibrations.

    With n scores of normal rows that had no part in training, k = ⌊α(n + 1)⌋ in exact arithmetic,
    and the threshold lies a hair above the k-th largest of them. A new normal row is as likely to
    take any place among the n + 1, so it scores above the k-th largest with probability at most
    k / (n + 1) ≤ α, whatever the scores' distribution; ties only lower it. For k = 0 the sample is
    too small for α: the largest score is used, and a `CalibrationWarning` gives the level attained
    and the number of rows that it takes.

    Anomalies among the calibration rows raise the threshold: fewer false alarms than promised, and
    fewer anomalies found.

    Parameters
    ----------
    false_positive_rate : float, default=0.05
        α, between 0 and 1, both excluded.

    References
    ----------
    Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World" (2005), section 4.2.
    Bates, Candès, Lei, Romano and Sesia, "Testing for outliers with conformal p-values",
    Annals of Statistics 51 (2023).
    """

    method: ClassVar[str] = "conformal"
    sample: ClassVar[Literal["calibration"]] = "calibration"

    false_positive_rate: float = 0.05

    def __post_init__(self) -> None:
        rate = read_parameter(
            "false_positive_rate",
            self.false_positive_rate,
            "between 0 and 1, both excluded",
            lambda x: 0 < x < 1,
        )
        object.__setattr__(self, "false_positive_rate", rate)

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        n = ordered.size
        rank = floor_of_share(self.false_positive_rate, n + 1)
        if rank == 0:
            rank = 1
            warn(
                f"{n} calibration {'row is' if n == 1 else 'rows are'} too few for a "
                f"false-positive rate of {percent(self.false_positive_rate)}: the largest score is "
                f"used, which attains {percent(1 / (n + 1))}. It takes at least "
                f"{count_for_one(self.false_positive_rate) - 1} calibration rows",
                CalibrationWarning,
            )
        score = float(ordered[n - rank])
        return Placement(above(ordered, score, tolerance), score, rank, rank / (n + 1))

    def _promise(self, fitted: FittedThreshold) -> Promise:
        # With too few calibration rows the level attained is more than what was asked for.
        return Promise(max(self.false_positive_rate, fitted.level or 0.0))

    def _interval(self, fitted: FittedThreshold, confidence: float) -> tuple[float, float] | None:
        return beta_interval(fitted, confidence)

    def _describe(self, fitted: FittedThreshold) -> str:
        rate = self.false_positive_rate if fitted.level is None else fitted.level
        sentence = f"at most {percent(rate)} of normal rows flagged on average"
        if rate > self.false_positive_rate:
            sentence += f" ({percent(self.false_positive_rate)} asked for)"
        if fitted.rank is None:
            return sentence
        sentence += f"; a hair above the {ordinal(fitted.rank)} of {name_scores(fitted)}"
        if fitted.n_ties > 1:
            sentence += f", {fitted.n_ties} of which are equal to it"
        try:
            interval = fitted.interval()
        except MissingDependencyError:
            # A scorer deployed with NumPy alone still says what it promises.
            return sentence
        if interval is None:
            return sentence
        low, high = map(percent, interval)
        return (
            f"{sentence}; with that many the realised rate lies between {low} and {high} in 95 % "
            "of calibrations"
        )


def beta_interval(fitted: FittedThreshold, confidence: float) -> tuple[float, float] | None:
    """Return the central interval of the rate above the k-th largest of n: Beta(k, n + 1 − k)."""
    if fitted.rank is None:
        return None
    try:
        from scipy.special import betaincinv
    except ImportError as error:
        raise MissingDependencyError(
            f"the interval of a {fitted.threshold.method} threshold needs SciPy: pip install scipy"
        ) from error
    shape = (fitted.rank, fitted.n_scores + 1 - fitted.rank)
    tail = (1 - confidence) / 2
    return float(betaincinv(*shape, tail)), float(betaincinv(*shape, 1 - tail))


def p_values(scores: ArrayLike, calibration_scores: ArrayLike) -> Floats:
    """Conformal p-values: how unusual each score is among the calibration scores.

    p = (1 + #{calibration scores ≥ score}) / (n + 1). For a new normal row P(p ≤ α) ≤ α, for
    every α. A row that `Conformal(α)` flags has p ≤ α, if there were enough rows for α.

    Parameters
    ----------
    scores : array_like of any shape
        Larger for more anomalous rows; infinite ones are the most anomalous.
    calibration_scores : array_like of shape (n,)
        Scores of normal rows that had no part in training, in any order.

    Returns
    -------
    ndarray of float64, of the scores' shape
        From 1 / (n + 1) to 1.

    Raises
    ------
    InvalidDataError
        When the calibration scores are empty, not one-dimensional or not finite, or some scores
        are NaN.

    References
    ----------
    Bates, Candès, Lei, Romano and Sesia, "Testing for outliers with conformal p-values",
    Annals of Statistics 51 (2023).
    """
    ordered = np.sort(read_scores(calibration_scores, "calibration scores"))
    values = np.asarray(scores, dtype=np.float64)
    n_missing = int(np.count_nonzero(np.isnan(values)))
    if n_missing:
        raise InvalidDataError(f"{n_missing} of {values.size} scores are NaN")
    at_least = ordered.size - np.searchsorted(ordered, values, side="left")
    return np.asarray((1 + at_least) / (ordered.size + 1), dtype=np.float64)
