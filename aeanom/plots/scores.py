"""Scores of single rows: as histogram by class, and row by row with the threshold.

It imports NumPy; matplotlib inside the functions. What a threshold makes of the scores is in
`decisions.py`, how well they rank the rows in `ranking.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from aeanom.plots.figures import new_axes
from aeanom.plots.style import (
    DASHES,
    ERROR_LABEL,
    LINES,
    MOST_VECTOR_POINTS,
    class_parts,
    finish,
    make_logarithmic,
    printable,
    ratio,
    read_classes,
    spans_decades,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["error_histogram", "error_scatter"]

_MOST_BINS = 50


def error_histogram(
    scores: ArrayLike,
    is_anomaly: ArrayLike,
    thresholds: Mapping[str, float] | None = None,
    *,
    names: tuple[str, str] = ("normal", "anomalous"),
    axes: Axes | None = None,
    title: str = "Errors by class",
) -> Axes:
    """Draw the errors of normal and of anomalous rows as two histograms over common bins.

    The error axis is logarithmic where errors span more than a decade.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Anomaly scores.
    is_anomaly : array-like of bool, shape (n,)
    thresholds : mapping of str to float, optional
        Label to value; a vertical line each. One that is infinite is in the legend only.
    names : tuple of two str
        What to call the rows where `is_anomaly` is False and True.
    axes : Axes, optional
        Where to draw; by default on a new figure.
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the two arrays are not of one length, are empty, or hold what is no score or no class.
    MissingDependencyError
        If matplotlib is not installed.
    """
    errors, anomalous = read_classes(scores, is_anomaly)
    parts = class_parts(anomalous, names)
    axes = axes or new_axes()
    from matplotlib.ticker import MaxNLocator

    thresholds = dict(thresholds or {})
    shown = np.concatenate([errors, np.array([*thresholds.values()], dtype=np.float64)])
    shown = shown[np.isfinite(shown)]
    low, high = float(shown.min()), float(shown.max())
    if low == high:
        # In proportion: around 1e-9, bins of a tenth would say nothing.
        room = 0.5 * abs(low) or 0.5
        low, high = low - room, high + room
    n_bins = int(np.clip(2 * len(errors) ** 0.5, 10, _MOST_BINS))
    if spans_decades(shown):
        bins = np.geomspace(low, high, n_bins + 1)
        make_logarithmic(axes.xaxis, ratio(shown))
    else:
        bins = np.linspace(low, high, n_bins + 1)
    for which, color, _, label in parts:
        axes.hist(
            errors[which],
            bins=bins.tolist(),
            histtype="stepfilled",
            facecolor=(color, 0.45),
            edgecolor=color,
            linewidth=1.2,
            label=label,
        )
    for index, (label, value) in enumerate(thresholds.items()):
        axes.axvline(
            value if np.isfinite(value) else np.nan,
            color=LINES[index % len(LINES)],
            linestyle=DASHES[index % len(DASHES)],
            linewidth=1.5,
            label=f"{printable(label)} ({value:.3g})",
        )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel(ERROR_LABEL)
    axes.set_ylabel("rows per bin")
    axes.set_title(title)
    finish(axes)
    return axes


def error_scatter(
    scores: ArrayLike,
    is_anomaly: ArrayLike,
    threshold: float,
    *,
    label: str = "threshold",
    names: tuple[str, str] = ("normal", "anomalous"),
    axes: Axes | None = None,
    title: str = "Errors by row",
) -> Axes:
    """Draw each row's error, normal and anomalous ones apart, with the threshold as a line.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Anomaly scores, in the order of the rows.
    is_anomaly : array-like of bool, shape (n,)
    threshold : float
        One that is infinite is in the legend only.
    label : str
        What to call the threshold.
    names : tuple of two str
        What to call the rows where `is_anomaly` is False and True.
    axes : Axes, optional
        Where to draw; by default on a new figure.
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the two arrays are not of one length, are empty, or hold what is no score or no class.
    MissingDependencyError
        If matplotlib is not installed.
    """
    errors, anomalous = read_classes(scores, is_anomaly)
    parts = class_parts(anomalous, names)
    axes = axes or new_axes()
    from matplotlib.ticker import MaxNLocator

    rows = np.arange(len(errors))
    size = float(np.clip(6000 / len(errors), 3, 22))
    for which, color, marker, entry in parts:
        axes.scatter(
            rows[which],
            errors[which],
            s=size,
            color=color,
            marker=marker,
            alpha=0.65,
            linewidths=0,
            label=entry,
            rasterized=len(errors) > MOST_VECTOR_POINTS,
        )
    axes.axhline(
        threshold if np.isfinite(threshold) else np.nan,
        color=LINES[0],
        linestyle="--",
        label=f"{printable(label)} ({threshold:.3g})",
    )
    shown = np.append(errors, threshold)
    if spans_decades(shown):
        make_logarithmic(axes.yaxis, ratio(shown))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlabel("row")
    axes.set_ylabel(ERROR_LABEL)
    axes.set_title(title)
    finish(axes, markerscale=float((22 / size) ** 0.5))
    return axes
