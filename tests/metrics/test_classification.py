"""Figures of a decision equal scikit-learn's, and so does the report's text."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import sklearn.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aeanom import metrics
from aeanom.errors import InvalidDataError, InvalidParameterError

labels = st.integers(1, 40).flatmap(
    lambda n: st.tuples(*[hnp.arrays(np.int64, n, elements=st.integers(0, 1))] * 2)
)


@settings(deadline=None, max_examples=50)
@given(labels)
def test_confusion_matrix_equals_scikit_learns(pair):
    ours = metrics.confusion_matrix(*pair)
    np.testing.assert_array_equal(ours, sklearn.metrics.confusion_matrix(*pair, labels=[0, 1]))
    assert ours.dtype == np.int64


def test_confusion_matrix_is_laid_out_tn_fp_fn_tp():
    y_true, y_pred = [0, 0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 0, 0, 1]
    assert metrics.confusion_matrix(y_true, y_pred).tolist() == [[3, 1], [2, 1]]


@settings(deadline=None, max_examples=50)
@given(labels, st.sampled_from([0.0, 1.0]))
@pytest.mark.parametrize("name", ["precision_score", "recall_score", "f1_score"])
def test_class_figures_equal_scikit_learns(name, pair, zero_division):
    ours = getattr(metrics, name)(*pair, zero_division=zero_division)
    theirs = getattr(sklearn.metrics, name)(*pair, zero_division=zero_division)
    assert ours == pytest.approx(theirs, rel=0, abs=1e-12)
    assert isinstance(ours, float)


@pytest.mark.parametrize("name", ["precision_score", "recall_score", "f1_score"])
def test_class_figures_without_anomalies_are_zero_and_silent(name):
    assert getattr(metrics, name)([0, 0], [0, 0]) == 0.0


@settings(deadline=None, max_examples=50)
@given(labels)
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
