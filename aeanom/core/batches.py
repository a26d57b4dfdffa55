"""Which rows form which batch: a pure function of seed and epoch, the same for every backend.

The last short batch is filled up with slots of weight zero that index real rows, so that shapes
are static and every row counts exactly once. `Block` and `Segment` are what crosses the seam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Generic, NamedTuple, SupportsFloat, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aeanom.architectures import Architecture
from aeanom.core.weights import Float

__all__ = [
    "ALIGNMENT",
    "Block",
    "LossSum",
    "Segment",
    "aligned_empty",
    "aligned_zeros",
    "bucket",
    "epoch_batches",
    "evaluation_batches",
    "pad_rows",
    "rows_at_once",
    "slices",
    "split",
    "widest",
]

Array = TypeVar("Array")
Other = TypeVar("Other")

MAX_SEGMENT_STEPS = 1024
MOST_ROWS_AT_ONCE = 4096
MOST_ELEMENTS_AT_ONCE = 2**24
ALIGNMENT = 64
"""Bytes at whose multiples XLA and TensorFlow want an array to begin."""


class Block(NamedTuple, Generic[Array]):
    """Rows to train on or to evaluate; of NumPy arrays, or of a framework's.

    Attributes
    ----------
    rows : array of shape (n, *input_shape)
        What the network is fed.
    targets : array of the same shape, optional
        What it should return; None means the rows themselves.
    element_weights : array of the same shape, optional
        Factor of each element's loss before the mean over a row's elements; None means 1.
    """

    rows: Array
    targets: Array | None = None
    element_weights: Array | None = None

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.rows.shape[0])  # type: ignore[attr-defined]

    @property
    def target(self) -> Array:
        """What the network should return."""
        return self.rows if self.targets is None else self.targets

    def map(self, function: Callable[[Array], Other]) -> Block[Other]:
        """Apply a function to every array that there is."""
        targets, weights = self.targets, self.element_weights
        return Block(
            function(self.rows),
            None if targets is None else function(targets),
            None if weights is None else function(weights),
        )


@dataclass(frozen=True)
class Segment:
    """A bounded run of training steps: all that a backend needs to do them in one call.

    Attributes
    ----------
    first_step : int
        Counted from the start of the fit; keys the native noise and Adam's bias correction.
    steps : int
        How many; a run-time value, never a compiled shape.
    order : int32 ndarray of shape (steps, batch)
        Row indices into the placed block.
    row_weight : float64 ndarray of shape (steps, batch)
        Zero for filled-up slots.
    schedules : mapping of str to float64 ndarray of shape (steps,)
        `"learning_rate"`, `"kl_weight"`: one value a step; see `TrainingPlan.schedules`.
    noise : mapping of str to ndarray of shape (steps, batch, ...), optional
        Shared draws by layer name; None means the framework's own generator.
    """

    first_step: int
    steps: int
    order: NDArray[np.int32]
    row_weight: Float
    schedules: Mapping[str, Float]
    noise: Mapping[str, Float] | None = None

    def row_counts(self) -> list[int | None]:
        """Return how many rows each step has; None for a step whose rows have other weights than 1.

        The slots that only fill a batch up come after its rows. Where shapes are not compiled,
        they need not be computed.
        """
        is_row = self.row_weight == 1
        counts = is_row.sum(axis=1, keepdims=True)
        come_first = is_row == (np.arange(is_row.shape[1]) < counts)
        plain = (come_first & (is_row | (self.row_weight == 0))).all(axis=1).tolist()
        return [
            count if is_plain and count else None
            for count, is_plain in zip(counts[:, 0].tolist(), plain, strict=True)
        ]


class LossSum(NamedTuple):
    """Weighted sum of row losses, and the sum of the weights.

    Both may still be on the device; `mean()` waits for them.
    """

    total: SupportsFloat
    weight: SupportsFloat

    def mean(self) -> float:
        """Return the weighted mean as a Python float."""
        return float(self.total) / float(self.weight)


def bucket(size: int) -> int:
    """Round `size` up to the next of eight sizes an octave, at most 12.5 % more.

    Compiled backends pad to it, so that folds of nearly the same size share one compilation.

    Examples
    --------
    >>> [bucket(size) for size in (1, 8, 17, 100, 30000)]
    [1, 8, 18, 104, 30720]
    """
    step = 1 << max(size.bit_length() - 4, 0)
    return -(-size // step) * step


def effective_batch_size(batch_size: int, n_rows: int) -> int:
    """Batch size that a block of `n_rows` is trained with: never much wider than the block."""
    return min(batch_size, bucket(n_rows))


def epoch_batches(
    n_rows: int, batch_size: int, *, seed: int, epoch: int, shuffle: bool = True
) -> tuple[NDArray[np.int32], Float]:
    """Return the order of the rows in one epoch, and their weights.

    Parameters
    ----------
    n_rows, batch_size : int
    seed, epoch : int
        The order is a pure function of these two; no generator state is kept.
    shuffle : bool
        False keeps the rows in their own order.

    Returns
    -------
    order : int32 ndarray of shape (steps, batch)
    row_weight : float64 ndarray of shape (steps, batch)
        1 for a row, 0 for a slot that only fills up the last batch.
    """
    if shuffle:
        sequence = np.random.SeedSequence(seed, spawn_key=(_ORDER_STREAM, epoch))
        order = np.random.default_rng(sequence).permutation(n_rows).astype(np.int32)
    else:
        order = np.arange(n_rows, dtype=np.int32)
    return _fill_up(order, effective_batch_size(batch_size, n_rows))


def widest(architecture: Architecture) -> int:
    """Return the most elements that a row has anywhere in the network."""
    shapes = [architecture.input_shape, *(placed.output_shape for placed in architecture.walk())]
    return max(map(prod, shapes))


def rows_at_once(architecture: Architecture) -> int:
    """Rows that are computed together without gradients, so that memory stays bounded.

    A power of two up to 4096, with at most 2^24 elements (64 MiB in float32) in the widest layer
    if it is more than one row; backends may put more narrow ones together. What is inside a module
    of a user's own is not known: its rows are taken to be what is widest.
    """
    fitting = MOST_ELEMENTS_AT_ONCE // widest(architecture)
    power = 1 << max(fitting.bit_length() - 1, 0)
    return min(power, MOST_ROWS_AT_ONCE)


def evaluation_batches(n_rows: int, batch_size: int) -> tuple[NDArray[np.int32], Float]:
    """Every row once, in its own order, as `epoch_batches` does: for compiled backends."""
    return epoch_batches(n_rows, batch_size, seed=0, epoch=0, shuffle=False)


def split(steps: int) -> Iterator[slice]:
    """Cut an epoch's steps into runs that are short enough for one segment."""
    return slices(0, steps, MAX_SEGMENT_STEPS)


def slices(start: int, stop: int, size: int) -> Iterator[slice]:
    """Cut a range into parts of `size`, and what is left."""
    return (slice(first, min(first + size, stop)) for first in range(start, stop, size))


def pad_rows(array: NDArray[Any], size: int) -> NDArray[Any]:
    """Append zeros to the first axis up to `size`; nothing is copied if there is none to append.

    What is copied lies where compiled backends can use it as it is: they would copy an array once
    more that does not begin at a multiple of 64 bytes.
    """
    if len(array) == size:
        return array
    padded = aligned_empty((size, *array.shape[1:]), array.dtype)
    padded[: len(array)] = array
    padded[len(array) :] = 0
    return padded


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Do what `np.empty` does, at a multiple of `ALIGNMENT`.

    Compiled backends then need no copy, and no vector that NumPy computes with lies across two
    cache lines: a training step takes 5 % less.
    """
    dtype = np.dtype(dtype)
    n_bytes = prod(shape) * dtype.itemsize
    memory = np.empty(n_bytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + n_bytes].view(dtype).reshape(shape)


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Do what `np.zeros` does, at a multiple of `ALIGNMENT`."""
    zeros = aligned_empty(shape, dtype)
    zeros[...] = 0
    return zeros


_ORDER_STREAM = 0x0B


def _fill_up(order: NDArray[np.int32], batch: int) -> tuple[NDArray[np.int32], Float]:
    n_rows = len(order)
    steps = -(-n_rows // batch)
    row_weight = np.zeros(steps * batch)
    row_weight[:n_rows] = 1.0
    return np.resize(order, (steps, batch)), row_weight.reshape(steps, batch)
