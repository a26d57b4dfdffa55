"""How well scores rank anomalies before normal rows: ROC and precision-recall, with intervals.

It imports NumPy and `aeanom.metrics`, where the figures and their bootstrap come from; matplotlib
inside the functions. What one threshold makes of the scores is in `decisions.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from aeanom import metrics
from aeanom.errors import InvalidParameterError
from aeanom.metrics.bands import CurveBand
from aeanom.metrics.bootstrap import Interval
from aeanom.plots.figures import new_axes
from aeanom.plots.style import (
    ANOMALOUS,
    LINES,
    NORMAL,
    finish,
    kept_points,
    printable,
    read_classes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["precision_recall_curve", "roc_curve"]


def roc_curve(
    scores: ArrayLike,
    is_anomaly: ArrayLike,
    threshold: float | None = None,
    *,
    label: str = "threshold",
    confidence: float = 0.95,
    n_resamples: int = 1000,
    random_state: int = 0,
    axes: Axes | None = None,
    title: str = "ROC curve",
) -> Axes:
    """Draw the share of anomalies found against the share of false alarms, with a bootstrap band.

    The legend gives the area under the curve with its interval. The band holds for each
    false-positive rate by itself; both are of `aeanom.metrics`, from the same resamples. They say
    what the curve owes to the rows that happen to be in the test.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Anomaly scores.
    is_anomaly : array-like of bool, shape (n,)
    threshold : float, optional
        Marks the point of the curve at which it works: flagged is what scores above it.
    label : str
        What to call it.
    confidence : float
        Of band and interval, between 0 and 1.
    n_resamples : int
        0 for neither band nor interval. 1000 take about a second for 10,000 rows, and a minute or
        more for a million.
    random_state : int
        Of the bootstrap.
    axes : Axes, optional
        Where to draw; by default on a new figure.
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the two arrays are not of one length, hold what is no score or no class, or one of the
        classes is missing.
    InvalidParameterError
        If a setting is out of its range.
    MissingDependencyError
        If matplotlib is not installed.
    """
    errors, anomalous = read_classes(scores, is_anomaly)
    false_alarms, found, _ = metrics.roc_curve(anomalous, errors)
    area = Interval(metrics.roc_auc_score(anomalous, errors), np.nan, np.nan)
    band = None
    if _read_resamples(n_resamples):
        settings: dict[str, Any] = {
            "confidence": confidence,
            "n_resamples": n_resamples,
            "random_state": random_state,
        }
        area = metrics.bootstrap_interval(metrics.roc_auc_score, anomalous, errors, **settings)
        band = metrics.roc_curve_band(anomalous, errors, **settings)
    axes = axes or new_axes(5.2, 4.9)
    _draw_band(axes, band, confidence, step=None)
    axes.plot([0, 1], [0, 1], color=LINES[0], linestyle="--", linewidth=1, label="chance (0.5)")
    kept = kept_points(false_alarms, found)
    axes.plot(false_alarms[kept], found[kept], color=NORMAL, label=f"AUC {_interval(area)}")
    if threshold is not None:
        flagged = errors > threshold
        at = float(flagged[~anomalous].mean()), float(flagged[anomalous].mean())
        _mark(
            axes,
            *at,
            f"{printable(label)} ({threshold:.3g}):\n{at[0]:.1%} false alarms, {at[1]:.1%} found",
        )
    _frame(axes, "normal rows flagged (share)", "anomalies found (share)", title)
    return axes


def precision_recall_curve(
    scores: ArrayLike,
    is_anomaly: ArrayLike,
    threshold: float | None = None,
    *,
    label: str = "threshold",
    confidence: float = 0.95,
    n_resamples: int = 1000,
    random_state: int = 0,
    axes: Axes | None = None,
    title: str = "Precision and recall",
) -> Axes:
    """Draw which share of the alarms is right against the share of anomalies found, with a band.

    The steps are those whose area is the average precision (AP), which the legend gives with
    its interval. Chance is the share of anomalies among the rows. Band and interval are for data
    with that share: with fewer anomalies every precision is lower.

    Parameters
    ----------
    scores : array-like of shape (n,)
        Anomaly scores.
    is_anomaly : array-like of bool, shape (n,)
    threshold : float, optional
        Marks the point of the curve at which it works: flagged is what scores above it.
    label : str
        What to call it.
    confidence : float
        Of band and interval, between 0 and 1.
    n_resamples : int
        0 for neither band nor interval. 1000 take about a second for 10,000 rows, and a minute or
        more for a million.
    random_state : int
        Of the bootstrap.
    axes : Axes, optional
        Where to draw; by default on a new figure.
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    InvalidDataError
        If the two arrays are not of one length, hold what is no score or no class, or there is no
        anomaly.
    InvalidParameterError
        If a setting is out of its range.
    MissingDependencyError
        If matplotlib is not installed.
    """
    errors, anomalous = read_classes(scores, is_anomaly)
    precision, recall, _ = metrics.precision_recall_curve(anomalous, errors, drop_intermediate=True)
    average = Interval(metrics.average_precision_score(anomalous, errors), np.nan, np.nan)
    band = None
    if _read_resamples(n_resamples):
        settings: dict[str, Any] = {
            "confidence": confidence,
            "n_resamples": n_resamples,
            "random_state": random_state,
        }
        average = metrics.bootstrap_interval(
            metrics.average_precision_score, anomalous, errors, **settings
        )
        band = metrics.precision_recall_curve_band(anomalous, errors, **settings)
    axes = axes or new_axes(5.2, 4.9)
    _draw_band(axes, band, confidence, step="pre")
    chance = float(anomalous.mean())
    axes.axhline(
        chance, color=LINES[0], linestyle="--", linewidth=1, label=f"chance ({chance:.3g})"
    )
    # From recall 0 upwards; the precision of a step is that at its right end.
    recall, precision = recall[::-1], precision[::-1]
    kept = kept_points(recall, precision)
    axes.plot(
        recall[kept],
        precision[kept],
        color=NORMAL,
        drawstyle="steps-pre",
        label=f"AP {_interval(average)}",
    )
    if threshold is not None:
        flagged = errors > threshold
        found = float(flagged[anomalous].mean())
        name = f"{printable(label)} ({threshold:.3g})"
        if flagged.any():
            right = float(anomalous[flagged].mean())
            _mark(axes, found, right, f"{name}:\n{right:.1%} precise, {found:.1%} found")
        else:
            _mark(axes, np.nan, np.nan, f"{name}:\nnothing flagged")
    _frame(axes, "recall (anomalies found)", "precision (alarms right)", title)
    return axes


def _read_resamples(n_resamples: int) -> bool:
    """Return whether there is to be a band; 0 is no for all, other values `metrics` checks."""
    if isinstance(n_resamples, bool) or not isinstance(n_resamples, int | np.integer):
        raise InvalidParameterError(f"n_resamples must be a whole number, got {n_resamples!r}")
    return n_resamples != 0


def _draw_band(
    axes: Axes, band: CurveBand | None, confidence: float, step: Literal["pre"] | None
) -> None:
    if band is None:
        return
    axes.fill_between(
        band.grid,
        band.low,
        band.high,
        step=step,
        color=NORMAL,
        alpha=0.22,
        linewidth=0,
        label=f"{confidence:.0%} of resamples",
    )


def _interval(figure: Interval) -> str:
    text = f"{figure.value:.3f}"
    return text if np.isnan(figure.low) else f"{text} ({figure.low:.3f} to {figure.high:.3f})"


def _mark(axes: Axes, x: float, y: float, label: str) -> None:
    axes.plot(
        [x], [y], color=ANOMALOUS, marker="D", markersize=7, linestyle="", label=label, zorder=3
    )


def _frame(axes: Axes, across: str, up: str, title: str) -> None:
    axes.set_aspect("equal")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.set_title(title)
    finish(axes)
