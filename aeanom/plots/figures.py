"""Figures: making one without pyplot, and writing one as PNG.

It imports NumPy; matplotlib inside the functions. What is drawn on them is in `panels.py`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from aeanom.errors import MissingDependencyError
from aeanom.storage.atomic import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["new_axes", "new_figure", "save"]


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches, which no global state knows of.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError(
            'plots need matplotlib, which is not installed: pip install "aeanom[plot]"'
        ) from error
    return Figure(figsize=(width, height), layout="constrained")


def new_axes(width: float = 6.4, height: float = 4.4) -> Axes:
    """Return the only axes of a new figure."""
    return new_figure(width, height).subplots()


def save(drawn: Any, path: str | os.PathLike[str], *, dpi: int = 150) -> None:
    """Write a figure as PNG, whole or not at all.

    Parameters
    ----------
    drawn : Figure, Axes or array of Axes
        What any function here returned.
    path : path-like
        Replaced if it exists; its folder must exist.
    dpi : int
        Pixels per inch.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    if isinstance(drawn, np.ndarray):
        drawn = drawn.flat[0]
    figure = drawn if hasattr(drawn, "savefig") else drawn.figure
    # Without the version of matplotlib inside: the same figure gives the same file.
    replace_file(
        path,
        lambda file: figure.savefig(file, format="png", dpi=dpi, metadata={"Software": None}),
    )
