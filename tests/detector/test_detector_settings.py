"""Settings that exclude each other, that nobody would notice being ignored, or that mislead."""

import numpy as np
import pandas as pd
import pytest

from aeanom import AnomalyDetector, architectures, load, thresholds
from aeanom.core import Adam, Loss
from aeanom.errors import (
    ArchitectureError,
    InvalidDataError,
    InvalidParameterError,
    TrainingError,
    UnknownBackendError,
)
from aeanom.thresholds.base import Placement, Threshold

ROWS = np.random.default_rng(0).normal(size=(300, 4))


def detector(**settings):
    return AnomalyDetector(**{"backend": "numpy", "random_state": 0, "epochs": 2, **settings})


@pytest.mark.parametrize("threshold", ["quantile", thresholds.MeanStd(3)])
def test_a_false_positive_rate_that_the_threshold_would_ignore_is_refused(threshold):
    with pytest.raises(InvalidParameterError, match="takes no notice of it"):
        detector(threshold=threshold, false_positive_rate=0.001).fit(ROWS)


@pytest.mark.parametrize("scaler", ["standard", "robust"])
def test_cross_entropy_is_refused_with_a_scaler_that_leaves_the_unit_interval(scaler):
    network = architectures.dense(4, (8,), 2, output_activation="sigmoid")
    with pytest.raises(InvalidParameterError, match="minmax"):
        detector(architecture=network, loss="bce", scaler=scaler).fit(ROWS)


def test_unscaled_values_that_would_all_be_clipped_are_refused():
    with pytest.raises(InvalidDataError, match=r"column 0 holds values up to 1\.7\d?e\+18"):
        detector(scaler=None).fit(1.7e18 + 1e15 * ROWS)


def test_a_fit_that_diverges_in_its_last_step_says_so_and_leaves_nothing_behind():
    diverging = detector(epochs=1, learning_rate=1e30, batch_size=1000, validation_fraction=0)
    with pytest.raises(TrainingError, match="diverged"):
        diverging.fit(ROWS)
    assert not hasattr(diverging, "model_")


@pytest.mark.parametrize("callbacks", [3, [None], "print"])
def test_callbacks_that_cannot_be_called_are_refused(callbacks):
    with pytest.raises(InvalidParameterError, match="callables"):
        detector(callbacks=callbacks).fit(ROWS)


@pytest.mark.parametrize(
    "settings",
    [{"verbose": "x"}, {"dtype": np.dtype("float32")}, {"dtype": "float16"}, {"random_state": -1}],
)
def test_settings_of_the_wrong_kind_are_refused_by_name(settings):
    with pytest.raises(InvalidParameterError, match=next(iter(settings))):
        detector(**settings).fit(ROWS)


def test_a_callback_may_answer_with_numpy_s_true():
    stops = detector(epochs=20, callbacks=[lambda progress: np.float64(progress.loss) < 100])
    assert stops.fit(ROWS).history_.epochs == 1


def test_progress_is_printed_for_the_last_epoch_of_a_fit_that_stops_early(capsys):
    stopped = detector(epochs="auto", verbose=1, learning_rate=0.05).fit(ROWS)
    assert stopped.history_.stopped_by == "early_stopping"
    assert f"epoch  {stopped.history_.epochs}/200" in capsys.readouterr().err


def test_a_threshold_on_the_training_rows_is_not_fitted_to_calibration_rows_by_accident():
    fitted = detector(contamination=0.1).fit(ROWS)
    with pytest.raises(InvalidParameterError, match=r"thresholds\.Conformal"):
        fitted.calibrate(ROWS)
    fitted.calibrate(ROWS, thresholds.Quantile(0.9))
    assert fitted.model_.threshold.sample == "calibration"
    assert fitted.model_.provenance["rows"]["calibration"] == 300


def test_a_backend_that_its_name_does_not_lead_to_is_refused_before_training():
    from aeanom.backends.numpy import NumpyBackend

    class Mine(NumpyBackend):
        name = "mine"

    for stranger in (Mine(), NumpyBackend()):
        with pytest.raises(UnknownBackendError, match="entry-point group"):
            detector(backend=stranger).fit(ROWS)


class Median(Threshold):
    """A user's own method, which no file knows."""

    method = "median"
    sample = "any"

    def to_dict(self):
        return {"method": "median"}

    def _place(self, ordered, tolerance):
        return Placement(value=float(np.median(ordered)))

    def _describe(self, fitted):
        return "the median"


def test_a_model_that_could_not_be_loaded_again_is_not_saved(tmp_path):
    model = detector().fit(ROWS).model_.with_threshold(Median())
    with pytest.raises(InvalidParameterError, match="method"):
        model.save(tmp_path / "model.aeanom")
    assert list(tmp_path.iterdir()) == []


def test_numpy_s_numbers_in_descriptions_can_be_saved(tmp_path):
    network = architectures.dense(np.int64(4), np.array([8]), np.int32(2), dropout=np.float32(0.25))
    fitted = detector(
        architecture=network,
        loss=Loss("huber", np.float32(0.5)),
        optimizer=Adam(beta1=np.float32(0.5), clip_norm=np.float64(1)),
    ).fit(ROWS)
    fitted.save(tmp_path / "model.aeanom")
    loaded = load(tmp_path / "model.aeanom", backend="numpy")
    np.testing.assert_array_equal(loaded.anomaly_score(ROWS), fitted.anomaly_score(ROWS))


def test_a_network_without_weights_is_refused():
    with pytest.raises(ArchitectureError, match="Dense"):
        architectures.Architecture(
            (4,), (architectures.Activation("tanh"),), (architectures.Activation("linear"),)
        )


def test_what_is_done_to_the_native_module_does_not_change_the_model():
    model = detector().fit(ROWS).model_
    before = model.anomaly_score(ROWS)
    for array in model.native().parameters.values():
        array *= 2
    np.testing.assert_array_equal(model.anomaly_score(ROWS), before)


def test_a_column_may_have_any_name():
    frame = pd.DataFrame(ROWS, columns=["shape", "columns", "c", "column_names"])
    assert detector().fit(frame).model_.features == tuple(frame.columns)


def test_a_masked_value_is_a_missing_value():
    with pytest.raises(InvalidDataError, match="masked"):
        detector().fit(np.ma.masked_greater(ROWS, 1.0))


def test_a_whole_number_beyond_float64_is_refused():
    with pytest.raises(InvalidDataError, match="Not numbers: column 0"):
        detector().fit([[10**400, 1.0], [1, 2.0], [2, 3]])


def test_a_tensor_that_is_no_array_yet_is_refused():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with pytest.raises(InvalidDataError, match="detach"):
        detector().fit(torch.zeros((20, 4), requires_grad=True))
