from __future__ import annotations

from itertools import product

import pytest
from scipy.stats import binom

from benchmarks.statistics import median_interval, paired_ratios, summary


@pytest.mark.parametrize("n", range(1, 30))
def test_the_interval_is_that_of_the_binomial_distribution(n):
    found = median_interval(list(range(n)), 0.95)
    left_out = found.low
    assert found.high == n - 1 - left_out
    assert found.confidence == pytest.approx(1 - 2 * binom.cdf(left_out, n, 0.5))
    narrower = 1 - 2 * binom.cdf(left_out + 1, n, 0.5)
    assert narrower < 0.95 or 2 * (left_out + 1) >= n
    assert found.confidence >= 0.95 or left_out == 0


def test_the_confidence_is_how_often_the_median_is_inside():
    # Every way in which seven values can lie below and above the median is equally probable.
    inside = 0
    for above in product((False, True), repeat=7):
        values = sorted(1.0 if one else -1.0 for one in above)
        found = median_interval(values)
        inside += found.low <= 0 <= found.high
    assert inside / 2**7 == median_interval(list(range(7))).confidence


def test_six_values_are_the_fewest_that_reach_95_percent():
    assert median_interval([3, 1, 2, 5, 4]).confidence == pytest.approx(0.9375)
    found = median_interval([3, 1, 2, 5, 4, 6])
    assert (found.low, found.high, found.median) == (1, 6, 3.5)
    assert found.confidence == pytest.approx(0.96875)


def test_one_value_has_no_interval():
    found = median_interval([2.0])
    assert (found.low, found.median, found.high, found.confidence) == (2.0, 2.0, 2.0, 0.0)


def test_ratios_are_taken_within_a_round():
    assert paired_ratios({0: 2.0, 1: 9.0, 3: 1.0}, {3: 2.0, 0: 1.0}) == [2.0, 0.5]


def test_a_summary_has_median_and_range():
    found = summary([3.0, 1.0, 2.0, 10.0])
    assert (found.median, found.least, found.greatest, found.count) == (2.5, 1.0, 10.0, 4)
