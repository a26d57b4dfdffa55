"""Windows of a series in, and the scores of windows back to its times.

`sliding_windows` makes the rows that `AnomalyDetector` takes, `point_scores` turns one score a
window into one score a time. Imports NumPy only.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import DataTypeError, InvalidDataError, InvalidParameterError

__all__ = ["point_scores", "sliding_windows"]


def sliding_windows(series: Any, length: int, step: int = 1) -> NDArray[Any]:
    """Cut a series into windows of equal length, each `step` times after the one before.

    Window i begins at time `i * step`. Times at the end that do not fill a window are left out,
    as happens with a step above 1.

    Parameters
    ----------
    series : array-like or DataFrame of shape (time,) or (time, channels)
        In the order of time, with equal distances.
    length : int
        Times in a window.
    step : int
        Times from the start of one window to the start of the next.

    Returns
    -------
    float32 or float64 ndarray of shape (n, length, channels)
        n = ⌊(time - length) / step⌋ + 1. A read-only view: overlapping windows share the memory
        of the series, which is converted to float64, and so copied, only if it is of another type.
        Missing values stay; `AnomalyDetector` refuses them.

    Raises
    ------
    InvalidDataError
        If the series has another number of axes, is shorter than a window, or holds no numbers.
    InvalidParameterError
        If `length` or `step` is no positive whole number.

    Examples
    --------
    >>> sliding_windows([1, 2, 3, 4, 5], length=3, step=2)[..., 0]
    array([[1., 2., 3.],
           [3., 4., 5.]])
    """
    length, step = _positive("length", length), _positive("step", step)
    values = _as_floats(series)
    if values.ndim not in (1, 2):
        raise InvalidDataError(
            f"a series has the shape (time,) or (time, channels), got an array of shape "
            f"{values.shape}"
        )
    if len(values) < length:
        raise InvalidDataError(
            f"the series has {len(values)} times, fewer than one window of length {length}"
        )
    if values.ndim == 1:
        values = values[:, None]
    return np.moveaxis(sliding_window_view(values, length, axis=0), -1, 1)[::step]


def point_scores(
    window_scores: ArrayLike, length: int, step: int, n_times: int, *, reduce: str = "mean"
) -> NDArray[np.float64]:
    """Give each time of a series a score, from the scores of the windows that cover it.

    A window has one score, which does not say where in it the odd times are. The mean over all
    windows that cover a time is highest where they agree. The maximum is above a threshold
    wherever any window is: nothing is missed, but every alarm is as long as a window at least.

    Parameters
    ----------
    window_scores : array-like of shape (n,)
        Of all windows that `sliding_windows(series, length, step)` gives, in their order.
    length, step : int
        As they were given to `sliding_windows`.
    n_times : int
        Times in the series.
    reduce : {"mean", "max"}

    Returns
    -------
    float64 ndarray of shape (n_times,)

    Raises
    ------
    InvalidDataError
        If there are more or fewer scores than windows, or no window.
    InvalidParameterError
        If some times are in no window, as they have no score: at the end of the series when
        `n_times - length` is no multiple of `step`, between windows when `step` is greater than
        `length`. Also for a number that is not positive and whole, or an unknown `reduce`.

    Examples
    --------
    >>> point_scores([2, 4, 9], length=2, step=1, n_times=4)
    array([2. , 3. , 6.5, 9. ])
    >>> point_scores([2, 4, 9], length=2, step=1, n_times=4, reduce="max")
    array([2., 4., 9., 9.])
    """
    length, step = _positive("length", length), _positive("step", step)
    n_times = _positive("n_times", n_times)
    if reduce not in ("mean", "max"):
        raise InvalidParameterError(f"reduce must be 'mean' or 'max', got {reduce!r}")
    scores = np.asarray(window_scores, dtype=np.float64)
    n_windows = max((n_times - length) // step + 1, 0)
    if n_windows == 0 or scores.shape != (n_windows,):
        raise InvalidDataError(
            f"{n_times} times have {n_windows} windows of length {length} with step {step}, but "
            f"window_scores has the shape {scores.shape}"
        )
    _check_covered(n_windows, length, step, n_times)

    combine = np.add if reduce == "mean" else np.maximum
    points = np.full(n_times, 0.0 if reduce == "mean" else -np.inf)
    covering = np.zeros(n_times)
    # All windows at once, for one place in them after the other.
    for place in range(length):
        times = slice(place, place + (n_windows - 1) * step + 1, step)
        combine(points[times], scores, out=points[times])
        covering[times] += 1
    return points / covering if reduce == "mean" else points


def _check_covered(n_windows: int, length: int, step: int, n_times: int) -> None:
    if step > length:
        raise InvalidParameterError(
            f"with step {step} and windows of length {length}, the times between two windows are "
            f"in none and have no score: use a step of at most {length}"
        )
    covered = (n_windows - 1) * step + length
    if covered < n_times:
        raise InvalidParameterError(
            f"the last {n_times - covered} of {n_times} times are in no window and have no score: "
            f"score windows with step=1, or ask for the scores of the others with "
            f"n_times={covered}"
        )


def _positive(name: str, value: Any) -> int:
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise InvalidParameterError(f"{name} must be a positive whole number, got {value!r}")
    return number


def _as_floats(series: Any) -> NDArray[Any]:
    if np.ma.is_masked(series):
        raise InvalidDataError(
            "the series has masked values. Missing values are not accepted: cut the series where "
            "they are, or fill them in (series.filled(...))"
        )
    try:
        values = np.asarray(series)
        if values.dtype in (np.float32, np.float64):
            return values
        if values.dtype.kind in "cmMV":
            raise TypeError(f"values of type {values.dtype} are not real numbers")
        return values.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        kind = DataTypeError if isinstance(error, TypeError) else InvalidDataError
        raise kind(f"could not read the series as numbers: {error}") from None
