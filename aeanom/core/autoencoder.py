"""`Autoencoder`: the abstract network. Arrays in, arrays out, whatever computes in between.

Cutting many rows into chunks, and padding the last one to a size that the backend likes, stands
here once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import Architecture, Shape
from aeanom.core.batches import pad_rows, rows_at_once, slices
from aeanom.core.losses import Loss
from aeanom.core.scaling import Scaler
from aeanom.core.weights import Float, Weights
from aeanom.errors import InvalidDataError

__all__ = ["Autoencoder"]

ROW_BUCKETS = (1, 16, 64, 256, 1024, 4096)
"""Numbers of rows that a backend with static shapes compiles for."""


class Autoencoder(ABC):
    """A network with weights, in one framework.

    A backend writes `weights`, `load_weights`, `native` and `_compute`; and `_prepare`, if it can
    put rows in its framework's arrays and scale them there.

    Parameters
    ----------
    architecture : Architecture
    dtype : {"float32", "float64"}
        Of the weights and of all that is computed.
    device : str
        One of the backend's `devices()`.
    """

    has_static_shapes: ClassVar[bool] = False
    """Whether every number of rows is compiled anew, so that chunks are padded to few sizes."""

    def __init__(self, architecture: Architecture, *, dtype: str, device: str) -> None:
        self.architecture = architecture
        self.dtype = dtype
        self.device = device

    @abstractmethod
    def weights(self) -> Weights:
        """Return a copy of all weights: canonical names and layouts, C-contiguous."""

    @abstractmethod
    def load_weights(self, weights: Mapping[str, Float]) -> None:
        """Copy weights in; raises `ArchitectureError` if names or shapes do not fit."""

    @abstractmethod
    def native(self) -> Any:
        """Return the framework's own module, live: training changes it."""

    @abstractmethod
    def _compute(self, what: str, rows: Any, loss: Loss | None) -> Any:
        """Compute `what` for one chunk of rows: the name of one of the six methods below.

        The rows are what `_prepare` made of them. What is returned may be an array of the
        framework that is still being computed: NumPy takes it when the next chunk has been begun.
        """

    def _prepare(self, rows: Float, scaler: Scaler | None) -> Any:
        """Return a chunk in the network's dtype, scaled if there is a scaler.

        A backend that scales by itself gives what `Scaler.transform` gives, bit for bit, and
        leaves the caller's rows as they are.
        """
        if scaler is None:
            return np.asarray(rows, dtype=self.dtype)
        return scaler.transform(rows, self.dtype)

    def encode(self, x: Float) -> Float:
        """Map rows of shape (n, *input_shape) to latents of shape (n, *latent_shape)."""
        return self._map("encode", x, self.architecture.input_shape, self.architecture.latent_shape)

    def decode(self, z: Float) -> Float:
        """Map latents of shape (n, *latent_shape) to rows of shape (n, *input_shape)."""
        return self._map("decode", z, self.architecture.latent_shape, self.architecture.input_shape)

    def reconstruct(self, x: Float) -> Float:
        """Decode what rows are encoded to; same shape as `x`, in the network's dtype."""
        shape = self.architecture.input_shape
        return self._map("reconstruct", x, shape, shape)

    def raw_output(self, x: Float) -> Float:
        """Return what the decoder's last layer is given: logits, or means and log-variances."""
        architecture = self.architecture
        return self._map("raw_output", x, architecture.input_shape, architecture.raw_output_shape)

    def penalties(self, x: Float) -> NDArray[np.float64]:
        """Return what the layers add to each row's loss, of shape (n,): KL terms, L1 terms."""
        return self._map("penalties", x, self.architecture.input_shape, (), dtype="float64")

    def errors(
        self,
        x: Float,
        loss: Loss,
        scaler: Scaler | None = None,
        out: NDArray[np.float64] | None = None,
    ) -> NDArray[np.float64]:
        """Mean element loss of each row between it and its reconstruction: its score.

        With it come the terms that a layer adds to scores (`GaussianLatent(kl_in_score=True)`).

        Parameters
        ----------
        x : ndarray of shape (n, *input_shape)
        loss : Loss
        scaler : Scaler, optional
            What the rows are scaled with first; without one they are scaled already. Not for a
            loss that needs values in [0, 1]: what lies outside is `score_rows`'s business.
        out : float64 ndarray of shape (n,), optional
            Where to write them.

        Returns
        -------
        float64 ndarray of shape (n,)
            Computed in the network's dtype, where the network is.
        """
        loss.check(self.architecture)
        shape = self.architecture.input_shape
        return self._map("errors", x, shape, (), loss, scaler, dtype="float64", out=out)

    def chunk_rows(self) -> int:
        """Rows that are computed at a time, unless `chunks` puts more together."""
        return rows_at_once(self.architecture)

    def chunks(self, n: int) -> Iterator[slice]:
        """Cut `n` rows into those that are computed at a time."""
        return slices(0, n, self.chunk_rows())

    def padded_rows(self, n: int) -> int:
        """Rows that a chunk of `n` is padded to with zeros."""
        if not self.has_static_shapes:
            return n
        size = next((size for size in ROW_BUCKETS if size >= n), n)
        return min(size, max(self.chunk_rows(), n))

    def scoring_threads(self) -> int:
        """Threads that may score parts of a table at the same time."""
        return 1

    def _map(
        self,
        what: str,
        x: Float,
        row_shape: Shape,
        result_shape: Shape,
        loss: Loss | None = None,
        scaler: Scaler | None = None,
        *,
        dtype: str | None = None,
        out: NDArray[Any] | None = None,
    ) -> NDArray[Any]:
        if x.ndim != 1 + len(row_shape) or x.shape[1:] != row_shape:
            raise InvalidDataError(
                f"{what} needs an array of shape (n, {', '.join(map(str, row_shape))}), "
                f"got {x.shape}"
            )
        result = np.empty((len(x), *result_shape), dtype or self.dtype) if out is None else out

        # A framework that computes on its own is given the next chunk before it is waited for.
        # NumPy's arrays are finished, and the next chunk may be written over them.
        under_way: deque[tuple[NDArray[Any], Any]] = deque()
        for part in self.chunks(len(x)):
            rows = x[part]
            padded = pad_rows(rows, self.padded_rows(len(rows)))
            values = self._compute(what, self._prepare(padded, scaler), loss)
            under_way.append((result[part], values))
            if len(under_way) > 1 or isinstance(values, np.ndarray):
                _finish(*under_way.popleft())
        for place, values in under_way:
            _finish(place, values)
        return result


def _finish(place: NDArray[Any], values: Any) -> None:
    """Wait for a chunk's values; those of the rows that only fill it up are left out."""
    place[...] = np.asarray(values)[: len(place)]
