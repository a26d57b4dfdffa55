"""Figures of a decision equal scikit-learn's, and so does the report's text."""

import warnings

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from metric_cases import labels, thousand

from aeanom import metrics
from aeanom.errors import InvalidDataError, InvalidParameterError


@thousand
@given(labels())
def test_confusion_matrix_equals_scikit_learns(pair):
    ours = metrics.confusion_matrix(*pair)
    np.testing.assert_array_equal(ours, sklearn.metrics.confusion_matrix(*pair, labels=[0, 1]))
    assert ours.dtype == np.int64


def test_confusion_matrix_is_laid_out_tn_fp_fn_tp():
    y_true, y_pred = [0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0, 1]
    assert metrics.confusion_matrix(y_true, y_pred).tolist() == [[3, 1], [2, 1]]


@thousand
@given(labels(), st.sampled_from([0.0, 1.0]))
@pytest.mark.parametrize("name", ["precision_score", "recall_score", "f1_score"])
def test_class_figures_equal_scikit_learns(name, pair, zero_division):
    ours = getattr(metrics, name)(*pair, zero_division=zero_division)
    theirs = getattr(sklearn.metrics, name)(*pair, zero_division=zero_division)
    assert ours == pytest.approx(theirs, rel=0, abs=1e-12)
    assert isinstance(ours, float)


@thousand
@given(labels(), st.sampled_from([0.0, 0.5, 1.0, 2.0, np.inf]), st.sampled_from([0.0, 1.0]))
def test_fbeta_equals_scikit_learns(pair, beta, zero_division):
    ours = metrics.fbeta_score(*pair, beta=beta, zero_division=zero_division)
    theirs = sklearn.metrics.fbeta_score(*pair, beta=beta, zero_division=zero_division)
    assert ours == pytest.approx(theirs, rel=0, abs=1e-12)


@thousand
@given(labels(), st.sampled_from([0.5, 1.0, 2.0]))
def test_figures_of_both_classes_equal_scikit_learns(pair, beta):
    ours = metrics.precision_recall_fscore_support(*pair, beta=beta)
    theirs = sklearn.metrics.precision_recall_fscore_support(
        *pair, beta=beta, labels=[0, 1], zero_division=0.0
    )
    for mine, reference in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, reference, rtol=0, atol=1e-12)
    assert ours.support.dtype == np.int64


@thousand
@given(labels())
@pytest.mark.parametrize("name", ["accuracy_score", "balanced_accuracy_score", "matthews_corrcoef"])
def test_figures_of_the_whole_matrix_equal_scikit_learns(name, pair):
    ours = getattr(metrics, name)(*pair)
    with warnings.catch_warnings():
        # It warns of a class that is missing.
        warnings.simplefilter("ignore", UserWarning)
        theirs = getattr(sklearn.metrics, name)(*pair)
    assert ours == pytest.approx(theirs, rel=0, abs=1e-12)
    assert isinstance(ours, float)


def test_matthews_correlation_of_millions_of_rows_does_not_overflow():
    y_true, y_pred = np.repeat([0, 0, 1, 1], 500_000), np.tile(np.repeat([0, 1], 250_000), 4)
    y_pred[:100_000] = y_true[:100_000]
    expected = np.corrcoef(y_true, y_pred)[0, 1]
    assert metrics.matthews_corrcoef(y_true, y_pred) == pytest.approx(expected, rel=0, abs=1e-12)


@pytest.mark.parametrize("beta", [-1, np.nan])
def test_fbeta_wants_a_weight(beta):
    with pytest.raises(InvalidParameterError, match="beta must be at least 0; got"):
        metrics.fbeta_score([0, 1], [0, 1], beta=beta)


@pytest.mark.parametrize("name", ["precision_score", "recall_score", "f1_score"])
def test_class_figures_without_anomalies_are_zero_and_silent(name):
    assert getattr(metrics, name)([0, 0], [0, 0]) == 0.0


@settings(deadline=None, max_examples=200)
@given(labels())
def test_report_is_scikit_learns_text(pair):
    # With no row right at all scikit-learn prints the numbers of rows as floats ("1.0"); we don't.
    assume((pair[0] == pair[1]).any())
    expected = sklearn.metrics.classification_report(
        *pair, labels=[0, 1], target_names=["normal", "anomaly"], zero_division=0.0
    )
    assert metrics.classification_report(*pair) == expected


def test_report_widens_for_long_names_as_scikit_learns_does():
    names = ("ordinary working days", "x")
    y_true, y_pred = [0, 1, 1, 0], [0, 1, 0, 0]
    expected = sklearn.metrics.classification_report(y_true, y_pred, target_names=names)
    assert metrics.classification_report(y_true, y_pred, target_names=names) == expected


@pytest.mark.parametrize("names", ["ab", ("normal",), ("a", "b", "c")])
def test_report_wants_two_names(names):
    with pytest.raises(InvalidParameterError, match="target_names must be two names"):
        metrics.classification_report([0, 1], [0, 1], target_names=names)


@pytest.mark.parametrize(
    ("y_pred", "message"),
    [
        ([1, -1, 1], "y_pred has 1 of 3 labels that are -1; .* pass y_pred == -1"),
        ([0, 1], "y_true has 3 rows and y_pred has 2"),
        ([0.2, 0.5, 1.0], "y_pred has 2 of 3 labels that are neither 0 nor 1"),
    ],
)
def test_what_is_not_a_decision_is_refused_with_the_reason(y_pred, message):
    with pytest.raises(InvalidDataError, match=message):
        metrics.confusion_matrix([0, 1, 1], y_pred)


def test_report_counts_rows_in_whole_numbers_when_every_decision_is_wrong():
    expected = """\
              precision    recall  f1-score   support

      normal       0.00      0.00      0.00         1
     anomaly       0.00      0.00      0.00         2

    accuracy                           0.00         3
   macro avg       0.00      0.00      0.00         3
weighted avg       0.00      0.00      0.00         3
"""
    assert metrics.classification_report([0, 1, 1], [1, 0, 0]) == expected
