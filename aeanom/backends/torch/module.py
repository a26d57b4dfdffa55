"""Networks that users bring: a `torch.nn.Module` in the place of a described network.

The module is copied. The copy's parameters become views of the autoencoder's flat tensor, which
one optimiser call updates; its buffers are read from that tensor before every pass. What it draws
comes from torch's global generator, which is seeded for each pass and put back behind it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from aeanom.architectures import Parameter, Shape
from aeanom.backends.torch.context import Result, TorchContext
from aeanom.core.layers import Context
from aeanom.core.modules import ModuleArchitecture, check_reconstruction
from aeanom.errors import ArchitectureError


def describe(module: nn.Module, input_shape: Shape, dtype: str) -> ModuleArchitecture:
    """Return what is to be known of a module; see `Backend.describe`."""
    _check_arrays(dict(_arrays(module)), dtype)
    try:
        own = copy.deepcopy(module)
    except Exception as error:
        raise ArchitectureError(f"the module cannot be copied: {error}") from error
    arrays = dict(_arrays(own))
    architecture = ModuleArchitecture(
        input_shape,
        framework="torch",
        table=tuple(
            Parameter(name, tuple(array.shape), "module", trainable=_learns(array))
            for name, array in arrays.items()
        ),
        module=own,
        initial={
            name: array.detach().to("cpu", torch.float64, copy=True).numpy()
            for name, array in arrays.items()
        },
    )
    # Run as it will be run, in another copy.
    tensors = {
        name: torch.from_numpy(array.astype(dtype)) for name, array in architecture.initial.items()
    }
    network = ModuleNetwork(architecture, tensors)
    rows = next(iter(tensors.values())).new_zeros(2, *input_shape)
    _check_output(network, rows)
    return replace(architecture, latent=_latent_shape(network, rows))


class ModuleNetwork:
    """A user's module with the methods of `Network`.

    Parameters
    ----------
    architecture : ModuleArchitecture
    parameters : mapping of str to Tensor
        The module's arrays, of the dtype and on the device to compute with.

    Attributes
    ----------
    module : torch.nn.Module
        A copy of the user's.
    n_elements : int
        Elements of a row.
    """

    def __init__(self, architecture: ModuleArchitecture, parameters: Mapping[str, Tensor]) -> None:
        self.module: nn.Module = copy.deepcopy(architecture.module)
        self.module.to(next(iter(parameters.values())))
        self.n_elements = prod(architecture.input_shape)
        self._parameters = parameters
        self._learnt = {name: array for name, array in _arrays(self.module) if _learns(array)}
        # By place, as a module may put another tensor where a buffer was.
        self._buffers: dict[str, tuple[nn.Module, str]] = {}
        for name, array in _arrays(self.module):
            if isinstance(array, nn.Parameter) and array.is_floating_point():
                array.data = parameters[name]
            else:
                # Several elements of an expanded tensor lie at one address.
                array.data = array.data.clone()
                owner, _, attribute = name.rpartition(".")
                self._buffers[name] = self.module.get_submodule(owner), attribute

    def native(self) -> nn.Module:
        """Return the live module."""
        self._read_buffers()
        return self.module.eval()

    def encode(self, x: Tensor, context: Context[Tensor] | None = None) -> Tensor:
        """Map rows to latents."""
        latents: Tensor = self._run(_half(self.module, "encode"), x)
        return latents

    def decode(self, z: Tensor, context: Context[Tensor] | None = None) -> Tensor:
        """Map latents to rows."""
        reconstructed: Tensor = self._run(_half(self.module, "decode"), z)
        return reconstructed

    def output(self, x: Tensor, context: Context[Tensor], *, raw: bool) -> Tensor:
        """Reconstruct rows; no last layer is known that could be left out."""
        return _checked(self._run(self.module, x), x)

    def output_with_backward(self, x: Tensor, context: TorchContext, *, raw: bool) -> Result:
        """Do what `output` does in training; with the way back, and the buffers' new values."""
        with torch.enable_grad():
            y = _checked(self._run(self.module, x, training=True, seed=context.seed), x)
        for name, (owner, attribute) in self._buffers.items():
            context.updates[name] = getattr(owner, attribute)

        def backward(delta: Tensor, wanted: bool) -> Tensor:
            parameters = list(self._learnt.values())
            gradients = torch.autograd.grad(y, parameters, delta, materialize_grads=True)
            for name, gradient in zip(self._learnt, gradients, strict=True):
                context.gradients[name].copy_(gradient)
            return delta

        return y.detach(), backward

    def _run(
        self, function: Callable[[Tensor], Any], x: Tensor, *, training: bool = False, seed: int = 0
    ) -> Any:
        self._read_buffers()
        self.module.train(training)
        with _seeded(seed, x.device):
            # A copy, as the module may work in place, and the rows are the targets too.
            return function(x.clone())

    def _read_buffers(self) -> None:
        with torch.no_grad():
            for name, (owner, attribute) in self._buffers.items():
                getattr(owner, attribute).copy_(self._parameters[name])


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators, and put them back in the end.

    Not by `torch.manual_seed`, which reaches the generators of other devices too.
    """
    cuda = device.type == "cuda"
    with torch.random.fork_rng([device.index] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            torch.cuda.default_generators[device.index].manual_seed(seed)
        yield


def _arrays(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """All that a module holds, a shared array once."""
    yield from module.named_parameters()
    yield from module.named_buffers()


def _learns(array: Tensor) -> bool:
    return isinstance(array, nn.Parameter) and array.requires_grad


def _half(module: nn.Module, name: str) -> Callable[[Tensor], Any]:
    """Return the method of that name (`encode`), or else the submodule (`encoder`)."""
    method = getattr(module, name, None)
    half: Callable[[Tensor], Any] = getattr(module, f"{name}r") if method is None else method
    return half


def _latent_shape(network: ModuleNetwork, rows: Tensor) -> Shape | None:
    """Return the shape of one latent; None if the module's halves do not make up rows."""
    with torch.no_grad():
        try:
            latents = network.encode(rows)
            fits = network.decode(latents).shape == rows.shape
        except Exception:
            # It has no such halves, or means something else by their names.
            return None
    return tuple(latents.shape[1:]) if fits and len(latents) == len(rows) else None


def _check_arrays(arrays: Mapping[str, Tensor], dtype: str) -> None:
    """Raise `ArchitectureError` for arrays that could not be kept in one flat tensor."""
    for name, array in arrays.items():
        if is_lazy(array) or array.is_meta:
            raise ArchitectureError(
                f"{name} has no values yet: send a few rows through the module before it is "
                "handed in"
            )
        if array.is_complex():
            raise ArchitectureError(f"{name} is complex: all arrays must be real numbers")
        if not array.is_floating_point():
            kept = array.to(getattr(torch, dtype)).to(array.dtype)
            if not torch.equal(kept, array):
                raise ArchitectureError(f"{name} holds whole numbers too large for {dtype}")
    spans = sorted(
        (array.data_ptr(), array.data_ptr() + _extent(array) * array.itemsize, name)
        for name, array in arrays.items()
        if isinstance(array, nn.Parameter) and array.numel()
    )
    for (_, end, name), (start, _, other) in pairwise(spans):
        if start < end:
            raise ArchitectureError(
                f"{name} and {other} are two parameters in the same memory: to tie weights, use "
                "the same nn.Parameter in both places, transposed in `forward` if need be"
            )


def _extent(array: Tensor) -> int:
    """Elements from the first to the last in memory."""
    return 1 + sum(
        (size - 1) * stride for size, stride in zip(array.shape, array.stride(), strict=True)
    )


def _check_output(network: ModuleNetwork, rows: Tensor) -> None:
    """Raise `ArchitectureError` if the module does not map rows to rows, or could not learn."""
    try:
        with torch.enable_grad():
            output = network.output(rows, Context(), raw=False)
    except ArchitectureError:
        raise
    except Exception as error:
        raise ArchitectureError(
            f"the module fails on rows of shape {tuple(rows.shape)}: {error}"
        ) from error
    if not output.requires_grad:
        raise ArchitectureError("what the module returns depends on no parameter that is trained")


def _checked(output: Any, rows: Tensor) -> Tensor:
    """Return the reconstruction in the rows' dtype, if it is one."""
    check_reconstruction(output, Tensor, rows)
    reconstruction: Tensor = output.to(rows.dtype)
    return reconstruction
