"""An evaluation's figures are those of scikit-learn, and its verdicts those of the intervals."""

import json

import numpy as np
import pytest
import sklearn.metrics

from aeanom import metrics
from aeanom.errors import InvalidDataError
from aeanom.evaluation import Evaluation
from aeanom.thresholds import Conformal, Quantile


@pytest.fixture
def threshold():
    return Conformal(0.1).fit(np.linspace(-2, 2, 99), sample="calibration")


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    is_anomaly = np.repeat([False, True], [200, 40])
    return is_anomaly, (rng.normal(size=240) + 1.5 * is_anomaly).round(1)


def test_figures_are_those_of_scikit_learn(rows, threshold):
    is_anomaly, scores = rows
    found = Evaluation.of(is_anomaly, scores, threshold)
    flags = scores > threshold.value
    expected = {
        "roc_auc": sklearn.metrics.roc_auc_score(is_anomaly, scores),
        "average_precision": sklearn.metrics.average_precision_score(is_anomaly, scores),
        "precision": sklearn.metrics.precision_score(is_anomaly, flags),
        "recall": sklearn.metrics.recall_score(is_anomaly, flags),
        "f1": sklearn.metrics.f1_score(is_anomaly, flags),
        "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(is_anomaly, flags),
        "matthews_correlation": sklearn.metrics.matthews_corrcoef(is_anomaly, flags),
    }
    for name, value in expected.items():
        assert getattr(found, name) == pytest.approx(value, rel=0, abs=1e-12), name
    np.testing.assert_array_equal(
        found.confusion_matrix, sklearn.metrics.confusion_matrix(is_anomaly, flags)
    )
    assert (found.rows, found.anomalies, found.n_resamples) == (240, 40, 1000)


def test_figures_at_one_place_of_the_ranking_are_those_of_the_metrics(rows, threshold):
    found = Evaluation.of(*rows, threshold)
    assert found.precision_at_n == metrics.precision_at_k(*rows)
    assert found.at_false_positive_rate == 0.1
    assert found.true_positive_rate == metrics.true_positive_rate_at(*rows, 0.1)
    assert (found.best_f1, found.best_f1_threshold) == metrics.best_f1_score(*rows)


@pytest.mark.parametrize(
    ("figure", "metric"),
    [
        ("roc_auc", metrics.roc_auc_score),
        ("average_precision", metrics.average_precision_score),
        ("precision_at_n", metrics.precision_at_k),
        ("true_positive_rate", lambda y, s: metrics.true_positive_rate_at(y, s, 0.1)),
    ],
)
def test_intervals_are_those_of_the_bootstrap(figure, metric, rows, threshold):
    found = Evaluation.of(*rows, threshold, random_state=7)
    expected = metrics.bootstrap_interval(metric, *rows, random_state=7)
    assert getattr(found, f"{figure}_interval") == pytest.approx(expected[1:])


def test_a_threshold_without_a_promise_is_judged_at_five_percent(rows):
    found = Evaluation.of(*rows, Quantile(0.9).fit(rows[1]))
    assert found.at_false_positive_rate == 0.05
    assert found.false_positive_rate_promised is None


@pytest.mark.parametrize(
    ("is_anomaly", "without"),
    [
        (False, ("roc_auc", "average_precision", "precision_at_n", "true_positive_rate",
                 "best_f1")),
        (True, ("roc_auc", "true_positive_rate", "false_positive_rate_realised")),
    ],
)  # fmt: skip
def test_figures_that_one_class_cannot_give_are_none(is_anomaly, without, rows, threshold):
    found = Evaluation.of(np.full(240, is_anomaly), rows[1], threshold)
    undefined = {
        name
        for name, value in found.to_dict().items()
        if value is None and not name.endswith(("_interval", "_threshold"))
    }
    assert undefined == set(without)
    json.dumps(found.to_dict(), allow_nan=False)


def test_baselines_are_judged_by_the_same_resamples(rows, threshold):
    is_anomaly, scores = rows
    other = scores + np.random.default_rng(1).normal(size=240)
    found = Evaluation.of(is_anomaly, scores, threshold, baselines={"noisy": other})
    (baseline,) = found.baselines
    for figure, metric in (
        ("roc_auc", metrics.roc_auc_score),
        ("average_precision", metrics.average_precision_score),
    ):
        alone = metrics.bootstrap_interval(metric, is_anomaly, other)
        assert getattr(baseline, figure) == pytest.approx(alone.value)
        assert getattr(baseline, f"{figure}_interval") == pytest.approx(alone[1:])
        ahead = metrics.bootstrap_difference(metric, is_anomaly, scores, other)
        assert getattr(baseline, f"{figure}_ahead") == pytest.approx(ahead.value)
        assert getattr(baseline, f"{figure}_ahead_interval") == pytest.approx(ahead[1:])


def test_verdict_is_ahead_level_or_behind(rows, threshold):
    is_anomaly, scores = rows
    rng = np.random.default_rng(1)
    others = {
        "chance": rng.normal(size=240),
        "alike": scores + rng.normal(scale=0.01, size=240),
        "the truth": is_anomaly.astype(float),
    }
    found = Evaluation.of(is_anomaly, scores, threshold, baselines=others)
    assert [one.verdict for one in found.baselines] == ["ahead", "level", "behind"]
    assert found.best_baseline.name == "the truth"
    values = json.loads(json.dumps(found.to_dict()))
    assert [one["verdict"] for one in values["baselines"]] == ["ahead", "level", "behind"]


def test_a_comparison_with_baselines_needs_both_classes(rows, threshold):
    with pytest.raises(InvalidDataError, match="needs normal rows and anomalies; there are 240"):
        Evaluation.of(np.zeros(240), rows[1], threshold, baselines={"other": rows[1]})


def test_many_rows_are_resampled_less_often(threshold, monkeypatch):
    monkeypatch.setattr("aeanom.evaluation._MOST_DRAWN", 240 * 300)
    rng = np.random.default_rng(0)
    assert Evaluation.of(rng.integers(0, 2, 240), rng.random(240), threshold).n_resamples == 300
    assert Evaluation.of(rng.integers(0, 2, 999), rng.random(999), threshold).n_resamples == 200
