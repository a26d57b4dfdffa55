"""Thresholds from medians and quartiles, which a few anomalies in the sample hardly move.

Imports NumPy, the standard library and `aeanom.errors`. Like those of `sample` they describe the
sample and promise nothing about new rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from aeanom.errors import CalibrationWarning, InvalidDataError, InvalidParameterError, warn
from aeanom.thresholds.base import FittedThreshold, Placement, Threshold, name_scores, percent
from aeanom.thresholds.placement import clear_of_scores, scaled, unscaled
from aeanom.thresholds.reading import Floats, read_parameter

__all__ = ["IQR", "MAD"]

# 1 / Φ⁻¹(3/4): of a normal distribution, the standard deviation over the median absolute one.
_NORMAL_CONSISTENCY = 1.482602218505602

_LARGEST_EXPONENT = math.log(np.finfo(np.float64).max)


@dataclass(frozen=True)
class MAD(Threshold):
    """A number of robust standard deviations above the median score.

    median + deviations · 1.4826 · median(|score − median|), and a hair above a score where it falls
    on one. The factor makes the median absolute deviation that of a normal distribution. Half the
    sample may be anomalies before either median is one. Scores often have a long right tail: with
    `log` the logarithms of the scores are used instead, and the result is that of a factor on the
    median score. It promises nothing about new rows.

    Where more than half of the scores are equal the deviation is 0: every larger score is then
    above the threshold, and a `CalibrationWarning` says so.

    Parameters
    ----------
    deviations : float, default=3.0
        0 or more.
    log : bool, default=False
        Whether to work on logarithms; all scores must then be above 0.

    References
    ----------
    Rousseeuw and Croux, "Alternatives to the median absolute deviation", JASA 88 (1993).
    Leys et al., "Detecting outliers: do not use standard deviation around the mean, use absolute
    deviation around the median", Journal of Experimental Social Psychology 49 (2013).
    """

    method: ClassVar[str] = "mad"
    sample: ClassVar[Literal["any"]] = "any"

    deviations: float = 3.0
    log: bool = False

    def __post_init__(self) -> None:
        deviations = read_parameter("deviations", self.deviations, "0 or more", lambda x: x >= 0)
        object.__setattr__(self, "deviations", deviations)
        if not isinstance(self.log, bool | np.bool_):
            raise InvalidParameterError(f"log must be True or False; got {self.log!r}")
        object.__setattr__(self, "log", bool(self.log))

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        scores, exponent = (self._logarithms(ordered), 0) if self.log else scaled(ordered)
        middle = float(np.median(scores))
        deviation = _NORMAL_CONSISTENCY * float(np.median(np.abs(scores - middle)))
        _warn_of_no_spread(ordered, deviation, "median absolute deviation")
        value = middle + self.deviations * deviation
        if self.log:
            value = math.exp(value) if value < _LARGEST_EXPONENT else math.inf
        value = max(unscaled(value, exponent, self._in_words(), ordered), float(ordered[0]))
        return Placement(clear_of_scores(ordered, value, tolerance))

    def _logarithms(self, ordered: Floats) -> Floats:
        n_wrong = int(np.count_nonzero(ordered <= 0))
        if n_wrong:
            raise InvalidDataError(
                f"{n_wrong} of {ordered.size} scores are 0 or less and have no logarithm: use "
                "log=False"
            )
        return np.log(ordered)

    def _in_words(self) -> str:
        kind = "the logarithms' " if self.log else ""
        return f"{kind}median + {self.deviations:.6g} median absolute deviations"

    def _describe(self, fitted: FittedThreshold) -> str:
        sentence = f"{self._in_words()} (times 1.4826) of {name_scores(fitted)}"
        if fitted.level is not None:
            sentence += f"; {percent(fitted.level)} of them are above it"
        return f"{sentence}; promises nothing about new rows"


@dataclass(frozen=True)
class IQR(Threshold):
    """A number of interquartile ranges above the upper quartile: Tukey's fence of the boxplot.

    Q3 + ranges · (Q3 − Q1), with linearly interpolated quartiles (NumPy's default), and a hair
    above a score where it falls on one. A quarter of the sample may be anomalies before Q3 is one.
    Of a normal distribution 0.35 % is above it with the default; of scores with a long right tail
    it is more. It promises nothing about new rows.

    Parameters
    ----------
    ranges : float, default=1.5
        0 or more; Tukey called what is above 3 "far out".

    References
    ----------
    Tukey, "Exploratory Data Analysis" (1977), section 2D.
    """

    method: ClassVar[str] = "iqr"
    sample: ClassVar[Literal["any"]] = "any"

    ranges: float = 1.5

    def __post_init__(self) -> None:
        ranges = read_parameter("ranges", self.ranges, "0 or more", lambda x: x >= 0)
        object.__setattr__(self, "ranges", ranges)

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        scores, exponent = scaled(ordered)
        lower, upper = map(float, np.quantile(scores, [0.25, 0.75]))
        _warn_of_no_spread(ordered, upper - lower, "interquartile range")
        value = upper + self.ranges * (upper - lower)
        value = unscaled(value, exponent, self._in_words(), ordered)
        return Placement(clear_of_scores(ordered, value, tolerance))

    def _in_words(self) -> str:
        return f"the upper quartile + {self.ranges:.6g} interquartile ranges"

    def _describe(self, fitted: FittedThreshold) -> str:
        sentence = f"{self._in_words()} of {name_scores(fitted)}"
        if fitted.level is not None:
            sentence += f"; {percent(fitted.level)} of them are above it"
        return f"{sentence}; promises nothing about new rows"


def _warn_of_no_spread(ordered: Floats, spread: float, what: str) -> None:
    # Of constant scores `fit` warns.
    if spread > 0 or ordered[0] == ordered[-1]:
        return
    warn(
        f"the {what} of {ordered.size} scores is 0, since so many of them are equal: every larger "
        "score is above the threshold",
        CalibrationWarning,
    )
