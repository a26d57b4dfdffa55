"""Rows of more than one axis: images and windows of a series, from `fit` to the file."""

import numpy as np
import pytest

from aeanom import AnomalyDetector, architectures, load
from aeanom.core.scaling import Scaler
from aeanom.errors import ArchitectureError, InvalidDataError, InvalidParameterError

GENERATOR = np.random.default_rng(0)
# A bright bar whose place differs from image to image; waves whose phase does.
IMAGES = np.zeros((120, 8, 8))
IMAGES[np.arange(120), :, GENERATOR.integers(0, 8, 120)] = 1.0
TIMES = np.arange(16) + GENERATOR.uniform(0, 16, (120, 1))
WINDOWS = np.stack([10 + np.sin(TIMES), 100 * np.cos(TIMES)], axis=-1)

ROWS = {
    "images": IMAGES,
    "colour images": np.repeat(IMAGES[..., None], 2, axis=-1),
    "windows": WINDOWS,
}


def fitted(kind, **settings):
    settings = {"backend": "numpy", "epochs": 3, "random_state": 0, **settings}
    return AnomalyDetector(**settings).fit(ROWS[kind])


@pytest.fixture(params=ROWS)
def kind(request):
    return request.param


def test_a_fit_scores_explains_and_reconstructs_in_the_shape_of_its_rows(kind):
    rows = ROWS[kind][:5]
    detector = fitted(kind)
    assert detector.anomaly_score(rows).shape == (5,)
    assert detector.reconstruct(rows).shape == rows.shape
    explanation = detector.explain(rows)
    assert explanation.share.shape == explanation.seen.shape == rows.shape
    assert np.array_equal(explanation.seen, rows)
    totals = explanation.contribution.reshape(5, -1).sum(axis=1)
    assert totals == pytest.approx(detector.anomaly_score(rows), rel=1e-12)
    latents = detector.encode(rows)
    assert detector.decode(latents) == pytest.approx(detector.reconstruct(rows), rel=1e-5)


def test_an_element_that_is_far_off_is_the_first_reason(kind):
    rows = ROWS[kind][:1].copy()
    place = (0, *(size // 2 for size in rows.shape[1:]))
    rows[place] += 1000
    detector = fitted(kind)
    reason = detector.explain(rows).row(0, 1)[0]
    axes = {
        "images": "row 4, column 4",
        "colour images": "row 4, column 4, channel 1",
        "windows": "time 8, channel 1",
    }
    assert reason.feature == axes[kind]
    assert reason.seen == rows[place]
    assert detector.is_anomaly(rows).all()


def test_a_model_comes_back_from_its_file(kind, tmp_path):
    detector = fitted(kind)
    detector.save(tmp_path / "model.aeanom")
    model = load(tmp_path / "model.aeanom", backend="numpy")
    assert model.row_shape == ROWS[kind].shape[1:]
    assert np.array_equal(model.anomaly_score(ROWS[kind]), detector.anomaly_score(ROWS[kind]))


def test_rows_of_another_shape_are_refused_with_both(kind):
    detector = fitted(kind)
    with pytest.raises(InvalidDataError, match=r"X has rows of shape .* is expecting rows of"):
        detector.anomaly_score(ROWS[kind][:, 1:])
    with pytest.raises(InvalidDataError, match=r"Expected \dD array, got 2D array"):
        detector.anomaly_score(ROWS[kind].reshape(120, -1))


def test_an_architecture_for_other_rows_is_refused_with_both_shapes():
    detector = AnomalyDetector(architecture=architectures.dense(64))
    with pytest.raises(ArchitectureError, match=r"\(64,\), X has rows of shape \(8, 8\)"):
        detector.fit(IMAGES)


def test_a_missing_value_in_an_image_is_refused_with_its_count():
    rows = IMAGES.copy()
    rows[3, 2, 1] = np.nan
    with pytest.raises(InvalidDataError, match=r"1 NaN and 0 infinity \(inf\) in 1 of 120 rows"):
        AnomalyDetector().fit(rows)


def test_each_channel_of_a_window_has_its_own_scale():
    scaler = fitted("windows").model_.scaler
    assert scaler.center.shape == (2,)
    assert scaler.scale[1] > 50 * scaler.scale[0]


def test_the_pixels_of_an_image_without_channels_have_one_scale():
    assert fitted("images").model_.scaler.center.shape == (1,)
    assert fitted("colour images").model_.scaler.center.shape == (2,)


def test_scaling_by_channel_is_scaling_of_the_flattened_times():
    by_channel = Scaler.fit("standard", WINDOWS)
    flat = WINDOWS.reshape(-1, 2)
    assert by_channel.center == pytest.approx(flat.mean(axis=0), rel=1e-12)
    assert by_channel.scale == pytest.approx(flat.std(axis=0), rel=1e-12)
    scaled = by_channel.transform(WINDOWS, "float64")
    assert scaled == pytest.approx((WINDOWS - flat.mean(axis=0)) / flat.std(axis=0), rel=1e-12)
    assert by_channel.inverse(scaled) == pytest.approx(WINDOWS, rel=1e-12)


def test_whole_numbers_from_0_to_255_are_taken_as_they_are():
    images = (255 * IMAGES).astype(np.uint8)
    scores = AnomalyDetector(backend="numpy", epochs=2, random_state=0).fit(images)
    assert np.isfinite(scores.anomaly_score(images)).all()


def test_own_validation_and_calibration_rows_have_the_shape_of_the_rows():
    detector = AnomalyDetector(backend="numpy", epochs=1)
    with pytest.raises(InvalidDataError, match="validation rows"):
        detector.fit(WINDOWS, validation=WINDOWS[:, :5])
    detector.fit(WINDOWS[:80], validation=WINDOWS[80:100], calibration=WINDOWS[100:])
    assert detector.model_.provenance["rows"] == {
        "training": 80,
        "validation": 20,
        "calibration": 20,
    }


def test_the_summary_says_what_a_row_is(kind):
    summary = fitted(kind).model_.summary()
    shape = " × ".join(map(str, ROWS[kind].shape[1:]))
    assert summary.startswith(f"AnomalyModel on rows of {shape}")


def test_square_rows_are_images_unless_the_network_goes_through_time():
    flat = architectures.Architecture(
        (8, 8),
        (architectures.Flatten(), architectures.Dense(3)),
        (architectures.Dense(64), architectures.Reshape((8, 8))),
    )
    assert fitted("images", architecture=flat).model_.scaler.center.shape == (1,)
    series = architectures.convolutional_1d((8, 8))
    assert fitted("images", architecture=series).model_.scaler.center.shape == (8,)


def test_a_single_row_cannot_be_normalised_by_its_batch():
    network = architectures.dense(6, (4,), 2, normalization="batch")
    rows = np.random.default_rng(0).normal(size=(50, 6))
    with pytest.raises(InvalidParameterError, match="a single row has no variance"):
        AnomalyDetector(architecture=network, batch_size=1, backend="numpy").fit(rows)


def test_rows_of_too_many_axes_are_refused_without_advice_for_columns():
    with pytest.raises(InvalidDataError, match="Rows have one axis, two or three"):
        AnomalyDetector().fit(np.zeros((4, 3, 3, 3, 3)))
