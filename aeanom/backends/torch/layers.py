"""The layers of `aeanom.architectures`, as torch modules, in the same order.

Modules are made around parameters that exist already: torch's own initialisers, which would draw
from its global generator, never run. Each module can also be trained without autograd, writing
into arrays that are used again in every step: for a dense network on a CPU, autograd with its
fresh arrays takes a fifth longer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aeanom.architectures import Activation, Architecture, Dense, Dropout, PlacedLayer
from aeanom.architectures.layers import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from aeanom.core.noise import dropout_sites

Noise = Mapping[str, Tensor]
Parameters = Mapping[str, Tensor]


class Workspace:
    """Tensors that are made at the first use and overwritten at every later one.

    `inputs` holds what each layer was given in the last forward pass.
    """

    def __init__(self, like: Tensor) -> None:
        self.inputs: dict[str, Tensor] = {}
        self._like = like
        self._tensors: dict[tuple[str, tuple[int, ...]], Tensor] = {}

    def tensor(self, name: str, shape: tuple[int, ...]) -> Tensor:
        """Return the tensor of this name and shape; its content is whatever was left in it."""
        tensor = self._tensors.get((name, shape))
        if tensor is None:
            tensor = self._tensors[name, shape] = self._like.new_empty(shape)
        return tensor


class TorchLayer(nn.Module):
    """A module that can also be trained step by step, without autograd."""

    def __init__(self, placed: PlacedLayer, parameters: Parameters) -> None:
        super().__init__()
        self.name = placed.name

    @abstractmethod
    def forward_saving(self, x: Tensor, workspace: Workspace, noise: Noise | None) -> Tensor:
        """Do what `forward` does in training, and keep what `backward` needs."""

    @abstractmethod
    def backward(
        self, delta: Tensor, gradients: Parameters, workspace: Workspace, *, wanted: bool
    ) -> Tensor:
        """Write the parameters' gradients and return that of the input, if it is `wanted`.

        `delta`, the gradient of the output, may be overwritten.
        """


class DenseLayer(TorchLayer):
    """`x @ kernel + bias`; the kernel is the canonical one.

    Not `torch.nn.Linear`, whose product with the transposed weight takes longer.
    """

    def __init__(self, placed: PlacedLayer, parameters: Parameters) -> None:
        super().__init__(placed, parameters)
        assert isinstance(placed.layer, Dense)
        self.kernel = nn.Parameter(parameters[f"{placed.name}.kernel"])
        self.bias: nn.Parameter | None = None
        if placed.layer.use_bias:
            self.bias = nn.Parameter(parameters[f"{placed.name}.bias"])

    def forward(self, x: Tensor) -> Tensor:
        """Multiply and add."""
        y: Tensor = x @ self.kernel
        return y if self.bias is None else y.add_(self.bias)

    def forward_saving(self, x: Tensor, workspace: Workspace, noise: Noise | None) -> Tensor:
        """Multiply and add."""
        workspace.inputs[self.name] = x
        y = workspace.tensor(self.name, (len(x), self.kernel.shape[1]))
        torch.mm(x, self.kernel, out=y)
        return y if self.bias is None else y.add_(self.bias)

    def backward(
        self, delta: Tensor, gradients: Parameters, workspace: Workspace, *, wanted: bool
    ) -> Tensor:
        """Gradients are `x.T @ delta`, the sum of `delta`, and `delta @ kernel.T`."""
        x = workspace.inputs[self.name]
        torch.mm(x.t(), delta, out=gradients[f"{self.name}.kernel"])
        if self.bias is not None:
            torch.sum(delta, 0, out=gradients[f"{self.name}.bias"])
        if not wanted:
            return delta
        out = workspace.tensor(f"{self.name}.delta", tuple(x.shape))
        return torch.mm(delta, self.kernel.t(), out=out)

    def extra_repr(self) -> str:
        """Show the shape in the module's printout."""
        return " → ".join(str(size) for size in self.kernel.shape)


class ActivationLayer(TorchLayer):
    """An element-wise function."""

    def __init__(self, placed: PlacedLayer, parameters: Parameters, *, in_place: bool) -> None:
        super().__init__(placed, parameters)
        assert isinstance(placed.layer, Activation)
        self.function = placed.layer.function
        self.in_place = in_place and self.function in IN_PLACE

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function."""
        y: Tensor = FUNCTIONS[self.function](x)
        return y

    def forward_saving(self, x: Tensor, workspace: Workspace, noise: Noise | None) -> Tensor:
        """Apply the function, in place where it may."""
        if self.in_place:
            workspace.inputs[self.name] = y = IN_PLACE[self.function].forward(x)
            return y
        workspace.inputs[self.name] = x
        return self.forward(x)

    def backward(
        self, delta: Tensor, gradients: Parameters, workspace: Workspace, *, wanted: bool
    ) -> Tensor:
        """Multiply `delta` by the derivative."""
        saved = workspace.inputs[self.name]
        if self.in_place:
            return IN_PLACE[self.function].backward(delta, saved)
        with torch.enable_grad():
            x = saved.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self(x), x, delta)
        return gradient

    def extra_repr(self) -> str:
        """Show the function's name in the module's printout."""
        return self.function


class DropoutLayer(TorchLayer):
    """Multiplies by the noise it is handed; without any it does nothing."""

    def __init__(self, placed: PlacedLayer, parameters: Parameters) -> None:
        super().__init__(placed, parameters)
        assert isinstance(placed.layer, Dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`."""
        return x

    def forward_saving(self, x: Tensor, workspace: Workspace, noise: Noise | None) -> Tensor:
        """Multiply by the factors."""
        if noise is None:
            workspace.inputs.pop(self.name, None)
            return x
        workspace.inputs[self.name] = factors = noise[self.name]
        return x * factors

    def backward(
        self, delta: Tensor, gradients: Parameters, workspace: Workspace, *, wanted: bool
    ) -> Tensor:
        """Multiply by the same factors."""
        factors = workspace.inputs.get(self.name)
        return delta if factors is None else delta.mul_(factors)


LAYERS: Mapping[str, type[TorchLayer]] = {
    "dense": DenseLayer,
    "activation": ActivationLayer,
    "dropout": DropoutLayer,
}


class Network(nn.Module):
    """Encoder and decoder as `torch.nn.Sequential`."""

    def __init__(self, architecture: Architecture, parameters: Parameters) -> None:
        super().__init__()
        made: list[TorchLayer] = []
        for placed in architecture.layers:
            if isinstance(placed.layer, Activation):
                follows_dense = bool(made) and isinstance(made[-1], DenseLayer)
                made.append(ActivationLayer(placed, parameters, in_place=follows_dense))
            else:
                made.append(LAYERS[placed.layer.kind](placed, parameters))
        n_encoder = len(architecture.encoder)
        self.encoder = nn.Sequential(*made[:n_encoder])
        self.decoder = nn.Sequential(*made[n_encoder:])
        # Not a second registration: a tuple is no module list.
        self._layers = tuple(made)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct rows."""
        reconstructed: Tensor = self.decoder(self.encoder(x))
        return reconstructed

    def output(self, x: Tensor, *, logits: bool) -> Tensor:
        """Reconstruct rows, up to the logits if asked."""
        for layer in self._layers[:-1] if logits else self._layers:
            x = layer(x)
        return x

    def output_saving(
        self, x: Tensor, workspace: Workspace, *, logits: bool, noise: Noise | None
    ) -> Tensor:
        """Reconstruct rows in training: with noise factors, keeping what `backward` needs."""
        for layer in self._layers[:-1] if logits else self._layers:
            x = layer.forward_saving(x, workspace, noise)
        return x

    def backward(
        self, delta: Tensor, gradients: Parameters, workspace: Workspace, *, logits: bool
    ) -> None:
        """Write the gradients of all parameters, given that of the last `output_saving`."""
        layers = self._layers[:-1] if logits else self._layers
        for index in range(len(layers) - 1, -1, -1):
            delta = layers[index].backward(delta, gradients, workspace, wanted=index > 0)


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


class InPlace(NamedTuple):
    """An activation that overwrites its input, with the derivative had from its output.

    `backward(delta, y)` overwrites delta.
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]


def _relu_backward(delta: Tensor, y: Tensor) -> Tensor:
    torch.ops.aten.threshold_backward.grad_input(delta, y, 0, grad_input=delta)
    return delta


def _sigmoid_backward(delta: Tensor, y: Tensor) -> Tensor:
    torch.ops.aten.sigmoid_backward.grad_input(delta, y, grad_input=delta)
    return delta


def _tanh_backward(delta: Tensor, y: Tensor) -> Tensor:
    torch.ops.aten.tanh_backward.grad_input(delta, y, grad_input=delta)
    return delta


IN_PLACE: Mapping[str, InPlace] = {
    "relu": InPlace(torch.relu_, _relu_backward),
    "sigmoid": InPlace(torch.sigmoid_, _sigmoid_backward),
    "tanh": InPlace(torch.tanh_, _tanh_backward),
}
