"""A model's thresholds by group and from labels, and its decisions about a batch of rows."""

import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from support import normal_rows

from aeanom import AnomalyDetector, architectures, load, thresholds
from aeanom.errors import CalibrationWarning, InvalidDataError, InvalidParameterError

X = normal_rows(300)


def fit(**settings):
    settings = {"backend": "numpy", "epochs": 3, "random_state": 0, **settings}
    return AnomalyDetector(**settings).fit(X).model_


@pytest.fixture(scope="module")
def model():
    return fit()


# Thresholds that depend on the row.


GROUPED = thresholds.ConformalByGroup("f0", 0.1, edges=(0.0,))


def grouped_rows(n, seed):
    """Normal rows, and whether each is in the upper group, which is noisier."""
    rows = normal_rows(n, seed=seed)
    upper = rows[:, 0] > 0
    rows[upper, 1:] *= 2
    return rows, upper


def test_each_group_of_rows_has_its_own_threshold(model):
    model = replace(model, feature_names=tuple(f"f{index}" for index in range(6)))
    rows, upper = grouped_rows(400, seed=4)
    grouped = model.calibrate(rows, GROUPED)
    scores = grouped.anomaly_score(rows)
    low, high = (group.limit for group in grouped.threshold.groups)
    assert high > 1.5 * low
    limits = np.where(upper, high, low)
    np.testing.assert_array_equal(grouped.is_anomaly(rows), scores > limits)
    np.testing.assert_array_equal(grouped.is_anomaly(rows, scores=scores), scores > limits)
    np.testing.assert_array_equal(grouped.decision_function(rows), limits - scores)
    np.testing.assert_array_equal(grouped.predict(rows), np.where(scores > limits, -1, 1))
    np.testing.assert_array_equal(grouped.anomaly_probability(rows) > 0.5, scores > limits)
    # What p-values are counted among is the scores of all of them.
    np.testing.assert_array_equal(grouped.calibration_scores, np.sort(scores))


def test_a_threshold_by_group_survives_the_file_and_can_be_calibrated_again(model, tmp_path):
    rows, _ = grouped_rows(400, seed=4)
    by_place = thresholds.ConformalByGroup(0, 0.1, quantiles=2)
    grouped = model.calibrate(rows, by_place)
    grouped.save(tmp_path / "m.aeanom")
    loaded = load(tmp_path / "m.aeanom", backend="numpy")
    assert loaded.threshold == grouped.threshold
    np.testing.assert_array_equal(loaded.is_anomaly(rows), grouped.is_anomaly(rows))
    assert loaded.parity(rows, ["numpy"]).agrees
    again = loaded.calibrate(grouped_rows(400, seed=5)[0])
    assert again.threshold.threshold == by_place
    assert again.threshold.groups != loaded.threshold.groups


def test_a_threshold_by_group_needs_rows_and_a_column_that_is_there(model):
    with pytest.raises(InvalidParameterError, match=r"calibrate\(X_normal, threshold\)"):
        model.with_threshold(thresholds.ConformalByGroup(0))
    with pytest.raises(InvalidParameterError, match="column 6, and rows have 6 columns"):
        model.calibrate(normal_rows(50, seed=4), thresholds.ConformalByGroup(6))


def test_scores_that_are_not_those_of_the_rows_are_refused(model):
    with pytest.raises(InvalidDataError, match=r"one for each of the 3 rows; their shape is \(2,"):
        model.is_anomaly(normal_rows(3, seed=4), scores=[1.0, 2.0])


# Thresholds from labels.


def labelled_rows(n, seed):
    rows = normal_rows(n, seed=seed)
    y = np.arange(n) % 4 == 0
    rows[y] = rows[y][:, ::-1] * 3
    return rows, y


def test_labels_decide_the_threshold_and_normal_rows_the_p_values(model, tmp_path):
    rows, y = labelled_rows(200, seed=4)
    chosen = model.calibrate(rows, thresholds.MaxFBeta(), y=y)
    scores = model.anomaly_score(rows)
    assert chosen.threshold.value == thresholds.MaxFBeta().fit(scores, y, precision="float32").value
    np.testing.assert_array_equal(chosen.calibration_scores, np.sort(scores[~y]))
    assert chosen.provenance["rows"]["calibration"] == 150
    assert "50 of them of anomalies" in chosen.threshold.describe()
    chosen.save(tmp_path / "m.aeanom")
    assert load(tmp_path / "m.aeanom", backend="numpy").threshold == chosen.threshold


def test_other_thresholds_are_fitted_to_the_rows_labelled_normal(model):
    rows, y = labelled_rows(200, seed=4)
    for threshold in ("conformal", thresholds.MAD(), thresholds.ConformalByGroup(0, 0.2, (0.0,))):
        labelled = model.calibrate(rows, threshold, y=y.astype(int))
        alone = model.calibrate(rows[~y], threshold)
        assert labelled.threshold == alone.threshold
        np.testing.assert_array_equal(labelled.calibration_scores, alone.calibration_scores)


def test_labels_that_are_missing_or_of_anomalies_alone_are_refused(model):
    rows = normal_rows(20, seed=4)
    with pytest.raises(InvalidParameterError, match=r"calibrate\(X, threshold, y=labels\)"):
        model.calibrate(rows, thresholds.Youden())
    with pytest.raises(InvalidParameterError, match=r"calibrate\(X, threshold, y=labels\)"):
        model.with_threshold("max_mcc")
    with pytest.raises(InvalidDataError, match="all 20 labels are anomalies"):
        model.calibrate(rows, "conformal", y=np.ones(20))
    with pytest.raises(InvalidDataError, match="one label for each of the 20 rows"):
        model.calibrate(rows, "conformal", y=np.ones(19))


# Decisions about a batch.


def test_detect_is_benjamini_hochberg_on_the_p_values(model):
    model = model.calibrate(normal_rows(500, seed=4), "conformal")
    rows, y = labelled_rows(100, seed=5)
    named = model.detect(rows, 0.2)
    adjusted = scipy.stats.false_discovery_control(model.p_values(rows))
    np.testing.assert_array_equal(named, adjusted <= 0.2)
    assert named.dtype == bool
    assert named[y].mean() > 0.9
    assert (named & ~y).sum() <= 0.4 * named.sum()


def test_detect_names_nothing_with_too_few_calibration_rows_and_says_so(model):
    few = model.calibrate(normal_rows(30, seed=4), "conformal")
    rows = normal_rows(100, seed=5)
    rows[0] = 1e3
    with pytest.warns(CalibrationWarning, match="It takes 999 calibration rows"):
        assert not few.detect(rows, 0.1).any()
    # The same row by itself is named.
    assert few.detect(rows[:1], 0.1).tolist() == [True]


def test_detect_needs_rows_that_were_held_out():
    with pytest.raises(InvalidParameterError, match=r"calibrate\(X_normal, 'conformal'\)"):
        fit(threshold="quantile").detect(normal_rows(5, seed=4))


@pytest.mark.parametrize(
    "threshold",
    [thresholds.FalsePositiveBound(0.1, 0.2), "mad", "iqr", thresholds.PeaksOverThreshold(0.01)],
)
def test_thresholds_on_scores_are_changed_without_rows(model, threshold, tmp_path):
    with warnings.catch_warnings():
        # 60 calibration rows leave 6 excesses.
        warnings.simplefilter("ignore", CalibrationWarning)
        changed = model.with_threshold(threshold)
    assert changed.threshold.sample == "calibration"
    changed.save(tmp_path / "m.aeanom")
    loaded = load(tmp_path / "m.aeanom", backend="numpy")
    assert loaded.threshold == changed.threshold
    assert changed.threshold.describe() in loaded.summary()


# Through the detector.


def test_a_detector_fits_thresholds_by_group_to_the_rows_that_it_holds_out():
    frame = pd.DataFrame(normal_rows(600), columns=[f"f{index}" for index in range(6)])
    detector = AnomalyDetector(
        backend="numpy", epochs=3, random_state=0, calibration_fraction=0.5, threshold=GROUPED
    ).fit(frame)
    assert detector.model_.provenance["rows"]["calibration"] == 300
    groups = detector.model_.threshold.groups
    assert sum(group.n_scores for group in groups) == 300
    assert all(group.rank for group in groups)
    assert detector.threshold_ == detector.model_.threshold.value
    held_out = pd.DataFrame(normal_rows(300, seed=7), columns=frame.columns)
    again = AnomalyDetector(backend="numpy", epochs=3, random_state=0, threshold=GROUPED).fit(
        frame, calibration=held_out
    )
    assert again.model_.threshold == again.model_.calibrate(held_out, GROUPED).threshold


@pytest.mark.parametrize(
    ("threshold", "message"),
    [
        ("youden", r"needs labels, and a fit has none: .* calibrate\(X, threshold, y=labels\)"),
        (thresholds.ConformalByGroup("site"), "made by column 'site', which rows do not have"),
        (thresholds.ConformalByGroup(6), "column 6, and rows have 6 columns, 0 to 5"),
    ],
)
def test_a_threshold_that_cannot_be_fitted_is_refused_before_the_training(threshold, message):
    epochs = []
    detector = AnomalyDetector(backend="numpy", threshold=threshold, callbacks=[epochs.append])
    with pytest.raises(InvalidParameterError, match=message):
        detector.fit(X)
    assert epochs == []


def test_a_detector_is_calibrated_with_labels_and_detects_in_batches():
    detector = AnomalyDetector(backend="numpy", epochs=3, random_state=0).fit(X)
    rows, y = labelled_rows(200, seed=4)
    assert detector.calibrate(rows, thresholds.TargetRecall(1.0), y=y) is detector
    assert detector.is_anomaly(rows)[y].all()
    np.testing.assert_array_equal(detector.detect(rows, 0.2), detector.model_.detect(rows, 0.2))


@pytest.mark.parametrize("by", [5, "time 2, channel 1"])
def test_windows_are_grouped_by_one_of_their_elements(by):
    windows = np.random.default_rng(0).normal(size=(120, 4, 2))
    detector = AnomalyDetector(
        backend="numpy",
        architecture=architectures.recurrent((4, 2), 3),
        epochs=1,
        threshold=thresholds.ConformalByGroup(by, 0.2, quantiles=2),
        calibration_fraction=0.5,
        random_state=0,
    ).fit(windows)
    low, high = (group.limit for group in detector.model_.threshold.groups)
    edge = detector.model_.threshold.groups[0].high
    limits = np.where(windows[:, 2, 1] > edge, high, low)
    expected = detector.anomaly_score(windows) > limits
    np.testing.assert_array_equal(detector.is_anomaly(windows), expected)


def test_the_detector_decides_on_scores_that_it_is_given(model):
    detector, rows = AnomalyDetector.from_model(model), normal_rows(3, seed=4)
    far = [1e9, 0.0, 1e9]
    assert detector.is_anomaly(rows, scores=far).tolist() == [True, False, True]
