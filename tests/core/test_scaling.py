"""Scaling against scikit-learn's scalers, and its own rules for constant and huge columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from aeanom.core import Scaler
from aeanom.errors import InvalidDataError, InvalidParameterError

ROWS = np.random.default_rng(0).lognormal(size=(101, 4)) * [1, 10, 1000, 1e-6]
SKLEARN = {"standard": StandardScaler, "minmax": MinMaxScaler, "robust": RobustScaler}
TABLES = arrays.arrays(
    np.float64,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=8),
    elements=st.floats(-1e6, 1e6),
)


@pytest.mark.parametrize("kind", SKLEARN)
def test_scaling_is_scikit_learn_s(kind):
    theirs = SKLEARN[kind]().fit_transform(ROWS)
    ours = Scaler.fit(kind, ROWS).transform(ROWS, "float64")
    assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12)


def test_no_scaler_changes_nothing():
    assert np.array_equal(Scaler.fit("none", ROWS).transform(ROWS, "float64"), ROWS)


@pytest.mark.parametrize("kind", ["standard", "minmax", "robust", "none"])
def test_the_input_is_not_changed(kind):
    before = ROWS.copy()
    scaler = Scaler.fit(kind, ROWS)
    scaler.transform(ROWS, "float64")
    assert np.array_equal(ROWS, before)


@pytest.mark.parametrize("kind", ["standard", "minmax", "robust", "none"])
@given(TABLES)
def test_the_inverse_brings_rows_back(kind, rows):
    scaler = Scaler.fit(kind, rows)
    back = scaler.inverse(scaler.transform(rows, "float64"))
    assert back == pytest.approx(rows, rel=1e-9, abs=1e-9 * max(np.abs(rows).max(), 1))


@pytest.mark.parametrize("kind", ["standard", "minmax", "robust"])
@given(TABLES)
def test_scaled_rows_are_always_finite(kind, rows):
    assert np.isfinite(Scaler.fit(kind, rows).transform(rows, "float32")).all()


@pytest.mark.parametrize("kind", ["standard", "minmax", "robust"])
def test_a_constant_column_has_scale_one(kind):
    # 0.1 + 0.2 is not 0.3: the mean of equal numbers is not always one of them.
    rows = np.column_stack([np.full(7, 0.1 + 0.2), np.arange(7.0)])
    scaler = Scaler.fit(kind, rows)
    assert scaler.scale[0] == 1.0
    assert np.abs(scaler.transform(rows, "float64")[:, 0]).max() < 1e-15


def test_robust_scaling_of_a_column_that_is_mostly_one_value_uses_its_deviation():
    rows = np.array([[0.0]] * 9 + [[10.0]])
    assert Scaler.fit("robust", rows).scale[0] == pytest.approx(rows.std())


def test_scaling_is_computed_in_float64_whatever_comes_out():
    # In float32, 1e8 + 1 is 1e8: the second column would be constant.
    rows = np.array([[1e8], [1e8 + 1], [1e8 + 2]])
    scaled = Scaler.fit("minmax", rows).transform(rows, "float32")
    assert scaled.dtype == np.float32
    assert scaled.ravel().tolist() == [0.0, 0.5, 1.0]


def test_rows_far_outside_are_clipped_so_that_float32_stays_finite():
    scaler = Scaler.fit("standard", ROWS)
    scaled = scaler.transform(np.full((1, 4), 1e300), "float32")
    assert scaled.tolist() == [[1e9] * 4]
    assert scaler.transform(np.full((1, 4), -1e300), "float32").tolist() == [[-1e9] * 4]


def test_a_column_too_large_for_float64_is_named():
    rows = np.array([[1.0, 1e308], [2.0, -1e308], [3.0, 1e308]])
    with pytest.raises(InvalidDataError, match=r"column 'income' holds values up to 1e\+308"):
        Scaler.fit("standard", rows, names=("age", "income"))


def test_float32_rows_near_their_largest_value_are_scaled():
    rows = np.array([[-3e38], [0.0], [3e38]], np.float32)
    assert Scaler.fit("minmax", rows).transform(rows, "float64").ravel() == pytest.approx(
        [0, 0.5, 1]
    )


def test_an_unknown_scaler_is_refused_with_the_known_ones():
    with pytest.raises(InvalidParameterError, match="'zscore'; known: standard, minmax, robust"):
        Scaler.fit("zscore", ROWS)


@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64]),
        arrays.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=40),
        elements=st.floats(-1e3, 1e3, width=32),
    ),
    st.sampled_from(["float32", "float64"]),
    st.booleans(),
)
def test_columns_are_scaled_as_one_by_one(rows, dtype, transposed):
    # Many rows, and few: those that fill long rows of the implementation, and those left over.
    rows = np.concatenate([rows] * 7)
    rows = np.asfortranarray(rows) if transposed else rows
    n_scales = rows.shape[-1]
    scaler = Scaler("standard", np.linspace(-2, 3, n_scales), np.linspace(0.1, 7, n_scales))
    plain = ((rows.astype(np.float64) - scaler.center) / scaler.scale).astype(dtype)
    scaled = scaler.transform(rows, dtype)
    assert scaled.dtype == dtype
    assert scaled.tobytes() == plain.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_out_is_clipped_and_what_is_not_finite_is_nan(dtype):
    rows = np.zeros((5, 2))
    rows[:, 1] = [1e300, -1e300, np.inf, -np.inf, np.nan]
    scaled = Scaler("standard", np.zeros(2), np.array([1, 1e-30])).transform(rows, dtype)
    assert np.array_equal(scaled[:, 0], np.zeros(5))
    assert np.array_equal(scaled[:, 1], [1e9, -1e9, np.nan, np.nan, np.nan], equal_nan=True)
