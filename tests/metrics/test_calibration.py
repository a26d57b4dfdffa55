"""Calibration of p-values: SciPy's distributions and tests, and simulated calibrations."""

import numpy as np
import pytest
import scipy.stats

from aeanom import metrics
from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.thresholds import p_values


def test_shares_and_distance_are_those_of_scipy_for_continuous_p_values(rng):
    p = rng.beta(0.8, 1.1, size=300)
    found = metrics.p_value_calibration(p)
    np.testing.assert_allclose(
        found.shares, [np.mean(p <= level) for level in found.levels], atol=1e-12
    )
    test = scipy.stats.kstest(p, "uniform")
    assert found.ks_distance == pytest.approx(test.statistic, abs=1e-12)
    above = scipy.stats.kstest(p, "uniform", alternative="greater").statistic
    assert found.excess == pytest.approx(above, abs=1e-12)
    assert found.n_rows == 300


def test_band_of_independent_p_values_is_binomial(rng):
    found = metrics.p_value_calibration(rng.random(250), levels=[0.01, 0.05, 0.5, 0.9])
    for level, low, high in zip(found.levels, found.low, found.high, strict=True):
        expected = scipy.stats.binom(250, level).ppf([0.025, 0.975]) / 250
        np.testing.assert_allclose((low, high), expected, atol=1e-12)


def test_band_of_conformal_p_values_is_beta_binomial(rng):
    calibration, new = rng.normal(size=99), rng.normal(size=250)
    found = metrics.p_value_calibration(
        p_values(new, calibration), n_calibration=99, levels=[0.01, 0.05, 0.5, 0.99], confidence=0.9
    )
    for level, low, high in zip(found.levels, found.low, found.high, strict=True):
        k = round(level * 100)
        expected = scipy.stats.betabinom(250, k, 100 - k).ppf([0.05, 0.95]) / 250
        np.testing.assert_allclose((low, high), expected, atol=1e-12)


def test_shares_of_conformal_p_values_lie_in_the_band_as_often_as_it_says():
    rng = np.random.default_rng(1)
    inside, inside_binomial = [], []
    for _ in range(1500):
        p = p_values(rng.normal(size=200), rng.normal(size=49))
        for settings, into in (({"n_calibration": 49}, inside), ({}, inside_binomial)):
            found = metrics.p_value_calibration(p, levels=[0.1, 0.5], confidence=0.9, **settings)
            into.append((found.low <= found.shares) & (found.shares <= found.high))
    # At least 90 %, and little more: the shares are steps of 1 / 200. Three standard errors.
    assert (np.mean(inside, axis=0) > 0.9 - 0.024).all()
    assert (np.mean(inside, axis=0) < 0.93 + 0.024).all()
    # The calibration rows that all p-values share are what a binomial band knows nothing of.
    assert (np.mean(inside_binomial, axis=0) < 0.7).all()


@pytest.mark.parametrize("n_calibration", [1, 19, 99, 1000])
def test_every_possible_p_value_once_is_calibrated_exactly(n_calibration):
    p = np.arange(1, n_calibration + 2) / (n_calibration + 1)
    found = metrics.p_value_calibration(p, n_calibration=n_calibration)
    np.testing.assert_array_equal(found.shares, found.expected)
    assert found.ks_distance == pytest.approx(0.0, abs=1e-12)
    assert found.excess == pytest.approx(0.0, abs=1e-12)
    # Taken as continuous they seem to be off by a step.
    assert metrics.p_value_calibration(p).ks_distance == pytest.approx(1 / (n_calibration + 1))


def test_distance_of_discrete_p_values_is_that_of_all_possible_levels(rng):
    n_calibration = 19
    p = rng.integers(1, 11, size=60) / 20
    found = metrics.p_value_calibration(p, n_calibration=n_calibration)
    levels = np.arange(21) / 20
    differences = np.array([np.mean(p <= level + 1e-12) - level for level in levels])
    assert found.ks_distance == pytest.approx(np.abs(differences).max(), abs=1e-12)
    assert found.excess == pytest.approx(differences.max(), abs=1e-12)


def test_p_values_that_are_too_large_have_no_excess():
    found = metrics.p_value_calibration(np.linspace(0.6, 1.0, 50))
    assert found.excess == 0.0
    assert found.ks_distance == pytest.approx(0.6)


def test_levels_that_rounding_moves_count_the_p_values_that_are_on_them():
    # 0.07 * 100 is more than 7, 0.57 * 100 less than 57, and 1 - 0.9 less than 0.1.
    p = np.arange(1, 101) / 100
    found = metrics.p_value_calibration(p, n_calibration=99, levels=[0.07, 0.57, 1 - 0.9])
    np.testing.assert_allclose(found.shares, [0.07, 0.57, 0.1], atol=1e-12)
    np.testing.assert_allclose(found.expected, [0.07, 0.57, 0.1], atol=1e-12)


def test_one_row_and_one_calibration_row_will_do():
    found = metrics.p_value_calibration([0.5], n_calibration=1, levels=[0.0, 0.5, 1.0])
    np.testing.assert_array_equal(found.shares, [0, 1, 1])
    np.testing.assert_array_equal(found.expected, [0, 0.5, 1])
    np.testing.assert_array_equal(found.low, [0, 0, 1])
    np.testing.assert_array_equal(found.high, [0, 1, 1])


@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([], "p_values is empty"),
        ([0.2, np.nan], "p_values has 1 of 2 scores that are NaN"),
        ([0.2, 1.2], "p_values must be from 0 to 1; they lie from 0.2 to 1.2"),
        ([-0.1, 0.2], "they lie from -0.1 to 0.2"),
    ],
)
def test_what_are_no_p_values_is_refused(p, message):
    with pytest.raises(InvalidDataError, match=message):
        metrics.p_value_calibration(p)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_calibration": 0}, "n_calibration must be a whole number of at least 1; got 0"),
        ({"n_calibration": 9.5}, "got 9.5"),
        ({"levels": [1.5]}, "levels must be numbers from 0 to 1"),
        ({"levels": []}, "levels must be numbers from 0 to 1"),
        ({"confidence": 0}, "confidence must be between 0 and 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        metrics.p_value_calibration([0.5], **settings)
