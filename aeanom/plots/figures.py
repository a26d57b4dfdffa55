"""Figures: making one without pyplot, and writing one as PNG, SVG or PDF.

It imports NumPy; matplotlib inside the functions. What is drawn on them is in the modules beside
this one; an SVG for the inside of an HTML page is made in `svg.py`.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from aeanom.errors import InvalidParameterError, MissingDependencyError
from aeanom.plots.svg import with_own_ids
from aeanom.storage.atomic import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure_of", "new_axes", "new_figure", "save"]

# Without dates and versions: the same figure gives the same file.
_METADATA: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


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


def figure_of(drawn: Any) -> Figure:
    """Return the figure of what a function here returned: a figure, axes, or an array of axes."""
    if isinstance(drawn, np.ndarray):
        drawn = drawn.flat[0]
    figure: Figure = drawn if hasattr(drawn, "savefig") else drawn.figure
    return figure


def save(drawn: Any, path: str | os.PathLike[str], *, dpi: int = 150) -> None:
    """Write a figure as PNG, SVG or PDF, whole or not at all; the same figure, the same bytes.

    Parameters
    ----------
    drawn : Figure, Axes or array of Axes
        What any function here returned.
    path : path-like
        Its suffix says which: `.png`, `.svg` or `.pdf`; PNG without one. A file that exists is
        replaced; its folder must exist.
    dpi : int
        Pixels per inch; in SVG and PDF, of those parts that are images.

    Raises
    ------
    InvalidParameterError
        If the suffix is another one.
    OSError
        If the file cannot be written.
    """
    kind = Path(path).suffix.lower().removeprefix(".") or "png"
    if kind not in _METADATA:
        raise InvalidParameterError(
            f"pictures are written as .png, .svg or .pdf, not as .{kind} ({os.fspath(path)!r})"
        )
    content = BytesIO()
    figure_of(drawn).savefig(content, format=kind, dpi=dpi, metadata=_METADATA[kind])
    written = content.getvalue()
    if kind == "svg":
        # matplotlib draws the names inside by chance.
        written = with_own_ids(written.decode(), "aeanom").encode()

    def write(file: BinaryIO) -> None:
        file.write(written)

    replace_file(path, write)
