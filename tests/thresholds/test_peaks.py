"""PeaksOverThreshold and its tail: risks on known tails, an independent estimate, its laws."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from aeanom.errors import CalibrationWarning, InvalidDataError
from aeanom.thresholds import PeaksOverThreshold
from aeanom.thresholds.tail import FEWEST_EXCESSES, fit_tail
from benchmarks.peaks_over_threshold import CASES, realised

ALL_TIED = "none of 50 scores exceeds"


# What the table of docs/thresholds.md shows, in small.


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title.split(",")[0])
@pytest.mark.parametrize("n_excesses", [30, 50, 100])
def test_the_risk_is_near_the_one_asked_for_on_average(case, n_excesses):
    one_percent = realised(case, n_excesses, 0.01, draws=200, seed=1)["averaged"]
    assert one_percent["mean"] == pytest.approx(1, abs=0.05 + 3 * one_percent["standard_error"])
    one_in_a_thousand = realised(case, n_excesses, 0.001, draws=200, seed=1)["averaged"]
    assert 0.7 < one_in_a_thousand["mean"] < 1.4 + 3 * one_in_a_thousand["standard_error"]


def test_taking_the_estimate_at_its_word_gives_more_false_alarms():
    rows = [realised(case, 30, 0.001, draws=200, seed=1) for case in CASES]
    assert all(row["plugged_in"]["mean"] > 1.2 * row["averaged"]["mean"] for row in rows)


def test_the_published_estimator_written_as_in_the_article():
    x = scipy.stats.genpareto.rvs(0.3, scale=2.0, size=57, random_state=0)
    ordered, n = sorted(x), len(x)
    m = 20 + math.floor(math.sqrt(n))
    quartile = ordered[math.floor(n / 4 + 0.5) - 1]

    def shape(theta):
        return sum(math.log(1 - theta * value) for value in x) / n

    thetas = [1 / max(x) + (1 - math.sqrt(m / (j - 0.5))) / (3 * quartile) for j in range(1, m + 1)]
    logs = [n * (math.log(-theta / shape(theta)) - shape(theta) - 1) for theta in thetas]
    weights = [1 / sum(math.exp(other - log) for other in logs) for log in logs]
    theta = sum(weight * theta for weight, theta in zip(weights, thetas, strict=True))
    tail = fit_tail(x)
    assert tail.shape == pytest.approx(shape(theta), rel=1e-10)
    assert tail.scale == pytest.approx(-shape(theta) / theta, rel=1e-10)


@pytest.mark.parametrize("shape", [-0.4, 0.0, 0.3, 1.0])
def test_shape_and_scale_are_those_that_were_drawn_from(shape):
    x = scipy.stats.genpareto.rvs(shape, scale=3.0, size=20_000, random_state=0)
    tail = fit_tail(x)
    assert tail.shape == pytest.approx(shape, abs=0.03)
    assert tail.scale == pytest.approx(3.0, rel=0.05)


def test_estimates_are_near_those_of_maximum_likelihood():
    x = scipy.stats.genpareto.rvs(0.2, scale=1.0, size=500, random_state=3)
    shape, _, scale = scipy.stats.genpareto.fit(x, floc=0)
    tail = fit_tail(x)
    assert tail.shape == pytest.approx(shape, abs=0.02)
    assert tail.scale == pytest.approx(scale, rel=0.02)


def test_what_is_not_known_of_the_shape_is_averaged_over():
    """The closed form over ξ against the integral that it stands for, at each θ of the grid."""
    x = scipy.stats.genpareto.rvs(0.3, size=30, random_state=0)
    tail = fit_tail(x)
    expected = 0.0
    for theta, shape, weight in zip(tail.thetas, tail.shapes, tail.weights, strict=True):
        if weight < 1e-6:
            continue
        excess, sign = 8.0, np.sign(shape)
        y = sign * math.log(max(1 - theta * excess, 1e-300))
        posterior = scipy.stats.invgamma(30, scale=30 * abs(shape))
        found, _ = scipy.integrate.quad(
            lambda k, y=y, posterior=posterior: math.exp(-y / k) * posterior.pdf(k), 0, np.inf
        )
        expected += weight * found
    assert tail.exceedance(8.0) == pytest.approx(expected, rel=1e-4)
    assert tail.exceedance(tail.quantile(1e-3)) == pytest.approx(1e-3, rel=1e-9)


def test_an_exponential_tail_is_no_trouble_where_the_formula_is_0_over_0():
    # A grid point θ of exactly 0: the quartile and the largest excess make it so for j = 8.
    m = 20 + math.isqrt(100)
    quartile = (math.sqrt(m / 7.5) - 1) / 3
    x = np.concatenate([np.full(30, quartile), np.linspace(quartile, 1, 70)])
    tail = fit_tail(x)
    assert np.isfinite(tail.weights).all()
    assert 0 < tail.exceedance(0.5) < 1
    # And near 0 it is the exponential distribution.
    exponential = fit_tail(np.full(5, 2.0))
    assert (exponential.shape, exponential.scale) == (0.0, 2.0)
    assert exponential.exceedance(3.0) == pytest.approx((1 + 3.0 / (5 * 2.0)) ** -5, rel=1e-6)


@pytest.mark.parametrize("n_excesses", [1, 9])
def test_few_excesses_mean_an_exponential_tail_and_a_warning(n_excesses):
    scores = np.concatenate([np.zeros(50), np.arange(1.0, n_excesses + 1)])
    threshold = PeaksOverThreshold(0.01, initial_quantile=50 / (50 + n_excesses))
    with pytest.warns(CalibrationWarning, match="excesses, of .* scores without ties") as caught:
        fitted = threshold.fit(scores)
    assert caught[0].filename == __file__
    assert f"{n_excesses} of {50 + n_excesses} scores exceed" in str(caught[0].message)
    assert fitted.figures["shape"] == 0
    assert fitted.value > scores.max()


@pytest.mark.parametrize(("quantile", "needed"), [(0.9, 100), (0.98, 500), (0.93, 143), (0.5, 20)])
def test_so_many_scores_as_the_warning_says_do_not_warn(quantile, needed):
    threshold = PeaksOverThreshold(0.001, quantile)
    with pytest.warns(CalibrationWarning, match=f"10 excesses, of {needed} scores"):
        threshold.fit(np.arange(needed - 1.0) ** 2)
    threshold.fit(np.arange(float(needed)) ** 2)
    assert FEWEST_EXCESSES == 10


def test_ties_above_which_nothing_is_leave_a_threshold_just_above_them():
    scores = np.concatenate([np.arange(10.0), np.full(40, 12.0)])
    with pytest.warns(CalibrationWarning, match="0 of 50 scores exceed .* there is no tail"):
        fitted = PeaksOverThreshold(0.01).fit(scores)
    assert fitted.value == 12.0 + 12e-9
    assert ALL_TIED in fitted.describe()


def test_a_bounded_tail_ends_before_its_bound_and_above_the_initial_threshold():
    for seed in range(20):
        scores = np.random.default_rng(seed).random(1000)
        fitted = PeaksOverThreshold(1e-6).fit(scores)
        assert fitted.figures["shape"] < 0
        # The bound is 1, which 100 excesses above 0.9 tell to a third of that distance.
        assert scores.max() < fitted.value < 1.03


def test_smaller_risks_have_higher_thresholds():
    scores = np.random.default_rng(0).standard_t(4, size=1000)
    values = [PeaksOverThreshold(risk).fit(scores).value for risk in (0.05, 0.01, 1e-3, 1e-5, 1e-9)]
    assert values == sorted(values)
    assert values[0] > np.quantile(scores, 0.9)


@pytest.mark.parametrize("size", [1e-250, 1e250])
def test_neither_vanishes_nor_overflows(size):
    scores = np.random.default_rng(0).exponential(size=500)
    expected = PeaksOverThreshold().fit(scores).value
    assert PeaksOverThreshold().fit(scores * size).value == pytest.approx(expected * size)


def test_a_limit_too_large_for_float64_is_refused():
    scores = 1e306 * np.random.default_rng(0).pareto(1.0, size=200).clip(0, 100)
    with pytest.raises(InvalidDataError, match="probability 1e-09 of 200 scores is too large"):
        PeaksOverThreshold(1e-9).fit(scores)


samples = st.tuples(st.integers(0, 2**31), st.sampled_from(["exponential", "pareto", "uniform"]))


def draw(seed, kind):
    rng = np.random.default_rng(seed)
    return {
        "exponential": lambda: rng.exponential(size=300),
        "pareto": lambda: rng.pareto(2.0, size=300),
        "uniform": lambda: rng.random(300),
    }[kind]()


@settings(deadline=None, max_examples=50)
@given(samples, st.floats(1e-6, 1e6), st.floats(-100, 100))
def test_scaled_and_shifted_scores_have_a_scaled_and_shifted_threshold(sample, scale, shift):
    scores = draw(*sample)
    value = PeaksOverThreshold().fit(scores).value
    spread = float(np.ptp(scores))
    moved = PeaksOverThreshold().fit(scale * scores).value
    assert moved == pytest.approx(scale * value, rel=1e-7)
    moved = PeaksOverThreshold().fit(scores + shift).value
    # The differences that it is made of have lost the digits that the shift has taken.
    assert moved == pytest.approx(value + shift, abs=1e-6 * (spread + value + abs(shift)))
