"""`FalsePositiveBound`: a false-positive rate that holds for nearly every single calibration.

`conformal.Conformal` promises a rate on average over calibrations; this promises it in all but a
small share of them. Imports NumPy, the standard library and `aeanom.errors`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from aeanom.errors import CalibrationWarning, warn
from aeanom.thresholds.base import (
    FittedThreshold,
    Placement,
    Promise,
    Threshold,
    name_scores,
    ordinal,
    percent,
)
from aeanom.thresholds.conformal import beta_interval
from aeanom.thresholds.placement import above
from aeanom.thresholds.reading import Floats, read_parameter

__all__ = ["FalsePositiveBound", "log_binomial_cdf"]

# A probability that equals δ but for rounding is δ.
_SLACK = 1e-10


@dataclass(frozen=True)
class FalsePositiveBound(Threshold):
    """At most the share α of normal rows is flagged, in all but the share δ of calibrations.

    The rate of normal rows above the k-th largest of n calibration scores follows
    Beta(k, n + 1 − k), whatever the scores' distribution (with ties it is lower still), so it is
    more than α with probability P(Bin(n, α) ≤ k − 1). The threshold lies a hair above the k-th
    largest score for the largest k for which that is at most δ. On average the rate is
    k / (n + 1), well below α when n is small: that is the price of the confidence.

    Where even k = 1 has a larger probability than δ, which is (1 − α)^n, the largest score is used,
    and a `CalibrationWarning` gives the confidence attained and the number of rows that it takes:
    45 for the defaults, 299 for α = 0.01 and δ = 0.05.

    Parameters
    ----------
    alpha : float, default=0.05
        The false-positive rate, between 0 and 1, both excluded.
    delta : float, default=0.1
        The share of calibrations in which the rate may be larger, between 0 and 1, both excluded.

    References
    ----------
    Vovk, "Conditional validity of inductive conformal predictors", ACML (2012), proposition 2.
    Wilks, "Determination of sample sizes for setting tolerance limits", Annals of Mathematical
    Statistics 12 (1941).
    """

    method: ClassVar[str] = "false_positive_bound"
    sample: ClassVar[Literal["calibration"]] = "calibration"

    alpha: float = 0.05
    delta: float = 0.1

    def __post_init__(self) -> None:
        for name in ("alpha", "delta"):
            value = read_parameter(
                name, getattr(self, name), "between 0 and 1, both excluded", lambda x: 0 < x < 1
            )
            object.__setattr__(self, name, value)

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        n = ordered.size
        allowed = log_binomial_cdf(n, self.alpha) <= math.log(self.delta) + _SLACK
        # Of k - 1 = 0, ..., n - 1: the probability grows with k.
        rank = int(np.count_nonzero(allowed[:-1]))
        if rank == 0:
            rank = 1
            needed = math.ceil(math.log(self.delta) / math.log1p(-self.alpha) - _SLACK)
            warn(
                f"{n} calibration {'row is' if n == 1 else 'rows are'} too few for a "
                f"false-positive rate of {percent(self.alpha)} in {percent(1 - self.delta)} of "
                f"calibrations: the largest score is used, which attains it in "
                f"{percent(self._confidence(n, 1))}. It takes at least {needed} calibration rows",
                CalibrationWarning,
            )
        score = float(ordered[n - rank])
        return Placement(above(ordered, score, tolerance), score, rank, rank / (n + 1))

    def _confidence(self, n: int, rank: int) -> float:
        """Return the share of calibrations in which the rate above the rank is at most α."""
        return -math.expm1(float(log_binomial_cdf(n, self.alpha)[rank - 1]))

    def _promise(self, fitted: FittedThreshold) -> Promise | None:
        if fitted.rank is None:
            return None
        attained = self._confidence(fitted.n_scores, fitted.rank)
        return Promise(self.alpha, min(attained, 1 - self.delta))

    def _interval(self, fitted: FittedThreshold, confidence: float) -> tuple[float, float] | None:
        return beta_interval(fitted, confidence)

    def _describe(self, fitted: FittedThreshold) -> str:
        promise = self._promise(fitted)
        confidence = 1 - self.delta
        if promise is not None and promise.confidence is not None:
            confidence = promise.confidence
        sentence = (
            f"at most {percent(self.alpha)} of normal rows flagged in {percent(confidence)} of "
            "calibrations"
        )
        if confidence < 1 - self.delta - _SLACK:
            sentence += f" ({percent(1 - self.delta)} asked for)"
        if fitted.rank is None or fitted.level is None:
            return sentence
        sentence += f"; a hair above the {ordinal(fitted.rank)} of {name_scores(fitted)}"
        if fitted.n_ties > 1:
            sentence += f", {fitted.n_ties} of which are equal to it"
        return f"{sentence}; {percent(fitted.level)} are flagged on average"


def log_binomial_cdf(n: int, probability: float) -> Floats:
    """Return log P(Bin(n, p) ≤ j) for j = 0, ..., n, of shape (n + 1,).

    In logarithms, by the ratio of neighbouring terms, so that nothing underflows: a relative error
    of 1e-9 at a million trials.
    """
    j = np.arange(n)
    odds = math.log(probability) - math.log1p(-probability)
    ratios = np.log((n - j) / (j + 1)) + odds
    terms = np.concatenate([[0.0], np.cumsum(ratios)]) + n * math.log1p(-probability)
    return np.asarray(np.minimum(np.logaddexp.accumulate(terms), 0.0), dtype=np.float64)
