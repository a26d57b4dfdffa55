"""Figures at one place of a ranking: all orders of ties, all thresholds, tried one by one."""

from itertools import permutations

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_cases import labelled_scores, thousand

from aeanom import metrics
from aeanom.errors import InvalidDataError, InvalidParameterError


@settings(deadline=None, max_examples=60)
@given(labelled_scores(most=6), st.integers(1, 6))
def test_precision_at_k_is_the_mean_over_all_orders_of_the_tied_rows(data, k):
    y_true, y_score = data
    k = min(k, y_true.size)
    found = []
    for order in permutations(range(y_true.size)):
        shuffled = np.array(order)
        ranked = shuffled[np.argsort(-y_score[shuffled], kind="stable")]
        found.append(y_true[ranked[:k]].mean())
    assert metrics.precision_at_k(y_true, y_score, k) == pytest.approx(np.mean(found), abs=1e-12)


@thousand
@given(labelled_scores())
def test_precision_and_recall_at_the_number_of_anomalies_are_one_figure(data):
    n_anomalous = int(data[0].sum())
    precision = metrics.precision_at_k(*data)
    assert precision == metrics.precision_at_k(*data, k=n_anomalous)
    assert precision == pytest.approx(metrics.recall_at_k(*data), abs=1e-12)


@thousand
@given(labelled_scores(), st.integers(1, 40))
def test_precision_at_k_without_ties_counts_the_first_k_rows(data, k):
    y_true, y_score = data
    y_score = y_score + 1e3 * np.arange(y_score.size)[::-1]
    k = min(k, y_true.size)
    first = y_true[np.argsort(-y_score)[:k]]
    assert metrics.precision_at_k(y_true, y_score, k) == pytest.approx(first.mean(), abs=1e-12)
    assert metrics.recall_at_k(y_true, y_score, k) == pytest.approx(
        first.sum() / y_true.sum(), abs=1e-12
    )


def test_precision_at_k_of_tied_scores_is_the_share_of_anomalies_whatever_the_order_of_rows():
    for y_true in ([1, 0, 0, 0], [0, 0, 0, 1]):
        assert metrics.precision_at_k(y_true, [2.0] * 4, 2) == 0.25


def test_precision_of_no_anomaly_at_a_given_k_is_zero():
    assert metrics.precision_at_k([0, 0, 0], [1, 2, 3], 2) == 0.0


@pytest.mark.parametrize("k", [0, -1, 4, 1.5, True, "3"])
@pytest.mark.parametrize("metric", [metrics.precision_at_k, metrics.recall_at_k])
def test_k_is_a_number_of_rows(metric, k):
    with pytest.raises(InvalidParameterError, match="k must be a whole number from 1 to 3; got"):
        metric([0, 1, 0], [1, 2, 3], k)


@thousand
@given(labelled_scores(), st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0])))
def test_true_positive_rate_is_that_of_scikit_learn_s_curve(data, rate):
    rates, found, _ = sklearn.metrics.roc_curve(*data, drop_intermediate=False)
    expected = found[rates <= rate].max()
    ours = metrics.true_positive_rate_at(*data, rate)
    assert ours == pytest.approx(expected, rel=0, abs=1e-12)


def test_true_positive_rate_counts_a_rate_that_is_reached_exactly():
    # 0.07 * 100 is more than 7 in floating point, and 0.57 * 100 less than 57.
    y_true = np.repeat([0, 1], [100, 1])
    for allowed in range(1, 100):
        y_score = np.append(np.arange(100.0)[::-1], 99.5 - allowed)
        assert metrics.true_positive_rate_at(y_true, y_score, allowed / 100) == 1.0
        assert metrics.true_positive_rate_at(y_true, y_score, allowed / 100 - 1e-9) == 0.0


@pytest.mark.parametrize("rate", [-0.1, 1.01, np.nan])
def test_true_positive_rate_wants_a_rate(rate):
    with pytest.raises(InvalidParameterError, match="false_positive_rate must be from 0 to 1; got"):
        metrics.true_positive_rate_at([0, 1], [1, 2], rate)


@thousand
@given(labelled_scores())
def test_best_f1_is_the_largest_of_scikit_learn_s_curve_and_its_threshold_reaches_it(data):
    y_true, y_score = data
    precision, recall, _ = sklearn.metrics.precision_recall_curve(y_true, y_score)
    product = 2 * precision * recall
    expected = (product / np.where(precision + recall > 0, precision + recall, 1)).max()
    value, threshold = metrics.best_f1_score(y_true, y_score)
    assert value == pytest.approx(expected, rel=0, abs=1e-12)
    assert sklearn.metrics.f1_score(y_true, y_score > threshold) == pytest.approx(value, abs=1e-12)


def test_best_f1_s_threshold_is_halfway_to_the_next_score_and_the_largest_that_will_do():
    assert metrics.best_f1_score([0, 0, 1, 1], [1, 2, 4, 8]) == (1.0, 3.0)
    # F1 is 2/3 after one row and after three (2 of 3 found, one wrong... 4 / 6).
    assert metrics.best_f1_score([1, 0, 0, 1], [4, 3, 2, 1]) == (2 / 3, 3.5)


@pytest.mark.parametrize(
    "scores",
    [(1.0, np.nextafter(1.0, 2)), (0.0, 5e-324), (-1.7e308, 1.7e308), (-5e-324, 0.0)],
)
def test_best_f1_s_threshold_is_between_scores_however_near_or_far(scores):
    threshold = metrics.best_f1_score([0, 1], scores).threshold
    assert scores[0] <= threshold < scores[1]


def test_best_f1_that_flags_every_row_has_a_threshold_below_all():
    value, threshold = metrics.best_f1_score([1, 1], [0.5, 0.5])
    assert value == 1.0
    assert threshold < 0.5
    assert threshold == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (metrics.precision_at_k, "k, which is the number of anomalies .* needs anomalies"),
        (metrics.recall_at_k, "recall at k needs anomalies"),
        (metrics.best_f1_score, "the best F1 score needs anomalies"),
        (
            lambda y_true, y_score: metrics.true_positive_rate_at(y_true, y_score, 0.1),
            "the true-positive rate at a false-positive rate needs anomalies",
        ),
    ],
)
def test_figures_that_need_anomalies_say_so(metric, message):
    with pytest.raises(InvalidDataError, match=message):
        metric([0, 0, 0], [1, 2, 3])
