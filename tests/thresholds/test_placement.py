"""Laws that every fitted threshold keeps, whatever the scores."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aeanom.errors import CalibrationWarning, InvalidDataError
from aeanom.thresholds import (
    IQR,
    MAD,
    Conformal,
    Contamination,
    FalsePositiveBound,
    MeanStd,
    PeaksOverThreshold,
    Quantile,
)
from aeanom.thresholds.placement import above, below_all

DESCRIPTIONS = [
    Conformal(0.05),
    Conformal(0.3),
    Quantile(0.95),
    Quantile(0.5),
    Quantile(1.0),
    Contamination(0.1),
    Contamination(0.5),
    MeanStd(0.0),
    MeanStd(1.0),
    MeanStd(3.0),
    FalsePositiveBound(0.05, 0.1),
    FalsePositiveBound(0.3, 0.5),
    MAD(0.0),
    MAD(3.0),
    IQR(1.5),
    PeaksOverThreshold(0.001),
    PeaksOverThreshold(0.2, initial_quantile=0.5),
]
any_description = pytest.mark.parametrize("description", DESCRIPTIONS, ids=repr)

# Close neighbours, subnormal numbers and exact zeros among ordinary scores, most of them tied.
awkward = st.sampled_from(
    [0.0, 5e-324, 1e-323, 1e-310, 1e-12, 0.3, math.nextafter(0.3, 1), 0.3 + 1e-12, 1.0, 1.0 + 1e-9]
)
scores_lists = st.lists(awkward | st.floats(-1e300, 1e300), min_size=1, max_size=50)


def fit(description, scores, **settings):
    """Fit and leave warnings to other tests; what is no float64 any more is not of interest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CalibrationWarning)
        try:
            return description.fit(scores, **settings)
        except InvalidDataError as error:
            assume("is too large for float64" not in str(error))
            raise


@any_description
@settings(deadline=None, max_examples=50)
@given(scores_lists, st.sampled_from(["float32", "float64"]))
def test_threshold_is_never_exactly_a_score(description, scores, precision):
    assert fit(description, scores, precision=precision).value not in scores


@any_description
@settings(deadline=None, max_examples=50)
@given(scores_lists)
def test_no_more_rows_of_the_sample_are_flagged_than_promised(description, scores):
    fitted = fit(description, scores)
    n, n_flagged = len(scores), int(fitted.exceeds(scores).sum())
    match description:
        case Conformal() | FalsePositiveBound():
            assert n_flagged <= fitted.rank - 1
        case Quantile(quantile=q):
            assert n_flagged <= (1 - q) * n + 1e-9
        case Contamination(contamination=c):
            assert n_flagged <= math.floor(c * n + 0.5)
        case MeanStd(deviations=d):
            assert n_flagged <= n / (1 + d**2) + 1e-9  # Cantelli's inequality
        case MAD():
            assert n_flagged <= n / 2
        case IQR():
            assert n_flagged <= n / 4 + 0.75
        case PeaksOverThreshold(initial_quantile=q):
            assert n_flagged <= (1 - q) * n + 1e-9
    if not isinstance(description, Conformal | FalsePositiveBound):
        assert fitted.level == n_flagged / n


@any_description
@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, 10_000), min_size=2, max_size=40), st.data())
def test_flags_survive_rounding(description, steps, data):
    """Scores that differ by 1e-3 of themselves or not at all, each moved by up to 1e-12."""
    distinct = 1e-4 * 1.001 ** np.array(sorted(steps))
    scores = np.repeat(distinct, data.draw(st.integers(1, 3)))
    seed = data.draw(st.integers(0, 2**32 - 1))
    moved = scores * (1 + 1e-12 * np.random.default_rng(seed).uniform(-1, 1, scores.size))
    fitted = fit(description, scores)
    np.testing.assert_array_equal(fitted.exceeds(moved), fitted.exceeds(scores))
    if scores.size == distinct.size:  # refitted too, unless the rounding broke a tie
        np.testing.assert_array_equal(
            fit(description, moved).exceeds(moved), fitted.exceeds(scores)
        )


@any_description
@settings(deadline=None, max_examples=50)
@given(scores_lists, st.randoms(use_true_random=False))
def test_the_order_of_the_scores_does_not_matter(description, scores, random):
    shuffled = random.sample(scores, len(scores))
    assert fit(description, shuffled) == fit(description, scores)


@any_description
@pytest.mark.parametrize("value", [0.0, 0.1, 5e-324, -2.5, 1e300])
@pytest.mark.parametrize("n", [1, 3, 20, 100])
def test_equal_scores_flag_nothing_and_warn(description, value, n):
    scores = np.full(n, value)
    with pytest.warns(CalibrationWarning) as caught:
        fitted = description.fit(scores, sample="training")
    expected = (
        "there is a single training score" if n == 1 else f"all {n} training scores are equal"
    )
    messages = [str(w.message) for w in caught]
    assert any(message.startswith(expected) for message in messages)
    assert {w.filename for w in caught} == {__file__}
    assert not fitted.exceeds(scores).any()
    assert fitted.value > value


# Of a tail the digits are lost that the shift takes: its law is in test_peaks.
SHIFTED = [d for d in DESCRIPTIONS if not isinstance(d, PeaksOverThreshold)]


@any_description
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([2.0**-40, 0.5, 8.0, 2.0**40]))
def test_scores_times_a_power_of_two_have_the_threshold_times_it(description, seed, scale):
    scores = np.random.default_rng(seed).gamma(2.0, size=120)
    value = fit(description, scores).value
    assert fit(description, scale * scores).value == pytest.approx(scale * value, rel=1e-12)


@pytest.mark.parametrize("description", SHIFTED, ids=repr)
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.floats(-1e3, 1e3))
def test_shifted_scores_have_a_shifted_threshold(description, seed, shift):
    scores = np.random.default_rng(seed).gamma(2.0, size=120)
    value = fit(description, scores).value
    # But for the hair, which is measured by the size of a score.
    assert fit(description, scores + shift).value == pytest.approx(value + shift, abs=2e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.floats(0.2, 5.0))
def test_the_median_of_logarithms_follows_powers_of_the_scores(seed, power):
    scores = np.random.default_rng(seed).gamma(2.0, size=120) + 1e-3
    value = MAD(3, log=True).fit(scores).value
    assert MAD(3, log=True).fit(scores**power).value == pytest.approx(value**power, rel=1e-6)


@pytest.mark.parametrize("n_ties", [1, 4, 9])
def test_ties_are_counted_and_stay_below(n_ties):
    scores = np.concatenate([np.arange(90.0), np.full(n_ties, 100.0), np.arange(101.0, 105.0)])
    fitted = Conformal(5 / (scores.size + 1)).fit(scores)
    assert (fitted.rank, fitted.n_ties) == (5, n_ties)
    assert fitted.exceeds(scores).sum() == 4


class TestAbove:
    def test_is_a_hair_above_the_score(self):
        assert above(np.array([1.0, 2.0, 3.0]), 2.0, 1e-9) == 2.0 + 2e-9

    def test_is_a_hair_above_a_negative_score(self):
        assert above(np.array([-3.0, -2.0]), -2.0, 1e-9) == -2.0 + 2e-9

    def test_is_halfway_to_a_score_closer_than_two_hairs(self):
        assert above(np.array([2.0, 2.0 + 1e-9]), 2.0, 1e-9) == 2.0 + 0.5e-9

    def test_hair_of_a_zero_is_measured_by_the_largest_score(self):
        assert above(np.array([0.0, 0.0, 50.0]), 0.0, 1e-9) == 50.0 * 1e-9

    def test_hair_of_zeros_alone_is_the_tolerance(self):
        assert above(np.array([0.0, 0.0]), 0.0, 1e-9) == 1e-9

    def test_hair_of_a_subnormal_score_is_the_next_float(self):
        assert above(np.array([5e-324, 1.0]), 5e-324, 1e-9) == 1e-323

    def test_goes_above_both_of_two_neighbouring_floats(self):
        upper = math.nextafter(2.0, 3.0)
        assert above(np.array([2.0, upper, 3.0]), 2.0, 1e-9) == upper + 1e-9 * upper

    def test_halfway_between_huge_scores_does_not_overflow(self):
        assert above(np.array([1.6e308, 1.6e308 + 1e294]), 1.6e308, 1e-9) < 1.6e308 + 1e294


class TestBelowAll:
    @pytest.mark.parametrize(
        ("scores", "expected"),
        [
            ([1.0, 2.0], 1.0 - 1e-9),
            ([-2.0, 2.0], -2.0 - 2e-9),
            ([0.0, 50.0], -50 * 1e-9),
            ([0.0], -1e-9),
            ([5e-324, 1.0], 0.0),
        ],
    )
    def test_is_a_hair_below_the_smallest_score(self, scores, expected):
        assert below_all(np.array(scores), 1e-9) == expected

    def test_stays_a_number_below_the_largest_negative_one_but_one(self):
        smallest = float(np.finfo(np.float64).min)
        assert below_all(np.array([math.nextafter(smallest, 0.0), 1.0]), 1e-9) == smallest
