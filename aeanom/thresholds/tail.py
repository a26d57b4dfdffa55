"""The generalised Pareto distribution of what lies beyond a high score, from few such excesses.

Imports NumPy and the standard library. `peaks` makes a threshold of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from aeanom.thresholds.reading import Floats

__all__ = ["FEWEST_EXCESSES", "Tail", "fit_tail"]

FEWEST_EXCESSES = 10
"""With fewer excesses than this the tail is taken to be exponential."""

# A θ, in units of the largest excess, whose tail is exponential to eight digits.
_NEARLY_ZERO = 1e-8
# Smaller ratios of an excess to the largest one would overflow when they are inverted.
_SMALLEST = 1e-300
# Halvings of an interval of logarithms, until no float64 lies inside.
_HALVINGS = 100


@dataclass(frozen=True, eq=False)
class Tail:
    """Estimated distribution of excesses: P(excess > x) = (1 + ξ·x / σ)^(−1 / ξ).

    Attributes
    ----------
    shape : float
        ξ: above 0 for tails as heavy as Pareto's, 0 for exponential ones, below 0 for bounded ones.
    scale : float
        σ, in the units of the excesses.
    n : int
        How many excesses there were.
    thetas, shapes, weights : float64 ndarray of shape (m,)
        The grid of θ = −ξ / σ that the estimate is an average over, the ξ that is most likely with
        each, and how probable each is.
    """

    shape: float
    scale: float
    n: int
    thetas: Floats
    shapes: Floats
    weights: Floats

    def exceedance(self, excess: float) -> float:
        """Return the probability that a new excess is larger, given the ones that were seen.

        With θ known, y = log(1 − θ·x) has an exponential distribution of mean ξ, which after n of
        them has an inverse gamma one (under the prior 1 / ξ), so that P(excess > x) is
        (1 + y / (n·ξ̂))^(−n). This is its average over θ. What is not known about ξ and σ makes the
        tail heavier than that of their estimates, as it should.
        """
        with np.errstate(divide="ignore"):
            logs = np.log1p(np.maximum(-self.thetas * excess, -1.0))
        # Both are of the same sign; at θ → 0 the ratio goes to excess / mean.
        ratios = logs / self.shapes
        return float(self.weights @ np.exp(-self.n * np.log1p(ratios / self.n)))

    def quantile(self, probability: float) -> float:
        """Return the excess that a new one exceeds with this probability, 0 for 1 or more.

        Infinite where no float64 is large enough.
        """
        if probability >= 1:
            return 0.0
        low, high = math.log(self.scale) - 50, math.log(self.scale)
        while self.exceedance(math.exp(high)) > probability:
            low, high = high, high + max(1.0, abs(high - low))
            if high > 700:
                return math.inf
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if not low < middle < high:
                break
            if self.exceedance(math.exp(middle)) > probability:
                low = middle
            else:
                high = middle
        return math.exp(high)


def fit_tail(excesses: Floats) -> Tail:
    """Estimate the tail from excesses, by the method of Zhang and Stephens.

    A Bayesian average over θ = −ξ / σ with a prior that follows from the data: as efficient as
    maximum likelihood, without its failures for small samples, and without iterations. With
    m = 20 + ⌊√n⌋ and j = 1, ..., m:

        θⱼ = 1 / x₍ₙ₎ + (1 − √(m / (j − ½))) / (3·x₍⌊n/4 + ½⌋₎)
        ξⱼ = mean of log(1 − θⱼ·xᵢ)
        wⱼ ∝ exp(n·(log(−θⱼ / ξⱼ) − ξⱼ − 1))
        θ = Σ wⱼ·θⱼ,  ξ = mean of log(1 − θ·xᵢ),  σ = −ξ / θ

    With fewer than `FEWEST_EXCESSES` the shape cannot be told from chance: ξ = 0, σ is the mean.

    Parameters
    ----------
    excesses : float64 ndarray of shape (n,)
        Above 0 and finite, in any order; at least one.

    Returns
    -------
    Tail

    References
    ----------
    Zhang and Stephens, "A new and efficient estimation method for the generalized Pareto
    distribution", Technometrics 51 (2009).
    """
    n = excesses.size
    largest = float(excesses.max())
    x = np.sort(excesses) / largest
    if n < FEWEST_EXCESSES:
        shape, scale, weights = 0.0, float(x.mean()), np.ones(1)
        thetas = np.array([-_NEARLY_ZERO / scale])
        shapes = _shapes(thetas, x)
    else:
        m = 20 + math.isqrt(n)
        quartile = max(float(x[int(n / 4 + 0.5) - 1]), _SMALLEST)
        j = np.arange(1, m + 1)
        thetas = 1.0 + (1 - np.sqrt(m / (j - 0.5))) / (3 * quartile)
        # An exponential tail is the limit θ → 0, where the ratios below are 0 / 0.
        thetas[np.abs(thetas) < _NEARLY_ZERO] = -_NEARLY_ZERO
        shapes = _shapes(thetas, x)
        likelihoods = n * (np.log(-thetas / shapes) - shapes - 1)
        weights = np.exp(likelihoods - likelihoods.max())
        weights /= weights.sum()
        theta = float(weights @ thetas)
        if abs(theta) < _NEARLY_ZERO:
            theta = -_NEARLY_ZERO
        shape = float(_shapes(np.array([theta]), x)[0])
        scale = -shape / theta
    return Tail(shape, scale * largest, n, thetas / largest, shapes, weights)


def _shapes(thetas: Floats, x: Floats) -> Floats:
    """Return the ξ that is most likely with each θ, of shape (m,)."""
    return np.asarray(np.log1p(-thetas[:, None] * x).mean(axis=1), dtype=np.float64)
