"""`NumpyAutoencoder`: the network as layers over one flat parameter array."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

import numpy as np

from aeanom.architectures import Architecture
from aeanom.backends.numpy.layers import Network, Workspace
from aeanom.backends.numpy.losses import row_losses
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.losses import Loss
from aeanom.core.weights import Float, Weights, check_weights

CHUNK_BYTES = 2**19
"""Size of the widest array of a chunk: what is computed with stays in the cache."""
SINGLE_THREADED = 2**18
"""Multiplications up to which OpenBLAS multiplies two matrices in the calling thread."""
STACK_ROWS = 128
FEWEST_ROWS = 16


class NumpyAutoencoder(Autoencoder):
    """Encoder and decoder as lists of layers.

    All parameters are views of `flat`, so that the optimiser updates them in one pass.
    """

    def __init__(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> None:
        super().__init__(architecture, dtype=dtype, device=device)
        self.flat = np.empty(sum(parameter.size for parameter in architecture.parameters), dtype)
        self.network = Network(architecture, self.views(self.flat))
        self._local = threading.local()
        largest = max(parameter.size for parameter in architecture.parameters)
        self._stacks = STACK_ROWS * largest <= SINGLE_THREADED
        self.load_weights(weights)

    def weights(self) -> Weights:
        """Copy all weights."""
        return self.to_canonical(self.flat)

    def load_weights(self, weights: Mapping[str, Float]) -> None:
        """Copy weights in."""
        self.flat[:] = self.from_canonical(weights)

    def native(self) -> Network:
        """Return the live network."""
        return self.network

    def to_canonical(self, flat: Float) -> Weights:
        """Copy a flat array in canonical order to arrays by name."""
        return {name: view.copy() for name, view in self.views(flat).items()}

    def from_canonical(self, weights: Mapping[str, Float]) -> Float:
        """Lay arrays by name out as one flat array."""
        checked = check_weights(self.architecture, weights, self.dtype)
        return np.concatenate([array.ravel() for array in checked.values()])

    def views(self, flat: Float) -> Weights:
        """Return views of a flat array by name."""
        views = {}
        start = 0
        for parameter in self.architecture.parameters:
            stop = start + parameter.size
            views[parameter.name] = flat[start:stop].reshape(parameter.shape)
            start = stop
        return views

    def chunk_rows(self) -> int:
        """Rows whose widest layer fits the processor's cache."""
        widest = max(np.prod(placed.output_shape) for placed in self.architecture.layers)
        rows = int(CHUNK_BYTES // (widest * self.flat.itemsize))
        return max(rows // STACK_ROWS, 2) * STACK_ROWS

    def padded_rows(self, n: int) -> int:
        """Whole stacks. A single row would also be a product of another kind in BLAS."""
        size = STACK_ROWS if n > FEWEST_ROWS else FEWEST_ROWS
        return -(-n // size) * size

    def scoring_threads(self) -> int:
        """As many as there are processors, if the products themselves keep to one thread."""
        if not self._stacks:
            return 1
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1

    def _compute(self, what: str, rows: Float, loss: Loss | None) -> Float:
        if not self._stacks or len(rows) < STACK_ROWS:
            return self._compute_stack(what, rows, loss)
        # A stack of small products is done in the calling thread, without the interpreter's lock.
        # One large product would wake BLAS's threads, which wait for each other by spinning.
        stack = rows.reshape(-1, STACK_ROWS, *rows.shape[1:])
        result = self._compute_stack(what, stack, loss)
        return result.reshape(len(rows), *result.shape[2:])

    def _compute_stack(self, what: str, rows: Float, loss: Loss | None) -> Float:
        network, workspace = self.network, self._workspace()
        with np.errstate(over="ignore", invalid="ignore"):
            if what == "encode":
                return network.encode(rows, workspace)
            if what == "decode":
                return network.decode(rows, workspace)
            if loss is None:
                return network.output(rows, workspace, logits=False)
            output = network.output(rows, workspace, logits=loss.from_logits)
            return row_losses(loss, output, rows, None, workspace)[0]

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
