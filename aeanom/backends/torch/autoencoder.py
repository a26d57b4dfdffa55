"""`TorchAutoencoder`: the network as a `torch.nn.Module` over one flat parameter tensor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from aeanom.architectures import Architecture
from aeanom.backends.torch.layers import Network, Workspace
from aeanom.backends.torch.losses import row_losses
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.losses import Loss
from aeanom.core.weights import Float, Weights, check_weights

DTYPES = {"float32": torch.float32, "float64": torch.float64}
FEWEST_ROWS = 16


class TorchAutoencoder(Autoencoder):
    """Encoder and decoder as `torch.nn.Sequential`.

    All parameters are views of `flat`, so that the optimiser updates them in one call.
    """

    def __init__(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> None:
        super().__init__(architecture, dtype=dtype, device=device)
        size = sum(parameter.size for parameter in architecture.parameters)
        self.flat = torch.empty(size, dtype=DTYPES[dtype], device=device)
        self.network = Network(architecture, self.views(self.flat)).eval()
        self.load_weights(weights)

    def weights(self) -> Weights:
        """Copy all weights to the host."""
        return self.to_canonical(self.flat)

    def load_weights(self, weights: Mapping[str, Float]) -> None:
        """Copy weights in."""
        self.flat.copy_(self.from_canonical(weights))

    def native(self) -> nn.Module:
        """Return the live `torch.nn.Module`."""
        return self.network

    def to_canonical(self, flat: Tensor) -> Weights:
        """Copy a flat tensor in canonical order to arrays by name."""
        return {name: view.cpu().numpy().copy() for name, view in self.views(flat).items()}

    def from_canonical(self, weights: Mapping[str, Float]) -> Tensor:
        """Lay arrays by name out as one flat tensor on the device."""
        checked = check_weights(self.architecture, weights, self.dtype)
        return self.to_device(np.concatenate([array.ravel() for array in checked.values()]))

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """Return views of a flat tensor by name."""
        table = self.architecture.parameters
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

    def _compute(self, what: str, rows: Float, loss: Loss | None) -> Float:
        with torch.inference_mode():
            # torch takes neither read-only arrays (without a warning) nor negative strides.
            x = torch.from_numpy(np.require(rows, requirements=("C", "W"))).to(self.device)
            if what == "encode":
                result = self.network.encoder(x)
            elif what == "decode":
                result = self.network.decoder(x)
            elif loss is None:
                result = self.network(x)
            else:
                output = self.network.output(x, logits=loss.from_logits)
                result = row_losses(loss, output, x, None, Workspace(output))[0]
            return result.cpu().numpy()  # type: ignore[no-any-return]
