"""The conformal promise: the rank in exact arithmetic, and the rate that follows from it."""

import math
import sys
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from aeanom.errors import (
    CalibrationWarning,
    InvalidDataError,
    InvalidParameterError,
    MissingDependencyError,
)
from aeanom.thresholds import Conformal, p_values


@pytest.mark.parametrize(
    ("rate", "n", "rank"),
    [
        (0.05, 19, 1),
        (0.05, 38, 1),
        (0.05, 39, 2),
        (0.1, 9, 1),
        (0.07, 99, 7),  # 0.07 * 100 = 7.000000000000001
        (0.29, 99, 29),  # 0.29 * 100 = 28.999999999999996
        (0.57, 99, 57),  # 0.57 * 100 = 56.99999999999999
        (0.29, 98, 28),
        (1 / 30, 29, 1),  # the float is less than 1/30
        (2 / 3, 8, 6),
        (0.999, 1, 1),
        (0.999, 5, 5),
        (np.float32(0.05), 19, 1),
    ],
)
def test_rank_is_the_whole_part_of_the_rate_times_n_plus_one(rate, n, rank, recwarn):
    fitted = Conformal(rate).fit(np.arange(1.0, n + 1))
    assert fitted.rank == rank
    assert fitted.level == rank / (n + 1)
    assert fitted.n_scores == n


@settings(deadline=None)
@given(st.integers(1, 999), st.integers(1, 3000))
def test_rank_is_exact_for_every_rate_of_three_decimals(thousandths, n):
    expected = Fraction(thousandths, 1000) * (n + 1) // 1
    if expected >= 1 and n > 1:
        assert Conformal(thousandths / 1000).fit(np.arange(float(n))).rank == expected


def test_threshold_is_a_hair_above_the_kth_largest():
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 200.0))
    fitted = Conformal(0.05).fit(scores)
    assert fitted.value == 190.0 + 1e-9 * 190.0
    assert fitted.exceeds(scores).sum() == 9
    assert Conformal(0.05).fit(scores, precision="float32").value == 190.0 + 1e-5 * 190.0


def test_threshold_stops_halfway_to_the_next_score():
    scores = np.append(np.zeros(17), [5.0, 5.0 + 1e-9])
    assert Conformal(0.1).fit(scores).value == 5.0 + 0.5e-9


@pytest.mark.parametrize(("rate", "n", "needed"), [(0.05, 18, 19), (0.01, 50, 99), (0.03, 3, 33)])
def test_too_few_rows_use_the_largest_score_and_warn_with_the_rows_it_takes(rate, n, needed):
    scores = np.arange(1.0, n + 1)
    with pytest.warns(CalibrationWarning, match=f"at least {needed} calibration rows") as caught:
        fitted = Conformal(rate).fit(scores)
    assert f"which attains {100 / (n + 1):.3g} %" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert (fitted.rank, fitted.level) == (1, 1 / (n + 1))
    assert fitted.value > scores.max()
    assert Conformal(rate).fit(np.arange(float(needed))).rank == 1  # and needed rows do not warn


def realised_rates(rate, n, repeats=2000, seed=0):
    """The share of new normal rows above the threshold: of uniform scores it is 1 - threshold."""
    samples = np.random.default_rng(seed).random((repeats, n))
    return np.array([1 - Conformal(rate).fit(sample).value for sample in samples])


@pytest.mark.parametrize(("rate", "n", "k"), [(0.05, 199, 10), (0.1, 57, 5)])
def test_realised_rate_follows_the_beta_distribution(rate, n, k):
    rates = realised_rates(rate, n)
    assert scipy.stats.kstest(rates, scipy.stats.beta(k, n + 1 - k).cdf).pvalue > 0.01
    # Not the distribution of the neighbouring ranks.
    for wrong in (k - 1, k + 1):
        assert scipy.stats.kstest(rates, scipy.stats.beta(wrong, n + 1 - wrong).cdf).pvalue < 1e-6


def test_new_normal_rows_are_flagged_at_the_promised_rate_on_average():
    # Four standard errors of the mean of Beta(10, 190).
    assert realised_rates(0.05, 199).mean() == pytest.approx(0.05, abs=4 * 0.0154 / math.sqrt(2000))


def test_ties_flag_fewer_than_promised_and_never_more():
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(500):
        fitted = Conformal(0.1).fit(rng.integers(0, 12, 99))
        rates.append(fitted.exceeds(np.arange(12)).mean())
    assert np.mean(rates) <= 0.1


def test_interval_holds_the_realised_rate_in_that_share_of_calibrations():
    low, high = Conformal(0.05).fit(np.arange(199.0)).interval(0.9)
    rates = realised_rates(0.05, 199)
    assert np.mean((low < rates) & (rates < high)) == pytest.approx(0.9, abs=0.03)


def test_interval_is_the_central_beta_interval():
    fitted = Conformal(0.05).fit(np.arange(199.0))
    assert fitted.interval() == pytest.approx(scipy.stats.beta(10, 190).interval(0.95))
    assert all(type(bound) is float for bound in fitted.interval())


@pytest.mark.parametrize("confidence", [0.0, 1.0, math.nan, "95 %"])
def test_interval_wants_a_confidence_between_0_and_1(confidence):
    fitted = Conformal(0.05).fit(np.arange(199.0))
    with pytest.raises(InvalidParameterError, match="confidence must be between 0 and 1"):
        fitted.interval(confidence)


def test_fitting_and_describing_work_without_scipy(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    fitted = Conformal(0.05).fit(np.arange(199.0))
    assert fitted.describe() == (
        "conformal: at most 5 % of normal rows flagged on average; a hair above the 10th largest "
        "of 199 scores"
    )
    with pytest.raises(MissingDependencyError, match="needs SciPy: pip install scipy"):
        fitted.interval()


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.5]), min_size=1, max_size=30),
    st.lists(st.floats(-1.0, 5.0) | st.just(math.inf), max_size=10),
)
def test_p_values_equal_the_definition(calibration, scores):
    expected = [
        (1 + sum(c >= score for c in calibration)) / (len(calibration) + 1) for score in scores
    ]
    np.testing.assert_array_equal(p_values(scores, calibration), expected)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.29])
def test_flagged_rows_are_those_whose_p_value_is_at_most_the_rate(rate):
    rng = np.random.default_rng(0)
    calibration, scores = rng.gamma(2.0, size=199), rng.gamma(2.0, size=1000)
    flagged = Conformal(rate).fit(calibration).exceeds(scores)
    np.testing.assert_array_equal(flagged, p_values(scores, calibration) <= rate)


def test_p_values_refuse_nan_and_empty_calibrations():
    with pytest.raises(InvalidDataError, match="1 of 2 scores are NaN"):
        p_values([1.0, math.nan], [1.0])
    with pytest.raises(InvalidDataError, match="calibration scores are empty"):
        p_values([1.0], [])
    with pytest.raises(InvalidDataError, match="1 of 2 calibration scores are NaN or infinite"):
        p_values([1.0], [1.0, math.inf])
