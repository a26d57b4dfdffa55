"""What `architecture="auto"` means: a network chosen by the shape of the data."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2, sqrt
from typing import Any

from aeanom.architectures.architecture import Architecture
from aeanom.architectures.builders import convolutional, convolutional_1d, dense
from aeanom.architectures.layers import Shape
from aeanom.architectures.layers.base import whole_number
from aeanom.errors import ArchitectureError

__all__ = ["for_table", "from_data"]


def for_table(n_features: int) -> Architecture:
    """Build what `architecture="auto"` means for a table: one hidden layer, sized by its columns.

    Parameters
    ----------
    n_features : int
        Columns of the table.

    Returns
    -------
    Architecture
        `min(128, 2^⌈log2(2d)⌉)` hidden units and a latent width of
        `min(max(⌈√d⌉, 2), 32, d - 1)`, at least 1: 5 → 16 → 3, 30 → 64 → 6, 784 → 128 → 28.

    Raises
    ------
    ArchitectureError
        If there is no column.

    Examples
    --------
    >>> for_table(30) == dense(30, (64,), 6)
    True
    """
    if whole_number(n_features) < 1:
        raise ArchitectureError(f"a table needs at least one column, got {n_features!r}")
    hidden_units = min(128, 2 ** ceil(log2(2 * n_features)))
    latent_dim = max(min(max(ceil(sqrt(n_features)), 2), 32, n_features - 1), 1)
    return dense(n_features, (hidden_units,), latent_dim)


def from_data(X: Any, *, kind: str = "auto") -> Architecture:
    """Build the default network for rows of the shape that X has.

    Parameters
    ----------
    X : array, data frame or nested lists
        All rows: only the shape is looked at.
    kind : {"auto", "table", "images", "series"}
        What the rows are. `"auto"` takes two axes for a table, four for images, and three for
        images if they are square and for windows of a series, `(rows, time, channels)`, if not.

    Returns
    -------
    Architecture
        `for_table`, `convolutional` or `convolutional_1d`, with its defaults.

    Raises
    ------
    ArchitectureError
        If X has another number of axes than the kind needs, or an axis without elements.

    Examples
    --------
    >>> from_data([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]) == for_table(3)
    True
    """
    if kind not in ("auto", *_KINDS):
        raise ArchitectureError(
            f"unknown kind {kind!r}; known: 'auto', {', '.join(map(repr, _KINDS))}"
        )
    shape = _shape_of(X)
    fitting = [name for name, (ranks, _) in _KINDS.items() if len(shape) in ranks]
    if kind == "auto" and fitting:
        square = len(shape) == 3 and shape[1] == shape[2]
        kind = "images" if square else fitting[-1]
    if kind not in fitting:
        known = _KINDS if kind == "auto" else [kind]
        wanted = "; ".join(f"{name} needs {_KINDS[name][1]}" for name in known)
        raise ArchitectureError(f"no network for X of shape {shape}: {wanted}")
    if kind == "table":
        return for_table(shape[1])
    return convolutional(shape[1:]) if kind == "images" else convolutional_1d(shape[1:])


# Number of axes, rows included, and what they are.
_KINDS = {
    "table": ((2,), "(rows, features)"),
    "images": ((3, 4), "(rows, height, width) or (rows, height, width, channels)"),
    "series": ((3,), "(rows, time, channels), also for one channel"),
}


def _shape_of(X: Any) -> Shape:
    """Return the shape of an array, a data frame or nested lists."""
    if hasattr(X, "shape"):
        return tuple(X.shape)
    shape = []
    while isinstance(X, Sequence) and not isinstance(X, str):
        shape.append(len(X))
        X = X[0] if X else None
    return tuple(shape)
