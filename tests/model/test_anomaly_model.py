"""`AnomalyModel`: the same scores in every backend, on every thread, before and after a file."""

import pickle
import pickletools
import threading

import numpy as np
import pandas as pd
import pytest
from support import BACKENDS, DROPOUT_NETWORK, SIGMOID_NETWORK, normal_rows, same_bits

from aeanom import AnomalyDetector, AnomalyModel, load, thresholds
from aeanom.architectures import ACTIVATIONS, dense
from aeanom.core.registry import missing_packages
from aeanom.errors import (
    InvalidDataError,
    InvalidParameterError,
    ModelFileError,
    UnknownBackendError,
    UnsupportedError,
)

X = normal_rows(300)
ROWS = np.vstack([normal_rows(40, seed=1), 3 * normal_rows(10, seed=2)])
# What rounding may do to a score, where two backends compute it from the same weights.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}


def fit(backend="numpy", **settings):
    settings = {"epochs": 3, "random_state": 0, **settings}
    return AnomalyDetector(backend=backend, **settings).fit(X).model_


@pytest.fixture(scope="module")
def model():
    return fit()


def agrees(scores, expected, dtype):
    return np.abs(scores - expected).max() <= TOLERANCE[dtype] * np.abs(expected).max()


# Files.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("other", BACKENDS)
def test_what_one_backend_saved_every_other_loads_and_flags_the_same(
    backend, other, dtype, tmp_path
):
    if missing_packages(other):
        pytest.skip(f"backend {other!r} is not installed")
    trained = fit(backend.name, architecture=DROPOUT_NETWORK, dtype=dtype)
    trained.save(tmp_path / "model.aeanom")
    loaded = load(tmp_path / "model.aeanom", backend=other)
    assert loaded.backend == other
    assert same_bits(loaded.weights, trained.weights)
    assert agrees(loaded.anomaly_score(ROWS), trained.anomaly_score(ROWS), dtype)
    assert np.array_equal(loaded.is_anomaly(ROWS), trained.is_anomaly(ROWS))


def test_a_loaded_model_scores_bit_for_bit_where_it_was_trained(backend, tmp_path):
    trained = fit(backend.name)
    trained.save(tmp_path / "model.aeanom")
    loaded = load(tmp_path / "model.aeanom", backend=backend.name)
    assert loaded.anomaly_score(ROWS).tobytes() == trained.anomaly_score(ROWS).tobytes()


def test_a_file_keeps_everything_that_the_model_knows(tmp_path):
    frame = pd.DataFrame(X, columns=["äge", "in come", "c", "d", "e", "f"])
    model = (
        AnomalyDetector(backend="numpy", epochs=2, loss="huber", scaler="robust", random_state=3)
        .fit(frame)
        .model_
    )
    model.save(tmp_path / "model.aeanom")
    loaded = load(tmp_path / "model.aeanom")
    for name in ("architecture", "loss", "threshold", "feature_names", "history", "provenance"):
        assert getattr(loaded, name) == getattr(model, name), name
    for name in ("training_scores", "calibration_scores"):
        assert np.array_equal(getattr(loaded, name), getattr(model, name)), name
    assert loaded.scaler.kind == "robust"
    assert np.array_equal(loaded.scaler.center, model.scaler.center)
    assert np.array_equal(loaded.scaler.scale, model.scaler.scale)


def test_a_detector_s_file_is_its_model_s(tmp_path):
    detector = AnomalyDetector(backend="numpy", epochs=2, random_state=0).fit(X)
    detector.save(tmp_path / "detector.aeanom")
    detector.model_.save(tmp_path / "model.aeanom")
    assert (tmp_path / "detector.aeanom").read_bytes() == (tmp_path / "model.aeanom").read_bytes()


def test_saving_what_was_loaded_writes_the_same_bytes(model, tmp_path):
    model.save(tmp_path / "first.aeanom")
    load(tmp_path / "first.aeanom", backend="numpy").save(tmp_path / "second.aeanom")
    assert (tmp_path / "first.aeanom").read_bytes() == (tmp_path / "second.aeanom").read_bytes()


def test_a_damaged_file_is_refused_wherever_the_damage_is(model, tmp_path):
    path = tmp_path / "model.aeanom"
    model.save(path)
    content = path.read_bytes()
    for position in np.linspace(0, len(content) - 1, 60).astype(int):
        damaged = bytearray(content)
        damaged[position] ^= 0x01
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError):
            load(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 1000])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "other.aeanom"
    path.write_bytes(content)
    with pytest.raises(ModelFileError):
        load(path)


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.aeanom")


def test_a_failed_save_leaves_the_old_file(model, tmp_path, monkeypatch):
    path = tmp_path / "model.aeanom"
    model.save(path)
    before = path.read_bytes()
    broken = pickle.loads(pickle.dumps(model))
    object.__setattr__(broken, "provenance", {"when": object()})
    with pytest.raises(ModelFileError):
        broken.save(path)
    assert path.read_bytes() == before


# Other backends, thresholds and calibrations.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_another_backend_gives_the_same_scores_and_flags(framework_backend, dtype):
    model = fit(dtype=dtype)
    other = model.with_backend(framework_backend.name)
    assert agrees(other.anomaly_score(ROWS), model.anomaly_score(ROWS), dtype)
    assert np.array_equal(other.is_anomaly(ROWS), model.is_anomaly(ROWS))
    assert agrees(other.reconstruct(ROWS), model.reconstruct(ROWS), dtype)
    assert agrees(other.encode(ROWS), model.encode(ROWS), dtype)


@pytest.mark.parametrize("name", ["gelu", "selu", "softplus"])
def test_numpy_scores_what_a_framework_trained_with_any_activation(framework_backend, name):
    assert name in ACTIVATIONS
    model = fit(framework_backend.name, architecture=dense(6, (5,), 3, activation=name))
    numpy = model.with_backend("numpy")
    assert agrees(numpy.anomaly_score(ROWS), model.anomaly_score(ROWS), "float32")


def test_another_backend_leaves_the_model_itself_alone(model):
    other = model.with_backend("auto")
    assert other is not model
    assert model.backend == "numpy"


def test_an_unknown_backend_or_device_is_refused_at_once(model):
    with pytest.raises(UnknownBackendError):
        model.with_backend("theano")
    with pytest.raises(UnsupportedError):
        model.with_backend("numpy", device="cuda")


def test_the_native_module_of_a_model_is_the_framework_s(framework_backend, model):
    home = type(model.with_backend(framework_backend.name).native()).__mro__[1].__module__
    assert home.split(".")[0] == {"jax": "flax"}.get(framework_backend.name, framework_backend.name)


def test_another_threshold_changes_flags_and_not_scores(model):
    stricter = model.with_threshold(thresholds.Quantile(0.5))
    assert np.array_equal(stricter.anomaly_score(X), model.anomaly_score(X))
    assert stricter.is_anomaly(X).sum() > model.is_anomaly(X).sum()
    # Fitted on the 60 calibration scores: half of them are above.
    assert (model.calibration_scores > stricter.threshold.value).sum() == 30


def test_a_fixed_threshold_is_taken_as_it_is(model):
    assert model.with_threshold(thresholds.Fixed(0.125)).threshold.value == 0.125


def test_contamination_is_a_share_of_the_training_rows(model):
    other = model.with_threshold(thresholds.Contamination(0.25))
    assert (model.training_scores > other.threshold.value).sum() == 60  # of 240


def test_a_conformal_threshold_without_calibration_rows_says_how_to_get_one():
    model = fit(threshold="quantile")
    with pytest.raises(InvalidParameterError, match="calibrate"):
        model.with_threshold(thresholds.Conformal(0.05))
    calibrated = model.calibrate(normal_rows(99, seed=4), thresholds.Conformal(0.05))
    assert len(calibrated.calibration_scores) == 99


def test_a_bare_number_for_a_threshold_is_refused_with_what_to_write(model):
    with pytest.raises(InvalidParameterError, match=r"thresholds\.Fixed\(0\.5\)"):
        model.with_threshold(0.5)


def test_the_name_of_a_threshold_means_it_with_its_defaults(model):
    assert model.with_threshold("quantile").threshold.threshold == thresholds.Quantile()


def test_calibrating_returns_another_model_and_leaves_this_one(model):
    before = model.threshold.value
    calibrated = model.calibrate(3 * normal_rows(200, seed=4))
    assert calibrated.threshold.value > before == model.threshold.value
    assert len(calibrated.calibration_scores) == 200
    assert calibrated.weights is model.weights


# Scoring.


def test_scores_do_not_depend_on_the_rows_that_come_with_them(backend):
    model = fit(backend.name)
    whole = model.anomaly_score(np.tile(X, (30, 1)))
    assert agrees(model.anomaly_score(X), whole[:300], "float32")
    assert np.array_equal(model.is_anomaly(X), model.is_anomaly(np.tile(X, (30, 1)))[:300])


def test_scores_come_in_the_order_of_the_rows_however_many_there_are():
    model = fit(dtype="float64")
    rows = normal_rows(50_000)
    order = np.random.default_rng(0).permutation(50_000)
    assert model.anomaly_score(rows)[order] == pytest.approx(
        model.anomaly_score(rows[order]), rel=1e-9
    )


def test_no_rows_are_no_crash_but_a_clear_refusal(model):
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        model.anomaly_score(np.empty((0, 6)))


def test_threads_that_score_at_the_same_time_get_the_answers_they_would_get_alone(backend):
    model = fit(backend.name)
    tables = [normal_rows(3000, seed=seed) for seed in range(4)]
    expected = [model.anomaly_score(rows) for rows in tables]
    model = pickle.loads(pickle.dumps(model))  # so that the network is built by the threads
    results = [[] for _ in tables]
    start = threading.Barrier(len(tables))

    def score(index):
        start.wait()
        for _ in range(10):
            results[index].append(model.anomaly_score(tables[index]))

    threads = [threading.Thread(target=score, args=(index,)) for index in range(len(tables))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for given, scores in zip(results, expected, strict=True):
        assert len(given) == 10
        assert all(np.array_equal(one, scores) for one in given)


def test_a_model_is_pickled_without_any_framework_s_objects(backend):
    model = fit(backend.name)
    model.anomaly_score(ROWS)
    content = pickle.dumps(model)
    # Every global name that a pickle refers to begins with its module's.
    modules = {
        argument.split(" ")[0].split(".")[0]
        for opcode, argument, _ in pickletools.genops(pickle.dumps(model, protocol=2))
        if opcode.name == "GLOBAL"
    }
    assert modules <= {"aeanom", "numpy", "copyreg", "__builtin__", "_codecs"}
    assert np.array_equal(pickle.loads(content).anomaly_score(ROWS), model.anomaly_score(ROWS))


def test_a_model_is_immutable(model):
    with pytest.raises(AttributeError):
        model.backend = "torch"


def test_columns_of_a_model_without_names_are_numbered(model):
    assert model.features == tuple(f"feature {index}" for index in range(6))


def test_the_summary_says_what_the_model_is(model):
    summary = model.summary()
    for part in ("6 features", "float32", "numpy", "216 training", "60 calibration", "seed 0"):
        assert part in summary
    assert model.architecture.summary() in summary
    assert model.threshold.describe() in summary


def test_the_representation_fits_one_line(model):
    assert repr(model).startswith("<AnomalyModel: 6 features, ")
    assert "\n" not in repr(model)


@pytest.mark.parametrize("scaler", ["minmax", None])
def test_bce_scores_agree_between_backends_beyond_the_training_range(framework_backend, scaler):
    model = fit(architecture=SIGMOID_NETWORK, loss="bce", scaler=scaler, dtype="float64")
    other = model.with_backend(framework_backend.name)
    assert agrees(other.anomaly_score(ROWS), model.anomaly_score(ROWS), "float64")


def test_a_model_can_be_made_by_hand(model):
    made = AnomalyModel(
        architecture=model.architecture,
        weights=model.weights,
        scaler=model.scaler,
        loss=model.loss,
        threshold=model.threshold,
        training_scores=model.training_scores,
        calibration_scores=model.calibration_scores,
    )
    assert np.array_equal(made.predict(ROWS), model.predict(ROWS))


# Values that are no numbers: they show in the score, after which the rows are looked at.


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "mae", "dtype": "float64"},
        {"loss": "bce", "architecture": dense(8, (5,), 3, output_activation="sigmoid")},
    ],
    ids=["mse", "mae", "bce"],
)
def test_a_value_that_is_not_finite_is_refused_wherever_it_stands(backend, settings, value):
    # As many columns as a compiled backend's largest chunk needs to be scaled by itself.
    table = np.tile(X, (1, 2))[:, :8]
    settings = {"scaler": "minmax", "epochs": 1, "random_state": 0, **settings}
    fitted = AnomalyDetector(backend=backend.name, **settings).fit(table).model_
    methods = ("anomaly_score", "is_anomaly", "decision_function", "p_values", "explain")
    for row, name in zip((0, 17, 63, 20_000, 20_499), methods, strict=True):
        rows = np.resize(table, (20_500, 8))
        rows[row, 4] = value
        with pytest.raises(InvalidDataError, match=r"in 1 of 20500 rows, column 4\."):
            getattr(fitted, name)(rows)


def test_the_message_names_the_column(model):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    fitted = AnomalyDetector(backend="numpy", epochs=1, random_state=0).fit(frame).model_
    frame.loc[[2, 5], "e"] = np.inf
    with pytest.raises(InvalidDataError, match=r"0 NaN and 2 infinity .* column 'e'"):
        fitted.anomaly_score(frame)


def test_far_out_has_a_score_however_far(backend):
    fitted = fit(backend.name)
    rows = np.array([[1e300, -1e300, 0, 0, 0, 0], [1e30, 0, 0, 0, 0, 0]])
    assert np.isfinite(fitted.anomaly_score(rows)).all()
