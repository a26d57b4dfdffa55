"""`anomaly_probability`: monotone, a half at the threshold, the same on every backend."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import normal_rows

from aeanom import AnomalyDetector, load, thresholds
from aeanom.thresholds.probability import anomaly_probability

NORMAL = np.random.default_rng(0).gamma(2.0, size=200)
scores = st.floats(-1e12, 1e12)


def test_it_is_as_the_formula_says():
    median = np.median(NORMAL)
    unit = (6.0 - median) / 9
    for score in (0.0, median, 5.0, 6.0, 20.0, 1e6):
        u = (score - 6.0) / unit
        expected = 1 - 1 / (2 * (1 + u)) if u >= 0 else 1 / (2 * (1 - u))
        assert anomaly_probability(score, NORMAL, 6.0) == pytest.approx(expected, rel=1e-12)


def test_it_is_a_twentieth_at_the_median_and_a_half_at_the_threshold():
    median = float(np.median(NORMAL))
    marks = [median, 6.0, 6.0 + (6.0 - median), 6.0 + 10 * (6.0 - median)]
    expected = [0.05, 0.5, 0.95, 1 - 1 / 182]
    assert anomaly_probability(marks, NORMAL, 6.0) == pytest.approx(expected)


@given(st.lists(scores, min_size=2), st.lists(scores, min_size=1), scores)
def test_it_never_falls_and_stays_within_0_and_1(values, normal, threshold):
    values = np.sort(values)
    found = anomaly_probability(values, np.array(normal), threshold)
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert (found[values < threshold] <= 0.5).all()
    assert (found[values > threshold] >= 0.5).all()


@given(st.floats(0.0, 1e6), st.floats(1e-6, 1.0))
def test_it_rises_strictly_far_beyond_the_largest_calibration_score(factor, step):
    low = NORMAL.max() * (1 + factor)
    first, second = anomaly_probability([low, low * (1 + step)], NORMAL, 6.0)
    assert first < second < 1


@pytest.mark.parametrize(
    ("normal", "threshold"),
    [([3.0] * 5, 3.0), ([0.0, 0.0], 0.0), ([-5.0, -4.0, -3.0], -4.5), ([1.0, 2.0, 3.0], 0.0)],
)
def test_constant_scores_and_thresholds_below_the_median_give_a_map_too(normal, threshold):
    found = anomaly_probability(threshold + np.array([-1, 0, 1.0]), np.array(normal), threshold)
    assert found[0] < found[1] == 0.5 < found[2]


def test_an_infinite_score_is_1():
    assert anomaly_probability([np.inf, -np.inf], NORMAL, 6.0).tolist() == [1.0, 0.0]


def test_a_row_is_above_a_half_where_it_is_flagged(backend):
    rows = normal_rows(300)
    detector = AnomalyDetector(backend=backend.name, epochs=3, dtype="float64", random_state=0).fit(
        rows
    )
    new = np.vstack([normal_rows(50, seed=1), 4 * normal_rows(50, seed=2)])
    found = detector.anomaly_probability(new)
    assert np.array_equal(found > 0.5, detector.is_anomaly(new))
    reference = AnomalyDetector(backend="numpy", epochs=3, dtype="float64", random_state=0)
    assert found == pytest.approx(reference.fit(rows).anomaly_probability(new), rel=1e-7)


def test_it_follows_the_threshold_and_survives_the_file(tmp_path):
    rows = normal_rows(300)
    model = AnomalyDetector(backend="numpy", epochs=3, random_state=0).fit(rows).model_
    lower = model.with_threshold(thresholds.Quantile(0.5))
    assert (lower.anomaly_probability(rows) > model.anomaly_probability(rows)).any()
    model.save(tmp_path / "model.aeanom")
    loaded = load(tmp_path / "model.aeanom", backend="numpy")
    assert np.array_equal(loaded.anomaly_probability(rows), model.anomaly_probability(rows))
    plain = AnomalyDetector(backend="numpy", epochs=3, random_state=0, threshold="quantile").fit(
        rows
    )
    assert plain.anomaly_probability(rows).shape == (300,)
