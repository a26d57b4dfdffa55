"""The losses of `aeanom.core.losses` with their derivatives, on torch tensors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from aeanom.backends.torch.layers import Workspace
from aeanom.core.losses import Loss


def row_losses(
    loss: Loss,
    output: Tensor,
    target: Tensor,
    element_weights: Tensor | None,
    workspace: Workspace,
    row_factor: Tensor | float | None = None,
) -> tuple[Tensor, Tensor]:
    """Mean element loss of each row, and the derivative of their weighted sum in `output`.

    Parameters
    ----------
    loss : Loss
    output, target, element_weights : Tensor of shape (n, d)
        `output` holds logits if the loss is computed from them.
    workspace : Workspace
    row_factor : Tensor of shape (n,) or float, optional
        Weight of each row's loss in the sum, a number where all are alike; None leaves the
        derivative out.

    Returns
    -------
    losses : Tensor of shape (n,)
    delta : Tensor of shape (n, d)
        Lies in the workspace; meaningless without `row_factor`.
    """
    size = output.shape[-1]
    delta = workspace.tensor("loss.delta", tuple(output.shape))
    torch.sub(output, target, out=delta)
    if loss.name == "mse" and element_weights is None:
        # The common case, without a new tensor.
        losses = torch.linalg.vector_norm(delta, dim=-1).square_().div_(size)
        derivative, scale = delta, 2 / size
    else:
        elements, derivative = _elements(loss, output, target, delta)
        if element_weights is not None:
            elements = elements * element_weights
            derivative = derivative * element_weights
        losses, scale = elements.mean(-1), 1 / size
    if row_factor is not None:
        factor = row_factor * scale
        torch.mul(derivative, factor[:, None] if isinstance(factor, Tensor) else factor, out=delta)
    return losses, delta


def _elements(
    loss: Loss, output: Tensor, target: Tensor, residual: Tensor
) -> tuple[Tensor, Tensor]:
    if loss.name == "bce":
        elements = functional.binary_cross_entropy_with_logits(output, target, reduction="none")
        return elements, torch.sigmoid(output) - target
    if loss.name == "mse":
        return residual * residual, 2 * residual
    if loss.name == "mae":
        return residual.abs(), residual.sign()
    clipped = residual.clamp(-loss.delta, loss.delta)
    return clipped * (residual - 0.5 * clipped), clipped
