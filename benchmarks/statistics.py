"""Medians with their spread, and confidence intervals of a median that assume no distribution.

An interval is between two order statistics. How many of n values lie under the median is a
binomial number with p = 1/2, so that the r-th smallest and the r-th largest of them enclose it with
probability 1 - 2 P(fewer than r of n). There is no chance in it, as in a bootstrap, and it is as
wide as few rounds deserve: 95 % take at least six. (H. A. David and H. N. Nagaraja, "Order
Statistics", 3rd edition, section 7.1.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median


@dataclass(frozen=True)
class Summary:
    """Of some values: the median, the least, the greatest, and how many there are."""

    median: float
    least: float
    greatest: float
    count: int


@dataclass(frozen=True)
class Interval:
    """A median, where it probably lies, and the probability that this is so."""

    median: float
    low: float
    high: float
    confidence: float


def summary(values: Sequence[float]) -> Summary:
    """Summarise at least one value."""
    return Summary(median(values), min(values), max(values), len(values))


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the narrowest interval with at least that confidence, else the range of the values.

    Parameters
    ----------
    values : sequence of float
        At least one.
    confidence : float
        The interval's own says how much was reached.
    """
    ordered = sorted(values)
    n = len(ordered)
    left_out = 0
    while 2 * (left_out + 1) < n and _coverage(n, left_out + 1) >= confidence:
        left_out += 1
    return Interval(
        median(ordered), ordered[left_out], ordered[-1 - left_out], _coverage(n, left_out)
    )


def paired_ratios(ours: dict[int, float], theirs: dict[int, float]) -> list[float]:
    """Ratios of what was measured in the same round."""
    return [ours[round_] / theirs[round_] for round_ in sorted(ours.keys() & theirs.keys())]


def _coverage(n: int, left_out: int) -> float:
    """Probability that the median lies within all but so many values on either side."""
    return 1 - 2 * sum(comb(n, k) for k in range(left_out + 1)) / 2**n
