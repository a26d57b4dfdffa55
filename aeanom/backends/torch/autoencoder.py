"""`TorchAutoencoder`: the network as a `torch.nn.Module` over one flat parameter tensor."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from aeanom.architectures import Architecture
from aeanom.backends.torch.layers import Network
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
        self.network = Network(architecture, DTYPES[dtype]).eval()
        sizes = [parameter.numel() for parameter in self.network.parameters()]
        self.flat = torch.empty(sum(sizes), dtype=DTYPES[dtype], device=device)
        views = torch.split(self.flat, sizes)
        for (name, parameter), view in zip(
            list(self.network.named_parameters()), views, strict=True
        ):
            owner, _, attribute = name.rpartition(".")
            shaped = nn.Parameter(view.view(parameter.shape))
            setattr(self.network.get_submodule(owner), attribute, shaped)
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
        """Copy a flat tensor in the parameters' order to arrays by canonical name and layout."""
        arrays = {
            name: view.detach().cpu().numpy().copy(order="C")
            for name, view in self._views(flat.detach()).items()
        }
        return {
            parameter.name: arrays[parameter.name] for parameter in self.architecture.parameters
        }

    def from_canonical(self, weights: Mapping[str, Float]) -> Tensor:
        """Lay arrays by canonical name out as one flat tensor on the device."""
        checked = check_weights(self.architecture, weights, self.dtype)
        flat = torch.empty_like(self.flat)
        for name, view in self._views(flat).items():
            view.copy_(torch.from_numpy(checked[name]))
        return flat

    def to_device(self, array: Float) -> Tensor:
        """Copy an array to the device, in the network's dtype."""
        contiguous = np.ascontiguousarray(array)
        return torch.tensor(contiguous, dtype=DTYPES[self.dtype], device=self.device)

    def _views(self, flat: Tensor) -> dict[str, Tensor]:
        """Canonical views of a flat tensor: a `Linear` weight is the kernel transposed."""
        views = {}
        start = 0
        for name, parameter in self.network.named_parameters():
            view = flat[start : start + parameter.numel()].view(parameter.shape)
            start += parameter.numel()
            owner, _, attribute = name.rpartition(".")
            if attribute == "weight":
                views[f"{owner}.kernel"] = view.T
            else:
                views[name] = view
        return views

    def padded_rows(self, n: int) -> int:
        """At least a few: the products of fewer rows are rounded otherwise than those of many."""
        return max(n, FEWEST_ROWS)

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
                result = row_losses(loss, output, x)
            return result.cpu().numpy()  # type: ignore[no-any-return]
