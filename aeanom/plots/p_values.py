"""How often which p-value occurs. It imports NumPy; matplotlib inside the function.

Whether p-values keep their promise on normal rows is `decisions.p_value_calibration`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from aeanom.errors import InvalidDataError
from aeanom.metrics._labels import read_scores
from aeanom.plots.figures import new_axes
from aeanom.plots.style import LINES, NORMAL, class_parts, finish, read_classes, read_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["p_value_histogram"]


def p_value_histogram(
    p_values: ArrayLike,
    is_anomaly: ArrayLike | None = None,
    *,
    n_bins: int = 20,
    names: tuple[str, str] = ("normal", "anomalous"),
    axes: Axes | None = None,
    title: str = "p-values",
) -> Axes:
    """Draw how many rows have which p-value, beside what normal rows alone would give.

    Normal rows have every p-value equally often, but for chance: a flat histogram says that
    nothing is odd, a heap at the left end that some rows are. Bins hold their right end, as a
    p-value of α is one that counts for α.

    Parameters
    ----------
    p_values : array-like of shape (n,)
        From 0 to 1.
    is_anomaly : array-like of bool, shape (n,), optional
        Stacks anomalies on the normal rows, and sets the line by the number of normal rows.
    n_bins : int
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
        If the two arrays are not of one length, are empty, or values lie outside [0, 1].
    InvalidParameterError
        If `n_bins` is no positive whole number.
    MissingDependencyError
        If matplotlib is not installed.
    """
    if is_anomaly is None:
        values = read_scores(p_values, "p_values")
        parts = [(np.ones(values.size, dtype=np.bool_), NORMAL, "", f"rows ({values.size:,})")]
        n_normal = values.size
    else:
        values, anomalous = read_classes(p_values, is_anomaly)
        parts = class_parts(anomalous, names)
        n_normal = int(np.count_nonzero(~anomalous))
    outside = np.count_nonzero((values < 0) | (values > 1))
    if outside:
        raise InvalidDataError(f"{outside} of {values.size} p-values lie outside [0, 1]")
    n_bins = read_count("n_bins", n_bins)
    axes = axes or new_axes()
    from matplotlib.ticker import MaxNLocator

    # A hair less, as 0.15 · 20 is a hair above 3.
    bins = np.clip(np.ceil(values * n_bins * (1 - 1e-12)).astype(np.int64) - 1, 0, n_bins - 1)
    below = np.zeros(n_bins)
    for which, color, _, label in parts:
        counts = np.bincount(bins[which], minlength=n_bins)
        axes.bar(
            (np.arange(n_bins) + 0.5) / n_bins,
            counts,
            width=1 / n_bins,
            bottom=below,
            facecolor=(color, 0.45),
            edgecolor=color,
            linewidth=1.0,
            label=label,
        )
        below = below + counts
    of_whom = "all were normal" if is_anomaly is None else "normal rows alone"
    axes.axhline(
        n_normal / n_bins,
        color=LINES[0],
        linestyle="--",
        linewidth=1.2,
        label=f"if {of_whom}" if is_anomaly is None else of_whom,
    )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xlim(0, 1)
    axes.set_xlabel("p-value")
    axes.set_ylabel("rows per bin")
    axes.set_title(title)
    finish(axes)
    return axes
