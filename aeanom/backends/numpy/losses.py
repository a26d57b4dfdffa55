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
        Weight of each row's loss in the sum; None leaves the derivative out.

    Returns
    -------
    losses : ndarray of shape (...)
    delta : ndarray of shape (..., d)
        Lies in the workspace; meaningless without `row_factor`.
    """
    size = output.shape[-1]
    delta = workspace.array("loss.delta", output.shape)
    np.subtract(output, target, out=delta)
    if loss.name == "mse" and element_weights is None:
        # The common case, without an array of the squares.
        losses = np.vecdot(delta, delta)
        losses /= size
        derivative, scale = delta, 2 / size
    else:
        elements, derivative = _elements(loss, output, target, delta)
        if element_weights is not None:
            elements *= element_weights
            derivative *= element_weights
        losses, scale = elements.mean(axis=-1), 1 / size
    if row_factor is not None:
        factor = (row_factor * scale).astype(delta.dtype, copy=False)
        np.multiply(derivative, factor[..., None], out=delta)
    return losses, delta


def _elements(loss: Loss, output: Float, target: Float, residual: Float) -> tuple[Float, Float]:
    if loss.name == "bce":
        softplus = np.logaddexp(0, output)
        return softplus - target * output, np.exp(output - softplus) - target
    if loss.name == "mse":
        return residual * residual, 2 * residual
    if loss.name == "mae":
        return np.abs(residual), np.sign(residual)
    clipped = np.clip(residual, -loss.delta, loss.delta)
    return clipped * (residual - 0.5 * clipped), clipped
