"""FalsePositiveBound's rank against exact arithmetic and SciPy's binomial distribution."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from aeanom.thresholds import FalsePositiveBound
from aeanom.thresholds.bound import log_binomial_cdf

thousandths = st.integers(1, 999)


@pytest.mark.filterwarnings("ignore::aeanom.errors.CalibrationWarning")
@settings(deadline=None)
@given(thousandths, thousandths, st.integers(1, 150))
def test_the_rank_is_the_largest_that_exact_arithmetic_allows(alpha, delta, n):
    alpha, delta = Fraction(alpha, 1000), Fraction(delta, 1000)
    rank, cdf = 0, Fraction(0)
    while rank < n:
        cdf += comb(n, rank) * alpha**rank * (1 - alpha) ** (n - rank)
        if cdf > delta:
            break
        rank += 1
    fitted = FalsePositiveBound(float(alpha), float(delta)).fit(np.arange(float(n)))
    assert fitted.rank == max(rank, 1)
    assert fitted.level == fitted.rank / (n + 1)
    assert fitted.exceeds(np.arange(float(n))).sum() == fitted.rank - 1


@pytest.mark.parametrize(
    ("alpha", "delta", "n", "rank"),
    [
        (0.5, 0.25, 2, 1),  # P(Bin(2, 1/2) ≤ 0) is 1/4, exactly δ
        (0.5, 0.75, 2, 2),  # P(Bin(2, 1/2) ≤ 1) is 3/4
        (0.1, 0.729, 3, 1),  # 0.9³, which no float64 is
        (0.5, 0.999, 3, 3),  # every k is allowed: k = n, the smallest score
    ],
)
def test_a_probability_of_exactly_delta_is_allowed(alpha, delta, n, rank):
    assert FalsePositiveBound(alpha, delta).fit(np.arange(float(n))).rank == rank


@pytest.mark.parametrize(("n", "p"), [(1, 0.5), (45, 0.05), (1000, 0.01), (10_000, 0.9)])
def test_the_binomial_distribution_is_scipys(n, p):
    expected = scipy.stats.binom.logcdf(np.arange(n + 1), n, p)
    shown = expected > -600
    np.testing.assert_allclose(log_binomial_cdf(n, p)[shown], expected[shown], rtol=0, atol=1e-9)


def test_a_million_rows_are_no_trouble():
    fitted = FalsePositiveBound(0.05, 0.1).fit(np.arange(1e6))
    assert fitted.rank == int(scipy.stats.binom.ppf(0.1, 10**6, 0.05))


def test_the_bound_is_stricter_than_conformal_and_comes_near_it_with_many_rows():
    for n, smallest_share in ((100, 0.3), (1000, 0.75), (100_000, 0.98)):
        fitted = FalsePositiveBound(0.05, 0.1).fit(np.arange(float(n)))
        assert smallest_share < fitted.level / 0.05 < 1
