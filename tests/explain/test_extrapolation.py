"""Rows outside of what training saw: the range, its margin, and the flag."""

import numpy as np
import pytest
from support import normal_rows

from aeanom import AnomalyDetector
from aeanom.architectures import dense
from aeanom.explain import SeenRange

X = normal_rows(400, 5)


@pytest.fixture(scope="module")
def detector():
    return AnomalyDetector(backend="numpy", epochs=5, random_state=0).fit(X)


def test_distances_count_in_widths_of_the_range():
    seen = SeenRange.of(np.array([[0.0, 10.0], [2.0, 30.0]]), np.ones(2))
    rows = np.array([[1.0, 20.0], [3.0, 20.0], [0.0, -10.0]])
    assert seen.beyond(rows) == pytest.approx(np.array([[0, 0], [0.5, 0], [0, 1.0]]))
    assert seen.farthest(rows) == pytest.approx([0, 0.5, 1.0])


def test_a_column_that_never_varied_counts_in_a_twentieth_of_the_mean_width():
    rows = np.column_stack([np.linspace(0, 40, 50), np.full(50, 3.0)])
    seen = SeenRange.of(rows, np.array([10.0, 1.0]))
    # In scaled units the widths are 4 and 0.
    assert seen.width == pytest.approx([40.0, 0.05 * 2])
    assert not seen.outside(np.array([[20.0, 3.0 + 1e-9]])).any()
    assert seen.outside(np.array([[20.0, 4.0]])).all()


def test_at_most_one_percent_of_new_normal_rows_are_outside_on_average():
    rng = np.random.default_rng(0)
    training = rng.standard_t(3, size=(300, 6))
    seen = SeenRange.of(training, np.ones(6))
    rates = [
        seen.calibrated(rng.standard_t(3, size=(199, 6)))
        .outside(rng.standard_t(3, size=(500, 6)))
        .mean()
        for _ in range(400)
    ]
    # The second farthest of 199 would be beaten by 2/200 on average, were it never the least
    # margin; three standard errors of the mean.
    assert np.mean(rates) <= 0.01 + 3 * np.std(rates) / 20
    assert np.mean(rates) > 0.002


def test_a_margin_is_never_less_than_a_tenth_and_half_with_few_rows():
    seen = SeenRange.of(X, np.ones(5))
    assert seen.calibrated(X).margin == 0.1
    assert seen.calibrated(X[:98]).margin == 0.5
    assert seen.calibrated(X[:0]).margin == 0.5
    far = seen.calibrated(np.vstack([X[:50], 100 * X[:1]]))
    assert far.margin > 1


def test_new_normal_rows_are_rarely_outside_and_far_rows_are(backend):
    detector = AnomalyDetector(backend=backend.name, epochs=5, random_state=0).fit(X)
    assert detector.extrapolates(normal_rows(1000, 5, seed=1)).mean() < 0.02
    assert detector.extrapolates(20 * normal_rows(50, 5, seed=2)).all()


def test_a_row_that_the_network_returns_well_is_outside_all_the_same():
    # Two columns that are the same: a linear network returns any such row, however far off.
    column = normal_rows(400, 1)
    rows = np.hstack([column, column])
    detector = AnomalyDetector(
        backend="numpy",
        architecture=dense(2, (), 1),
        epochs=300,
        learning_rate=1e-2,
        random_state=0,
    ).fit(rows)
    far = np.array([[8.0, 8.0]])
    near = np.array([[1.0, 1.0]])
    assert detector.explain(far).share.shape == (1, 2)
    relative = np.abs(detector.reconstruct(far) - far).max() / 8
    assert relative < 0.05
    assert detector.extrapolates(far).tolist() == [True]
    assert detector.extrapolates(near).tolist() == [False]


def test_the_features_outside_are_named_the_farthest_first(detector):
    odd = X[:2].copy()
    odd[0, 3], odd[0, 1] = 60.0, -200.0
    explanation = detector.explain(odd)
    assert explanation.extrapolates.tolist() == [True, False]
    inputs = [found for found in explanation.outside(0) if found.feature.startswith("feature")]
    assert [found.feature for found in inputs] == ["feature 1", "feature 3"]
    assert inputs[0].seen == -200.0
    training = detector.model_.familiar.inputs
    assert (inputs[0].low, inputs[0].high) == (training.low[1], training.high[1])
    assert "feature 1: -200 is outside of what training saw, -" in str(inputs[0])
    assert explanation.outside(1) == []
    assert explanation.outside(-2) == explanation.outside(0)


def test_a_latent_outside_is_named_as_well(detector):
    odd = 20 * X[:1]
    names = {found.feature for found in detector.explain(odd).outside(0)}
    assert any(name.startswith("latent ") for name in names)


def test_a_latent_outside_is_enough():
    detector = AnomalyDetector(backend="numpy", epochs=5, random_state=0).fit(X)
    familiar = detector.model_.familiar
    # Every value at the end of its range, in the direction that drives a latent most.
    corners = np.where(normal_rows(200, 5, seed=5) > 0, familiar.inputs.high, familiar.inputs.low)
    outside = familiar.latents.outside(detector.encode(corners))
    assert not familiar.inputs.outside(corners).any()
    assert np.array_equal(detector.extrapolates(corners), outside)
    assert outside.any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_huge_value_is_outside_without_a_warning(dtype):
    detector = AnomalyDetector(backend="numpy", epochs=1, random_state=0, dtype=dtype).fit(X)
    rows = X[:3].copy()
    rows[:, 2] = 1e300
    explanation = detector.explain(rows)
    assert detector.extrapolates(rows).all()
    assert explanation.extrapolates.all()
    assert np.isfinite(explanation.contribution).all()
    assert str(explanation)


def test_images_and_windows_have_ranges_of_their_elements():
    rows = np.random.default_rng(0).normal(size=(100, 12, 2))
    detector = AnomalyDetector(backend="numpy", epochs=1, random_state=0).fit(rows)
    odd = rows[:1].copy()
    odd[0, 7, 1] = 100.0
    assert detector.extrapolates(odd).all()
    assert detector.explain(odd).outside(0)[0].feature == "time 7, channel 1"
