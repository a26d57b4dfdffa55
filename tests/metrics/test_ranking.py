"""Ranking figures and curves equal scikit-learn's, whatever the ties."""

import re

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from metric_cases import labelled_scores, thousand

from aeanom import metrics
from aeanom.errors import InvalidDataError, InvalidParameterError


@thousand
@given(labelled_scores())
def test_roc_auc_is_the_share_of_pairs_in_the_right_order_with_ties_as_one_half(data):
    y_true, y_score = data
    anomalous, normal = y_score[y_true == 1][:, None], y_score[y_true == 0][None, :]
    wins = (anomalous > normal).sum() + 0.5 * (anomalous == normal).sum()
    assert metrics.roc_auc_score(y_true, y_score) == wins / (anomalous.size * normal.size)


@thousand
@given(labelled_scores())
@pytest.mark.parametrize("name", ["roc_auc_score", "average_precision_score"])
def test_summary_figures_equal_scikit_learns(name, data):
    ours, theirs = getattr(metrics, name)(*data), getattr(sklearn.metrics, name)(*data)
    assert ours == pytest.approx(theirs, rel=0, abs=1e-12)
    assert isinstance(ours, float)


@thousand
@given(labelled_scores(), st.one_of(st.just(1.0), st.floats(1e-3, 1.0)), st.integers(1, 39))
def test_partial_roc_auc_equals_scikit_learns(data, any_rate, rank):
    # A rate of some normal rows exactly, where the limit is a point of the curve, and any other.
    n_normal = int((data[0] == 0).sum())
    for max_fpr in (any_rate, min(rank, n_normal) / n_normal):
        ours = metrics.roc_auc_score(*data, max_fpr=max_fpr)
        theirs = sklearn.metrics.roc_auc_score(*data, max_fpr=max_fpr)
        assert ours == pytest.approx(theirs, rel=0, abs=1e-12)


@pytest.mark.parametrize("max_fpr", [0, -0.1, 1.1, np.nan])
def test_partial_roc_auc_wants_a_rate(max_fpr):
    with pytest.raises(InvalidParameterError, match="max_fpr must be above 0 and at most 1; got"):
        metrics.roc_auc_score([0, 1], [1, 2], max_fpr=max_fpr)


def test_partial_roc_auc_of_chance_is_one_half_and_of_the_best_ranking_one():
    assert metrics.roc_auc_score([0, 1, 0, 1], [3, 3, 3, 3], max_fpr=0.1) == pytest.approx(0.5)
    assert metrics.roc_auc_score([0, 0, 1, 1], [1, 2, 3, 4], max_fpr=0.1) == 1.0


@thousand
@given(labelled_scores(), st.booleans())
@pytest.mark.parametrize("name", ["roc_curve", "precision_recall_curve"])
def test_curves_equal_scikit_learns_point_by_point(name, data, drop_intermediate):
    ours = getattr(metrics, name)(*data, drop_intermediate=drop_intermediate)
    theirs = getattr(sklearn.metrics, name)(*data, drop_intermediate=drop_intermediate)
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=0, atol=1e-12)
        assert mine.dtype == np.float64


@pytest.mark.parametrize("name", ["roc_curve", "precision_recall_curve"])
def test_curves_keep_and_drop_the_points_that_scikit_learn_does_by_default(name, rng):
    y_true, y_score = rng.integers(0, 2, 500), rng.normal(size=500)
    ours, theirs = (getattr(m, name)(y_true, y_score) for m in (metrics, sklearn.metrics))
    assert [a.shape for a in ours] == [a.shape for a in theirs]


def test_all_scores_equal_is_chance(rng):
    assert metrics.roc_auc_score([0, 1, 0, 1, 1], [0.3] * 5) == 0.5
    assert metrics.average_precision_score([0, 1, 0, 1, 1], [0.3] * 5) == 0.6


def test_roc_auc_counts_more_pairs_than_32_bits_hold(rng):
    y_true, y_score = rng.integers(0, 2, 300_000), rng.normal(size=300_000).round(3)
    expected = sklearn.metrics.roc_auc_score(y_true, y_score)
    assert metrics.roc_auc_score(y_true, y_score) == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.float32, np.float64])
def test_labels_of_any_numeric_dtype_are_read_alike(dtype):
    y_true = np.array([0, 0, 1, 1]).astype(dtype)
    assert metrics.roc_auc_score(y_true, [0.1, 0.4, 0.35, 0.8]) == 0.75


def test_lists_and_float32_scores_are_read():
    assert metrics.roc_auc_score([False, True], np.float32([1, 2])) == 1.0


@pytest.mark.parametrize(
    ("y_true", "y_score", "message"),
    [
        ([0, 0, 0], [1, 2, 3], "needs anomalies: none of the 3 labels in y_true is 1"),
        ([1, 1], [1, 2], "needs normal rows: none of the 2 labels in y_true is 0"),
        ([0, 1, 2, 2], [1, 2, 3, 4], "y_true has 2 of 4 labels that are neither 0 nor 1; its 3"),
        ([1, -1, -1], [1, 2, 3], "y_true has 2 of 3 labels that are -1; .* pass y_true == -1"),
        ([0, 1, np.nan], [1, 2, 3], "y_true has 1 of 3 labels that are NaN"),
        (["a", "b"], [1, 2], "y_true has dtype <U1; labels are booleans, or 0"),
        ([], [], "y_true is empty"),
        ([0, 1], [], "y_score is empty"),
        ([0, 1], [1, 2, 3], "y_true has 2 rows and y_score has 3"),
        ([[0, 1]], [1, 2], re.escape("y_true must be one-dimensional; its shape is (1, 2)")),
        ([0, 1], [[1, 2]], re.escape("y_score must be one-dimensional; its shape is (1, 2)")),
        ([0, 1], [[1, 2], [3]], "y_score is not an array"),
        ([0, 1, 1], [1, np.inf, np.nan], "y_score has 2 of 3 scores .* the first at row 1"),
        ([0, 1], ["1", "2"], "y_score has dtype <U1; scores are numbers"),
    ],
)
def test_what_cannot_be_ranked_is_refused_with_the_reason(y_true, y_score, message):
    with pytest.raises(InvalidDataError, match=message):
        metrics.roc_auc_score(y_true, y_score)


@pytest.mark.parametrize("name", ["average_precision_score", "precision_recall_curve", "roc_curve"])
def test_figures_of_anomalies_need_an_anomaly(name):
    with pytest.raises(InvalidDataError, match="needs anomalies: none of the 2"):
        getattr(metrics, name)([0, 0], [1, 2])


def test_every_class_but_anomalies_missing_leaves_average_precision_at_one():
    assert metrics.average_precision_score([1, 1], [1, 2]) == 1.0
