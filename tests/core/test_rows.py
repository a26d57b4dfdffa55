"""What may be handed in as rows; each refusal says what is wrong, where, and what to do."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy import sparse

from aeanom.core.rows import as_rows, check_names, column_names
from aeanom.errors import AeanomError, DataTypeError, InvalidDataError


def refused(X, message, kind=InvalidDataError, **settings):
    with pytest.raises(kind, match=message) as caught:
        as_rows(X, caller="Detector", **settings)
    assert isinstance(caught.value, AeanomError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_taken_as_they_are_without_a_copy(dtype):
    X = np.ones((3, 2), dtype)
    assert as_rows(X, caller="Detector") is X


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint16", "bool", "float16", ">f8"])
def test_other_numbers_become_float64(dtype):
    X = np.array([[0, 1], [1, 0]], dtype)
    rows = as_rows(X, caller="Detector")
    assert rows.dtype == np.float64
    assert rows.tolist() == [[0, 1], [1, 0]]


def test_lists_and_objects_that_are_numbers_are_rows():
    assert as_rows([[1, 2.5]], caller="Detector").tolist() == [[1, 2.5]]
    assert as_rows(np.array([[1, 2.5]], object), caller="Detector").tolist() == [[1, 2.5]]


def test_a_dataframe_is_rows():
    frame = pd.DataFrame({"age": [1, 2], "income": [3.5, 4.5]})
    assert as_rows(frame, caller="Detector").tolist() == [[1, 3.5], [2, 4.5]]


def test_nan_and_infinity_are_counted_and_their_columns_named():
    X = np.zeros((10, 3))
    X[[1, 2, 3], 0] = np.nan
    X[3, 2] = -np.inf
    refused(
        X,
        re.escape("NaN or infinity: 3 NaN and 1 infinity (inf) in 3 of 10 rows, columns 'a', 'c'."),
        names=("a", "b", "c"),
    )


def test_columns_without_names_are_given_by_number():
    X = np.zeros((4, 3))
    X[0, 1] = np.nan
    refused(X, "in 1 of 4 rows, column 1.")


def test_many_bad_columns_are_counted_not_listed():
    refused(np.full((2, 12), np.nan), "columns 0, 1, 2, 3, 4 and 7 more")


def test_a_sum_that_overflows_is_not_taken_for_infinity():
    assert as_rows(np.full((4, 2), 1e308), caller="Detector").shape == (4, 2)


def test_nan_that_came_from_opposite_infinities_is_still_found():
    refused(np.array([[np.inf, -np.inf]]), "2 infinity")


def test_text_is_refused_with_its_columns():
    X = np.array([[1, "a", 3], [2, "b", 4]], object)
    refused(X, "Not numbers: column 'colour'; leave these columns out", names=("x", "colour", "y"))


def test_none_counts_as_a_missing_value():
    refused(np.array([[1, None], [2, 3]], object), "1 NaN and 0 infinity .* column 1")


def test_dates_are_refused():
    refused(np.array([["2020-01-01"]], "datetime64[D]"), r"datetime64\[D\] are not numbers")


def test_complex_numbers_are_refused():
    refused(np.ones((3, 2), complex), "Complex data not supported")


@pytest.mark.parametrize("form", [sparse.csr_array, sparse.coo_matrix, sparse.csc_matrix])
def test_sparse_rows_are_refused_as_a_type_error_too(form):
    refused(form(np.eye(3)), "sparse data is not supported.*toarray", DataTypeError)
    assert issubclass(DataTypeError, TypeError)


@pytest.mark.parametrize("X", [[1.0, 2.0], 3.0])
def test_rows_without_axes_are_refused_with_the_reshape_to_use(X):
    refused(X, r"Expected 2D array, got \dD array instead.*reshape\(-1, 1\)")


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 3, 2)])
def test_images_and_windows_are_taken_where_no_shape_is_asked_for(shape):
    assert as_rows(np.zeros(shape), caller="Detector").shape == shape


def test_rows_of_another_rank_than_asked_for_are_refused_with_both():
    refused(
        np.zeros((5, 12)),
        r"Expected 3D array, got 2D array.*Rows have the shape \(4, 3\)",
        row_shape=(4, 3),
    )


def test_rows_of_several_lengths_are_refused():
    refused([[1, 2], [3]], "rows do not make an array")


def test_no_rows_are_refused():
    refused(np.zeros((0, 3)), r"0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 1 is required")


def test_no_columns_are_refused():
    refused(np.zeros((3, 0)), r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1 is required")


def test_too_few_rows_are_refused_with_how_many_it_takes():
    refused(np.zeros((1, 3)), "minimum of 2 is required by Detector", minimum=2)


def test_another_width_is_refused_with_both():
    refused(
        np.zeros((2, 3)), "X has 3 features, but Detector is expecting 5 features", row_shape=(5,)
    )


def test_columns_of_pandas_and_arrow_tables_have_names():
    columns = {"age": [1, 2], "income": [3, 4]}
    assert column_names(pd.DataFrame(columns)) == ("age", "income")
    assert column_names(pa.table(columns)) == ("age", "income")


def test_columns_without_text_names_have_none():
    assert column_names(np.zeros((2, 2))) is None
    assert column_names(pd.DataFrame(np.zeros((2, 2)))) is None
    assert column_names([[1, 2]]) is None


def test_the_same_names_in_the_same_order_pass():
    check_names(pd.DataFrame({"a": [1], "b": [2]}), ("a", "b"), "Detector")


def test_an_array_without_names_passes():
    check_names(np.zeros((1, 2)), ("a", "b"), "Detector")


def test_other_names_are_refused_with_those_unseen_and_those_missing():
    with pytest.raises(InvalidDataError) as caught:
        check_names(pd.DataFrame({"a": [1], "c": [2]}), ("a", "b"), "Detector")
    assert "unseen at fit time:\n- c" in str(caught.value)
    assert "yet now missing:\n- b" in str(caught.value)


def test_another_order_of_the_same_names_is_refused():
    with pytest.raises(InvalidDataError, match="must be in the same order as they were in fit"):
        check_names(pd.DataFrame({"b": [1], "a": [2]}), ("a", "b"), "Detector")
