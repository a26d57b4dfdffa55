"""Benjamini and Hochberg's procedure against SciPy's and against its definition."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from aeanom.errors import CalibrationWarning, InvalidDataError, InvalidParameterError
from aeanom.thresholds import (
    adjusted_p_values,
    benjamini_hochberg,
    p_values,
    warn_if_too_few_to_discover,
)

shares = st.lists(
    st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 1.0]), min_size=1, max_size=40
)


@settings(deadline=None)
@given(shares)
def test_adjusted_p_values_are_scipys(values):
    expected = scipy.stats.false_discovery_control(values, method="bh")
    np.testing.assert_allclose(adjusted_p_values(values), expected, rtol=1e-14, atol=0)


@settings(deadline=None)
@given(st.lists(st.integers(1, 100), min_size=1, max_size=30), st.integers(1, 99))
def test_rows_named_are_those_of_the_definition_in_exact_arithmetic(hundredths, percent):
    """Conformal p-values of 99 calibration rows: p is often exactly i·q / m."""
    m, q = len(hundredths), Fraction(percent, 100)
    ordered = sorted(Fraction(value, 100) for value in hundredths)
    allowed = [p for i, p in enumerate(ordered, 1) if p <= i * q / m]
    cut = max(allowed, default=Fraction(0))
    expected = [Fraction(value, 100) <= cut for value in hundredths]
    named = benjamini_hochberg(np.array(hundredths) / 100, percent / 100)
    assert named.tolist() == expected


def test_equal_scores_are_named_together_or_not_at_all():
    named = benjamini_hochberg([0.01, 0.04, 0.04, 0.9], 0.1)
    assert named.tolist() == [True, True, True, False]


def test_an_empty_batch_names_nothing():
    assert benjamini_hochberg([], 0.1).shape == (0,)
    assert adjusted_p_values([]).shape == (0,)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.5, 1.5, np.nan, -0.1], "3 of 4 p-values are not from 0 to 1"),
        ([[0.5]], r"must be one-dimensional; their shape is \(1, 1\)"),
        (0.5, r"must be one-dimensional; their shape is \(\)"),
    ],
)
def test_what_are_no_p_values_is_refused(values, message):
    with pytest.raises(InvalidDataError, match=message):
        benjamini_hochberg(values)


@pytest.mark.parametrize("rate", [0, 1, "10 %", np.nan])
def test_the_rate_is_between_0_and_1(rate):
    with pytest.raises(InvalidParameterError, match="false_discovery_rate must be between 0 and 1"):
        benjamini_hochberg([0.5], rate)


def test_too_few_calibration_rows_to_name_a_single_one_say_how_many_it_takes():
    with pytest.warns(CalibrationWarning, match="It takes 999 calibration rows") as caught:
        warn_if_too_few_to_discover(50, 100, 0.1)
    message = str(caught[0].message)
    assert "no p-value is below 0.0196" in message
    assert "20 rows odder than all of these would have to be among them" in message
    # It is so: 19 of the oddest are not named, 20 are, and with 999 rows a single one is.
    for n, count, named in ((50, 19, 0), (50, 20, 20), (999, 1, 1)):
        scores = np.where(np.arange(100) < count, np.inf, -1.0)
        assert benjamini_hochberg(p_values(scores, np.zeros(n)), 0.1).sum() == named


def test_enough_calibration_rows_do_not_warn_and_hopelessly_few_say_so():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_too_few_to_discover(999, 100, 0.1)
    with pytest.warns(CalibrationWarning, match="not even if every row were odder"):
        warn_if_too_few_to_discover(5, 100, 0.1)
