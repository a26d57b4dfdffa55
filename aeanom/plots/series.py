"""A series with its scores below, and what was flagged shaded. Imports NumPy; matplotlib inside.

Scores of windows come back to times with `aeanom.data.point_scores`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidDataError
from aeanom.metrics._labels import read_labels, read_scores
from aeanom.plots.figures import new_figure
from aeanom.plots.style import (
    ANOMALOUS,
    LINES,
    NEUTRAL,
    NORMAL,
    Floats,
    finish,
    kept_points,
    make_logarithmic,
    printable,
    ratio,
    spans_decades,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CHANNEL_COLOURS", "series_scores"]

CHANNEL_COLOURS = (NORMAL, "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_CHANNEL_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1)))
# As many bins as a wide picture has pixels, or nearly.
_MOST_BINS = 800
# More points than this, over all channels, are drawn as an image inside an SVG.
_MOST_VECTOR_VERTICES = 8000
# Channels on one axis only where the quietest is not lost beside the loudest.
_SPAN_OF_CHANNELS = 10.0


def series_scores(
    series: ArrayLike,
    scores: ArrayLike,
    threshold: float,
    *,
    times: ArrayLike | None = None,
    channels: Sequence[str] = (),
    is_anomaly: ArrayLike | None = None,
    axes: NDArray[Any] | None = None,
    title: str = "",
) -> NDArray[Any]:
    """Draw a series, its scores below it with the threshold, and shade what is flagged.

    Channels whose ranges differ by more than a factor of ten are each drawn from their least value
    (0) to their greatest (1), and the axis says so. Of long series those points are left out that
    would not show.

    Parameters
    ----------
    series : array-like of shape (n_times,) or (n_times, n_channels)
        Missing values (NaN) leave gaps.
    scores : array-like of shape (n_times,)
        One a time; `aeanom.data.point_scores` makes them from those of windows.
    threshold : float
        Flagged is what scores above it; an infinite one is in the legend only.
    times : array-like of shape (n_times,), optional
        Increasing numbers or datetimes for the axis; by default 0, 1, 2, ...
    channels : sequence of str
        One a channel, or none. More than five channels are drawn alike, without names.
    is_anomaly : array-like of bool, shape (n_times,), optional
        The true anomalies: a strip over the series.
    axes : ndarray of two Axes, optional
        Where to draw; by default on a new figure, with one axis of time.
    title : str

    Returns
    -------
    ndarray of two Axes
        That of the series and that of the scores.

    Raises
    ------
    InvalidDataError
        If the arrays are not of one length, are empty, or times do not increase.
    MissingDependencyError
        If matplotlib is not installed.
    """
    values, errors, truth = _read(series, scores, is_anomaly)
    n_times, n_channels = values.shape
    if len(channels) not in (0, n_channels):
        raise InvalidDataError(f"there are {n_channels} channels and {len(channels)} names")
    if axes is None:
        figure = new_figure(9.0, 5.2)
        axes = np.asarray(figure.subplots(2, 1, sharex=True, height_ratios=(3, 2)))
    axes = np.asarray(axes)
    if axes.shape != (2,):
        raise InvalidDataError(f"two axes are needed, in an array of shape (2,), got {axes.shape}")
    top, bottom = axes
    places, is_date = _read_times(times, n_times)
    if is_date:
        for one in (top, bottom):
            one.xaxis_date()

    flagged = errors > threshold
    _shade((top, bottom), places, flagged, "flagged", ANOMALOUS)
    if truth is not None:
        _shade((top,), places, truth, "true anomaly", "#009E73", strip=True)
    _draw_channels(top, places, values, channels)
    top.set_title(title)

    kept = kept_points(places, errors, _MOST_BINS)
    bottom.plot(places[kept], errors[kept], color=NEUTRAL, linewidth=1.0, label="score")
    bottom.axhline(
        threshold if np.isfinite(threshold) else np.nan,
        color=LINES[0],
        linestyle="--",
        linewidth=1.2,
        label=f"threshold ({threshold:.3g})",
    )
    shown = np.append(errors, threshold)
    if spans_decades(shown):
        make_logarithmic(bottom.yaxis, ratio(shown))
    bottom.set_ylabel("score")
    bottom.set_xlabel("time")
    for one in (top, bottom):
        one.set_xlim(*_limits(places))
    finish(top, legend=False)
    finish(bottom, handles=_legend_entries(top, bottom))
    return axes


def _read(
    series: ArrayLike, scores: ArrayLike, is_anomaly: ArrayLike | None
) -> tuple[Floats, Floats, NDArray[np.bool_] | None]:
    try:
        values = np.asarray(series, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"could not read the series as numbers: {error}") from None
    if values.ndim not in (1, 2) or values.size == 0:
        raise InvalidDataError(
            f"a series has the shape (n_times,) or (n_times, n_channels), got {values.shape}"
        )
    if values.ndim == 1:
        values = values[:, None]
    errors = read_scores(scores, "scores")
    truth = None if is_anomaly is None else read_labels(is_anomaly, "is_anomaly")
    for name, array in (("scores", errors), ("is_anomaly", truth)):
        if array is not None and len(array) != len(values):
            raise InvalidDataError(
                f"the series has {len(values)} times, but {name} has {len(array)} values: one a "
                "time is needed (aeanom.data.point_scores makes them from scores of windows)"
            )
    return values, errors, truth


def _read_times(times: ArrayLike | None, n_times: int) -> tuple[Floats, bool]:
    """Return times as numbers, and whether they are days since 1970, matplotlib's dates."""
    if times is None:
        return np.arange(n_times, dtype=np.float64), False
    array = np.asarray(times)
    if array.shape != (n_times,):
        raise InvalidDataError(
            f"the series has {n_times} times, but times has the shape {array.shape}"
        )
    is_date = array.dtype.kind in "MO"
    try:
        if is_date:
            # Datetimes of Python and of pandas too.
            from matplotlib.dates import date2num

            to_number: Callable[[Any], Any] = date2num
            places = np.asarray(to_number(array.astype("datetime64[us]")), dtype=np.float64)
        else:
            places = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"could not read times: {error}") from None
    # NaN and NaT are no step forward either.
    wrong = ~(np.diff(places) > 0)
    if wrong.any() or not np.isfinite(places).all():
        where = int(np.argmax(wrong)) + 1 if wrong.any() else 0
        raise InvalidDataError(f"times must increase: see place {where} of {n_times}")
    return places, is_date


def _limits(places: Floats) -> tuple[float, float]:
    edges = _edges(places)
    return float(edges[0]), float(edges[-1])


def _edges(places: Floats) -> Floats:
    """Return where each time begins and ends: halfway to its neighbours."""
    if len(places) == 1:
        return np.array([places[0] - 0.5, places[0] + 0.5])
    halves = np.diff(places) / 2
    first, last = places[:1] - halves[0], places[-1:] + halves[-1]
    edges: Floats = np.concatenate([first, places[:-1] + halves, last])
    return edges


def _shade(
    axes: Sequence[Axes],
    places: Floats,
    which: NDArray[np.bool_],
    label: str,
    color: str,
    *,
    strip: bool = False,
) -> None:
    """Shade the ranges of marked times: the whole height, or a strip along the upper edge."""
    if not which.any():
        return
    changes = np.flatnonzero(np.diff(which, prepend=False, append=False))
    starts, ends = changes[::2], changes[1::2]
    edges = _edges(places)
    ranges = [(edges[i], edges[j] - edges[i]) for i, j in zip(starts, ends, strict=True)]
    many = f"{len(ranges):,} range{'s' if len(ranges) > 1 else ''}"
    for one in axes:
        one.broken_barh(
            ranges,
            (0.95, 0.05) if strip else (0.0, 1.0),
            transform=one.get_xaxis_transform(),
            facecolor=(color, 1.0 if strip else 0.22),
            # A range of one time in a long series is narrower than a pixel: its outline is not.
            edgecolor=(color, 1.0 if strip else 0.35),
            linewidth=0.6,
            label=f"{label} ({many})",
            zorder=0.5,
        )


def _draw_channels(axes: Axes, places: Floats, values: Floats, channels: Sequence[str]) -> None:
    n_channels = values.shape[1]
    low, high = np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)
    spans = high - low
    known = spans[np.isfinite(spans) & (spans > 0)]
    rescaled = known.size > 1 and known.max() > _SPAN_OF_CHANNELS * known.min()
    if rescaled:
        values = (values - low) / np.where(spans > 0, spans, 1.0)
    axes.set_ylabel("channel, from 0 to 1" if rescaled else "value")
    # Fewer of each channel where there are several: they cover each other anyway.
    n_bins = max(_MOST_BINS * 2 // (n_channels + 1), 100)
    kept = [kept_points(places, channel, n_bins) for channel in values.T]
    is_image = sum(map(len, kept)) > _MOST_VECTOR_VERTICES
    named = n_channels <= len(CHANNEL_COLOURS)
    for index, (channel, points) in enumerate(zip(values.T, kept, strict=True)):
        if named:
            label = printable(channels[index]) if len(channels) else f"channel {index + 1}"
            label = "series" if n_channels == 1 and not len(channels) else label
            look: dict[str, Any] = {
                "color": CHANNEL_COLOURS[index],
                "linestyle": _CHANNEL_DASHES[index],
            }
        else:
            # matplotlib leaves what begins with an underscore out of the legend.
            label = f"{n_channels} channels" if index == 0 else "_more"
            look = {"color": NORMAL, "alpha": 0.35}
        axes.plot(
            places[points],
            channel[points],
            label=label if index == 0 or named else "_more",
            linewidth=1.0,
            rasterized=is_image,
            **look,
        )


def _legend_entries(top: Axes, bottom: Axes) -> dict[str, Any]:
    """Return what to name of both axes, each once: shades are on both."""
    entries: dict[str, Any] = {}
    for axes in (top, bottom):
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    return entries
