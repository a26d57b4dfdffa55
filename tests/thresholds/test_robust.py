"""MAD and IQR against SciPy's and NumPy's own figures, and what makes them robust."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from aeanom.errors import CalibrationWarning, InvalidDataError
from aeanom.thresholds import IQR, MAD

spread_out = st.lists(st.floats(0.01, 1e6), min_size=5, max_size=50, unique=True)


@settings(deadline=None)
@given(spread_out, st.floats(0, 10))
def test_mad_is_the_median_plus_so_many_of_scipys_deviations(scores, deviations):
    expected = np.median(scores) + deviations * scipy.stats.median_abs_deviation(
        scores, scale="normal"
    )
    assert MAD(deviations).fit(scores).value == pytest.approx(expected, rel=1e-8)


@settings(deadline=None)
@given(spread_out, st.floats(0, 3))
def test_mad_of_logarithms_is_the_exponential_of_that_of_the_logarithms(scores, deviations):
    logs = np.log(scores)
    expected = np.median(logs) + deviations * scipy.stats.median_abs_deviation(logs, scale="normal")
    if expected > 700:
        return
    assert MAD(deviations, log=True).fit(scores).value == pytest.approx(np.exp(expected), rel=1e-7)


@settings(deadline=None)
@given(spread_out, st.floats(0, 10))
def test_iqr_is_the_boxplots_fence(scores, ranges):
    lower, upper = np.percentile(scores, [25, 75])
    expected = upper + ranges * scipy.stats.iqr(scores)
    assert upper - lower == pytest.approx(scipy.stats.iqr(scores))
    assert IQR(ranges).fit(scores).value == pytest.approx(expected, rel=1e-8)


def test_of_normal_scores_they_are_what_the_normal_distribution_says():
    scores = np.random.default_rng(0).normal(size=200_000)
    assert MAD(3).fit(scores).value == pytest.approx(3.0, abs=0.03)
    assert IQR(1.5).fit(scores).level == pytest.approx(0.0035, abs=0.0005)


def test_a_fifth_of_anomalies_hardly_moves_them():
    normal = np.random.default_rng(0).gamma(4.0, size=400)
    dirty = np.concatenate([normal, np.full(100, 1e6)])
    for threshold in (MAD(3), MAD(3, log=True), IQR(1.5)):
        clean, moved = (threshold.fit(scores).value for scores in (normal, dirty))
        assert clean < moved < 2.5 * clean


@pytest.mark.parametrize("threshold", [MAD(3), MAD(3, log=True), IQR(1.5)], ids=repr)
def test_scores_of_which_most_are_equal_flag_every_larger_one_and_warn(threshold):
    scores = np.array([1.0] * 80 + [1.5, 2.0, 3.0])
    with pytest.warns(CalibrationWarning, match="of 83 scores is 0, since so many") as caught:
        fitted = threshold.fit(scores)
    assert {warning.filename for warning in caught} == {__file__}
    assert fitted.exceeds(scores).sum() == 3
    assert fitted.value == pytest.approx(1.0, rel=1e-8)


def test_scores_without_a_logarithm_are_refused():
    with pytest.raises(InvalidDataError, match="2 of 4 scores are 0 or less and have no logarithm"):
        MAD(3, log=True).fit([0.0, -1.0, 2.0, 3.0])


@pytest.mark.parametrize("threshold", [MAD(30), IQR(20)], ids=repr)
@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_neither_vanishes_nor_overflows(threshold, size):
    scores = np.arange(1.0, 8.0)
    expected = threshold.fit(scores).value
    assert threshold.fit(scores * size).value == pytest.approx(expected * size, rel=1e-8)


@pytest.mark.parametrize("threshold", [MAD(30), MAD(300, log=True), IQR(20)], ids=repr)
def test_what_is_too_large_for_float64_is_refused(threshold):
    with pytest.raises(InvalidDataError, match="of 3 scores is too large for float64"):
        threshold.fit([1e307, 5e307, 1e308])
