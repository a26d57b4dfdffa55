"""What a threshold makes of scores, at every place where it could be, and whether p-values hold.

It imports NumPy and `aeanom.metrics`; matplotlib inside the functions. How well scores rank rows,
with no threshold, is in `ranking.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom import metrics
from aeanom.errors import InvalidDataError
from aeanom.metrics._labels import read_labels, read_scores
from aeanom.plots.figures import new_axes
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
    read_classes,
    spans_decades,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["p_value_calibration", "threshold_sweep"]

_LOOKS = {
    "precision": (NORMAL, "-", "o"),
    "recall": (ANOMALOUS, "--", "s"),
    "F1": ("#009E73", "-.", "^"),
    "false-positive rate": ("#CC79A7", ":", "D"),
}


def threshold_sweep(
    scores: ArrayLike,
    is_anomaly: ArrayLike,
    threshold: float | None = None,
    *,
    label: str = "threshold",
    axes: Axes | None = None,
    title: str = "Every threshold",
) -> Axes:
    """Draw precision, recall, F1 and false-positive rate against the threshold.

    A row is flagged when `score > threshold`, strictly; so the lines are steps, which change at
    the scores. Where nothing is flagged there is no precision, and its line ends. Without
    anomalies only the false-positive rate is drawn, without normal rows only the recall.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Anomaly scores.
    is_anomaly : array-like of bool, shape (n,)
    threshold : float, optional
        The one that was chosen: a vertical line, and the figures at it in the legend.
    label : str
        What to call it.
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
    axes = axes or new_axes()
    chosen = None if threshold is None else float(threshold)
    shown = errors if chosen is None else np.append(errors, chosen)
    shown = shown[np.isfinite(shown)]
    logarithmic = spans_decades(shown)
    low, high = _with_room(float(shown.min()), float(shown.max()), logarithmic)
    # Below all scores, at each of them, and above: there every line has a last piece.
    places = np.concatenate([[low], np.unique(errors), [high]])
    lines = _figures_at(places, errors, anomalous)
    positions = np.log(places) if logarithmic else places
    at_threshold = None if chosen is None else _figures_at(np.array([chosen]), errors, anomalous)
    for name, values in lines.items():
        color, dashes, marker = _LOOKS[name]
        kept = kept_points(positions, values)
        entry = name
        if at_threshold is not None and np.isfinite(at_threshold[name][0]):
            entry = f"{name} ({at_threshold[name][0]:.3f})"
        axes.plot(
            places[kept],
            values[kept],
            color=color,
            linestyle=dashes,
            drawstyle="steps-post",
            label=entry,
        )
        if chosen is not None and at_threshold is not None and np.isfinite(chosen):
            axes.plot([chosen], at_threshold[name], color=color, marker=marker, markersize=6)
    if chosen is not None:
        axes.axvline(
            chosen if np.isfinite(chosen) else np.nan,
            color=LINES[0],
            linestyle="--",
            linewidth=1.2,
            label=f"{printable(label)} ({chosen:.3g})",
        )
    if logarithmic:
        make_logarithmic(axes.xaxis, ratio(shown))
    axes.set_xlim(low, high)
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel("threshold (flagged: score above it)")
    axes.set_ylabel("share of the rows")
    axes.set_title(title)
    finish(axes)
    return axes


def p_value_calibration(
    p_values: ArrayLike,
    is_anomaly: ArrayLike | None = None,
    *,
    n_calibration: int | None = None,
    confidence: float = 0.95,
    axes: Axes | None = None,
    title: str = "Calibration of p-values",
) -> Axes:
    """Draw which share of normal rows has a p-value of at most α, against α.

    p-values that keep their promise lie on the diagonal or below it. The band, of
    `aeanom.metrics.p_value_calibration`, says how far from it chance takes so many rows, for each
    α by itself. If the p-values are independent the count of rows is binomial. Conformal ones all
    share one calibration of n rows, which is a draw too: with `n_calibration` the band is that of
    both together, and for small n much wider.

    Parameters
    ----------
    p_values : array-like of shape (n,)
        From 0 to 1.
    is_anomaly : array-like of bool, shape (n,), optional
        Rows where it is True are left out: the promise is about normal ones.
    n_calibration : int, optional
        How many calibration scores the p-values were computed from.
    confidence : float
        Of the band, between 0 and 1.
    axes : Axes, optional
        Where to draw; by default on a new figure.
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the two arrays are not of one length, no row is normal, or values lie outside [0, 1].
    InvalidParameterError
        If `confidence` is not between 0 and 1, or `n_calibration` no positive whole number.
    MissingDependencyError
        If matplotlib is not installed.
    """
    values = read_scores(p_values, "p_values")
    if is_anomaly is not None:
        anomalous = read_labels(is_anomaly, "is_anomaly")
        if anomalous.shape != values.shape:
            raise InvalidDataError(
                f"p_values and is_anomaly must have one value a row, got shapes {values.shape} "
                f"and {anomalous.shape}"
            )
        values = values[~anomalous]
        if not values.size:
            raise InvalidDataError(f"none of the {anomalous.size} rows is normal")
    calibration = metrics.p_value_calibration(
        values,
        n_calibration=n_calibration,
        levels=np.linspace(0, 1, 201),
        confidence=confidence,
    )
    axes = axes or new_axes(5.2, 4.9)

    axes.fill_between(
        calibration.levels,
        calibration.low,
        calibration.high,
        color=NEUTRAL,
        alpha=0.25,
        linewidth=0,
        label=f"chance ({confidence:.0%} at each α)",
    )
    axes.plot([0, 1], [0, 1], color=LINES[0], linestyle="--", linewidth=1, label="promised")
    places = np.concatenate([[0.0], np.unique(values), [1.0]])
    share = np.searchsorted(np.sort(values), places, side="right") / len(values)
    kept = kept_points(places, share)
    axes.plot(
        places[kept],
        share[kept],
        color=NORMAL,
        drawstyle="steps-post",
        label=f"normal rows ({len(values):,})",
    )
    axes.set_aspect("equal")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("α")
    axes.set_ylabel("normal rows with p ≤ α")
    axes.set_title(title)
    finish(axes)
    return axes


def _with_room(low: float, high: float, logarithmic: bool) -> tuple[float, float]:
    if logarithmic:
        room = (high / low) ** 0.03
        return low / room, high * room
    room = 0.03 * (high - low) or 0.5 * abs(low) or 0.5
    return low - room, high + room


def _figures_at(places: Floats, errors: Floats, anomalous: NDArray[np.bool_]) -> dict[str, Floats]:
    """Return the figures of flagging what is strictly above each place; NaN where there is none."""
    n_anomalous = int(np.count_nonzero(anomalous))
    n_normal = len(errors) - n_anomalous
    found, false_alarms = (
        np.count_nonzero(which) - np.searchsorted(np.sort(errors[which]), places, side="right")
        for which in (anomalous, ~anomalous)
    )
    lines: dict[str, Floats] = {}
    if n_anomalous and n_normal:
        flagged = found + false_alarms
        lines["precision"] = np.divide(
            found, flagged, out=np.full(len(places), np.nan), where=flagged > 0
        )
    if n_anomalous:
        lines["recall"] = found / n_anomalous
    if n_anomalous and n_normal:
        lines["F1"] = 2 * found / (found + false_alarms + n_anomalous)
    if n_normal:
        lines["false-positive rate"] = false_alarms / n_normal
    return lines
