"""`NumpyAutoencoder`: the network as layers over one flat parameter array."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from aeanom.architectures import Architecture, Parameter
from aeanom.backends.numpy.context import NumpyContext, Workspace
from aeanom.backends.numpy.losses import row_losses
from aeanom.backends.numpy.network import Network
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.batches import aligned_empty
from aeanom.core.layers import compute
from aeanom.core.losses import Loss
from aeanom.core.weights import Float, Weights, check_weights

CHUNK_BYTES = 2**20
"""Size of the widest array of a chunk: what is computed with stays in the cache.

Half of it suits one thread as well, but two would wait for the interpreter's lock more often.
"""
SINGLE_THREADED = 2**18
"""Multiplications up to which OpenBLAS multiplies two matrices in the calling thread."""
STACK_ROWS = 128
STACKABLE_KINDS = frozenset(
    {
        "dense",
        "activation",
        "dropout",
        "layer_norm",
        "batch_norm",
        "residual",
        "gaussian_latent",
        "gaussian_output",
        "input_noise",
        "activity_regularization",
    }
)
"""Layers that do to a stack of matrices, flat rows, what they do to a matrix."""
FEWEST_ROWS = 16


class NumpyAutoencoder(Autoencoder):
    """Encoder and decoder as lists of layers.

    All weights are views of `flat`. Its first part, `trainable`, is what the optimiser updates in
    one pass; the buffers come behind.
    """

    def __init__(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> None:
        super().__init__(architecture, dtype=dtype, device=device)
        size = sum(parameter.size for parameter in architecture.parameters)
        self.flat = aligned_empty((size,), dtype)
        self.trainable = self.flat[: architecture.n_parameters]
        buffers = [table for table in architecture.parameters if not table.trainable]
        self.parameters = self.views(self.flat, (*architecture.trainable, *buffers))
        self.network = Network(architecture, self.parameters)
        self._local = threading.local()
        largest = max(parameter.size for parameter in architecture.parameters)
        self._stacks = (
            STACK_ROWS * largest <= SINGLE_THREADED
            and architecture.kinds <= STACKABLE_KINDS
            and len(architecture.input_shape) == 1
        )
        # A row of an image is large: already a few fill the cache.
        images = architecture.kinds & {"conv2d", "conv2d_transpose"}
        self._unit = FEWEST_ROWS if images else STACK_ROWS
        widest = max(prod(placed.output_shape) for placed in architecture.walk())
        rows = CHUNK_BYTES // (widest * self.flat.itemsize)
        self._chunk_rows = max(rows // self._unit, 2) * self._unit
        self.load_weights(weights)

    def weights(self) -> Weights:
        """Copy all weights."""
        table = self.architecture.parameters
        return {parameter.name: self.parameters[parameter.name].copy() for parameter in table}

    def load_weights(self, weights: Mapping[str, Float]) -> None:
        """Copy weights in."""
        checked = check_weights(self.architecture.parameters, weights, self.dtype)
        for name, array in checked.items():
            self.parameters[name][...] = array

    def native(self) -> Network:
        """Return the live network."""
        return self.network

    def to_canonical(self, flat: Float) -> Weights:
        """Copy a flat array like `trainable` to arrays by name."""
        views = self.views(flat, self.architecture.trainable)
        return {name: view.copy() for name, view in views.items()}

    def from_canonical(self, weights: Mapping[str, Float]) -> Float:
        """Lay arrays by name out as one flat array like `trainable`."""
        checked = check_weights(self.architecture.trainable, weights, self.dtype)
        return np.concatenate([array.ravel() for array in checked.values()])

    def views(self, flat: Float, table: Sequence[Parameter]) -> Weights:
        """Return views of a flat array by name, one behind the other as in the table."""
        views = {}
        start = 0
        for parameter in table:
            stop = start + parameter.size
            views[parameter.name] = flat[start:stop].reshape(parameter.shape)
            start = stop
        return views

    def chunk_rows(self) -> int:
        """Rows whose widest layer fits the processor's cache; a convolution keeps to it itself."""
        return self._chunk_rows

    def padded_rows(self, n: int) -> int:
        """Whole stacks. A single row would also be a product of another kind in BLAS."""
        size = self._unit if n > FEWEST_ROWS else FEWEST_ROWS
        return -(-n // size) * size

    def scoring_threads(self) -> int:
        """As many as there are processors, if the products themselves keep to one thread."""
        if not self._stacks:
            return 1
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def _compute(self, what: str, rows: Float, loss: Loss | None) -> Float:
        # A stack of small products is done in the calling thread, without the interpreter's lock.
        # One large product would wake BLAS's threads, which wait for each other by spinning.
        n = len(rows)
        stacked = self._stacks and n >= STACK_ROWS
        x = rows.reshape(-1, STACK_ROWS, rows.shape[-1]) if stacked else rows

        def unstacked(result: Float) -> Float:
            return result.reshape(n, result.shape[-1]) if stacked else result

        def losses(loss: Loss, output: Float, target: Float) -> Float:
            return row_losses(loss, unstacked(output), rows, None, context.workspace)[0]

        context = NumpyContext(n_elements=self.network.n_elements, workspace=self._workspace())
        with np.errstate(over="ignore", invalid="ignore"):
            zeros = np.zeros(n, self.dtype)
            result = compute(self.network, what, x, loss, context, losses, zeros)
        return result if result.ndim == 1 else unstacked(result)

    def _workspace(self) -> Workspace:
        """Scratch arrays of the calling thread: several may score with one network at a time."""
        if not hasattr(self._local, "workspace"):
            self._local.workspace = Workspace(self.dtype)
        return self._local.workspace  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, object]:
        # Thread-local scratch arrays are neither copied nor pickled.
        return {key: value for key, value in self.__dict__.items() if key != "_local"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()
