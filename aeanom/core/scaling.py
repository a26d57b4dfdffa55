"""Scaling of columns: learnt in `fit`, kept in the model, computed in float64 for every backend.

Each column of a table has its own scale; so has each channel of a window or an image, the same at
all times and places.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import Architecture
from aeanom.core.batches import aligned_empty, slices
from aeanom.core.losses import Loss
from aeanom.core.weights import Float
from aeanom.errors import InvalidDataError, InvalidParameterError

__all__ = ["SCALERS", "Scaler", "scaler_kind", "scales_of"]

FlatArray = TypeVar("FlatArray", bound=Any)

SCALERS = ("standard", "minmax", "robust", "none")
CLIP = 1e9
PART_ELEMENTS = 2**15
"""Values that are scaled at a time."""
LONG_ROW = 2048
"""Values that NumPy is given as one row where rows are shorter; see `Scaler.blocks`."""


@dataclass(frozen=True, eq=False)
class Scaler:
    """`(x - center) / scale`, column by column or channel by channel.

    Attributes
    ----------
    kind : {"standard", "minmax", "robust", "none"}
        Mean and standard deviation; minimum and range; median and interquartile range; nothing.
    center, scale : float64 ndarray of shape (d,)
        One for each place in the last axis, or one for all. A column that does not vary (but for
        rounding) has scale 1.
    """

    kind: str
    center: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        kind: str,
        rows: Float,
        names: Sequence[str] | None = None,
        n_scales: int | None = None,
    ) -> Scaler:
        """Learn the scaling from rows of shape (n, ...).

        Parameters
        ----------
        kind : str
        rows : ndarray of shape (n, ...)
        names : sequence of str, optional
            Of the columns, for messages.
        n_scales : int, optional
            1 for one scale for everything, by default one for each place in the last axis; see
            `scales_of`.

        Raises
        ------
        InvalidParameterError
            For an unknown kind.
        InvalidDataError
            If a column's values are too large for its spread to be a float64.
        """
        if kind not in SCALERS:
            raise InvalidParameterError(f"unknown scaler {kind!r}; known: {', '.join(SCALERS)}")
        rows = rows.reshape(-1, n_scales or rows.shape[-1])
        with np.errstate(over="ignore", invalid="ignore"):
            center, scale = _STATISTICS[kind](rows)
            largest = np.abs(rows).max(axis=0).astype(np.float64)
        unusable = ~(np.isfinite(center) & np.isfinite(scale))
        if kind == "none":
            # They would be clipped, and rows that differ would look alike.
            unusable = largest > CLIP
        if unusable.any():
            column = int(np.flatnonzero(unusable)[0])
            name = repr(names[column]) if names else column
            raise InvalidDataError(
                f"column {name} holds values up to {largest[column]:.3g}, too large "
                f"for the {kind!r} scaler; divide the column by a constant first"
            )
        # What is left of a constant column after subtracting its mean is rounding, not signal.
        constant = scale <= 10 * np.finfo(np.float64).eps * largest
        return cls(kind, center, np.where(constant, 1.0, scale))

    def transform(self, rows: Float, dtype: str) -> Float:
        """Scale rows of shape (n, ...); the result is clipped to ±1e9 and has the given dtype.

        Further out than 1e9 spreads is far out, and beyond it a float32 network would answer
        with infinities or NaN, which are greater than no threshold. What is not finite itself
        becomes NaN, so that no score is made of it.
        """
        scaled = aligned_empty(rows.shape, dtype)
        # A part at a time, which stays in the cache from the first pass over it to the last.
        part_rows = max(min(PART_ELEMENTS // prod(rows.shape[1:]), len(rows)), 1)
        scratch = np.empty((part_rows, *rows.shape[1:])) if dtype != "float64" else None
        with np.errstate(over="ignore"):
            for part in slices(0, len(rows), part_rows):
                self._transform(rows[part], scaled[part], scratch)
        return scaled

    def inverse(self, scaled: Float) -> NDArray[np.float64]:
        """Return rows in the units that they came in."""
        if self.kind == "none":
            return scaled.astype(np.float64)
        return scaled * self.scale + self.center

    def blocks(self, flat: FlatArray) -> Iterator[tuple[FlatArray, Float, Float]]:
        """View flat rows as a matrix of long rows and a rest, with center and scale of each.

        Of either framework's arrays: NumPy and torch begin anew with every row of a matrix, and
        on many narrow ones that takes as long as the arithmetic. A scaler that leaves values as
        they are has no blocks.
        """
        if self.kind == "none":
            return
        center, scale = self._repeated
        whole = len(flat) // len(center) * len(center)
        yield flat[:whole].reshape(-1, len(center)), center, scale
        size = len(self.center)
        yield flat[whole:].reshape(-1, size), center[:size], scale[:size]

    def _transform(self, rows: Float, scaled: Float, scratch: NDArray[np.float64] | None) -> None:
        """Write scaled rows, by way of a float64 array where they have another dtype."""
        # Subtracted and divided in float64, and rounded only then.
        exact = scaled
        if scratch is not None and self.kind != "none":
            exact = scratch[: len(rows)]
        exact[...] = rows
        for part, center, scale in self.blocks(exact.reshape(-1)):
            part -= center
            part /= scale
        if exact is not scaled:
            scaled[...] = exact
        # One pass, and without a temporary: it is rarely worth a second look.
        flat = scaled.reshape(-1)
        if not np.einsum("i,i->", flat, flat) <= CLIP**2:
            np.clip(scaled, -CLIP, CLIP, out=scaled)
            scaled[~np.isfinite(rows)] = np.nan

    @cached_property
    def _repeated(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        times = max(LONG_ROW // self.center.size, 1)
        return np.tile(self.center, times), np.tile(self.scale, times)


def scaler_kind(setting: str | None, architecture: Architecture, loss: Loss) -> str:
    """Return the kind that a detector's setting means: None is "none", "auto" is by the network.

    Raises
    ------
    InvalidParameterError
        If the loss needs values in [0, 1] and the scaler gives others.
    """
    kind = "none" if setting is None else setting
    if kind == "auto":
        kind = "minmax" if architecture.output_activation == "sigmoid" else "standard"
    if loss.needs_unit_interval and kind in ("standard", "robust"):
        raise InvalidParameterError(
            f"loss {loss.name!r} needs values in [0, 1], which scaler={kind!r} does not give: "
            "use scaler='minmax', or None for rows that lie in [0, 1] already"
        )
    return kind


def scales_of(architecture: Architecture) -> int:
    """Return how many scales a network's rows have: one a column or channel, or one for all."""
    return architecture.input_shape[-1] if architecture.has_channels else 1


def _standard(rows: Float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return rows.mean(axis=0, dtype=np.float64), rows.std(axis=0, dtype=np.float64)


def _minmax(rows: Float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lowest = rows.min(axis=0).astype(np.float64)
    return lowest, rows.max(axis=0) - lowest


def _robust(rows: Float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, middle, high = np.percentile(rows.astype(np.float64), (25, 50, 75), axis=0)
    # Half of the rows alike makes the range 0 though the column varies: then take the deviation.
    return middle, np.where(high > low, high - low, rows.std(axis=0, dtype=np.float64))


def _none(rows: Float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.zeros(rows.shape[1]), np.ones(rows.shape[1])


_STATISTICS = {"standard": _standard, "minmax": _minmax, "robust": _robust, "none": _none}
