"""Windows of a series, and scores of its times from the scores of its windows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aeanom.data import point_scores, sliding_windows
from aeanom.errors import DataTypeError, InvalidDataError, InvalidParameterError

SERIES = np.arange(20.0).reshape(10, 2)


@st.composite
def coverings(draw):
    """A length, a step and a number of windows that leave no time out."""
    length = draw(st.integers(1, 8))
    return length, draw(st.integers(1, length)), draw(st.integers(1, 12))


@st.composite
def scored_windows(draw):
    """Scores of windows, with length, step and the number of times that they cover."""
    length, step, n_windows = draw(coverings())
    finite = st.floats(-1e6, 1e6)
    scores = draw(arrays(np.float64, n_windows, elements=finite))
    return scores, length, step, (n_windows - 1) * step + length


# Windows --------------------------------------------------------------------------------------


@given(st.integers(1, 30), st.integers(1, 3), st.integers(1, 30), st.integers(1, 5))
def test_windows_are_the_slices_of_a_loop(n_times, channels, length, step):
    series = np.random.default_rng(0).normal(size=(n_times, channels))
    expected = [series[start : start + length] for start in range(0, n_times - length + 1, step)]
    if not expected:
        with pytest.raises(InvalidDataError):
            sliding_windows(series, length, step)
    else:
        assert np.array_equal(sliding_windows(series, length, step), expected)


def test_a_series_of_one_axis_has_one_channel():
    windows = sliding_windows(SERIES[:, 0], 4)
    assert windows.shape == (7, 4, 1)
    assert np.array_equal(windows, sliding_windows(SERIES[:, :1], 4))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_of_floats_are_a_view_that_cannot_be_written_to(dtype):
    series = SERIES.astype(dtype)
    windows = sliding_windows(series, 4, 2)
    assert windows.dtype == dtype
    assert np.shares_memory(windows, series)
    assert not windows.flags.writeable
    assert series.flags.writeable


@pytest.mark.parametrize("series", [[1, 2, 3], np.array([1, 2, 3], np.uint8), [True, False, True]])
def test_other_numbers_become_float64(series):
    windows = sliding_windows(series, 2)
    assert windows.dtype == np.float64
    assert np.array_equal(windows[:, 0, 0], np.asarray(series[:2], float))


def test_missing_values_stay_for_the_detector_to_refuse():
    assert np.isnan(sliding_windows([1.0, np.nan, 3.0], 2)).sum() == 2


def test_a_data_frame_is_a_series_of_its_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(SERIES, columns=["load", "heat"])
    assert np.array_equal(sliding_windows(frame, 4), sliding_windows(SERIES, 4))


def test_a_series_that_is_shorter_than_a_window_is_refused_with_both_lengths():
    with pytest.raises(InvalidDataError, match="10 times, fewer than one window of length 11"):
        sliding_windows(SERIES, 11)


@pytest.mark.parametrize("shape", [(), (4, 3, 2)])
def test_an_array_that_is_no_series_is_refused_with_its_shape(shape):
    with pytest.raises(InvalidDataError, match=r"\(time, channels\), got an array of shape \("):
        sliding_windows(np.zeros(shape), 1)


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "3", None])
@pytest.mark.parametrize("name", ["length", "step"])
def test_a_length_or_step_that_is_no_positive_whole_number_is_refused_by_name(name, value):
    settings = {"length": 2, "step": 1, name: value}
    with pytest.raises(InvalidParameterError, match=f"{name} must be a positive whole number"):
        sliding_windows(SERIES, **settings)
    with pytest.raises(InvalidParameterError, match=f"{name} must be a positive whole number"):
        point_scores(np.zeros(9), n_times=10, **settings)


@pytest.mark.parametrize(
    ("series", "error"),
    [
        (["1", "two"], InvalidDataError),
        ([1j, 2], DataTypeError),
        (np.array(["2024-01-01", "2024-01-02"], "datetime64[D]"), DataTypeError),
        ([[1, 2], [3]], InvalidDataError),
    ],
    ids=["text", "complex", "dates", "ragged"],
)
def test_a_series_without_numbers_is_refused(series, error):
    with pytest.raises(error, match="could not read the series as numbers"):
        sliding_windows(series, 1)


# Scores of times ------------------------------------------------------------------------------


@pytest.mark.parametrize(("reduce", "reference"), [("mean", np.mean), ("max", np.max)])
@given(scored_windows())
def test_a_time_is_scored_by_the_windows_that_cover_it(reduce, reference, case):
    scores, length, step, n_times = case
    starts = step * np.arange(len(scores))
    expected = [
        reference(scores[(starts <= time) & (time < starts + length)]) for time in range(n_times)
    ]
    points = point_scores(scores, length, step, n_times, reduce=reduce)
    assert points.dtype == np.float64
    assert points == pytest.approx(np.array(expected), rel=1e-12, abs=1e-8)


@given(scored_windows(), st.floats(-1e6, 1e6))
def test_with_the_maximum_a_time_is_flagged_if_any_of_its_windows_is(case, threshold):
    scores, length, step, n_times = case
    flagged = np.zeros(n_times, bool)
    for window in np.flatnonzero(scores > threshold):
        flagged[window * step : window * step + length] = True
    points = point_scores(scores, length, step, n_times, reduce="max")
    assert np.array_equal(points > threshold, flagged)


@given(coverings())
def test_there_is_one_score_for_each_time_of_the_series(covering):
    length, step, n_windows = covering
    series = np.zeros((n_windows - 1) * step + length)
    scores = np.ones(len(sliding_windows(series, length, step)))
    assert np.array_equal(point_scores(scores, length, step, len(series)), np.ones(len(series)))


def test_windows_side_by_side_give_their_score_to_each_of_their_times():
    assert np.array_equal(point_scores([1, 5], 3, 3, 6), [1, 1, 1, 5, 5, 5])


def test_the_order_of_the_ends_is_kept():
    points = point_scores(np.arange(7.0), 4, 1, 10)
    assert (points[0], points[-1]) == (0, 6)


def test_a_score_too_few_is_refused_with_both_counts():
    with pytest.raises(InvalidDataError, match=r"10 times have 7 windows .* shape \(6,\)"):
        point_scores(np.zeros(6), 4, 1, 10)
    with pytest.raises(InvalidDataError, match=r"shape \(7, 1\)"):
        point_scores(np.zeros((7, 1)), 4, 1, 10)


def test_a_series_without_a_window_has_no_scores():
    with pytest.raises(InvalidDataError, match="3 times have 0 windows of length 4"):
        point_scores([], 4, 1, 3)


def test_a_tail_that_no_window_covers_is_refused_with_both_remedies():
    with pytest.raises(InvalidParameterError, match=r"last 2 of 12 .* step=1, .* n_times=10"):
        point_scores(np.zeros(3), 4, 3, 12)
    assert len(point_scores(np.zeros(3), 4, 3, 10)) == 10


def test_gaps_between_windows_are_refused():
    with pytest.raises(InvalidParameterError, match="step of at most 4"):
        point_scores(np.zeros(2), 4, 5, 9)


def test_an_unknown_way_to_reduce_is_refused():
    with pytest.raises(InvalidParameterError, match="'mean' or 'max', got 'median'"):
        point_scores(np.zeros(7), 4, 1, 10, reduce="median")


def test_masked_values_are_refused_and_not_taken_for_data():
    series = np.ma.masked_greater(np.arange(10.0), 7)
    with pytest.raises(InvalidDataError, match="masked values"):
        sliding_windows(series, 3)
