"""Thresholds that describe the sample they are fitted to, and promise nothing about new rows.

Imports NumPy, the standard library and `aeanom.errors`. For a promise about new rows see
`conformal`; `robust` has those that a few anomalies in the sample hardly move.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from aeanom.errors import CalibrationWarning, warn
from aeanom.thresholds.base import (
    FittedThreshold,
    Placement,
    Threshold,
    name_scores,
    ordinal,
    percent,
)
from aeanom.thresholds.placement import (
    above,
    ceil_of_share,
    clear_of_scores,
    round_share,
    scaled,
    unscaled,
)
from aeanom.thresholds.reading import Floats, read_parameter

__all__ = ["Contamination", "MeanStd", "Quantile"]


@dataclass(frozen=True)
class Quantile(Threshold):
    """At most the share 1 − q of the sample is above the threshold.

    It lies a hair above the ⌈q·n⌉-th smallest of the n scores: an order statistic, without
    interpolation. It promises nothing about new rows: fitted to training scores, more of them are
    above it.

    Parameters
    ----------
    quantile : float, default=0.95
        q, above 0 and at most 1.

    References
    ----------
    Hyndman and Fan, "Sample quantiles in statistical packages", American Statistician 50 (1996),
    definition 1.
    """

    method: ClassVar[str] = "quantile"
    sample: ClassVar[Literal["any"]] = "any"

    quantile: float = 0.95

    def __post_init__(self) -> None:
        quantile = read_parameter(
            "quantile", self.quantile, "above 0 and at most 1", lambda x: 0 < x <= 1
        )
        object.__setattr__(self, "quantile", quantile)

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        position = ceil_of_share(self.quantile, ordered.size)
        score = float(ordered[position - 1])
        return Placement(above(ordered, score, tolerance), score, ordered.size - position + 1)

    def _describe(self, fitted: FittedThreshold) -> str:
        sentence = f"the {self.quantile:.6g} quantile of {name_scores(fitted)}"
        if fitted.rank is not None and fitted.level is not None:
            sentence += (
                f", a hair above the {ordinal(fitted.rank)}; {percent(fitted.level)} of them are "
                "above it"
            )
        return f"{sentence}; promises nothing about new rows"


@dataclass(frozen=True)
class Contamination(Threshold):
    """Flags this share of the training rows themselves: scikit-learn's `contamination`.

    Of n scores the k = c·n largest are flagged, k rounded to the nearest whole number (halves
    upwards) but never all of them. The threshold lies a hair above the (k + 1)-th largest. Rows
    that tie with it are not flagged, so that ties can make it fewer than k, never more. When c·n is
    less than half a row nothing is flagged, with a `CalibrationWarning`. It promises nothing about
    new rows.

    Parameters
    ----------
    contamination : float, default=0.1
        c, above 0 and at most 0.5.

    References
    ----------
    Pedregosa et al., "Scikit-learn: machine learning in Python", JMLR 12 (2011).
    """

    method: ClassVar[str] = "contamination"
    sample: ClassVar[Literal["training"]] = "training"

    contamination: float = 0.1

    def __post_init__(self) -> None:
        contamination = read_parameter(
            "contamination", self.contamination, "above 0 and at most 0.5", lambda x: 0 < x <= 0.5
        )
        object.__setattr__(self, "contamination", contamination)

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        n = ordered.size
        n_flagged = round_share(self.contamination, n)
        if n_flagged == 0:
            warn(
                f"contamination={self.contamination:.6g} of {n} rows is less than half a row: none "
                "is flagged",
                CalibrationWarning,
            )
        n_flagged = min(n_flagged, n - 1)
        score = float(ordered[n - n_flagged - 1])
        return Placement(above(ordered, score, tolerance), score, n_flagged + 1)

    def _describe(self, fitted: FittedThreshold) -> str:
        sentence = f"{percent(self.contamination)} of the rows it was fitted to"
        if fitted.level is not None:
            sentence += f"; {percent(fitted.level)} of {name_scores(fitted)} are above it"
        return f"{sentence}; promises nothing about new rows"


@dataclass(frozen=True)
class MeanStd(Threshold):
    """A number of standard deviations above the mean score.

    mean + deviations · std, with the population's standard deviation (NumPy's, ddof=0), and a
    hair above the row's score where that is one. Reconstruction errors have a long right tail, so
    more rows are above it than the normal distribution says. It promises nothing about new rows.

    Parameters
    ----------
    deviations : float, default=3.0
        0 or more.

    References
    ----------
    Shewhart, "Economic Control of Quality of Manufactured Product" (1931), for the three.
    """

    method: ClassVar[str] = "mean_std"
    sample: ClassVar[Literal["any"]] = "any"

    deviations: float = 3.0

    def __post_init__(self) -> None:
        deviations = read_parameter("deviations", self.deviations, "0 or more", lambda x: x >= 0)
        object.__setattr__(self, "deviations", deviations)

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        scores, exponent = scaled(ordered)
        value = unscaled(
            float(scores.mean() + self.deviations * scores.std()),
            exponent,
            f"mean + {self.deviations:.6g} standard deviations",
            ordered,
        )
        return Placement(clear_of_scores(ordered, value, tolerance))

    def _describe(self, fitted: FittedThreshold) -> str:
        sentence = f"mean + {self.deviations:.6g} standard deviations of {name_scores(fitted)}"
        if fitted.level is not None:
            sentence += f"; {percent(fitted.level)} of them are above it"
        return f"{sentence}; promises nothing about new rows"
