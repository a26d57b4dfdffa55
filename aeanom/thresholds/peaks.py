"""`PeaksOverThreshold`: risks smaller than the sample can show, from the tail's own shape.

`Quantile(0.999)` needs thousands of scores to know what one in a thousand exceeds; extreme value
theory says what form the tail takes, and extrapolates it. Imports NumPy, the standard library and
`aeanom.errors`; `tail` has the estimate, `streaming` the form that goes on learning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from aeanom.errors import CalibrationWarning, InvalidParameterError, warn
from aeanom.thresholds.base import (
    FittedThreshold,
    Placement,
    Precision,
    Threshold,
    name_scores,
    percent,
)
from aeanom.thresholds.placement import (
    above,
    ceil_of_share,
    clear_of_scores,
    scaled,
    unscaled,
)
from aeanom.thresholds.reading import Floats, read_parameter
from aeanom.thresholds.tail import FEWEST_EXCESSES, Tail, fit_tail

if TYPE_CHECKING:
    from aeanom.thresholds.streaming import StreamingPeaks

__all__ = ["PeaksOverThreshold", "tail_limit"]


@dataclass(frozen=True)
class PeaksOverThreshold(Threshold):
    """A new row like those of the sample is above it with this probability, however small.

    What scores exceed a high initial threshold by follows a generalised Pareto distribution, almost
    whatever their own (Pickands–Balkema–de Haan). Of n scores, N exceed the initial one u, the
    ⌈q·n⌉-th smallest. A new one exceeds u with probability (N + 1) / (n + 1), and u + x with that
    times the tail's; the threshold is where this is the risk. The tail is estimated as Zhang and
    Stephens do, and what N excesses leave unknown about it is averaged over, not ignored:
    `aeanom.thresholds.tail`. The risk is therefore met on average over samples; in a single one the
    realised rate may be several times smaller or larger, the more so the further it is extrapolated
    (see the table in docs/thresholds.md).

    With fewer than 10 excesses the tail is taken to be exponential, with a `CalibrationWarning`
    that says how many scores it takes; without any the threshold is just above u.

    Parameters
    ----------
    risk : float, default=0.001
        Probability of a false alarm, above 0 and below 1 − initial_quantile.
    initial_quantile : float, default=0.9
        q, above 0 and below 1. Higher is truer to the theory, lower leaves more excesses: 100
        scores have ten above 0.9.

    Notes
    -----
    Nothing is promised: the tail's form is a limit that finite scores only come near. It needs
    normal scores, and on training scores the risk is underestimated.

    References
    ----------
    Pickands, "Statistical inference using extreme order statistics", Annals of Statistics 3 (1975).
    Zhang and Stephens, "A new and efficient estimation method for the generalized Pareto
    distribution", Technometrics 51 (2009).
    Siffer, Fouque, Termier and Largouet, "Anomaly detection in streams with extreme value theory",
    KDD (2017).
    """

    method: ClassVar[str] = "peaks_over_threshold"
    sample: ClassVar[Literal["any"]] = "any"
    figures: ClassVar[tuple[str, ...]] = ("initial", "excesses", "shape", "scale")

    risk: float = 0.001
    initial_quantile: float = 0.9

    def __post_init__(self) -> None:
        for name in ("risk", "initial_quantile"):
            value = read_parameter(
                name, getattr(self, name), "between 0 and 1, both excluded", lambda x: 0 < x < 1
            )
            object.__setattr__(self, name, value)
        if self.risk >= 1 - self.initial_quantile:
            raise InvalidParameterError(
                f"risk={self.risk:.6g} must be below 1 - initial_quantile, which is "
                f"{1 - self.initial_quantile:.6g}: less rare scores need no tail, use "
                f"Quantile({1 - self.risk:.6g})"
            )

    def stream(self, scores: ArrayLike, *, precision: Precision = "float64") -> StreamingPeaks:
        """Return a threshold that begins with these scores and goes on learning from new ones.

        Parameters
        ----------
        scores : array_like of shape (n,)
            Finite scores of normal rows.
        precision
            As in `fit`.
        """
        from aeanom.thresholds.streaming import StreamingPeaks

        return StreamingPeaks(self, scores, precision=precision)

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        n = ordered.size
        scores, exponent = scaled(ordered)
        position = ceil_of_share(self.initial_quantile, n)
        initial = float(ordered[position - 1])
        excesses = scores[position:] - scores[position - 1]
        excesses = excesses[excesses > 0]
        if excesses.size < FEWEST_EXCESSES and ordered[0] < ordered[-1]:
            self._warn_of_few(excesses.size, n)
        if not excesses.size:
            value = above(ordered, initial, tolerance)
            return Placement(value, figures=_figures(initial, 0, None, exponent))
        tail = fit_tail(excesses)
        limit = float(scores[position - 1]) + tail_limit(tail, self.risk, n, excesses.size)
        value = unscaled(limit, exponent, self._in_words(), ordered)
        return Placement(
            clear_of_scores(ordered, max(value, initial), tolerance),
            figures=_figures(initial, excesses.size, tail, exponent),
        )

    def _warn_of_few(self, n_excesses: int, n: int) -> None:
        needed = math.floor(FEWEST_EXCESSES / (1 - self.initial_quantile))
        while needed - ceil_of_share(self.initial_quantile, needed) < FEWEST_EXCESSES:
            needed += 1
        consequence = (
            "the tail is taken to be exponential"
            if n_excesses
            else "there is no tail to extrapolate, and the threshold is just above them"
        )
        warn(
            f"{n_excesses} of {n} scores exceed the initial threshold, their "
            f"{self.initial_quantile:.6g} quantile, too few to estimate the shape of a tail: "
            f"{consequence}. It takes {FEWEST_EXCESSES} excesses, of {needed} scores without ties",
            CalibrationWarning,
        )

    def _in_words(self) -> str:
        return f"the score that is exceeded with probability {self.risk:.6g}"

    def _describe(self, fitted: FittedThreshold) -> str:
        figures = fitted.figures
        count = int(figures["excesses"])
        excesses = f"{count} excess{'' if count == 1 else 'es'}"
        sentence = (
            f"exceeded with probability {self.risk:.6g}, by a generalised Pareto tail of shape "
            f"{figures['shape']:.3g} and scale {figures['scale']:.3g} above "
            f"{figures['initial']:.6g}, from {excesses} of {name_scores(fitted)}"
        )
        if not count:
            sentence = f"a hair above {figures['initial']:.6g}, which none of {name_scores(fitted)}"
            sentence += " exceeds"
        elif fitted.level is not None:
            sentence += f"; {percent(fitted.level)} of them are above it"
        return f"{sentence}; promises nothing about new rows"


def tail_limit(tail: Tail, risk: float, n_scores: int, n_excesses: int) -> float:
    """Return how far above the initial threshold a new score is with probability `risk`.

    A new score is as likely to take any place among the n + 1, so that it exceeds the initial
    threshold, with N scores above, with probability (N + 1) / (n + 1).
    """
    return tail.quantile(risk * (n_scores + 1) / (n_excesses + 1))


def _figures(initial: float, n: int, tail: Tail | None, exponent: int) -> dict[str, float]:
    scale = 0.0 if tail is None else float(np.ldexp(tail.scale, exponent))
    return {
        "initial": initial,
        "excesses": float(n),
        "shape": 0.0 if tail is None else tail.shape,
        "scale": min(scale, float(np.finfo(np.float64).max)),
    }
