"""`AnomalyDetector`: what "auto" means, own rows, thresholds, explanations, refits, backends."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import NETWORK, SIGMOID_NETWORK, normal_rows, same_bits, unit_rows

from aeanom import AnomalyDetector, thresholds
from aeanom.architectures import dense, for_table
from aeanom.core import Adam, Loss
from aeanom.data import breast_cancer
from aeanom.errors import (
    AeanomError,
    ArchitectureError,
    CalibrationWarning,
    InvalidDataError,
    InvalidParameterError,
    TrainingError,
    UnknownBackendError,
)
from aeanom.metrics import roc_auc_score

X = normal_rows(300)


def quick(**settings):
    settings = {"backend": "numpy", "epochs": 2, "random_state": 0, **settings}
    return AnomalyDetector(**settings)


@pytest.fixture(scope="module")
def fitted():
    return quick(epochs=20).fit(X)


def counts(detector):
    return tuple(detector.model_.provenance["rows"].values())


# The main job.


def test_malignant_tumours_are_told_from_benign_ones(backend):
    table = breast_cancer()
    benign = table.rows[~table.is_anomaly]
    detector = AnomalyDetector(backend=backend.name, random_state=0).fit(benign[:250])
    held_out = np.vstack([benign[250:], table.rows[table.is_anomaly]])
    is_malignant = np.repeat([False, True], [len(benign) - 250, table.is_anomaly.sum()])
    assert roc_auc_score(is_malignant, detector.anomaly_score(held_out)) > 0.9
    assert detector.is_anomaly(held_out)[is_malignant].mean() > 0.5


# "auto".


def test_auto_takes_numpy_for_a_table_and_says_so():
    detector = quick(backend="auto").fit(X)
    assert detector.backend_ == "numpy"
    assert detector.model_.architecture == for_table(6)


@pytest.mark.parametrize(
    ("n_rows", "training", "validation", "calibration"),
    [
        (50, 40, 0, 10),  # none to validate under 200 rows
        (199, 159, 0, 40),
        (200, 144, 16, 40),
        (1000, 720, 80, 200),
        (60_000, 45_000, 5_000, 10_000),  # at most 10,000 calibrate
    ],
)
@pytest.mark.filterwarnings("ignore::aeanom.errors.CalibrationWarning")
def test_rows_are_shared_out_as_documented(n_rows, training, validation, calibration):
    detector = quick(epochs=1, batch_size=1024, architecture=dense(2, (), 1))
    detector.fit(normal_rows(n_rows, 2))
    assert counts(detector) == (training, validation, calibration)


@pytest.mark.parametrize(
    ("n_training", "batch_size"), [(100, 32), (4000, 32), (4096, 64), (30_000, 256), (10**6, 1024)]
)
def test_the_automatic_batch_size_follows_the_training_rows(n_training, batch_size):
    plan = quick(epochs="auto")._plan(Loss(), n_training, 0, seed=0)
    assert plan.batch_size == batch_size


@pytest.mark.parametrize(
    ("n_training", "epochs"), [(100, 200), (1600, 80), (12_800, 40), (10**6, 10)]
)
def test_the_automatic_epochs_make_about_four_thousand_steps(n_training, epochs):
    plan = quick(epochs="auto")._plan(Loss(), n_training, 0, seed=0)
    assert plan.epochs == epochs


def test_automatic_epochs_stop_early_where_there_are_validation_rows():
    assert quick(epochs="auto")._plan(Loss(), 1000, 100, seed=0).patience == 10
    assert quick(epochs="auto")._plan(Loss(), 1000, 0, seed=0).patience is None


def test_a_number_of_epochs_is_trained_exactly():
    detector = quick(epochs=7).fit(X)
    assert detector.history_.epochs == 7
    assert len(detector.history_.validation_loss) == 7


@pytest.mark.parametrize(
    ("architecture", "kind"), [(NETWORK, "standard"), (SIGMOID_NETWORK, "minmax")]
)
def test_the_automatic_scaler_follows_the_output(architecture, kind):
    assert quick(architecture=architecture).fit(X).model_.scaler.kind == kind


@pytest.mark.parametrize(
    ("scaler", "kind"), [("robust", "robust"), ("standard", "standard"), (None, "none")]
)
def test_a_scaler_can_be_chosen(scaler, kind):
    assert quick(scaler=scaler).fit(X).model_.scaler.kind == kind


def test_the_scaler_does_not_see_the_rows_that_are_held_out():
    center = quick(validation_fraction=0.0).fit(X).model_.scaler.center
    assert (center != X.mean(axis=0)).all()


def test_the_scaler_does_not_see_calibration_rows_of_one_s_own():
    # The calibration rows are a thousand times larger: they would move mean and deviation.
    detector = quick(validation_fraction=0.0).fit(X, calibration=1000 * X)
    assert detector.model_.scaler.center == pytest.approx(X.mean(axis=0))
    assert detector.model_.scaler.scale == pytest.approx(X.std(axis=0))


@pytest.mark.parametrize(
    "threshold", ["quantile", thresholds.MeanStd(3), thresholds.Fixed(1.0), "contamination"]
)
def test_only_conformal_thresholds_hold_rows_out(threshold):
    assert counts(quick(threshold=threshold, validation_fraction=0.0).fit(X)) == (300, 0, 0)


# Thresholds.


def test_the_default_threshold_is_the_conformal_one_on_the_calibration_scores():
    detector = quick(false_positive_rate=0.1).fit(X)
    scores = detector.model_.calibration_scores
    # k = ⌊0.1 · 61⌋ = 6: a hair above the sixth largest of 60.
    assert len(scores) == 60
    assert scores[-6] < detector.threshold_ < scores[-5]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.37, 0.5])
def test_contamination_flags_exactly_that_share_of_the_training_rows(backend, share):
    detector = quick(backend=backend.name, contamination=share).fit(X)
    assert detector.is_anomaly(X).sum() == round(share * 300)


def test_contamination_beside_another_threshold_is_refused():
    with pytest.raises(InvalidParameterError, match="exclude each other"):
        quick(contamination=0.1, threshold="quantile").fit(X)


def test_too_few_calibration_rows_are_warned_of():
    with pytest.warns(CalibrationWarning, match="10 calibration rows are too few"):
        quick().fit(X[:50])


def test_calibrating_moves_the_threshold_and_nothing_else(fitted):
    detector = quick(epochs=20).fit(X)
    weights = detector.model_.weights
    rows = 2 * normal_rows(400, seed=5)
    assert detector.calibrate(rows) is detector
    assert detector.threshold_ > fitted.threshold_
    assert same_bits(detector.model_.weights, weights)
    # k = ⌊0.05 · 401⌋ = 20 of the 400 may lie at or above, 19 strictly above.
    assert detector.is_anomaly(rows).sum() == 19


def test_the_promised_rate_is_kept_on_average():
    # 40 calibrations of 99 rows at 10 %: the mean of 40 rates of Beta(10, 90) has deviation 0.005.
    detector = quick(epochs=5, false_positive_rate=0.1).fit(X)
    rates = []
    for seed in range(40):
        detector.calibrate(normal_rows(99, seed=100 + seed))
        rates.append(detector.is_anomaly(normal_rows(2000, seed=7)).mean())
    assert abs(np.mean(rates) - 0.1) < 0.02


# p-values and explanations.


def test_p_values_count_calibration_scores_at_least_as_large(fitted):
    scores = fitted.anomaly_score(X)
    calibration = fitted.model_.calibration_scores
    expected = [(1 + (calibration >= score).sum()) / (len(calibration) + 1) for score in scores]
    assert fitted.p_values(X) == pytest.approx(expected, rel=1e-15)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10))
def test_a_flagged_row_has_a_p_value_of_at_most_the_false_positive_rate(fitted, seed, scale):
    rows = scale * normal_rows(50, seed=seed)
    p_values = fitted.p_values(rows)
    assert ((p_values > 0) & (p_values <= 1)).all()
    assert (p_values[fitted.is_anomaly(rows)] <= 0.05).all()


@given(st.integers(0, 2**32 - 1))
def test_p_values_fall_as_scores_rise(fitted, seed):
    rows = normal_rows(50, seed=seed)
    order = np.argsort(fitted.anomaly_score(rows))
    assert (np.diff(fitted.p_values(rows)[order]) <= 0).all()


@pytest.mark.parametrize("loss", ["mse", "mae", "huber", "bce"])
def test_an_explanation_adds_up_to_the_score(backend, loss):
    detector = quick(backend=backend.name, architecture=SIGMOID_NETWORK, loss=loss).fit(X)
    rows = np.vstack([X[:20], 5 * X[:5]])  # the last ones beyond the training range
    explanation = detector.explain(rows)
    assert explanation.scores == pytest.approx(detector.anomaly_score(rows), rel=1e-12)
    assert explanation.contribution.sum(axis=1) == pytest.approx(explanation.scores, rel=1e-12)
    assert explanation.share.sum(axis=1) == pytest.approx(np.ones(25), rel=1e-12)
    assert (explanation.share >= 0).all()


def test_the_feature_that_was_changed_is_the_reason():
    frame = pd.DataFrame(normal_rows(300, 3), columns=["age", "income", "height"])
    detector = quick(epochs=10).fit(frame)
    odd = frame.head(1).copy()
    odd["income"] = 40.0
    (reasons,) = detector.explain(odd).top(1)
    assert reasons[0].feature == "income"
    assert reasons[0].seen == 40.0
    assert reasons[0].share > 0.5
    assert "income: expected" in str(reasons[0])


def test_expected_values_are_the_reconstruction_in_the_table_s_units(fitted):
    rows = 100 + 7 * X
    detector = quick(epochs=20).fit(rows)
    explanation = detector.explain(rows)
    assert np.array_equal(explanation.seen, rows)
    assert explanation.expected == pytest.approx(detector.reconstruct(rows))
    assert abs(explanation.expected.mean() - 100) < 5


def test_decoding_what_was_encoded_is_the_reconstruction(fitted):
    latent = fitted.encode(X)
    assert latent.shape == (300, 3)
    assert fitted.decode(latent) == pytest.approx(fitted.reconstruct(X), rel=1e-5, abs=1e-5)


def test_scores_are_the_loss_between_scaled_rows_and_their_reconstruction(fitted):
    scaler = fitted.model_.scaler
    scaled, returned = (
        (rows - scaler.center) / scaler.scale for rows in (X, fitted.reconstruct(X))
    )
    assert fitted.anomaly_score(X) == pytest.approx(
        ((scaled - returned) ** 2).mean(axis=1), rel=1e-5
    )


def test_with_bce_a_value_further_outside_the_training_range_is_odder():
    detector = quick(architecture=SIGMOID_NETWORK, loss="bce").fit(unit_rows(300))
    rows = np.full((4, 6), 0.5)
    rows[:, 0] = [0.5, 2, 5, 50]
    assert (np.diff(detector.anomaly_score(rows)) > 0).all()


# Own rows for validation and calibration.


def test_own_rows_replace_the_random_shares():
    detector = quick().fit(
        X, validation=normal_rows(30, seed=1), calibration=normal_rows(70, seed=2)
    )
    assert counts(detector) == (300, 30, 70)
    assert len(detector.history_.validation_loss) == 2


def test_own_calibration_rows_decide_the_threshold():
    calibration = normal_rows(99, seed=2)
    detector = quick().fit(X, calibration=calibration)
    # k = ⌊0.05 · 100⌋ = 5: four lie strictly above the fifth largest.
    assert detector.is_anomaly(calibration).sum() == 4


@pytest.mark.parametrize("which", ["validation", "calibration"])
def test_own_rows_of_another_width_are_refused_by_name(which):
    with pytest.raises(InvalidDataError, match=rf"5 features, but .*\({which} rows\)"):
        quick().fit(X, **{which: normal_rows(30, 5)})


@pytest.mark.parametrize("which", ["validation", "calibration"])
def test_own_rows_with_other_column_names_are_refused(which):
    frame = pd.DataFrame(X, columns=list("abcdef"))
    with pytest.raises(InvalidDataError, match="feature names should match"):
        quick().fit(frame, **{which: pd.DataFrame(X, columns=list("abcdeg"))})


# Refits and names.


def failing_fits():
    nan = X.copy()
    nan[3, 1] = np.nan
    return {
        "bad rows": (nan, {}, InvalidDataError),
        "bad setting": (X, {"learning_rate": -1.0}, InvalidParameterError),
        "unknown backend": (X, {"backend": "fortran"}, UnknownBackendError),
        "diverging": (X, {"learning_rate": 1e30, "dtype": "float32"}, TrainingError),
        "wrong architecture": (X, {"architecture": dense(7)}, ArchitectureError),
        "callback": (X, {"callbacks": [lambda p: 1 / 0]}, ZeroDivisionError),
    }


@pytest.mark.parametrize("name", failing_fits())
def test_a_failed_refit_leaves_the_earlier_fit_as_it_was(name):
    rows, settings, error = failing_fits()[name]
    detector = quick().fit(pd.DataFrame(X, columns=list("abcdef")))
    scores = detector.anomaly_score(X)
    detector.set_params(**settings)
    before = dict(vars(detector))
    with pytest.raises(error):
        detector.fit(rows)
    assert vars(detector).keys() == before.keys()
    assert all(vars(detector)[attribute] is value for attribute, value in before.items())
    assert np.array_equal(detector.set_params(**quick().get_params()).anomaly_score(X), scores)


def test_a_failed_calibration_leaves_the_threshold_as_it_was():
    detector = quick().fit(X)
    before = detector.model_
    with pytest.raises(InvalidDataError):
        detector.calibrate(X[:, :5])
    assert detector.model_ is before


def test_a_refit_replaces_everything_of_the_earlier_fit():
    detector = quick().fit(pd.DataFrame(X, columns=list("abcdef")))
    detector.fit(normal_rows(300, 4))
    assert detector.n_features_in_ == 4
    assert not hasattr(detector, "feature_names_in_")


def test_a_dataframe_s_columns_are_kept_and_checked():
    frame = pd.DataFrame(X, columns=list("abcdef"))
    detector = quick().fit(frame)
    assert detector.feature_names_in_.tolist() == list("abcdef")
    assert np.array_equal(detector.anomaly_score(frame), detector.anomaly_score(X))
    with pytest.raises(InvalidDataError, match="same order"):
        detector.predict(frame[list("fedcba")])


# Settings.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size must be 'auto' or a whole number"),
        ({"batch_size": 2.5}, "batch_size must be 'auto' or a whole number"),
        ({"epochs": True}, "epochs must be 'auto' or a whole number"),
        ({"epochs": "many"}, "epochs must be 'auto' or a whole number"),
        ({"learning_rate": "fast"}, "learning_rate must be a positive number"),
        ({"learning_rate": 0}, "learning_rate must be a positive number"),
        ({"validation_fraction": 1.0}, r"validation_fraction must be a number in \[0, 1\)"),
        ({"calibration_fraction": -0.1}, r"calibration_fraction must be a number in \[0, 1\)"),
        ({"false_positive_rate": 0.0}, "false_positive_rate"),
        ({"contamination": 0.9}, "share|contamination"),
        ({"threshold": "mean"}, "threshold must be 'auto', one of"),
        ({"loss": "rmse"}, "unknown loss"),
        ({"loss": "bce"}, "ends in a sigmoid"),
        ({"optimizer": "sgd"}, "unknown optimizer"),
        ({"scaler": "zscore"}, "unknown scaler"),
        ({"dtype": "float16"}, "dtype must be 'float32', 'float64' or 'bfloat16'"),
        ({"device": "tpu"}, "no device 'tpu' here; it has cpu"),
        ({"random_state": -1}, "random_state must be"),
        ({"random_state": "seed"}, "random_state must be"),
        ({"architecture": "deep"}, "architecture must be 'auto', an Architecture"),
        ({"callbacks": [3]}, "callbacks must be callables"),
        ({"backend": "tensorflw"}, "Did you mean 'tensorflow'"),
    ],
)
def test_a_setting_outside_its_range_is_refused_in_fit_with_what_it_may_be(settings, message):
    with pytest.raises(AeanomError, match=message) as caught:
        quick(**settings).fit(X)
    assert isinstance(caught.value, ValueError)


def test_callbacks_are_called_and_can_end_the_training(backend):
    epochs = []
    detector = quick(
        backend=backend.name,
        epochs=50,
        callbacks=[lambda p: epochs.append(p.epoch), lambda p: p.epoch == 3],
    ).fit(X)
    assert epochs == [1, 2, 3]
    assert detector.history_.stopped_by == "callback"


def test_verbose_prints_to_standard_error_and_silence_is_the_default(capsys):
    quick().fit(X)
    assert capsys.readouterr() == ("", "")
    quick(verbose=2).fit(X)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 2


def test_the_optimizer_s_own_settings_are_used():
    plain, clipped = (quick(optimizer=adam).fit(X) for adam in (Adam(), Adam(weight_decay=10.0)))
    assert not same_bits(plain.model_.weights, clipped.model_.weights)


# From a model and back.


def test_a_detector_from_a_model_scores_the_same(fitted):
    again = AnomalyDetector.from_model(fitted.model_)
    assert np.array_equal(again.anomaly_score(X), fitted.anomaly_score(X))
    assert np.array_equal(again.predict(X), fitted.predict(X))
    assert again.n_features_in_ == 6


def test_a_detector_from_a_model_can_be_fitted_again(fitted):
    again = AnomalyDetector.from_model(fitted.model_)
    again.set_params(epochs=1).fit(X)
    assert again.model_.architecture == fitted.model_.architecture
    assert again.model_.threshold.threshold == fitted.model_.threshold.threshold
