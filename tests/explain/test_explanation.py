"""Explanations: shares by what is usual, sums that add up, axes of images and windows, words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support import normal_rows

from aeanom import AnomalyDetector, load, thresholds
from aeanom.core.split import split_rows
from aeanom.errors import InvalidParameterError
from aeanom.explain import Explanation, Familiar, Reason, UsualErrors

# Six columns that lie near a plane: what one of them should be, the others tell.
PLANE = normal_rows(2, 6, seed=3)
X = normal_rows(300, 2) @ PLANE + 0.1 * normal_rows(300, 6, seed=4)


def fitted(rows=X, **settings):
    settings = {
        "backend": "numpy",
        "epochs": 40,
        "learning_rate": 1e-2,
        "random_state": 0,
    } | settings
    return AnomalyDetector(**settings).fit(rows)


@pytest.fixture(scope="module")
def detector():
    return fitted()


def familiar(errors, residuals=None):
    errors = np.asarray(errors, dtype=float)
    residuals = np.ones_like(errors) if residuals is None else np.asarray(residuals)
    return Familiar(UsualErrors(errors, residuals, "calibration", 100))


def explain(errors, usual=None, scores=None, axes=("feature",)):
    errors = np.asarray(errors, dtype=float)
    names = [f"feature {index}" for index in range(errors[0].size)]
    scores = errors.reshape(len(errors), -1).mean(axis=1) if scores is None else scores
    zeros = np.zeros(errors.shape)
    return Explanation.from_errors(
        names, scores, errors, zeros, np.sqrt(errors), axes=axes, familiar=usual
    )


# What is usual.


def test_a_share_is_the_error_over_what_is_usual_for_the_feature():
    # The second errs ten times as much as a rule, so the first is the odd one here.
    share = explain([[4.0, 8.0]], familiar([1.0, 10.0])).share
    scale = np.array([1.0, 10.0]) + 0.3 * 5.5
    assert share[0] == pytest.approx(
        [4 / scale[0] / (4 / scale[0] + 8 / scale[1]), 8 / scale[1] / (4 / scale[0] + 8 / scale[1])]
    )
    assert share[0, 0] > 0.65
    assert explain([[4.0, 8.0]]).share[0, 0] == pytest.approx(1 / 3)


def test_usual_errors_are_those_of_the_calibration_rows():
    detector = fitted(epochs=5)
    usual = detector.model_.familiar.usual
    held_out = X[split_rows(300, 0, calibration=0.2, validation="auto").calibration]
    scores = detector.anomaly_score(held_out)
    kept = held_out[np.argsort(scores)[:57]]  # 95 % of the 60, without the oddest three
    residuals = np.abs(kept - detector.reconstruct(kept))
    assert (usual.sample, usual.n_rows) == ("calibration", 57)
    assert usual.residuals == pytest.approx(residuals.mean(axis=0), rel=1e-5)
    in_units = residuals / detector.model_.scaler.scale
    assert usual.errors == pytest.approx(in_units.mean(axis=0) ** 2, rel=1e-5)


def test_without_calibration_rows_usual_errors_are_those_of_the_training_rows():
    detector = fitted(epochs=2, threshold="quantile")
    assert detector.model_.familiar.usual.sample == "training"


def test_a_calibration_brings_its_own_usual_errors_and_keeps_the_ranges(detector):
    before = detector.model_.familiar
    model = detector.model_.calibrate(2 * X[:100])
    usual = model.familiar.usual
    assert usual.n_rows == 95
    assert (usual.residuals > before.usual.residuals).all()
    assert np.array_equal(model.familiar.inputs.high, before.inputs.high)
    assert model.familiar.inputs.margin > before.inputs.margin


def test_too_few_calibration_rows_leave_usual_errors_as_they_were(detector):
    model = detector.model_.calibrate(X[:19])
    assert model.familiar.usual is detector.model_.familiar.usual


def test_a_constant_column_is_no_culprit_unless_it_changes():
    rows = np.column_stack([X, np.full(300, 7.0)])
    detector = fitted(rows)
    explanation = detector.explain(rows[:50])
    assert np.isfinite(explanation.share).all()
    assert np.isfinite(explanation.times_usual).all()
    assert explanation.share[:, 6].mean() < 1 / 7
    rows[0, 6] = 9.0
    assert detector.explain(rows[:1]).row(0, 1)[0].feature == "feature 6"


def test_errors_that_are_all_usually_zero_are_compared_as_they_are():
    assert explain([[1.0, 3.0]], familiar([0.0, 0.0])).share[0] == pytest.approx([0.25, 0.75])


def test_a_handful_of_rows_far_off_among_the_calibration_rows_changes_little():
    clean = fitted(epochs=20)
    far = X[:100].copy()
    with_outliers = clean.model_.calibrate(np.vstack([far, 1e6 * X[:3]])).familiar.usual
    without = clean.model_.calibrate(far).familiar.usual
    assert with_outliers.residuals == pytest.approx(without.residuals, rel=0.2)


# Adding up.


@given(
    arrays(np.float64, (4, 3, 2), elements=st.floats(0, 1e12)),
    arrays(np.float64, (3, 2), elements=st.floats(0, 1e6)),
    arrays(np.float64, 4, elements=st.floats(-1e6, 1e6)),
)
def test_contributions_add_up_to_any_score(errors, usual, scores):
    explanation = explain(errors, familiar(usual), scores, axes=("time", "channel"))
    totals = explanation.contribution.reshape(4, -1).sum(axis=1)
    charged = errors.reshape(4, -1).sum(axis=1) > 0
    assert totals[charged] == pytest.approx(scores[charged], rel=1e-12)
    assert (totals[~charged] == 0).all()
    assert (explanation.share >= 0).all()
    assert explanation.by_time().sum(axis=1)[charged] == pytest.approx(scores[charged], rel=1e-12)
    assert explanation.by_channel().sum(axis=1)[charged] == pytest.approx(
        scores[charged], rel=1e-12
    )


def test_a_row_with_no_error_has_no_shares():
    assert np.array_equal(explain([[0.0, 0.0]], familiar([1.0, 1.0])).share, [[0.0, 0.0]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_contributions_add_up_on_every_backend(backend, dtype):
    detector = fitted(backend=backend.name, epochs=2, dtype=dtype)
    rows = np.vstack([X[:20], 10 * X[:5]])
    explanation = detector.explain(rows)
    assert explanation.contribution.sum(axis=1) == pytest.approx(
        detector.anomaly_score(rows), rel=1e-12
    )


# Culprits.


def swapped(rows, k, seed):
    """Rows with k features of another row each, and where."""
    rng = np.random.default_rng(seed)
    is_swapped = np.argsort(rng.random(rows.shape), axis=1) < k
    return np.where(is_swapped, rows[rng.permutation(len(rows))], rows), is_swapped


@pytest.mark.parametrize(("k", "least"), [(1, 0.5), (2, 0.5)])
def test_swapped_features_are_found_on_every_backend_alike(backend, k, least):
    rows, is_swapped = swapped(normal_rows(100, 2, seed=7) @ PLANE, k, seed=k)
    share = fitted(backend=backend.name, dtype="float64").explain(rows).share
    order = np.argsort(-share, axis=1)
    hits = np.take_along_axis(is_swapped, order[:, :k], axis=1).mean()
    assert hits > least  # chance finds k of 6
    reference = fitted(dtype="float64").explain(rows).share
    assert share == pytest.approx(reference, rel=1e-6, abs=1e-9)
    assert np.array_equal(order, np.argsort(-reference, axis=1))


# Images and windows.


def shaped(shape, **settings):
    rows = np.random.default_rng(0).normal(size=(100, *shape))
    settings = {"backend": "numpy", "epochs": 1, "random_state": 0} | settings
    return AnomalyDetector(**settings).fit(rows), rows[:4]


def test_an_image_has_an_error_map_that_is_brightest_where_it_was_painted_over():
    detector, rows = shaped((8, 8))
    rows[0, 5, 2] = 50.0
    picture = detector.explain(rows).error_map()
    assert picture.shape == (4, 8, 8)
    assert np.unravel_index(picture[0].argmax(), (8, 8)) == (5, 2)
    assert picture.sum(axis=(1, 2)) == pytest.approx(detector.anomaly_score(rows))


def test_a_colour_image_s_map_adds_up_its_channels():
    detector, rows = shaped((8, 8, 3))
    explanation = detector.explain(rows)
    assert explanation.error_map() == pytest.approx(explanation.contribution.sum(axis=3))
    assert explanation.by_channel().shape == (4, 3)


def test_a_window_is_told_apart_by_time_and_by_channel():
    detector, rows = shaped((16, 3))
    rows[1, 11, 2] += 50.0
    explanation = detector.explain(rows)
    assert explanation.axes == ("time", "channel")
    assert explanation.by_time().shape == (4, 16)
    assert explanation.by_time()[1].argmax() == 11
    assert explanation.by_channel()[1].argmax() == 2
    assert explanation.by("time", "channel") == pytest.approx(explanation.contribution)


@pytest.mark.parametrize("method", ["by_time", "by_channel", "error_map"])
def test_a_table_has_no_other_axis_than_its_features(detector, method):
    with pytest.raises(InvalidParameterError, match="have the axes feature, not '"):
        getattr(detector.explain(X[:2]), method)()
    with pytest.raises(InvalidParameterError, match="not none"):
        detector.explain(X[:2]).by()


# Words.


def test_a_reason_says_what_was_expected_and_how_unusual_the_miss_is(detector):
    odd = X[:1].copy()
    odd[0, 2] += 30
    explanation = detector.explain(odd)
    reason = explanation.row(0)[0]
    usual = detector.model_.familiar.usual.residuals[2]
    assert reason.feature == "feature 2"
    assert reason.residual == reason.seen - reason.expected == explanation.residual[0, 2]
    assert reason.times_usual == pytest.approx(abs(reason.residual) / usual)
    assert explanation.times_usual[0, 2] == pytest.approx(reason.residual / usual)
    assert f"saw {reason.seen:.4g} (" in str(reason)
    assert "× the usual error" in str(reason)
    assert str(reason).endswith("of the score)")


@pytest.mark.parametrize(
    ("times", "said"),
    [(0.94, "0.94 ×"), (99.4, "99 ×"), (99.6, "100 ×"), (999_999, "999999 ×"), (3e6, "over 1e6 ×")],
)
def test_how_unusual_a_miss_is_is_said_in_plain_figures(times, said):
    reason = Reason("load", 0.5, 1.0, 0.0, 1.0, 1.0, times)
    assert str(reason) == f"load: expected 0, saw 1 ({said} the usual error, 50% of the score)"


def test_the_words_of_a_whole_explanation_name_the_value_outside_of_the_range(detector):
    odd = np.repeat(X[:1], 12, axis=0)
    odd[0, 2] += 1000
    said = str(detector.explain(odd)).splitlines()
    assert "is outside of what training saw" in said[0]
    assert "outside" not in said[1]
    assert said[-1] == "... and 2 more rows"


# Files.


def without_familiar(model):
    """The model as a file of a version that knew nothing of usual errors has it."""
    from dataclasses import replace

    return replace(model, familiar=None)


def test_what_is_usual_is_kept_in_the_file(detector, tmp_path):
    detector.save(tmp_path / "model.aeanom")
    loaded = load(tmp_path / "model.aeanom", backend="numpy")
    saved, read = detector.model_.familiar, loaded.familiar
    assert saved.to_dict() == read.to_dict()
    assert all(np.array_equal(array, read.arrays()[name]) for name, array in saved.arrays().items())
    assert np.array_equal(loaded.explain(X).share, detector.explain(X).share)


def test_an_older_file_explains_by_plain_errors(detector, tmp_path):
    path = tmp_path / "model.aeanom"
    without_familiar(detector.model_).save(path)
    model = load(path, backend="numpy")
    explanation = model.explain(X[:5])
    plain = explanation.errors / explanation.errors.sum(axis=1, keepdims=True)
    assert explanation.share == pytest.approx(plain)
    assert explanation.times_usual is None
    assert explanation.extrapolates is None
    assert explanation.outside(0) == []
    assert "usual" not in str(explanation.row(0)[0])
    with pytest.raises(InvalidParameterError, match="fit it again"):
        model.extrapolates(X)
    assert model.calibrate(X[:50]).explain(X[:5]).times_usual is not None
    assert model.calibrate(X[:5], thresholds.Quantile(0.5)).familiar is None


def test_an_older_file_has_no_entry_for_it(detector, tmp_path, monkeypatch):
    from aeanom import model_files as module

    written = {}
    monkeypatch.setattr(
        module, "write_model_file", lambda path, manifest, tensors: written.update(manifest)
    )
    without_familiar(detector.model_).save(tmp_path / "model.aeanom")
    assert written["familiar"] is None
