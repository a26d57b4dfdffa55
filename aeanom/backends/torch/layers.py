"""The layers of `aeanom.architectures`, as torch modules, in the same order.

Modules are made without running their initialisers, which would draw from torch's global
generator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from aeanom.architectures import Activation, Architecture, Dense, Dropout, PlacedLayer
from aeanom.architectures.layers import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from aeanom.core.noise import dropout_sites

Noise = Mapping[str, Tensor]


def dense(placed: PlacedLayer, dtype: torch.dtype) -> nn.Module:
    """Return `torch.nn.Linear`; its weight is the canonical kernel transposed."""
    layer = placed.layer
    assert isinstance(layer, Dense)
    # Made on the meta device and never initialised: the trainer lays the parameters out itself.
    return nn.Linear(
        placed.input_shape[0], layer.units, bias=layer.use_bias, dtype=dtype, device="meta"
    )


class ActivationModule(nn.Module):
    """An element-wise function."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function."""
        return FUNCTIONS[self.function](x)

    def extra_repr(self) -> str:
        """Show the function's name in the module's printout."""
        return self.function


def activation(placed: PlacedLayer, dtype: torch.dtype) -> nn.Module:
    """Return the element-wise function as a module."""
    assert isinstance(placed.layer, Activation)
    return ActivationModule(placed.layer.function)


def dropout(placed: PlacedLayer, dtype: torch.dtype) -> nn.Module:
    """Return `torch.nn.Dropout`; the trainer multiplies by its own draws instead."""
    assert isinstance(placed.layer, Dropout)
    return nn.Dropout(placed.layer.rate)


LAYERS: Mapping[str, Callable[[PlacedLayer, torch.dtype], nn.Module]] = {
    "dense": dense,
    "activation": activation,
    "dropout": dropout,
}


class Network(nn.Module):
    """Encoder and decoder as `torch.nn.Sequential`."""

    def __init__(self, architecture: Architecture, dtype: torch.dtype) -> None:
        super().__init__()
        made = [LAYERS[placed.layer.kind](placed, dtype) for placed in architecture.layers]
        n_encoder = len(architecture.encoder)
        self.encoder = nn.Sequential(*made[:n_encoder])
        self.decoder = nn.Sequential(*made[n_encoder:])

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct rows."""
        reconstructed: Tensor = self.decoder(self.encoder(x))
        return reconstructed

    def output(self, x: Tensor, *, logits: bool, noise: Noise | None = None) -> Tensor:
        """Reconstruct rows in training: with noise factors, and up to the logits if asked."""
        named = [
            (f"{part}.{index}", layer)
            for part, layers in (("encoder", self.encoder), ("decoder", self.decoder))
            for index, layer in enumerate(layers)
        ]
        for name, layer in named[:-1] if logits else named:
            if not isinstance(layer, nn.Dropout):
                x = layer(x)
            elif noise is not None:
                x = x * noise[name]
        return x


def draw_noise(
    architecture: Architecture, seed: int, step: int, batch: int, dtype: torch.dtype, device: str
) -> dict[str, Tensor]:
    """Draw dropout factors for one step from torch's own generator, keyed by (seed, step)."""
    sites = dropout_sites(architecture)
    if not sites:
        return {}
    generator = torch.Generator(device).manual_seed((seed * 0x9E3779B97F4A7C15 + step) % 2**63)
    factors = {}
    for name, (rate, shape) in sites.items():
        draws = torch.rand((batch, *shape), generator=generator, dtype=dtype, device=device)
        factors[name] = (draws >= rate).to(dtype) / (1 - rate)
    return factors


def _selu(x: Tensor) -> Tensor:
    # The derivative at 0 is the right-hand one; torch's own takes the left-hand one.
    negative = SELU_ALPHA * torch.expm1(x.clamp(max=0))
    return SELU_SCALE * torch.where(x >= 0, x, negative)


def _softplus(x: Tensor) -> Tensor:
    # torch's own turns linear above a threshold.
    return torch.logaddexp(x, torch.zeros_like(x))


FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "leaky_relu": lambda x: nn.functional.leaky_relu(x, LEAKY_SLOPE),
    "elu": nn.functional.elu,
    "selu": _selu,
    "gelu": nn.functional.gelu,
    "silu": nn.functional.silu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": _softplus,
}
