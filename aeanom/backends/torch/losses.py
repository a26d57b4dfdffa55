"""The losses of `aeanom.core.losses`, on torch tensors: one figure a row."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from aeanom.core.losses import Loss


def row_losses(
    loss: Loss, output: Tensor, target: Tensor, element_weights: Tensor | None = None
) -> Tensor:
    """Mean element loss of each row; `output` holds logits if the loss is computed from them."""
    elements = _elements(loss, output, target)
    if element_weights is not None:
        elements = elements * element_weights
    # A sum, then a division of n numbers: the gradient of a mean would fill a whole matrix.
    rows = elements.flatten(1)
    return rows.sum(1) / rows.shape[1]


def _elements(loss: Loss, output: Tensor, target: Tensor) -> Tensor:
    if loss.name == "bce":
        return functional.binary_cross_entropy_with_logits(output, target, reduction="none")
    if loss.name == "mse":
        return functional.mse_loss(output, target, reduction="none")
    if loss.name == "mae":
        return functional.l1_loss(output, target, reduction="none")
    return functional.huber_loss(output, target, reduction="none", delta=loss.delta)
