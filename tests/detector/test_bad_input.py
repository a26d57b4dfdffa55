"""Rows of every awkward kind: each is either scored or refused with what is wrong and where.

After a refusal nothing is half-changed, and no input array is ever modified.
"""

import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from support import normal_rows, same_bits

from aeanom import AnomalyDetector
from aeanom.errors import AeanomError, InvalidDataError

pytestmark = pytest.mark.filterwarnings("ignore::aeanom.errors.CalibrationWarning")

X = normal_rows(100)
BIG = {"float32": 1e38, "float64": 1e307}


def quick(**settings):
    settings = {"backend": "numpy", "epochs": 2, "random_state": 0, **settings}
    return AnomalyDetector(**settings)


def with_value(value, row=3, column=1):
    rows = X.copy()
    rows[row, column] = value
    return rows


REFUSED = {
    "NaN": (with_value(np.nan), "1 NaN and 0 infinity .*in 1 of 100 rows, column 1"),
    "infinity": (with_value(-np.inf), "0 NaN and 1 infinity .*in 1 of 100 rows, column 1"),
    "empty": (X[:0], r"0 sample\(s\)"),
    "no columns": (X[:, :0], r"0 feature\(s\)"),
    "1-D": (X[0], "Expected 2D array, got 1D array"),
    "5-D": (X[:, :, None, None, None], "Expected 2D array, got 5D array"),
    "scalar": (3.0, "Expected 2D array, got 0D array"),
    "text": (np.array([["a", "b"]] * 100), "Not numbers: columns 0, 1"),
    "sparse": (sparse.csr_array(X), "sparse data is not supported"),
    "complex": (X + 1j, "Complex data not supported"),
    "dates": (pd.DataFrame({"day": pd.to_datetime(["2020-01-01"] * 9)}), "are not numbers"),
    "ragged": ([[1, 2], [3]], "do not make an array"),
    "None": (None, "Expected 2D array|could not read"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_fit_refuses_rows_it_cannot_use_and_stays_unfitted(kind):
    rows, message = REFUSED[kind]
    detector = quick()
    with pytest.raises(InvalidDataError, match=message):
        detector.fit(rows)
    assert vars(detector) == vars(quick())


@pytest.mark.parametrize("kind", REFUSED)
def test_scoring_refuses_rows_it_cannot_use_and_changes_nothing(kind):
    rows, _ = REFUSED[kind]
    detector = quick().fit(X)
    scores = detector.anomaly_score(X)
    for method in (detector.anomaly_score, detector.predict, detector.explain, detector.calibrate):
        with pytest.raises(InvalidDataError):
            method(rows)
    assert np.array_equal(detector.anomaly_score(X), scores)


def test_a_missing_value_is_refused_with_the_name_of_its_column():
    frame = pd.DataFrame(with_value(np.nan), columns=list("abcdef"))
    with pytest.raises(InvalidDataError, match="column 'b'"):
        quick().fit(frame)


def test_a_missing_value_in_an_unnamed_array_is_refused_with_the_fitted_column_s_name():
    detector = quick().fit(pd.DataFrame(X, columns=list("abcdef")))
    with pytest.raises(InvalidDataError, match="column 'b'"):
        detector.predict(with_value(np.nan))


def test_text_columns_are_refused_by_name():
    frame = pd.DataFrame({"x": [1.0, 2.0], "colour": ["red", "blue"]})
    with pytest.raises(InvalidDataError, match="column 'colour'; leave these columns out"):
        quick().fit(frame)


def test_another_width_is_refused_with_both_widths():
    detector = quick().fit(X)
    with pytest.raises(InvalidDataError, match=r"X has 5 features, but .* is expecting 6 features"):
        detector.predict(X[:, :5])


def test_one_row_cannot_be_fitted():
    with pytest.raises(InvalidDataError, match=re.escape("1 sample(s)") + ".*minimum of 2"):
        quick().fit(X[:1])


def test_two_rows_can_be_fitted(backend):
    detector = quick(backend=backend.name).fit(X[:2])
    assert np.isfinite(detector.anomaly_score(X)).all()


def test_one_row_is_scored_as_it_is_among_others(backend):
    detector = quick(backend=backend.name, dtype="float64").fit(X)
    one_by_one = np.concatenate([detector.anomaly_score(row[None]) for row in X[:5]])
    assert one_by_one == pytest.approx(detector.anomaly_score(X)[:5], rel=1e-10)


def test_no_row_is_skipped_when_there_are_fewer_than_a_batch(backend):
    detector = quick(backend=backend.name, batch_size=1024, epochs=30, learning_rate=0.05).fit(
        X[:40]
    )
    assert detector.history_.steps == 30
    assert detector.history_.loss[-1] < 0.9 * detector.history_.loss[0]


@pytest.mark.parametrize("scaler", ["standard", "minmax", "robust", None])
def test_a_constant_column_does_no_harm_until_it_changes(scaler):
    rows = np.column_stack([X, np.full(100, 7.0)])
    detector = quick(scaler=scaler, epochs=100).fit(rows)
    scores = detector.anomaly_score(rows)
    assert np.isfinite(scores).all()
    changed = rows.copy()
    changed[:, -1] = 100.0
    assert (detector.anomaly_score(changed) > scores.max()).all()


def test_all_rows_alike_are_normal_and_any_other_row_is_not(backend):
    rows = np.tile([1.0, -2.0, 3.0], (100, 1))
    detector = quick(backend=backend.name).fit(rows)
    assert not detector.is_anomaly(rows).any()
    assert detector.is_anomaly(rows + np.array([5.0, 0.0, 0.0])).all()


def test_one_column_is_enough(backend):
    detector = quick(backend=backend.name).fit(X[:, :1])
    assert np.isfinite(detector.anomaly_score(X[:, :1])).all()


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


LAYOUTS = {
    "read-only": read_only,
    "Fortran": np.asfortranarray,
    "strided": lambda array: np.repeat(array, 2, axis=1)[:, ::2],
    "reversed": lambda array: array[::-1].copy()[::-1],
    "big-endian": lambda array: array.astype(">f8"),
    "list": np.ndarray.tolist,
    "dataframe": lambda array: pd.DataFrame(array),
}


@pytest.mark.parametrize("scaler", ["standard", None])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_memory_layout_of_rows_changes_nothing(backend, layout, scaler):
    settings = {"backend": backend.name, "dtype": "float64", "scaler": scaler}
    rows = LAYOUTS[layout](X)
    expected, detector = quick(**settings).fit(X.copy()), quick(**settings).fit(rows)
    assert same_bits(detector.model_.weights, expected.model_.weights)
    assert np.array_equal(detector.anomaly_score(rows), expected.anomaly_score(X.copy()))


@pytest.mark.parametrize("scaler", ["standard", None])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_input_array_is_ever_modified(backend, dtype, scaler):
    rows = X.astype(dtype)
    before = rows.copy()
    detector = quick(backend=backend.name, dtype=dtype, scaler=scaler)
    detector.fit(rows, validation=rows, calibration=rows)
    detector.predict(rows)
    detector.explain(rows)
    detector.reconstruct(rows)
    latents = detector.encode(rows)
    kept = latents.copy()
    detector.decode(latents)
    detector.calibrate(rows)
    assert np.array_equal(rows, before)
    assert np.array_equal(latents, kept)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_huge_value_that_is_only_scored_is_an_anomaly_with_a_finite_score(backend, dtype):
    detector = quick(backend=backend.name, dtype=dtype).fit(X)
    rows = X[:5].astype(dtype)
    rows[:, 2] = BIG[dtype]
    scores = detector.anomaly_score(rows)
    assert np.isfinite(scores).all()
    assert detector.is_anomaly(rows).all()
    assert np.isfinite(detector.explain(rows).share).all()


@pytest.mark.parametrize("scaler", ["standard", "minmax", "robust", None])
@pytest.mark.parametrize("rows_dtype", ["float32", "float64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_values_in_training_work_or_are_refused_by_column(rows_dtype, dtype, scaler):
    rows = X.astype(rows_dtype)
    rows[:, 2] *= 5e37 if rows_dtype == "float32" else 1e307
    detector = quick(scaler=scaler, dtype=dtype)
    refusal = None
    try:
        detector.fit(rows)
    except AeanomError as error:
        refusal = str(error)
    if refusal is None:
        assert np.isfinite(detector.anomaly_score(rows)).all()
        assert np.isfinite(detector.threshold_)
    else:
        assert re.search("column 2 holds values up to|training diverged", refusal)
        assert not hasattr(detector, "model_")


def test_a_huge_column_is_scaled_like_any_other(backend):
    rows = X.copy()
    rows[:, 2] *= 1e38
    scores = quick(backend=backend.name, dtype="float64").fit(rows).anomaly_score(rows)
    plain = quick(backend=backend.name, dtype="float64").fit(X).anomaly_score(X)
    assert scores == pytest.approx(plain, rel=1e-6)


def test_tiny_values_are_scaled_like_any_other():
    scores = quick(dtype="float64").fit(1e-150 * X).anomaly_score(1e-150 * X)
    assert scores == pytest.approx(quick(dtype="float64").fit(X).anomaly_score(X), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_outlier_in_training_of_any_size_leaves_scores_finite(backend, dtype):
    rows = with_value(1e30)
    detector = quick(backend=backend.name, dtype=dtype).fit(rows)
    assert np.isfinite(detector.anomaly_score(rows)).all()
