"""What all pictures have in common: colours, shapes, legends, names, and how arrays are read.

Colours are from the palette of Okabe and Ito, which colour-blind people can tell apart and which
show on white and on black; what differs in colour differs in shape, dash or words too. It imports
NumPy and `aeanom.metrics`; matplotlib inside the functions. Pictures are in the modules beside
this one, named after what they show; start with `scores.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.metrics._labels import read_labels, read_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

Floats = NDArray[np.float64]

NORMAL = "#0072B2"
ANOMALOUS = "#D55E00"
# For what is neither class: black turns into the colour of the text where a page is dark.
LINES = ("#000000", "#009E73", "#CC79A7", "#808080")
NEUTRAL = LINES[3]
DASHES = ("--", "-.", ":", (0, (6, 1)))
ERROR_LABEL = "error (scaled units)"
# In an SVG a point is about 90 bytes; above this many they are drawn as an image inside it.
MOST_VECTOR_POINTS = 1500
# From one decade up, small errors all end in the first bin of a linear axis.
_SPAN_FOR_LOG = 10.0
_LONGEST_NAME = 30
_LEGEND_SIZE = 9
# Inches from the axes to the legend under them: tick labels and the label of the axis.
_BELOW_AXES = 0.5
# Inches that tick labels and the label of the axis take of the width.
_LEFT_OF_AXES = 0.4


def read_classes(scores: ArrayLike, is_anomaly: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Return scores as float64 and the class of each as bool.

    Raises
    ------
    InvalidDataError
        If the two are not of one length, are empty, or hold what is no score or no class.
    """
    shapes = np.shape(scores), np.shape(is_anomaly)
    if len(shapes[0]) != 1 or shapes[0] != shapes[1] or shapes[0] == (0,):
        raise InvalidDataError(
            f"scores and is_anomaly must have one value a row, got shapes {shapes[0]} and "
            f"{shapes[1]}"
        )
    return read_scores(scores, "scores"), read_labels(is_anomaly, "is_anomaly")


def read_count(name: str, value: Any) -> int:
    """Return a whole number of at least one, or raise `InvalidParameterError`."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidParameterError(f"{name} must be a positive whole number, got {value!r}")
    return int(value)


def read_row(row: Any, n: int) -> int:
    """Return a place among n rows, from 0, or raise `InvalidParameterError`."""
    if isinstance(row, bool) or not isinstance(row, int | np.integer) or not -n <= row < n:
        raise InvalidParameterError(f"row {row!r} is none of the {n} rows that were explained")
    return int(row) % n


def spans_decades(values: Floats) -> bool:
    """Whether values are positive and span more than a decade, so that a log axis shows more."""
    values = values[np.isfinite(values)]
    return bool(values.size) and 0 < _SPAN_FOR_LOG * float(values.min()) < float(values.max())


def make_logarithmic(axis: Axis, span: float = np.inf) -> None:
    """Make an axis logarithmic, with ticks in plain figures: 0.01, not a power of ten.

    `span` is the ratio of what is shown: below two decades, 2 and 5 have ticks too.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if axis is axis.axes.xaxis:
        axis.axes.set_xscale("log")
    else:
        axis.axes.set_yscale("log")
    if span < 100:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def ratio(values: Floats) -> float:
    """Return the largest over the smallest of positive values, for `make_logarithmic`."""
    values = values[np.isfinite(values)]
    return float(values.max() / values.min())


def printable(name: object, longest: int = _LONGEST_NAME) -> str:
    """Return a name in one short line: no control characters, the middle left out if it is long."""
    text = "".join(
        character
        if character.isprintable()
        else " "
        if character.isspace()
        else "\N{REPLACEMENT CHARACTER}"
        for character in str(name)
    )
    if len(text) <= longest:
        return text
    head = (longest - 1) * 2 // 3
    return f"{text[:head]}…{text[head + 1 - longest :]}"


def figure_text(value: float) -> str:
    """Return a number in four figures at most, with a minus sign that is one."""
    return f"{value:.4g}".replace("-", "\N{MINUS SIGN}")


def class_parts(
    anomalous: NDArray[np.bool_], names: Sequence[str]
) -> list[tuple[NDArray[np.bool_], str, str, str]]:
    """Return for each class that has rows: which they are, colour, marker, and legend entry."""
    if isinstance(names, str) or len(names) != 2:
        raise InvalidParameterError(
            f"names must be two, of the normal and of the anomalous rows; got {names!r}"
        )
    parts = [
        (~anomalous, NORMAL, "o", names[0]),
        (anomalous, ANOMALOUS, "^", names[1]),
    ]
    return [
        (which, color, marker, f"{printable(name)} ({np.count_nonzero(which):,})")
        for which, color, marker, name in parts
        if which.any()
    ]


def thin_line(x: Floats, y: Floats, n_bins: int = 500) -> tuple[Floats, Floats]:
    """Leave out points of a line that do not show: of each bin along x, keep the ends and extremes.

    With one bin a pixel the picture is the same, bit for bit (Jugel et al., "M4: a
    visualization-oriented time series data aggregation", PVLDB 7, 2014). Gaps (NaN) stay.

    Parameters
    ----------
    x : float64 ndarray of shape (n,)
        Not decreasing; for a logarithmic axis, its logarithm decides: hand over that.
    y : float64 ndarray of shape (n,)
    n_bins : int

    Returns
    -------
    x, y : float64 ndarray of shape (m,), m ≤ 4 · n_bins where nothing is NaN
    """
    kept = kept_points(x, y, n_bins)
    return x[kept], y[kept]


def kept_points(x: Floats, y: Floats, n_bins: int = 500) -> NDArray[np.intp]:
    """Return the indices of the points that `thin_line` keeps, increasing."""
    n = len(x)
    if n <= 4 * n_bins or x[0] == x[-1]:
        return np.arange(n)
    bins = np.minimum((x - x[0]) / (x[-1] - x[0]) * n_bins, n_bins - 1).astype(np.int64)
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    ends = np.append(starts[1:], n) - 1
    # Sorted by bin and then by value, the extremes of a bin are its first and last.
    order = np.lexsort((np.nan_to_num(y), bins))
    gaps = np.flatnonzero(np.diff(np.isnan(y), prepend=False))
    return np.unique(np.concatenate([starts, ends, order[starts], order[ends], gaps]))


def finish(
    axes: Axes,
    *,
    markerscale: float = 1.0,
    legend: bool = True,
    handles: Mapping[str, Any] | None = None,
) -> None:
    """Put grid and legend in place: the legend under the axes, clear of the data.

    Parameters
    ----------
    axes : Axes
    markerscale : float
        How much larger markers are in the legend.
    legend : bool
        Whether there is one.
    handles : mapping of str to artist, optional
        Its entries; by default what on the axes has a label.
    """
    # Grey that lets the background through: right on white and on black.
    axes.grid(visible=True, color=NEUTRAL, alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_parse_math(False)
    if handles is None:
        drawn, labels = axes.get_legend_handles_labels()
    else:
        drawn, labels = list(handles.values()), list(handles)
    if not legend or not labels:
        return
    from matplotlib.transforms import ScaledTranslation

    # In inches under the axes, however high the layout makes them.
    under = ScaledTranslation(0, -_BELOW_AXES, axes.figure.dpi_scale_trans)
    made = axes.legend(
        drawn,
        labels,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        bbox_transform=axes.transAxes + under,
        borderaxespad=0.0,
        ncols=_legend_columns(axes, labels),
        frameon=False,
        fontsize=_LEGEND_SIZE,
        markerscale=markerscale,
    )
    for text in made.get_texts():
        text.set_parse_math(False)


def size_in_inches(axes: Axes) -> tuple[float, float]:
    """Return width and height of axes before the layout makes room for labels."""
    box = axes.get_window_extent()
    return box.width / axes.figure.dpi, box.height / axes.figure.dpi


def _legend_columns(axes: Axes, labels: Sequence[str]) -> int:
    """Return in how many columns the entries stand, so that they are no wider than the axes."""
    # A character of this font is about half as wide as high; 6 more for the line before it.
    longest = max(len(line) for label in labels for line in label.split("\n"))
    column = (longest + 6) * 0.5 * _LEGEND_SIZE / 72
    width = size_in_inches(axes)[0] - _LEFT_OF_AXES
    return int(np.clip(width / column, 1, 2 if len(labels) in (2, 4) else 3))
