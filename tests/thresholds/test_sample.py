"""Quantile, Contamination, MeanStd and Fixed against their definitions."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from aeanom.errors import CalibrationWarning, InvalidDataError
from aeanom.thresholds import Contamination, Fixed, MeanStd, Quantile


@pytest.mark.parametrize(
    ("quantile", "n", "n_flagged"),
    [
        (0.95, 20, 1),
        (0.95, 19, 0),
        (0.95, 100, 5),
        (0.95, 1000, 50),
        (0.99, 1000, 10),
        (0.07, 100, 93),
        (0.29, 100, 71),
        (2 / 3, 9, 3),
        (1.0, 50, 0),
    ],
)
def test_quantile_flags_at_most_the_rest_of_the_sample_exactly(quantile, n, n_flagged):
    scores = np.arange(1.0, n + 1)
    fitted = Quantile(quantile).fit(scores)
    assert fitted.exceeds(scores).sum() == n_flagged
    assert (fitted.rank, fitted.n_ties, fitted.level) == (n_flagged + 1, 1, n_flagged / n)


@settings(deadline=None)
@given(st.floats(0.001, 1.0), st.integers(2, 300))
def test_quantile_is_a_hair_above_numpys_inverted_cdf(quantile, n):
    scores = np.random.default_rng(n).gamma(2.0, size=n)
    expected = np.quantile(scores, quantile, method="inverted_cdf")
    assert Quantile(quantile).fit(scores).value == pytest.approx(expected, rel=2e-9)


@settings(deadline=None)
@given(st.integers(2, 400), st.data())
def test_contamination_written_as_a_ratio_flags_exactly_that_many(n, data):
    n_flagged = data.draw(st.integers(1, n // 2))
    scores = np.random.default_rng(n).permutation(n).astype(float)
    assert Contamination(n_flagged / n).fit(scores).exceeds(scores).sum() == n_flagged


@pytest.mark.parametrize(("share", "n", "n_flagged"), [(0.1, 15, 2), (0.1, 14, 1), (0.15, 30, 5)])
def test_contamination_rounds_to_the_nearest_row_and_halves_upwards(share, n, n_flagged):
    scores = np.arange(float(n))
    assert Contamination(share).fit(scores).exceeds(scores).sum() == n_flagged


def test_contamination_flags_the_rows_that_scikit_learns_does():
    X = np.random.default_rng(0).normal(size=(300, 2))
    forest = IsolationForest(contamination=0.1, random_state=0).fit(X)
    scores = -forest.score_samples(X)
    flagged = Contamination(0.1).fit(scores).exceeds(scores)
    np.testing.assert_array_equal(flagged, forest.predict(X) == -1)


def test_contamination_spares_rows_that_tie_with_the_first_normal_one():
    scores = np.array([1.0] * 6 + [2.0] * 3 + [3.0])
    fitted = Contamination(0.2).fit(scores)
    assert fitted.exceeds(scores).tolist() == [False] * 9 + [True]
    assert (fitted.rank, fitted.n_ties, fitted.level) == (3, 3, 0.1)


def test_contamination_of_less_than_half_a_row_flags_none_and_warns():
    with pytest.warns(CalibrationWarning, match="0.01 of 20 rows is less than half a row"):
        fitted = Contamination(0.01).fit(np.arange(20.0))
    assert fitted.level == 0


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1e6), min_size=2, max_size=50), st.floats(0.0, 5.0))
def test_mean_std_is_the_mean_plus_so_many_population_deviations(scores, deviations):
    scores = [*scores, max(scores) + 1.0]
    expected = np.mean(scores) + deviations * np.std(scores)
    assert MeanStd(deviations).fit(scores).value == pytest.approx(
        expected, rel=1e-8, abs=1e-8 * max(scores)
    )


def test_mean_std_goes_above_the_score_that_it_falls_on():
    on = MeanStd(1.0).fit([0.0, 2.0])  # mean 1, deviation 1: the larger score
    assert on.value == 2.0 + 2e-9
    assert (on.rank, on.n_ties) == (None, 0)
    just_below = MeanStd(0.0).fit([0.0, 2.0, 1.0 + 1e-12])
    assert just_below.value == pytest.approx(1.0 + 1e-9, rel=1e-11)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_mean_std_neither_vanishes_nor_overflows(size):
    assert MeanStd(2.0).fit([1.0 * size, 3.0 * size]).value == pytest.approx(4.0 * size)


def test_mean_std_too_large_for_float64_is_refused():
    with pytest.raises(InvalidDataError, match="of 2 scores is too large for float64"):
        MeanStd(9.0).fit([1e307, 5e307])


def test_fixed_is_the_value_whatever_the_scores():
    assert Fixed(0.25).fit().value == Fixed(0.25).fit([1.0, 2.0]).value == 0.25
    assert Fixed(0.25).fit().exceeds([0.25, 0.26]).tolist() == [False, True]


def test_only_strictly_larger_scores_exceed_in_float64():
    third = Fixed(1 / 3).fit()
    # float32(1/3) is larger than 1/3 and must not be compared in float32, where they are equal.
    assert third.exceeds(np.float32([1 / 3])).tolist() == [True]
    assert third.exceeds([1 / 3, math.nextafter(1 / 3, 1), math.inf]).tolist() == [
        False,
        True,
        True,
    ]


def test_scores_that_are_nan_do_not_pass_for_normal():
    with pytest.raises(InvalidDataError, match="2 of 3 scores are NaN"):
        Fixed(1.0).fit().exceeds([math.nan, 1.0, math.nan])
