"""A whole fit on one figure, from the panels of `training.py` and `scores.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from aeanom.core.history import History
from aeanom.errors import InvalidParameterError
from aeanom.plots.figures import new_figure
from aeanom.plots.scores import error_histogram, error_scatter
from aeanom.plots.training import loss_curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["overview"]


def overview(
    history: History,
    scores: ArrayLike,
    is_anomaly: ArrayLike,
    thresholds: Mapping[str, float],
    *,
    title: str = "",
    names: tuple[str, str] = ("normal", "anomalous"),
) -> Figure:
    """Draw a whole fit on one figure: loss curve, error histogram, and scatter.

    Parameters
    ----------
    history : History
    scores : array-like of shape (n,)
        Anomaly scores of the rows to show.
    is_anomaly : array-like of bool, shape (n,)
    thresholds : mapping of str to float
        Label to value; the scatter shows the first.
    title : str
        Over the whole figure.
    names : tuple of two str
        What to call the rows where `is_anomaly` is False and True.

    Returns
    -------
    Figure
        With three axes; `save` writes it.

    Raises
    ------
    InvalidDataError
        If scores and labels cannot be drawn; see `error_scatter`.
    InvalidParameterError
        If there is no threshold.
    MissingDependencyError
        If matplotlib is not installed.
    """
    if not thresholds:
        raise InvalidParameterError("thresholds are empty: the scatter shows the first of them")
    figure = new_figure(15.0, 4.6)
    left, middle, right = figure.subplots(1, 3)
    loss_curve(history, axes=left)
    error_histogram(scores, is_anomaly, thresholds, names=names, axes=middle)
    label, value = next(iter(thresholds.items()))
    error_scatter(scores, is_anomaly, value, label=label, names=names, axes=right)
    if title:
        figure.suptitle(title, fontsize=13, parse_math=False)
    return figure
