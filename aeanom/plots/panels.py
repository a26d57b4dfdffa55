"""The single pictures: loss curve, error histogram, error scatter, images over reconstructions.

Colours are from the palette of Okabe and Ito, which colour-blind people can tell apart, and the
two kinds of rows differ in shape or outline too. Legends stand under the axes, clear of the data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.core.history import History
from aeanom.errors import InvalidDataError
from aeanom.plots.figures import new_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["error_histogram", "error_scatter", "loss_curve", "reconstructions"]

NORMAL = "#0072B2"
ANOMALOUS = "#D55E00"
LINES = ("#000000", "#009E73", "#CC79A7", "#555555")
_DASHES = ("--", "-.", ":", (0, (6, 1)))
_MOST_BINS = 50
# From one decade up, small errors all end in the first bin of a linear axis.
_SPAN_FOR_LOG = 10.0
ERROR_LABEL = "reconstruction error (scaled units)"


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
            color=LINES[3],
            linestyle=":",
            label=f"best epoch ({history.best_epoch})",
        )
    if _spans_decades(np.array([*history.loss, *history.validation_loss])):
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    axes.set_xlabel("epoch")
    axes.set_ylabel("mean loss (scaled units)")
    axes.set_title(title)
    _finish(axes)
    return axes


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
        Label to value; a vertical line each.
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
        If the two arrays are not of one length, or are empty.
    MissingDependencyError
        If matplotlib is not installed.
    """
    axes = axes or new_axes()
    from matplotlib.ticker import MaxNLocator

    errors, anomalous = _read(scores, is_anomaly)
    thresholds = dict(thresholds or {})
    shown = np.concatenate([errors, np.array([*thresholds.values()], dtype=np.float64)])
    low, high = float(shown.min()), float(shown.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    n_bins = int(np.clip(2 * len(errors) ** 0.5, 10, _MOST_BINS))
    if _spans_decades(shown):
        bins = np.geomspace(low, high, n_bins + 1)
        axes.set_xscale("log")
    else:
        bins = np.linspace(low, high, n_bins + 1)
    for which, color, name in ((~anomalous, NORMAL, names[0]), (anomalous, ANOMALOUS, names[1])):
        if which.any():
            axes.hist(
                errors[which],
                bins=bins.tolist(),
                histtype="stepfilled",
                facecolor=(color, 0.45),
                edgecolor=color,
                linewidth=1.2,
                label=f"{name} ({np.count_nonzero(which):,})",
            )
    for index, (label, value) in enumerate(thresholds.items()):
        axes.axvline(
            value,
            color=LINES[index % len(LINES)],
            linestyle=_DASHES[index % len(_DASHES)],
            linewidth=1.5,
            label=f"{label} ({value:.3g})",
        )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(ERROR_LABEL)
    axes.set_ylabel("rows per bin")
    axes.set_title(title)
    _finish(axes)
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
        If the two arrays are not of one length, or are empty.
    MissingDependencyError
        If matplotlib is not installed.
    """
    errors, anomalous = _read(scores, is_anomaly)
    axes = axes or new_axes()
    rows = np.arange(len(errors))
    size = float(np.clip(6000 / len(errors), 3, 22))
    for which, color, marker, name in (
        (~anomalous, NORMAL, "o", names[0]),
        (anomalous, ANOMALOUS, "^", names[1]),
    ):
        if which.any():
            axes.scatter(
                rows[which],
                errors[which],
                s=size,
                color=color,
                marker=marker,
                alpha=0.65,
                linewidths=0,
                label=f"{name} ({np.count_nonzero(which):,})",
            )
    axes.axhline(threshold, color=LINES[0], linestyle="--", label=f"{label} ({threshold:.3g})")
    if _spans_decades(np.append(errors, threshold)):
        axes.set_yscale("log")
    axes.set_xlabel("row")
    axes.set_ylabel(ERROR_LABEL)
    axes.set_title(title)
    _finish(axes, markerscale=float((22 / size) ** 0.5))
    return axes


def reconstructions(
    images: ArrayLike,
    reconstructions: ArrayLike,
    titles: Sequence[str] = (),
    *,
    axes: NDArray[Any] | None = None,
    title: str = "",
) -> NDArray[Any]:
    """Show images in a row, and under each what the network makes of it.

    Parameters
    ----------
    images, reconstructions : array-like of shape (n, height, width)
        Grey values; both are shown on the scale of the originals.
    titles : sequence of str
        One an image, or none.
    axes : ndarray of Axes, shape (2, n), optional
        Where to draw; by default on a new figure.
    title : str
        Over the whole figure, if it is a new one.

    Returns
    -------
    ndarray of Axes, shape (2, n)

    Raises
    ------
    InvalidDataError
        If the two are not alike in shape, or the titles are not as many.
    MissingDependencyError
        If matplotlib is not installed.
    """
    originals, copies = np.asarray(images), np.asarray(reconstructions)
    if originals.ndim != 3 or originals.shape != copies.shape or len(originals) == 0:
        raise InvalidDataError(
            "images and reconstructions must both have shape (n, height, width), got "
            f"{originals.shape} and {copies.shape}"
        )
    if len(titles) not in (0, len(originals)):
        raise InvalidDataError(f"there are {len(originals)} images and {len(titles)} titles")
    if axes is None:
        figure = new_figure(1.9 * len(originals) + 0.5, 4.6)
        axes = np.asarray(figure.subplots(2, len(originals), squeeze=False))
        if title:
            figure.suptitle(title, fontsize=13)
    low, high = float(originals.min()), float(originals.max())
    for row, pictures in enumerate((originals, copies)):
        for column, picture in enumerate(pictures):
            one = axes[row, column]
            one.imshow(picture, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            # Not axis("off"), which would take the label of the row away too.
            one.set_xticks([])
            one.set_yticks([])
        axes[row, 0].set_ylabel(("original", "reconstruction")[row])
    for column, text in enumerate(titles):
        axes[0, column].set_title(text, fontsize=10)
    return axes


def _read(
    scores: ArrayLike, is_anomaly: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    errors = np.asarray(scores, dtype=np.float64)
    anomalous = np.asarray(is_anomaly).astype(bool)
    if errors.ndim != 1 or errors.shape != anomalous.shape or errors.size == 0:
        raise InvalidDataError(
            f"scores and is_anomaly must have one value a row, got shapes {errors.shape} and "
            f"{anomalous.shape}"
        )
    return errors, anomalous


def _spans_decades(values: NDArray[np.float64]) -> bool:
    return bool(values.size) and 0 < _SPAN_FOR_LOG * float(values.min()) < float(values.max())


def _finish(axes: Axes, markerscale: float = 1.0) -> None:
    axes.grid(visible=True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    entries = len(axes.get_legend_handles_labels()[1])
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.16),
        ncols=3 if entries <= 3 else 2,
        frameon=False,
        fontsize=9,
        markerscale=markerscale,
    )
