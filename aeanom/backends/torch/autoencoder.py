"""`TorchAutoencoder`: the network as a `torch.nn.Module` over one flat parameter tensor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor, nn

from aeanom.architectures import Architecture, Parameter
from aeanom.backends.torch.context import Workspace
from aeanom.backends.torch.losses import row_losses
from aeanom.backends.torch.module import ModuleNetwork
from aeanom.backends.torch.network import Network
from aeanom.backends.torch.precision import full_precision
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.layers import Context, compute
from aeanom.core.losses import Loss
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.scaling import CLIP, Scaler
from aeanom.core.weights import Float, Weights, check_weights

DTYPES = {"float32": torch.float32, "float64": torch.float64}
CHUNK_BYTES = 2**23
"""Size of a layer's output up to which rows are scored together on a CPU."""
CHUNK_ROWS = 8192
"""Most rows that are scored together on a CPU, however narrow they are."""


class TorchAutoencoder(Autoencoder):
    """Encoder and decoder as `torch.nn.Sequential`.

    All weights are views of `flat`. Its first part, `trainable`, is what the optimiser updates in
    one call; the buffers come behind.
    """

    def __init__(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> None:
        super().__init__(architecture, dtype=dtype, device=device)
        size = sum(parameter.size for parameter in architecture.parameters)
        self.flat = torch.empty(size, dtype=DTYPES[dtype], device=device)
        self.trainable = self.flat[: architecture.n_parameters]
        buffers = [table for table in architecture.parameters if not table.trainable]
        self.parameters = self.views(self.flat, (*architecture.trainable, *buffers))
        self.network: Network | ModuleNetwork
        if isinstance(architecture, ModuleArchitecture):
            self.network = ModuleNetwork(architecture, self.parameters)
        else:
            self.network = Network(architecture, self.parameters).eval()
        self._chunk_rows = super().chunk_rows()
        if not self.flat.is_cuda:
            # What is inside a module of a user's own is not known.
            widths = [prod(placed.output_shape) for placed in architecture.walk()]
            most = CHUNK_ROWS if widths else self._chunk_rows
            row_bytes = max(widths, default=self.network.n_elements) * self.flat.itemsize
            self._chunk_rows = min(max(CHUNK_BYTES // row_bytes, 1), most)
        self.load_weights(weights)

    def weights(self) -> Weights:
        """Copy all weights to the host."""
        table = self.architecture.parameters
        return {
            parameter.name: self.parameters[parameter.name].cpu().numpy().copy()
            for parameter in table
        }

    def load_weights(self, weights: Mapping[str, Float]) -> None:
        """Copy weights in."""
        checked = check_weights(self.architecture.parameters, weights, self.dtype)
        for name, array in checked.items():
            self.parameters[name].copy_(self.to_device(array))

    def native(self) -> nn.Module:
        """Return the live `torch.nn.Module`."""
        return self.network.native() if isinstance(self.network, ModuleNetwork) else self.network

    def to_canonical(self, flat: Tensor) -> Weights:
        """Copy a flat tensor like `trainable` to arrays by name."""
        views = self.views(flat, self.architecture.trainable)
        return {name: view.cpu().numpy().copy() for name, view in views.items()}

    def from_canonical(self, weights: Mapping[str, Float]) -> Tensor:
        """Lay arrays by name out as one flat tensor like `trainable`."""
        checked = check_weights(self.architecture.trainable, weights, self.dtype)
        return self.to_device(np.concatenate([array.ravel() for array in checked.values()]))

    def views(self, flat: Tensor, table: Sequence[Parameter]) -> dict[str, Tensor]:
        """Return views of a flat tensor by name, one behind the other as in the table."""
        parts = torch.split(flat, [parameter.size for parameter in table])
        return {
            parameter.name: part.view(parameter.shape)
            for parameter, part in zip(table, parts, strict=True)
        }

    def to_device(self, array: Float) -> Tensor:
        """Put an array on the device, in the network's dtype.

        On the CPU, the tensor shares the memory of an array that torch can take as it is: neither
        read-only nor with negative strides.
        """
        usable = np.require(array, requirements=("C", "W"))
        return torch.as_tensor(usable, dtype=DTYPES[self.dtype], device=self.device)

    def chunk_rows(self) -> int:
        """On a CPU by the widest layer: large tensors take longer a row, and so do small ones."""
        return self._chunk_rows

    def _prepare(self, rows: Float, scaler: Scaler | None) -> Tensor:
        if scaler is None:
            return self.to_device(rows)
        x = torch.as_tensor(np.require(rows, requirements=("C", "W")), device=self.device)
        dtype = DTYPES[self.dtype]
        exact = x.to(dtype if scaler.kind == "none" else torch.float64, copy=True)
        for part, *numbers in scaler.blocks(exact.view(-1)):
            center, scale = (torch.from_numpy(number).to(self.device) for number in numbers)
            part.sub_(center).div_(scale)
        scaled = exact.to(dtype)
        flat = scaled.view(-1)
        if not float(torch.dot(flat, flat)) <= CLIP**2:
            scaled.clamp_(-CLIP, CLIP)
            scaled[~torch.isfinite(x)] = torch.nan
        return scaled

    def _compute(self, what: str, rows: Tensor, loss: Loss | None) -> Float:
        # A module may keep a tensor for later, and those of inference mode cannot be trained with.
        own = isinstance(self.network, ModuleNetwork)
        ungraded = torch.no_grad() if own else torch.inference_mode()
        with ungraded, full_precision(self.flat.device):
            context: Context[Tensor] = Context(n_elements=self.network.n_elements)
            zeros = rows.new_zeros(len(rows))
            result = compute(self.network, what, rows, loss, context, _row_losses, zeros)
            return result.cpu().numpy()


def _row_losses(loss: Loss, output: Tensor, target: Tensor) -> Tensor:
    return row_losses(loss, output, target, None, Workspace(output))[0]
