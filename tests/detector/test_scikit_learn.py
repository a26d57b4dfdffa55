"""What scikit-learn's users rely on: its estimator checks, pipelines, searches, clone, pickle."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError as SklearnNotFittedError
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from support import normal_rows

from aeanom import AnomalyDetector
from aeanom.core.registry import missing_packages
from aeanom.errors import AeanomError, NotFittedError
from aeanom.metrics import roc_auc_scorer

X = normal_rows(300)
# Normal rows lie near a plane in six dimensions, anomalies just as far out but anywhere.
PLANE = normal_rows(2, 6, seed=3)
ROWS = np.vstack([normal_rows(200, 2) @ PLANE, 1.5 * normal_rows(40, seed=1)])
LABELS = np.repeat([0, 1], [200, 40])

ESTIMATORS = [
    AnomalyDetector(backend=name) for name in ("numpy", "torch") if not missing_packages(name)
]


@parametrize_with_checks(ESTIMATORS)
# The checks fit tables of a few rows, too few to calibrate 5 %: that is what the warning is for.
@pytest.mark.filterwarnings("ignore::aeanom.errors.CalibrationWarning")
def test_scikit_learn_s_estimator_checks(estimator, check):
    check(estimator)


def quick(**settings):
    settings = {"backend": "numpy", "epochs": 3, "random_state": 0, **settings}
    return AnomalyDetector(**settings)


def test_a_detector_is_the_last_step_of_a_pipeline():
    scaled = StandardScaler().fit_transform(X)
    pipeline = make_pipeline(StandardScaler(), quick()).fit(X)
    alone = quick().fit(scaled)
    assert np.array_equal(pipeline.predict(X), alone.predict(scaled))
    assert np.array_equal(pipeline.decision_function(X), alone.decision_function(scaled))


def test_a_pipeline_may_hand_on_a_dataframe():
    pytest.importorskip("pandas")
    transformer = QuantileTransformer(n_quantiles=50).set_output(transform="pandas")
    pipeline = make_pipeline(transformer, quick()).fit(X)
    assert pipeline.score_samples(X).shape == (300,)


def test_a_grid_search_with_the_shipped_scorer_finds_the_better_setting():
    # One epoch at a rate of 1e-12 is no training at all.
    search = GridSearchCV(
        quick(epochs=100),
        {"learning_rate": [1e-12, 1e-2]},
        scoring=roc_auc_scorer,
        cv=StratifiedKFold(2),
        error_score="raise",
    ).fit(ROWS, LABELS)
    assert search.best_params_ == {"learning_rate": 1e-2}
    assert search.best_score_ > 0.9


def test_cross_validation_scores_a_pipeline():
    scores = cross_val_score(
        make_pipeline(StandardScaler(), quick(epochs=100, learning_rate=1e-2)),
        ROWS,
        LABELS,
        scoring=roc_auc_scorer,
        cv=StratifiedKFold(2),
        error_score="raise",
    )
    assert scores.min() > 0.8


def test_constructor_arguments_are_stored_untouched():
    settings = {"loss": object(), "epochs": "many", "callbacks": (print,), "threshold": 3}
    detector = AnomalyDetector(**settings)
    assert all(getattr(detector, name) is value for name, value in settings.items())


def test_a_clone_has_the_settings_and_nothing_fitted():
    detector = quick(learning_rate=0.5).fit(X)
    copied = clone(detector)
    assert copied.get_params() == detector.get_params()
    assert not hasattr(copied, "model_")


def test_fitting_changes_no_setting():
    detector = AnomalyDetector(epochs=2)
    before = detector.get_params()
    detector.fit(X)
    assert detector.get_params() == before


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))], ids=["copy", "pickle"]
)
def test_a_fitted_detector_survives_copying(backend, duplicate):
    detector = quick(backend=backend.name).fit(X)
    detector.predict(X)  # so that there is a network to be copied
    copied = duplicate(detector)
    assert np.array_equal(copied.anomaly_score(X), detector.anomaly_score(X))
    assert copied.threshold_ == detector.threshold_
    assert copied.history_ == detector.history_


@pytest.mark.parametrize(
    "use",
    [
        lambda d: d.predict(X),
        lambda d: d.is_anomaly(X),
        lambda d: d.anomaly_score(X),
        lambda d: d.explain(X),
        lambda d: d.calibrate(X),
        lambda d: d.save("never.aeanom"),
        lambda d: d.threshold_,
        lambda d: d.offset_,
        lambda d: d.history_,
        lambda d: d.backend_,
    ],
)
def test_a_detector_used_before_fit_says_so(use):
    with pytest.raises(NotFittedError, match=r"not fitted yet\. Call 'fit'") as caught:
        use(AnomalyDetector())
    assert isinstance(caught.value, SklearnNotFittedError)
    assert isinstance(caught.value, AeanomError)


def test_fit_takes_no_sample_weight_yet():
    assert list(inspect.signature(AnomalyDetector.fit).parameters) == [
        "self", "X", "y", "validation", "calibration",
    ]  # fmt: skip


def test_labels_handed_to_fit_are_ignored():
    with_labels = quick().fit(ROWS, LABELS)
    without = quick().fit(ROWS)
    assert np.array_equal(with_labels.anomaly_score(X), without.anomaly_score(X))


def test_predict_is_minus_one_exactly_where_the_score_is_above_the_threshold():
    detector = quick().fit(X)
    above = detector.anomaly_score(ROWS) > detector.threshold_
    assert np.array_equal(detector.is_anomaly(ROWS), above)
    assert np.array_equal(detector.predict(ROWS) == -1, above)
    assert np.array_equal(detector.predict(ROWS) == 1, ~above)
    assert np.array_equal(detector.decision_function(ROWS) < 0, above)


def test_the_decision_function_is_score_samples_minus_the_offset():
    detector = quick().fit(X)
    assert detector.offset_ == -detector.threshold_
    assert detector.decision_function(X) == pytest.approx(
        detector.score_samples(X) - detector.offset_, rel=1e-12, abs=1e-12
    )
    assert np.array_equal(detector.score_samples(X), -detector.anomaly_score(X))


def test_fit_predict_is_fit_then_predict():
    assert np.array_equal(quick().fit_predict(X), quick().fit(X).predict(X))
