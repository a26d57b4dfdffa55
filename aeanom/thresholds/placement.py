"""Where between two scores a threshold goes, so that rounding cannot move a row across it.

A threshold that is exactly some row's score flips that row's flag with every rounding: another
batch size, another backend, another processor. So a threshold is put a hair above a score, and
never as far as the next one. Imports NumPy and `aeanom.errors`; the methods call this.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from aeanom.errors import InvalidDataError

__all__ = [
    "above",
    "below_all",
    "ceil_of_share",
    "clear_of_scores",
    "count_for_one",
    "floor_of_share",
    "round_share",
    "scaled",
    "unscaled",
]

Floats = NDArray[np.float64]


def above(ordered: Floats, score: float, tolerance: float) -> float:
    """Put a threshold a hair above `score`: min(s + τ·|s|, midpoint to the next larger score).

    Scores equal to `score` stay below it, all of them, and every larger score stays above.

    Parameters
    ----------
    ordered : ndarray of float64, shape (n,)
        The sample, in increasing order.
    score : float
        One of them.
    tolerance : float
        τ, the hair's width relative to the score.

    Returns
    -------
    float
        Not equal to any score of the sample.

    Notes
    -----
    A score of exactly 0 has no size of its own to measure a hair by, so its hair is τ times the
    largest score's size, and τ itself if every score is 0.

    Two scores can be so close that no float64 lies between them. The threshold then goes above
    both: one row fewer is flagged than could be, never one more.
    """
    while True:
        hair = tolerance * (abs(score) or _largest_size(ordered))
        # The hair of a subnormal score rounds to nothing.
        threshold = max(score + hair, math.nextafter(score, math.inf))
        rank = int(np.searchsorted(ordered, score, side="right"))
        if rank == ordered.size:
            return min(threshold, _LARGEST)
        following = float(ordered[rank])
        # Halved before they are added, so that the sum of two huge scores does not overflow.
        threshold = min(threshold, score / 2 + following / 2)
        if score < threshold < following:
            return threshold
        score = following


def clear_of_scores(ordered: Floats, value: float, tolerance: float) -> float:
    """Move a computed threshold a hair above the score that it falls on, if it falls on one.

    Parameters
    ----------
    ordered : ndarray of float64, shape (n,)
        The sample, in increasing order.
    value : float
        Where the threshold would go without rounding; at least the smallest score.
    tolerance : float
        τ, the hair's width relative to the value.

    Returns
    -------
    float
        Not equal to any score of the sample, and `value` itself unless a score is within a hair of
        it on either side. Such a score ends up below: on which side of it the value was is only a
        matter of rounding, and the mean of equal scores can be rounded to less than each of them.
    """
    reach = value + tolerance * (abs(value) or _largest_size(ordered))
    rank = max(int(np.searchsorted(ordered, reach, side="right")), 1)
    return max(value, above(ordered, float(ordered[rank - 1]), tolerance))


def below_all(ordered: Floats, tolerance: float) -> float:
    """Put a threshold a hair below the smallest score, so that every row is above it."""
    score = float(ordered[0])
    hair = tolerance * (abs(score) or _largest_size(ordered))
    return max(min(score - hair, math.nextafter(score, -math.inf)), -_LARGEST)


def scaled(ordered: Floats) -> tuple[Floats, int]:
    """Bring scores to the size of 1 by a power of two: (scores / 2^exponent, exponent).

    It changes no digit, and squares of very large or small scores neither overflow nor vanish.
    """
    exponent = math.frexp(max(abs(float(ordered[0])), abs(float(ordered[-1]))))[1]
    return np.ldexp(ordered, -exponent), exponent


def unscaled(value: float, exponent: int, what: str, ordered: Floats) -> float:
    """Bring a value back from `scaled`, or raise `InvalidDataError` if it is no float64 any more.

    `what` names the value in the message.
    """
    try:
        result = math.ldexp(value, exponent)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise InvalidDataError(
            f"{what} of {ordered.size} scores is too large for float64; the largest score is "
            f"{float(ordered[-1]):.6g}"
        )
    return result


def floor_of_share(share: float, count: int) -> int:
    """Return ⌊share · count⌋ without rounding errors.

    0.07 · 100 is 7.000000000000001 in floating point, and 0.29 · 100 is 28.999999999999996. The
    share is read as the largest real number that rounds to the same float64, so that it is at
    least the 0.29 or the 1/3 that was meant.
    """
    return math.floor((Fraction(share) + _half_unit(share)) * count)


def count_for_one(share: float) -> int:
    """Return the smallest count of which `floor_of_share` makes at least one."""
    return math.ceil(1 / (Fraction(share) + _half_unit(share)))


def ceil_of_share(share: float, count: int) -> int:
    """Return ⌈share · count⌉ without rounding errors, the share read as the smallest such."""
    return math.ceil((Fraction(share) - _half_unit(share)) * count)


def round_share(share: float, count: int) -> int:
    """Return `share · count` as the nearest whole number, halves upwards, without such errors."""
    return math.floor((Fraction(share) + _half_unit(share)) * count + Fraction(1, 2))


_LARGEST = float(np.finfo(np.float64).max)


def _half_unit(share: float) -> Fraction:
    return Fraction(math.ulp(share)) / 2


def _largest_size(ordered: Floats) -> float:
    return max(abs(float(ordered[0])), abs(float(ordered[-1]))) or 1.0
