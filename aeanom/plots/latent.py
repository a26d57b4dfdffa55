"""The latent space: where the encoder puts the rows. It imports NumPy; matplotlib inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidDataError
from aeanom.metrics._labels import read_labels, read_scores
from aeanom.plots.figures import new_axes
from aeanom.plots.style import (
    ANOMALOUS,
    MOST_VECTOR_POINTS,
    NEUTRAL,
    NORMAL,
    Floats,
    class_parts,
    finish,
    make_logarithmic,
    spans_decades,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["latent_space"]


def latent_space(
    latents: ArrayLike,
    is_anomaly: ArrayLike | None = None,
    *,
    scores: ArrayLike | None = None,
    names: tuple[str, str] = ("normal", "anomalous"),
    axes: Axes | None = None,
    title: str = "Latent space",
) -> Axes:
    """Draw the rows where the encoder puts them, in two dimensions.

    Latents of two units are drawn as they are, of one against the row. Of more, the two principal
    components are drawn, and the labels say which share of the variance each has; the sign of a
    component is such that its largest weight is positive.

    Parameters
    ----------
    latents : array-like of shape (n, units)
        As `encode` returns them; axes behind the second are taken as more units.
    is_anomaly : array-like of bool, shape (n,), optional
        Normal and anomalous rows differ in shape then, and in colour unless there are scores.
    scores : array-like of shape (n,), optional
        The colour then, with a bar that says which; logarithmic if they span more than a decade.
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
        If the latents are not a table of finite numbers, or labels or scores not as many.
    MissingDependencyError
        If matplotlib is not installed.
    """
    units = _read_latents(latents)
    n = len(units)
    anomalous = np.zeros(n, dtype=bool)
    if is_anomaly is not None:
        anomalous = read_labels(is_anomaly, "is_anomaly")
        _check_length("is_anomaly", anomalous, n)
    errors = None
    if scores is not None:
        errors = read_scores(scores, "scores")
        _check_length("scores", errors, n)
    places, labels = _two_dimensions(units)
    axes = axes or new_axes()
    size = float(np.clip(6000 / n, 4, 22))
    coloured: dict[str, Any] = {}
    if errors is not None:
        coloured = {"cmap": _color_map(), "norm": _norm(errors)}
    drawn = None
    for which, color, marker, entry in class_parts(anomalous, names):
        drawn = axes.scatter(
            places[which, 0],
            places[which, 1],
            s=size,
            c=[color] if errors is None else errors[which],
            marker=marker,
            alpha=0.65 if errors is None else 0.9,
            linewidths=0,
            label=entry if is_anomaly is not None else f"{n:,} rows",
            rasterized=n > MOST_VECTOR_POINTS,
            **coloured,
        )
    if errors is not None:
        _add_color_bar(axes, drawn)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.set_title(title)
    finish(axes, markerscale=float((22 / size) ** 0.5), legend=is_anomaly is not None)
    legend: Any = axes.get_legend()
    if errors is not None and legend is not None:
        # Their colour means a score; in the legend the shape alone does.
        for handle in legend.legend_handles:
            handle.set_array(None)
            handle.set_facecolor(NEUTRAL)
    return axes


def _read_latents(latents: ArrayLike) -> Floats:
    try:
        units = np.asarray(latents, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"could not read the latents as numbers: {error}") from None
    if units.ndim < 2 or units.size == 0:
        raise InvalidDataError(f"latents must have shape (n, units), got {units.shape}")
    units = units.reshape(len(units), -1)
    wrong = ~np.isfinite(units).all(axis=1)
    if wrong.any():
        raise InvalidDataError(
            f"{np.count_nonzero(wrong)} of {len(units)} latents are not finite, the first in row "
            f"{int(np.argmax(wrong))}"
        )
    return units


def _check_length(name: str, values: NDArray[Any], n: int) -> None:
    if len(values) != n:
        raise InvalidDataError(f"there are {n} latents, but {name} has {len(values)} values")


def _two_dimensions(units: Floats) -> tuple[Floats, tuple[str, str]]:
    """Return two columns to draw, and what they are."""
    n, width = units.shape
    if width == 1:
        return np.column_stack([np.arange(n), units]), ("row", "latent 0")
    if width == 2:
        return units, ("latent 0", "latent 1")
    centred = units - units.mean(axis=0)
    _, scales, directions = np.linalg.svd(centred, full_matrices=False)
    directions = directions[:2]
    largest = np.abs(directions).argmax(axis=1)
    signs = np.sign(directions[np.arange(len(directions)), largest])
    places = centred @ (directions * signs[:, None]).T
    if places.shape[1] == 1:
        # A single row has one direction.
        places = np.column_stack([places, np.zeros(n)])
    variances = np.append(scales**2, 0.0)
    total = variances.sum()
    shares = variances[:2] / total if total > 0 else np.zeros(2)
    first, second = (
        f"component {index + 1} ({share:.0%} of variance)" for index, share in enumerate(shares)
    )
    return places, (first, second)


def _norm(errors: Floats) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(errors.min()), float(errors.max())
    if spans_decades(errors):
        return LogNorm(low, high)
    return Normalize(low, high if high > low else low + (abs(low) or 1.0))


def _color_map() -> Any:
    """Return colours for scores that show on white and on black, up to that of anomalies."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("scores", [NORMAL, "#CC79A7", ANOMALOUS])


def _add_color_bar(axes: Axes, drawn: Any) -> None:
    bar = axes.figure.colorbar(drawn, ax=axes, label="score")
    if bar.ax.get_yscale() == "log":
        make_logarithmic(bar.ax.yaxis, drawn.norm.vmax / drawn.norm.vmin)
