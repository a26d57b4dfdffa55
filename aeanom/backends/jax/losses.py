"""The losses of `aeanom.core.losses`, on JAX arrays: one figure a row."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from aeanom.backends.jax.layers import bounded_log_variance
from aeanom.core.losses import LOG_2_PI, Loss


def row_losses(
    loss: Loss, output: jax.Array, target: jax.Array, element_weights: jax.Array | None = None
) -> jax.Array:
    """Mean element loss of each row; `output` is the raw one if the loss takes that."""
    elements = _elements(loss, output, target)
    if element_weights is not None:
        elements = elements * element_weights
    return elements.reshape(len(elements), -1).mean(1)


def _elements(loss: Loss, output: jax.Array, target: jax.Array) -> jax.Array:
    if loss.name == "bce":
        log_p, log_not_p = jax.nn.log_sigmoid(output), jax.nn.log_sigmoid(-output)
        return -target * log_p - (1 - target) * log_not_p
    if loss.name == "gaussian":
        mean, raw = jnp.split(output, 2, axis=-1)
        log_variance = bounded_log_variance(raw)
        residual = mean - target
        return 0.5 * (log_variance + residual * residual * jnp.exp(-log_variance) + LOG_2_PI)
    residual = output - target
    if loss.name == "mse":
        return residual * residual
    # The derivative at 0 is 0; that of `jnp.abs` is 1 there.
    magnitude = residual * jnp.sign(residual)
    if loss.name == "mae":
        return magnitude
    linear = loss.delta * (magnitude - 0.5 * loss.delta)
    return jnp.where(magnitude <= loss.delta, 0.5 * residual * residual, linear)
