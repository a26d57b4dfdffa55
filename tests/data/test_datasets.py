"""The small labelled sets, and the split that trains on normal rows only."""

# ruff: noqa: NPY002 - the tutorial's rows come from the legacy generator, the oracle here too.

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given
from hypothesis import strategies as st

from aeanom.data import breast_cancer, digits, pytorch_tutorial_rows, train_test_split_normal
from aeanom.errors import InvalidDataError, InvalidParameterError, MissingDependencyError


@pytest.mark.parametrize("load", [breast_cancer, digits])
def test_the_parts_of_a_set_fit_each_other(load):
    table = load()
    assert table.rows.shape == (len(table.is_anomaly), len(table.names))
    assert table.rows.dtype == np.float64
    assert table.rows.flags.c_contiguous
    assert table.is_anomaly.dtype == np.bool_
    assert len(set(table.names)) == len(table.names)
    assert table.title
    assert "normal" in table.description


def test_malignant_is_the_anomaly():
    table = breast_cancer()
    # UCI's own counts: 357 benign, 212 malignant; and malignant cells are larger.
    assert np.bincount(table.is_anomaly).tolist() == [357, 212]
    radius = table.rows[:, table.names.index("mean radius")]
    assert radius[table.is_anomaly].mean() > radius[~table.is_anomaly].mean()


def test_digits_from_five_are_anomalies():
    table = digits()
    target = sklearn.datasets.load_digits().target
    np.testing.assert_array_equal(table.is_anomaly, target > 4)
    assert table.names[:2] == ("pixel_0_0", "pixel_0_1")
    assert table.names[-1] == "pixel_7_7"


def test_the_tutorial_rows_are_those_of_the_global_generator_seeded_with_42():
    rows, is_anomaly = pytorch_tutorial_rows()
    state = np.random.get_state()
    try:
        np.random.seed(42)
        normal = np.random.randn(1000, 10) * 0.5 + np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
        odd = np.random.randn(50, 10) * 3 + np.array([10, 9, 8, 7, 6, 5, 4, 3, 2, 1])
    finally:
        np.random.set_state(state)
    np.testing.assert_array_equal(rows, np.vstack([normal, odd]))
    np.testing.assert_array_equal(np.flatnonzero(is_anomaly), np.arange(1000, 1050))


def test_the_global_generator_is_left_alone():
    before = np.random.get_state()[1].copy()
    pytorch_tutorial_rows()
    train_test_split_normal(np.zeros((9, 1)), np.zeros(9, bool), 0.5, 0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@given(
    is_anomaly=st.lists(st.booleans(), min_size=2).filter(lambda v: v.count(False) >= 2),
    fraction=st.floats(0, 1, exclude_min=True, exclude_max=True),
    seed=st.integers(0, 2**32),
)
def test_a_split_trains_on_normal_rows_and_uses_every_row_once(is_anomaly, fraction, seed):
    is_anomaly = np.array(is_anomaly)
    train, test = train_test_split_normal(
        np.zeros((len(is_anomaly), 1)), is_anomaly, fraction, seed
    )
    assert not is_anomaly[train].any()
    assert is_anomaly[test].sum() == is_anomaly.sum()
    np.testing.assert_array_equal(
        np.sort(np.concatenate([train, test])), np.arange(len(is_anomaly))
    )
    assert len(train) >= 1
    assert not is_anomaly[test].all()


def test_the_share_is_of_the_normal_rows_and_the_seed_decides():
    table = breast_cancer()
    train, test = train_test_split_normal(table.rows, table.is_anomaly, 0.2, 7)
    assert (len(train), len(test)) == (357 - 71, 71 + 212)
    again, _ = train_test_split_normal(table.rows, table.is_anomaly, 0.2, 7)
    other, _ = train_test_split_normal(table.rows, table.is_anomaly, 0.2, 8)
    np.testing.assert_array_equal(train, again)
    assert set(train) != set(other)


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_outside_its_range_is_refused(fraction):
    with pytest.raises(InvalidParameterError, match="between 0 and 1"):
        train_test_split_normal(np.zeros(4), np.zeros(4, bool), fraction, 0)


@pytest.mark.parametrize(
    ("is_anomaly", "message"),
    [
        (np.zeros(3, bool), "4 rows and 3 values"),
        (np.zeros(4, int), "array of booleans"),
        (np.zeros((4, 1), bool), "one-dimensional"),
        (np.array([True, True, True, False]), "at least 2 normal rows"),
    ],
)
def test_labels_that_do_not_fit_are_refused(is_anomaly, message):
    with pytest.raises(InvalidDataError, match=message):
        train_test_split_normal(np.zeros((4, 2)), is_anomaly, 0.5, 0)


def test_without_scikit_learn_the_pip_line_is_given(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match="pip install scikit-learn"):
        breast_cancer()


def test_importing_data_and_storage_imports_nothing_heavy():
    code = (
        "import sys, aeanom.data, aeanom.storage; "
        "heavy = {'pyarrow', 'sklearn', 'safetensors', 'pandas', 'scipy', 'urllib.request'}; "
        "sys.exit(', '.join(sorted(heavy & sys.modules.keys())) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
