"""The activations of `aeanom.architectures`, on torch tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aeanom.architectures.layers import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE


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


# Looked up once: each dot takes Python a while.
_relu_gradient = torch.ops.aten.threshold_backward.grad_input
_sigmoid_gradient = torch.ops.aten.sigmoid_backward.grad_input
_tanh_gradient = torch.ops.aten.tanh_backward.grad_input


class InPlace(NamedTuple):
    """An activation that overwrites its input, with the derivative had from its output.

    `backward(delta, y)` overwrites delta.
    """

    forward: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]


def _relu_backward(delta: Tensor, y: Tensor) -> Tensor:
    _relu_gradient(delta, y, 0, grad_input=delta)
    return delta


def _sigmoid_backward(delta: Tensor, y: Tensor) -> Tensor:
    _sigmoid_gradient(delta, y, grad_input=delta)
    return delta


def _tanh_backward(delta: Tensor, y: Tensor) -> Tensor:
    _tanh_gradient(delta, y, grad_input=delta)
    return delta


IN_PLACE: Mapping[str, InPlace] = {
    "relu": InPlace(torch.relu_, _relu_backward),
    "sigmoid": InPlace(torch.sigmoid_, _sigmoid_backward),
    "tanh": InPlace(torch.tanh_, _tanh_backward),
}
