"""The losses of `aeanom.core.losses` with their derivatives, on preallocated arrays."""

from __future__ import annotations

import numpy as np

from aeanom.architectures.layers import LOG_VARIANCE_BOUND
from aeanom.backends.numpy.context import Workspace
from aeanom.core.losses import LOG_2_PI, Loss, gaussian_parameters
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
    output : ndarray of shape (n, ...)
        What the last layer is given, if the loss is computed from that.
    target, element_weights : ndarray of shape (n, ...)
    workspace : Workspace
    row_factor : ndarray of shape (n,), optional
        Weight of each row's loss in the sum; None means 1, and saves a pass.

    Returns
    -------
    losses : ndarray of shape (n,)
    delta : ndarray of the output's shape
        The derivative over `derivative_scale`; lies in the workspace.
    """
    n = len(output)
    delta = workspace.array("loss.delta", output.shape)
    if loss.name == "mse" and element_weights is None:
        # The common case, without an array of the squares.
        np.subtract(output, target, out=delta)
        flat = delta.reshape(n, -1)
        losses = np.vecdot(flat, flat)
        losses /= flat.shape[1]
    else:
        elements = _elements(loss, output, target, delta)
        if element_weights is not None:
            elements *= element_weights
            halves = delta.shape[-1] // element_weights.shape[-1]
            delta *= np.concatenate([element_weights] * halves, axis=-1)
        losses = elements.reshape(n, -1).mean(axis=1)
    if row_factor is not None:
        factor = row_factor.astype(delta.dtype, copy=False)
        delta *= factor.reshape(n, *(1,) * (delta.ndim - 1))
    return losses, delta


def derivative_scale(loss: Loss, size: int) -> float:
    """Constant that `row_losses` leaves out of the derivative, for rows of `size` elements."""
    return (2.0 if loss.name == "mse" else 1.0) / size


def _elements(loss: Loss, output: Float, target: Float, delta: Float) -> Float:
    """Return the loss of every element; its derivative goes into `delta`."""
    if loss.name == "gaussian":
        mean, log_variance = gaussian_parameters(output)
        residual = mean - target
        precision = np.exp(-log_variance)
        squared = residual * residual * precision
        d_mean, d_raw = np.split(delta, 2, axis=-1)
        np.multiply(residual, precision, out=d_mean)
        # The derivative of B · tanh(r / B) in r is 1 - tanh².
        d_raw[...] = 0.5 * (1 - squared) * (1 - np.square(log_variance / LOG_VARIANCE_BOUND))
        return 0.5 * (log_variance + squared + LOG_2_PI)
    if loss.name == "bce":
        softplus = np.logaddexp(0, output)
        np.subtract(np.exp(output - softplus), target, out=delta)
        return softplus - target * output
    residual = np.subtract(output, target)
    if loss.name == "mse":
        delta[...] = residual
        return residual * residual
    if loss.name == "mae":
        np.sign(residual, out=delta)
        return np.abs(residual)
    np.clip(residual, -loss.delta, loss.delta, out=delta)
    return delta * (residual - 0.5 * delta)
