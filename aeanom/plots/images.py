"""Images: originals over what the network makes of them, and over where it errs.

It imports NumPy; matplotlib inside the functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidDataError
from aeanom.plots.figures import new_figure
from aeanom.plots.style import Floats, read_count

__all__ = ["error_maps", "reconstructions"]

_COLOURS = (3, 4)


def reconstructions(
    images: ArrayLike,
    reconstructions: ArrayLike,
    titles: Sequence[str] = (),
    *,
    columns: int = 10,
    axes: NDArray[Any] | None = None,
    title: str = "",
) -> NDArray[Any]:
    """Show images in rows, and under each what the network makes of it.

    Parameters
    ----------
    images, reconstructions : array-like of shape (n, height, width[, channels])
        Grey values, or of one (grey), three or four (colour) channels. Both are shown on the scale
        of the originals, from their smallest value to their largest.
    titles : sequence of str
        One an image, or none.
    columns : int
        Images side by side; more of them go on below.
    axes : ndarray of Axes, shape (2 · ⌈n / columns⌉, min(n, columns)), optional
        Where to draw; by default on a new figure.
    title : str
        Over the whole figure, if it is a new one.

    Returns
    -------
    ndarray of Axes, of that shape
        Those that no image is left for are invisible.

    Raises
    ------
    InvalidDataError
        If the two are not alike in shape, or the titles or axes are not as many.
    InvalidParameterError
        If `columns` is no positive whole number.
    MissingDependencyError
        If matplotlib is not installed.
    """
    originals, copies = _read_images(images, reconstructions)
    layers: list[tuple[str, Floats, dict[str, Any]]] = [
        ("original", _as_shown(originals, originals), {}),
        ("reconstruction", _as_shown(copies, originals), {}),
    ]
    return _draw(layers, titles, columns, axes, title)


def error_maps(
    images: ArrayLike,
    reconstructions: ArrayLike,
    errors: ArrayLike | None = None,
    titles: Sequence[str] = (),
    *,
    columns: int = 10,
    axes: NDArray[Any] | None = None,
    title: str = "",
) -> NDArray[Any]:
    """Show images, under each its reconstruction, and under that where the error lies.

    The errors of all images are on one scale, from black (none) over red to light yellow, with a
    bar that says which; so that images can be compared.

    Parameters
    ----------
    images, reconstructions : array-like of shape (n, height, width[, channels])
        Grey values, or of one (grey), three or four (colour) channels, on one scale.
    errors : array-like of shape (n, height, width) or that of the images, optional
        Such as `explanation.contribution`, which adds up to each score; channels are added up. By
        default the squared difference of image and reconstruction.
    titles : sequence of str
        One an image, or none.
    columns : int
        Images side by side; more of them go on below.
    axes : ndarray of Axes, shape (3 · ⌈n / columns⌉, min(n, columns)), optional
        Where to draw; by default on a new figure.
    title : str
        Over the whole figure, if it is a new one.

    Returns
    -------
    ndarray of Axes, of that shape
        Those that no image is left for are invisible.

    Raises
    ------
    InvalidDataError
        If images, reconstructions and errors are not alike in shape, or the titles or axes are not
        as many.
    InvalidParameterError
        If `columns` is no positive whole number.
    MissingDependencyError
        If matplotlib is not installed.
    """
    originals, copies = _read_images(images, reconstructions)
    if errors is None:
        maps = (copies - originals) ** 2
        bar = "squared error"
    else:
        maps = np.asarray(errors, dtype=np.float64)
        bar = "error"
        if maps.shape not in (originals.shape, originals.shape[:3], (*originals.shape[:3], 1)):
            raise InvalidDataError(
                f"errors of shape {maps.shape} do not fit images of shape {originals.shape}"
            )
        if not np.isfinite(maps).all():
            raise InvalidDataError("errors hold values that are not finite")
    if maps.ndim == 4:
        maps = maps.sum(axis=3)
    low, high = min(float(maps.min()), 0.0), float(maps.max())
    scale = {"cmap": "inferno", "vmin": low, "vmax": high if high > low else low + 1.0}
    layers = [
        ("original", _as_shown(originals, originals), {}),
        ("reconstruction", _as_shown(copies, originals), {}),
        ("error", maps, scale),
    ]
    axes = _draw(layers, titles, columns, axes, title, width_of_bar=1.0)
    of_maps = [one for one in axes[2::3].flat if one.images]
    figure = of_maps[0].figure
    figure.colorbar(of_maps[0].images[0], ax=of_maps, label=bar, aspect=12, shrink=0.9)
    return axes


def _read_images(images: ArrayLike, reconstructions: ArrayLike) -> tuple[Floats, Floats]:
    originals, copies = np.asarray(images), np.asarray(reconstructions)
    fits = originals.ndim == 3 or (originals.ndim == 4 and originals.shape[3] in (1, *_COLOURS))
    if not fits or originals.shape != copies.shape or originals.size == 0:
        raise InvalidDataError(
            "images and reconstructions must both have shape (n, height, width), or (n, height, "
            f"width, channels) with 1, 3 or 4 channels, got {originals.shape} and {copies.shape}"
        )
    read = []
    for name, array in (("images", originals), ("reconstructions", copies)):
        try:
            values = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise InvalidDataError(f"could not read {name} as numbers: {error}") from None
        if not np.isfinite(values).all():
            wrong = np.count_nonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
            raise InvalidDataError(
                f"{wrong} of {len(values)} {name} hold values that are not finite"
            )
        read.append(values)
    return read[0], read[1]


def _as_shown(pictures: Floats, originals: Floats) -> Floats:
    """Return grey values as they are, and colours on the scale of the originals, from 0 to 1."""
    if pictures.ndim == 3:
        return pictures
    if pictures.shape[3] == 1:
        return pictures[..., 0]
    low, high = float(originals.min()), float(originals.max())
    return ((pictures - low) / (high - low or 1.0)).clip(0, 1)


def _draw(
    layers: Sequence[tuple[str, Floats, dict[str, Any]]],
    titles: Sequence[str],
    columns: int,
    axes: NDArray[Any] | None,
    title: str,
    width_of_bar: float = 0.0,
) -> NDArray[Any]:
    """Draw each layer under the one before, in bands of as many images as there are columns."""
    columns = read_count("columns", columns)
    n = len(layers[0][1])
    if len(titles) not in (0, n):
        raise InvalidDataError(f"there are {n} images and {len(titles)} titles")
    n_columns = min(n, columns)
    shape = (len(layers) * -(-n // columns), n_columns)
    if axes is None:
        lines = max((str(text).count("\n") + 1 for text in titles), default=0)
        height = shape[0] * (1.9 + 0.2 * lines / len(layers))
        figure = new_figure(1.9 * n_columns + 0.5 + width_of_bar, height + (0.4 if title else 0.1))
        axes = np.asarray(figure.subplots(*shape, squeeze=False))
        if title:
            figure.suptitle(title, fontsize=13, parse_math=False)
    axes = np.asarray(axes)
    if axes.shape != shape:
        raise InvalidDataError(
            f"{n} images in {n_columns} columns need axes of shape {shape}, got {axes.shape}"
        )
    grey = layers[0][1]
    scale = {"cmap": "gray", "vmin": float(grey.min()), "vmax": float(grey.max())}
    for index in range(n_columns * (shape[0] // len(layers))):
        band, column = divmod(index, n_columns)
        for which, (name, pictures, looks) in enumerate(layers):
            one = axes[band * len(layers) + which, column]
            if index >= n:
                one.set_visible(False)
                continue
            one.imshow(pictures[index], interpolation="none", **(looks or scale))
            # Not axis("off"), which would take the label of the row away too.
            one.set_xticks([])
            one.set_yticks([])
            if column == 0:
                one.set_ylabel(name)
            if which == 0 and len(titles):
                one.set_title(titles[index], fontsize=10, parse_math=False)
    return axes
