"""The course of a fit: losses by epoch. It imports NumPy; matplotlib inside the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from aeanom.core.history import History
from aeanom.plots.figures import new_axes
from aeanom.plots.style import (
    ANOMALOUS,
    NEUTRAL,
    NORMAL,
    finish,
    make_logarithmic,
    ratio,
    spans_decades,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["loss_curve"]


def loss_curve(history: History, *, axes: Axes | None = None, title: str = "Training") -> Axes:
    """Draw the training loss by epoch, and the validation loss where there is one.

    Parameters
    ----------
    history : History
        Such as `detector.history_`.
    axes : Axes, optional
        Where to draw; by default on a new figure.
    title : str

    Returns
    -------
    Axes

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    axes = axes or new_axes()
    from matplotlib.ticker import MaxNLocator

    epochs = np.arange(1, history.epochs + 1)
    # A dot an epoch only while dots can be told apart.
    marker = "o" if history.epochs <= 30 else ""
    axes.plot(epochs, history.loss, color=NORMAL, marker=marker, markersize=4, label="training")
    if history.validation_loss:
        axes.plot(
            epochs,
            history.validation_loss,
            color=ANOMALOUS,
            marker="s" if marker else "",
            markersize=4,
            linestyle="--",
            label="validation",
        )
    if history.best_epoch is not None:
        axes.axvline(
            history.best_epoch,
            color=NEUTRAL,
            linestyle=":",
            label=f"best epoch ({history.best_epoch})",
        )
    losses = np.array([*history.loss, *history.validation_loss])
    if spans_decades(losses):
        make_logarithmic(axes.yaxis, ratio(losses))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean loss (scaled units)")
    axes.set_title(title)
    finish(axes)
    return axes
