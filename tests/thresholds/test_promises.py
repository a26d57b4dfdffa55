"""Promises by simulation: what is said of new normal rows is what happens to them.

Scores are exponential, so that the rate above a threshold is exp(-threshold), exactly.
"""

import warnings

import numpy as np
import pytest
import scipy.stats

from aeanom import AnomalyDetector, architectures
from aeanom.errors import CalibrationWarning
from aeanom.thresholds import (
    Conformal,
    ConformalByGroup,
    FalsePositiveBound,
    Quantile,
    benjamini_hochberg,
    p_values,
)

DRAWS = 1000


def realised_rates(threshold, n, seed):
    """The false-positive rate of 1,000 calibrations of n normal rows."""
    samples = np.random.default_rng(seed).exponential(size=(DRAWS, n))
    return np.array([np.exp(-threshold.fit(sample).value) for sample in samples])


@pytest.mark.parametrize(("rate", "n", "k"), [(0.05, 99, 5), (0.1, 250, 25), (0.01, 99, 1)])
def test_the_realised_rate_of_conformal_follows_the_beta_distribution(rate, n, k):
    rates = realised_rates(Conformal(rate), n, seed=n)
    beta = scipy.stats.beta(k, n + 1 - k)
    assert scipy.stats.kstest(rates, beta.cdf).pvalue > 0.01
    assert rates.mean() == pytest.approx(beta.mean(), abs=4 * beta.std() / DRAWS**0.5)


@pytest.mark.parametrize(
    ("alpha", "delta", "n"),
    [(0.05, 0.1, 100), (0.05, 0.1, 45), (0.1, 0.05, 300), (0.01, 0.1, 400), (0.2, 0.5, 30)],
)
def test_the_bound_is_exceeded_in_no_more_calibrations_than_it_says(alpha, delta, n):
    exceeded = int((realised_rates(FalsePositiveBound(alpha, delta), n, seed=n) > alpha).sum())
    # Three standard errors of a share of 1,000 draws.
    assert exceeded / DRAWS <= delta + 3 * (delta * (1 - delta) / DRAWS) ** 0.5
    # And as often as the binomial distribution says: the bound is no wider than it has to be.
    k = FalsePositiveBound(alpha, delta).fit(np.arange(float(n))).rank
    exact = scipy.stats.binom.cdf(k - 1, n, alpha)
    assert exact <= delta < scipy.stats.binom.cdf(k, n, alpha)
    assert scipy.stats.binomtest(exceeded, DRAWS, exact).pvalue > 0.01


@pytest.mark.parametrize(("share", "m", "n"), [(0.1, 100, 999), (0.02, 200, 1999), (0.0, 50, 499)])
@pytest.mark.parametrize("q", [0.1, 0.3])
def test_the_false_discovery_rate_of_benjamini_hochberg_is_bounded(share, m, n, q):
    rng = np.random.default_rng(0)
    is_anomaly = np.arange(m) < share * m
    shares, found = [], []
    for _ in range(DRAWS):
        scores = rng.exponential(size=m) + 5 * is_anomaly
        named = benjamini_hochberg(p_values(scores, rng.exponential(size=n)), q)
        shares.append((named & ~is_anomaly).sum() / max(named.sum(), 1))
        found.append((named & is_anomaly).sum())
    standard_error = np.std(shares) / DRAWS**0.5
    assert np.mean(shares) <= q + 3 * standard_error
    # With m rows of which m0 are normal it is q·m0 / m, not less because nothing is found.
    assert np.mean(shares) >= q * (1 - share) - 4 * standard_error - 0.02
    assert share == 0 or np.mean(found) > 0


GROUPED = [
    ConformalByGroup(0, 0.1),
    ConformalByGroup(0, 0.1, edges=(0.5, 1.5)),
    ConformalByGroup(0, 0.1, quantiles=3),
]


def group_rates(threshold, column, scores, rate_above):
    """The exact false-positive rate of each of the groups of one calibration."""
    fitted = threshold.fit(scores, column)
    return [rate_above(group.limit, group.low, group.high) for group in fitted.groups]


@pytest.mark.parametrize("threshold", GROUPED[:2], ids=repr)
def test_each_group_has_the_promised_rate_where_one_threshold_for_all_has_not(threshold):
    rng = np.random.default_rng(0)
    scales = np.array([1.0, 2.0, 5.0])
    column = np.repeat([0.0, 1.0, 2.0], [59, 99, 29])
    by_group, overall = [], []
    for _ in range(DRAWS):
        scores = rng.exponential(size=column.size) * scales[column.astype(int)]
        fitted = threshold.fit(scores, column)
        by_group.append(np.exp(-np.array([group.limit for group in fitted.groups]) / scales))
        overall.append(np.exp(-fitted.value / scales))
    for rates, k, n in zip(np.transpose(by_group), (6, 10, 3), (59, 99, 29), strict=True):
        assert scipy.stats.kstest(rates, scipy.stats.beta(k, n + 1 - k).cdf).pvalue > 0.01
    quiet, _, noisy = np.mean(overall, axis=0)
    assert quiet < 0.01
    assert noisy > 0.3


@pytest.mark.parametrize("sign", [1, -1])
def test_groups_by_quantiles_keep_their_promise_even_where_the_score_is_the_column(sign):
    """The worst case: which rows are in a group says everything about their scores."""
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(DRAWS):
        column = rng.random(119)
        fitted = ConformalByGroup(0, 0.1, quantiles=4).fit(sign * column, column)
        edges = [0.0, *(group.high for group in fitted.groups[:-1]), 1.0]
        for group, low, high in zip(fitted.groups, edges[:-1], edges[1:], strict=True):
            flagged = -group.limit - low if sign < 0 else high - group.limit
            rates.append(np.clip(flagged / (high - low), 0, 1))
    rates = np.array(rates).reshape(DRAWS, 4)
    assert (rates.mean(axis=0) <= 0.1 + 3 * rates.std(axis=0) / DRAWS**0.5).all()


def test_rows_of_unseen_values_have_the_promise_of_all_rows():
    rng = np.random.default_rng(0)
    column = np.repeat([0.0, 1.0], 50)
    rates = []
    for _ in range(DRAWS):
        fitted = ConformalByGroup(0, 0.1).fit(rng.exponential(size=100), column)
        rates.append(np.exp(-fitted.limits(np.array([[7.0]]))[0]))
    assert scipy.stats.kstest(rates, scipy.stats.beta(10, 91).cdf).pvalue > 0.01


def test_an_overfitted_network_breaks_the_in_sample_quantile_and_not_the_conformal_one():
    """60 rows of 20 columns, learned by heart, and 39 that were held out; ten such fits."""
    in_sample, conformal = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        rows, new = rng.normal(size=(99, 20)), rng.normal(size=(4000, 20))
        detector = AnomalyDetector(
            backend="numpy",
            architecture=architectures.dense(20, (64,), 16, activation="tanh"),
            threshold="quantile",
            epochs=400,
            learning_rate=5e-3,
            validation_fraction=0.0,
            random_state=seed,
        ).fit(rows[:60])
        model = detector.model_
        # The 5 % quantile of the very rows that it learned from.
        assert model.threshold.threshold == Quantile(0.95)
        assert model.threshold.sample == "training"
        in_sample.append(model.is_anomaly(new).mean())
        calibrated = model.calibrate(rows[60:], Conformal(0.05))
        conformal.append(calibrated.is_anomaly(new).mean())
    assert min(in_sample) > 0.3
    # Of 39 rows k = 2, so that the rate follows Beta(2, 38).
    beta = scipy.stats.beta(2, 38)
    assert np.mean(conformal) == pytest.approx(0.05, abs=3 * beta.std() / 10**0.5)
    assert scipy.stats.kstest(conformal, beta.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("alpha", "delta", "needed"), [(0.05, 0.1, 45), (0.01, 0.05, 299), (0.5, 0.5, 1)]
)
def test_too_few_rows_for_a_bound_say_how_many_it_takes(alpha, delta, needed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FalsePositiveBound(alpha, delta).fit(np.arange(needed + 1.0))
    if needed == 1:
        return
    scores = np.arange(needed - 1.0)
    with pytest.warns(CalibrationWarning, match=f"at least {needed} calibration rows") as caught:
        fitted = FalsePositiveBound(alpha, delta).fit(scores)
    assert caught[0].filename == __file__
    assert fitted.rank == 1
    attained = 1 - (1 - alpha) ** (needed - 1)
    assert fitted.promise == (alpha, pytest.approx(attained))
    assert attained < 1 - delta
    assert f"({100 * (1 - delta):.3g} % asked for)" in fitted.describe()
