"""The losses of `aeanom.core.losses` with their derivatives, on torch tensors."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor
from torch.nn import functional

from aeanom.architectures.layers import LOG_VARIANCE_BOUND
from aeanom.backends.torch.context import Workspace
from aeanom.core.losses import LOG_2_PI, Loss


def row_losses(
    loss: Loss,
    output: Tensor,
    target: Tensor,
    element_weights: Tensor | None,
    workspace: Workspace,
    row_factor: Tensor | float | None = None,
    summed: bool = False,
) -> tuple[Tensor, Tensor]:
    """Mean element loss of each row, and the derivative of their weighted sum in `output`.

    Parameters
    ----------
    loss : Loss
    output : Tensor of shape (n, ...)
        What the last layer is given, if the loss is computed from that.
    target, element_weights : Tensor of shape (n, ...)
    workspace : Workspace
    row_factor : Tensor of shape (n,) or float, optional
        Weight of each row's loss in the sum, a number where all are alike; None means 1, and
        leaves the derivative over its constant factor, which saves a pass.
    summed : bool
        Whether the sum of the rows' losses will do, which takes a third of the time.

    Returns
    -------
    losses : Tensor of shape (n,), or () if summed
    delta : Tensor of the output's shape
        Lies in the workspace, if there is a factor.
    """
    size = prod(target.shape[1:])
    delta = workspace.tensor("loss.delta", output.shape)
    if loss.name == "mse" and element_weights is None:
        # The common case, without a new tensor.
        torch.sub(output, target, out=delta)
        if summed:
            flat = delta.view(-1)
            losses = torch.dot(flat, flat).div_(size)
        else:
            losses = torch.linalg.vector_norm(delta.flatten(1), dim=-1).square_().div_(size)
        derivative = delta
    else:
        elements, derivative = _elements(loss, output, target)
        if element_weights is not None:
            elements = elements * element_weights
            halves = output.shape[-1] // target.shape[-1]
            derivative = derivative * torch.cat([element_weights] * halves, dim=-1)
        losses = elements.flatten(1).mean(-1)
        losses = losses.sum() if summed else losses
    if row_factor is None:
        return losses, derivative
    # The mean's part of the derivative, and the square's.
    factor = row_factor * ((2.0 if loss.name == "mse" else 1.0) / size)
    if isinstance(factor, Tensor):
        factor = factor.reshape(-1, *(1,) * (delta.dim() - 1))
    torch.mul(derivative, factor, out=delta)
    return losses, delta


def _elements(loss: Loss, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of every element, and its derivative; half of it for squares."""
    if loss.name == "gaussian":
        mean, raw = output.chunk(2, dim=-1)
        bounded = torch.tanh(raw / LOG_VARIANCE_BOUND)
        log_variance = LOG_VARIANCE_BOUND * bounded
        residual = mean - target
        weighted = residual * torch.exp(-log_variance)
        squared = residual * weighted
        d_raw = 0.5 * (1 - squared) * (1 - bounded * bounded)
        return 0.5 * (log_variance + squared + LOG_2_PI), torch.cat([weighted, d_raw], dim=-1)
    if loss.name == "bce":
        elements = functional.binary_cross_entropy_with_logits(output, target, reduction="none")
        return elements, torch.sigmoid(output) - target
    residual = output - target
    if loss.name == "mse":
        return residual * residual, residual
    if loss.name == "mae":
        return residual.abs(), residual.sign()
    clipped = residual.clamp(-loss.delta, loss.delta)
    return clipped * (residual - 0.5 * clipped), clipped
