"""The losses of `aeanom.core.losses` with their derivatives, on preallocated arrays."""

from __future__ import annotations

import numpy as np

from aeanom.backends.numpy.layers import Workspace
from aeanom.core.losses import Loss
from aeanom.core.weights import Float


def row_losses(
    loss: Loss,
    output: Float,
    target: Float,
    element_weights: Float | None,
    workspace: Workspace,
    row_factor: Float | None = None,
) -> tuple[Float, Float]:
    """Mean element loss of each row, and the derivative of their weighted sum in `output`.

    Parameters
    ----------
    loss : Loss
    output, target, element_weights : ndarray of shape (..., d)
        `output` holds logits if the loss is computed from them.
    workspace : Workspace
    row_factor : ndarray of shape (...), optional
        Weight of each row's loss in the sum; None means 1, and saves a pass.

    Returns
    -------
    losses : ndarray of shape (...)
    delta : ndarray of shape (..., d)
        The derivative over `derivative_scale`; lies in the workspace.
    """
    size = output.shape[-1]
    delta = workspace.array("loss.delta", output.shape)
    np.subtract(output, target, out=delta)
    if loss.name == "mse" and element_weights is None:
        # The common case, without an array of the squares.
        losses = np.vecdot(delta, delta)
        losses /= size
    else:
        elements, derivative = _elements(loss, output, target, delta)
        if element_weights is not None:
            elements *= element_weights
            derivative *= element_weights
        losses = elements.mean(axis=-1)
        delta[...] = derivative
    if row_factor is not None:
        delta *= row_factor.astype(delta.dtype, copy=False)[..., None]
    return losses, delta


def derivative_scale(loss: Loss, size: int) -> float:
    """Constant that `row_losses` leaves out of the derivative, for rows of `size` elements."""
    return (2.0 if loss.name == "mse" else 1.0) / size


def _elements(loss: Loss, output: Float, target: Float, residual: Float) -> tuple[Float, Float]:
    if loss.name == "bce":
        softplus = np.logaddexp(0, output)
        return softplus - target * output, np.exp(output - softplus) - target
    if loss.name == "mse":
        return residual * residual, residual.copy()
    if loss.name == "mae":
        return np.abs(residual), np.sign(residual)
    clipped = np.clip(residual, -loss.delta, loss.delta)
    return clipped * (residual - 0.5 * clipped), clipped
