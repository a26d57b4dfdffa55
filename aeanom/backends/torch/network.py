"""`Network`: encoder and decoder as `torch.nn.Sequential`, over tensors that exist already.

torch's own initialisers, which would draw from its global generator, never run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import torch
from torch import Tensor, nn

from aeanom.architectures import Architecture
from aeanom.backends.torch.context import Bound, Result, TorchContext
from aeanom.backends.torch.layers import LAYERS, forward
from aeanom.core.layers import Context, bind, run


class LayerModule(nn.Module):
    """One layer as a module, for those who take the network into their own hands."""

    def __init__(self, bound: Bound) -> None:
        super().__init__()
        self._bound = bound
        for name, tensor in bound.parameters.items():
            if isinstance(tensor, nn.Parameter):
                self.register_parameter(name, tensor)
            else:
                self.register_buffer(name, tensor)
        for index, inner in enumerate(bound.inner):
            self.add_module(str(index), LayerModule(inner))

    def bound(self) -> Bound:
        """Return the layer with the tensors that are in the module now: `.to()` puts in others."""
        tensors = (*self.named_parameters(recurse=False), *self.named_buffers(recurse=False))
        inner = (module.bound() for module in self.children() if isinstance(module, LayerModule))
        return replace(self._bound, parameters=dict(tensors), inner=tuple(inner))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer as in scoring."""
        return LAYERS[self._bound.layer.kind](self.bound(), x, Context())

    def extra_repr(self) -> str:
        """Show settings and shapes in the module's printout."""
        settings = [
            f"{name}={value}"
            for name, value in self._bound.layer.to_dict().items()
            if name not in ("kind", "layers", "initializer")
        ]
        return ", ".join([*settings, f"{self._bound.input_shape} → {self._bound.output_shape}"])

    def _get_name(self) -> str:
        return type(self._bound.layer).__name__


class Network(nn.Module):
    """Encoder and decoder.

    Attributes
    ----------
    encoder, decoder : torch.nn.Sequential of LayerModule
    n_elements : int
        Elements of a row.
    """

    def __init__(self, architecture: Architecture, parameters: Mapping[str, Tensor]) -> None:
        super().__init__()
        learnt = {parameter.name for parameter in architecture.trainable}
        tensors = {
            name: nn.Parameter(tensor) if name in learnt else tensor
            for name, tensor in parameters.items()
        }
        # Not a second registration: a tuple is no module list.
        self._bound = tuple(bind(placed, tensors) for placed in architecture.layers)
        made = [LayerModule(bound) for bound in self._bound]
        self.encoder = nn.Sequential(*made[: len(architecture.encoder)])
        self.decoder = nn.Sequential(*made[len(architecture.encoder) :])
        self.n_elements = prod(architecture.input_shape)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct rows."""
        return self.decode(self.encode(x))

    def encode(self, x: Tensor, context: Context[Tensor] | None = None) -> Tensor:
        """Map rows to latents."""
        latents: Tensor = self.encoder(x)
        return latents

    def decode(self, z: Tensor, context: Context[Tensor] | None = None) -> Tensor:
        """Map latents to rows."""
        reconstructed: Tensor = self.decoder(z)
        return reconstructed

    def output(self, x: Tensor, context: Context[Tensor], *, raw: bool) -> Tensor:
        """Reconstruct rows, or stop before the last layer."""
        return run(LAYERS, self._bound[:-1] if raw else self._bound, x, context)

    def output_with_backward(self, x: Tensor, context: TorchContext, *, raw: bool) -> Result:
        """Do what `output` does in training; with the way back."""
        return forward(self._bound[:-1] if raw else self._bound, x, context)


def step_seed(seed: int, step: int) -> int:
    """Return what a generator is seeded with for one step of a fit."""
    return (seed * 0x9E3779B97F4A7C15 + step) % 2**63


def draw_noise(
    architecture: Architecture, seed: int, step: int, batch: int, dtype: torch.dtype, device: str
) -> dict[str, Tensor]:
    """Draw one step's random numbers from torch's own generator, keyed by (seed, step)."""
    sites = architecture.draws
    if not sites:
        return {}
    generator = torch.Generator(device).manual_seed(step_seed(seed, step))
    draw = {"uniform": torch.rand, "normal": torch.randn}
    return {
        name: draw[distribution]((batch, *shape), generator=generator, dtype=dtype, device=device)
        for name, (distribution, shape) in sites.items()
    }
