"""The functions of `Activation` layers, by name.

Where a derivative at a kink is not JAX's own, the comment says so; see `Activation` for the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from aeanom.architectures.layers import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE


def _leaky_relu(x: jax.Array) -> jax.Array:
    # The derivative at 0 is the slope; JAX's own has 1 there.
    return jnp.where(x > 0, x, LEAKY_SLOPE * x)


def _selu(x: jax.Array) -> jax.Array:
    # The derivative at 0 is the right-hand one; JAX's own takes the left-hand one.
    negative = SELU_ALPHA * jnp.expm1(jnp.minimum(x, 0))
    return SELU_SCALE * jnp.where(x >= 0, x, negative)


FUNCTIONS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "linear": lambda x: x,
    "relu": jax.nn.relu,
    "leaky_relu": _leaky_relu,
    "elu": jax.nn.elu,
    "selu": _selu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "silu": jax.nn.silu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "softplus": jax.nn.softplus,
}
