"""Intervals and bands: resamples counted one by one, SciPy's bootstrap, coverage by simulation."""

from functools import partial
from math import erf

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from aeanom import metrics
from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.metrics import bands, bootstrap

FIGURES = {
    "roc_auc": (metrics.roc_auc_score, sklearn.metrics.roc_auc_score),
    "partial_roc_auc": (
        partial(metrics.roc_auc_score, max_fpr=0.15),
        partial(sklearn.metrics.roc_auc_score, max_fpr=0.15),
    ),
    "average_precision": (
        metrics.average_precision_score,
        sklearn.metrics.average_precision_score,
    ),
}


def tied(rng, n_normal=40, n_anomalous=12, decimals=0):
    """Labels in random order and scores with ties, higher for anomalies."""
    y_true = rng.permutation(np.repeat([0, 1], [n_normal, n_anomalous]))
    return y_true, (rng.normal(size=y_true.size) + y_true).round(decimals)


def drawn_rows(y_true, n_resamples, random_state=0):
    """Row numbers of each resample."""
    rows = np.flatnonzero(y_true == 0), np.flatnonzero(y_true == 1)
    for normal, anomalous in bootstrap.Resampling(y_true, n_resamples, random_state).draws():
        for line in zip(normal, anomalous, strict=True):
            yield np.concatenate([of[places] for of, places in zip(rows, line, strict=True)])


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_each_resample_has_the_figure_of_its_rows(name, decimals, rng):
    ours, theirs = FIGURES[name]
    y_true, y_score = tied(rng, decimals=decimals)
    values, figures = metrics.resampled([(ours, y_score)], y_true, n_resamples=60)
    expected = [theirs(y_true[rows], y_score[rows]) for rows in drawn_rows(y_true, 60)]
    np.testing.assert_allclose(figures[:, 0], expected, rtol=0, atol=1e-12)
    assert values[0] == pytest.approx(theirs(y_true, y_score), rel=0, abs=1e-12)


@pytest.mark.parametrize(
    "metric",
    [
        metrics.precision_at_k,
        partial(metrics.precision_at_k, k=3),
        partial(metrics.precision_at_k, k=52),
        partial(metrics.recall_at_k, k=7),
        partial(metrics.true_positive_rate_at, false_positive_rate=0.1),
        partial(metrics.true_positive_rate_at, false_positive_rate=0.0),
        lambda y_true, y_score: metrics.best_f1_score(y_true, y_score).value,
    ],
)
@pytest.mark.parametrize("decimals", [0, 9])
def test_figures_of_counts_are_those_of_a_call(metric, decimals, rng):
    y_true, y_score = tied(rng, decimals=decimals)
    fast = metrics.best_f1_score if getattr(metric, "__name__", "") == "<lambda>" else metric
    values, figures = metrics.resampled([(fast, y_score)], y_true, n_resamples=60)
    expected = [metric(y_true[rows], y_score[rows]) for rows in drawn_rows(y_true, 60)]
    np.testing.assert_allclose(figures[:, 0], expected, rtol=0, atol=1e-12)
    assert values[0] == pytest.approx(metric(y_true, y_score))


def test_each_resample_of_a_metric_of_decisions_has_the_figure_of_its_rows(rng):
    y_true, y_score = tied(rng)
    flags = y_score > 0.5
    _, figures = metrics.resampled([(metrics.recall_score, flags)], y_true, n_resamples=60)
    expected = [
        sklearn.metrics.recall_score(y_true[rows], flags[rows]) for rows in drawn_rows(y_true, 60)
    ]
    np.testing.assert_allclose(figures[:, 0], expected, rtol=0, atol=1e-12)


def test_resamples_keep_the_number_of_rows_of_each_class_and_draw_rows_alike(rng):
    y_true, _ = tied(rng)
    drawn = np.array([np.bincount(rows, minlength=52) for rows in drawn_rows(y_true, 4000)])
    assert (drawn[:, y_true == 1].sum(axis=1) == 12).all()
    assert (drawn[:, y_true == 0].sum(axis=1) == 40).all()
    # The mean of 4,000 numbers of variance near 1, five standard errors.
    np.testing.assert_allclose(drawn.mean(axis=0), 1.0, atol=5 / 4000**0.5)


@pytest.mark.parametrize("name", FIGURES)
def test_interval_is_that_of_scipy_s_stratified_percentile_bootstrap(name, rng):
    ours, theirs = FIGURES[name]
    y_true, y_score = tied(rng, 150, 60, decimals=1)

    def figure(normal, anomalous):
        labels = np.repeat([0, 1], [normal.size, anomalous.size])
        return theirs(labels, np.concatenate([normal, anomalous]))

    expected = scipy.stats.bootstrap(
        (y_score[y_true == 0], y_score[y_true == 1]),
        figure,
        vectorized=False,
        n_resamples=400,
        method="percentile",
        random_state=0,
    )
    value, low, high = metrics.bootstrap_interval(ours, y_true, y_score, n_resamples=20_000)
    assert value == pytest.approx(theirs(y_true, y_score))
    # Ends of 400 resamples, three standard errors of a 2.5 % quantile (about 0.134 sd).
    within = 3 * 0.134 * expected.standard_error
    assert low == pytest.approx(expected.confidence_interval.low, abs=within)
    assert high == pytest.approx(expected.confidence_interval.high, abs=within)


def test_interval_covers_the_true_roc_auc_as_often_as_it_says():
    # Two normal distributions d apart have AUC = Phi(d / sqrt(2)) = (1 + erf(d / 2)) / 2.
    distance, true = 1.0, (1 + erf(0.5)) / 2
    rng = np.random.default_rng(3)
    y_true = np.repeat([0, 1], [120, 60])
    covered = 0
    for seed in range(600):
        y_score = rng.normal(size=180) + distance * y_true
        _, low, high = metrics.bootstrap_interval(
            metrics.roc_auc_score,
            y_true,
            y_score,
            confidence=0.9,
            n_resamples=300,
            random_state=seed,
        )
        covered += low <= true <= high
    # Three standard errors of 600 coins: 3 * sqrt(0.9 * 0.1 / 600) = 0.037.
    assert abs(covered / 600 - 0.9) < 0.037


def test_interval_of_a_difference_takes_both_rankings_from_the_same_resamples(rng):
    y_true, y_score = tied(rng, 300, 80, decimals=2)
    # Almost the same ranking: the two rise and fall together.
    other = y_score + rng.normal(scale=0.1, size=y_score.size)
    auc = metrics.roc_auc_score
    value, low, high = metrics.bootstrap_difference(auc, y_true, y_score, other)
    assert value == auc(y_true, y_score) - auc(y_true, other)
    single = metrics.bootstrap_interval(auc, y_true, y_score)
    assert high - low < 0.2 * (single.high - single.low)
    _, figures = metrics.resampled([(auc, y_score), (auc, other)], y_true)
    differences = figures[:, 0] - figures[:, 1]
    np.testing.assert_allclose((low, high), np.quantile(differences, [0.025, 0.975]))


def test_a_ranking_differs_from_itself_by_nothing(rng):
    y_true, y_score = tied(rng)
    same = metrics.bootstrap_difference(
        metrics.average_precision_score, y_true, y_score, 3 * y_score + 1
    )
    assert same == (0.0, 0.0, 0.0)


def test_resamples_do_not_depend_on_how_many_are_done_at_a_time(rng, monkeypatch):
    y_true, y_score = tied(rng)
    whole = metrics.resampled([(metrics.roc_auc_score, y_score)], y_true, n_resamples=50)
    monkeypatch.setattr(bootstrap, "_CHUNK", 7 * y_true.size)
    parts = metrics.resampled([(metrics.roc_auc_score, y_score)], y_true, n_resamples=50)
    np.testing.assert_array_equal(whole[1], parts[1])


def test_the_seed_decides_and_the_global_random_state_is_left_alone(rng):
    y_true, y_score = tied(rng)
    before = np.random.get_state()[1].copy()  # noqa: NPY002

    def interval(random_state):
        return metrics.bootstrap_interval(
            metrics.roc_auc_score, y_true, y_score, random_state=random_state
        )

    assert interval(0) == interval(0) == interval(np.random.default_rng(0))
    assert interval(0) != interval(1)
    assert interval(None) != interval(None)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_wider_confidence_gives_a_wider_interval(rng):
    y_true, y_score = tied(rng)
    auc = metrics.roc_auc_score
    narrow = metrics.bootstrap_interval(auc, y_true, y_score, confidence=0.5)
    wide = metrics.bootstrap_interval(auc, y_true, y_score, confidence=0.99)
    assert wide.low < narrow.low < narrow.value < narrow.high < wide.high


def test_classes_that_do_not_overlap_leave_the_interval_without_width():
    interval = metrics.bootstrap_interval(metrics.roc_auc_score, [0, 0, 1, 1], [1, 2, 3, 4])
    assert interval == (1.0, 1.0, 1.0)


def test_a_metric_that_needs_no_anomalies_may_have_none():
    interval = metrics.bootstrap_interval(
        lambda y_true, y_pred: np.mean(y_pred), [0, 0, 0, 0], [0, 0, 1, 1], n_resamples=200
    )
    assert interval.value == 0.5
    assert interval.low < 0.5 < interval.high


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"confidence": 1.0}, "confidence must be between 0 and 1, both excluded; got 1.0"),
        ({"confidence": 95}, "got 95"),
        ({"n_resamples": 0}, "n_resamples must be a whole number of at least 1; got 0"),
        ({"n_resamples": 2.5}, "got 2.5"),
        ({"n_resamples": True}, "got True"),
        ({"n_resamples": "many"}, "got 'many'"),
    ],
)
@pytest.mark.parametrize(
    "function", [partial(metrics.bootstrap_interval, metrics.roc_auc_score), metrics.roc_curve_band]
)
def test_settings_out_of_range_are_refused(function, settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        function([0, 1], [1, 2], **settings)


@pytest.mark.parametrize(
    ("y_true", "y_score", "message"),
    [
        ([0, 0], [1, 2], "ROC AUC needs anomalies: none of the 2 labels in y_true is 1"),
        ([1, 1], [1, 2], "ROC AUC needs normal rows"),
        ([0, 1], [1, 2, 3], "y_true has 2 rows and y_score has 3"),
        ([0, 1], [1, np.nan], "y_score has 1 of 2 scores that are NaN"),
    ],
)
def test_what_has_no_figure_has_no_interval(y_true, y_score, message):
    with pytest.raises(InvalidDataError, match=message):
        metrics.bootstrap_interval(metrics.roc_auc_score, y_true, y_score)


def test_a_metric_that_is_undefined_in_some_resamples_is_refused_with_their_number():
    def ratio(y_true, y_score):
        return np.nan if y_score.sum() == 0 else 1.0

    with pytest.raises(InvalidDataError, match=r"not a finite number in \d+ of 1000 resamples"):
        metrics.bootstrap_interval(ratio, [0, 0, 1], [0, 1, 0])


def roc_on(grid, y_true, y_score):
    rates, found, _ = sklearn.metrics.roc_curve(y_true, y_score, drop_intermediate=False)

    def at(rate):
        here = np.isclose(rates, rate, rtol=0, atol=1e-12)
        if here.any():
            return found[here].max()
        left, right = np.flatnonzero(rates < rate)[-1], np.flatnonzero(rates > rate)[0]
        return np.interp(rate, rates[[left, right]], found[[left, right]])

    return [at(rate) for rate in grid]


def precision_on(grid, y_true, y_score):
    precision, recall, _ = sklearn.metrics.precision_recall_curve(y_true, y_score)
    # From the largest threshold downwards, the first that reaches the recall, and more than none.
    precision, recall = precision[:-1][::-1], recall[:-1][::-1]
    return [precision[np.flatnonzero((recall > 0) & (recall >= at - 1e-12))[0]] for at in grid]


@pytest.mark.parametrize(
    ("band", "curve_on"),
    [
        (metrics.roc_curve_band, roc_on),
        (metrics.precision_recall_curve_band, precision_on),
    ],
)
@pytest.mark.parametrize("decimals", [0, 1, 9])
def test_band_is_between_the_percentiles_of_the_curves_of_the_resamples(
    band, curve_on, decimals, rng
):
    y_true, y_score = tied(rng, decimals=decimals)
    grid = np.arange(21) / 20
    found = band(y_true, y_score, grid=grid, confidence=0.8, n_resamples=60)
    curves = [curve_on(grid, y_true[rows], y_score[rows]) for rows in drawn_rows(y_true, 60)]
    np.testing.assert_array_equal(found.grid, grid)
    np.testing.assert_allclose(found.value, curve_on(grid, y_true, y_score), atol=1e-12)
    low, high = np.quantile(curves, [0.1, 0.9], axis=0)
    np.testing.assert_allclose(found.low, low, atol=1e-12)
    np.testing.assert_allclose(found.high, high, atol=1e-12)


def test_the_mean_of_the_precision_band_s_curve_is_the_average_precision(rng):
    y_true, y_score = tied(rng, decimals=1)
    # At the end of each step of recall: the area of the steps.
    band = metrics.precision_recall_curve_band(
        y_true, y_score, grid=np.arange(1, 13) / 12, n_resamples=1
    )
    assert band.value.mean() == pytest.approx(metrics.average_precision_score(y_true, y_score))


def test_bands_have_201_points_by_default(rng):
    assert bands.roc_curve_band(*tied(rng), n_resamples=5).low.shape == (201,)


@pytest.mark.parametrize("grid", [[0.5, 0.1], [-0.1, 0.5], [0.5, 1.1], [], [[0.5]], [np.nan]])
def test_a_grid_that_is_none_is_refused(grid):
    with pytest.raises(InvalidParameterError, match="grid must be increasing rates from 0 to 1"):
        metrics.roc_curve_band([0, 1], [1, 2], grid=grid)


@pytest.mark.parametrize(
    ("band", "y_true", "message"),
    [
        (metrics.roc_curve_band, [0, 0], "a ROC curve needs anomalies"),
        (metrics.roc_curve_band, [1, 1], "a ROC curve needs normal rows"),
        (metrics.precision_recall_curve_band, [0, 0], "a precision-recall curve needs anomalies"),
    ],
)
def test_a_band_needs_what_its_curve_needs(band, y_true, message):
    with pytest.raises(InvalidDataError, match=message):
        band(y_true, [1, 2])
