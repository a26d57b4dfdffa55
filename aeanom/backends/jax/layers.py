"""The layers of `aeanom.architectures`, as Flax modules, in the same order.

Networks are only ever built abstractly (under `eval_shape`): their values come from NumPy, and
Flax's own initialisers, a second of compilation, never run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from aeanom.architectures import Activation, Architecture, Dense, Dropout, PlacedLayer
from aeanom.architectures.layers import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from aeanom.core.noise import dropout_sites

Noise = Mapping[str, jax.Array]
Parameters = dict[str, jax.Array]


def dense(placed: PlacedLayer, dtype: str) -> nnx.Module:
    """Return `flax.nnx.Linear`; its kernel is the canonical one."""
    layer = placed.layer
    assert isinstance(layer, Dense)
    return nnx.Linear(
        placed.input_shape[0],
        layer.units,
        use_bias=layer.use_bias,
        param_dtype=jnp.dtype(dtype),
        precision=jax.lax.Precision.HIGHEST,
        rngs=nnx.Rngs(0),
    )


class ActivationModule(nnx.Module):
    """An element-wise function."""

    def __init__(self, function: str) -> None:
        self.function = function

    def __call__(self, x: jax.Array) -> jax.Array:
        """Apply the function."""
        return FUNCTIONS[self.function](x)


def activation(placed: PlacedLayer, dtype: str) -> nnx.Module:
    """Return the element-wise function as a module."""
    assert isinstance(placed.layer, Activation)
    return ActivationModule(placed.layer.function)


def dropout(placed: PlacedLayer, dtype: str) -> nnx.Module:
    """Return `flax.nnx.Dropout`; the trainer multiplies by its own draws instead."""
    assert isinstance(placed.layer, Dropout)
    return nnx.Dropout(placed.layer.rate, deterministic=True)


LAYERS: Mapping[str, Callable[[PlacedLayer, str], nnx.Module]] = {
    "dense": dense,
    "activation": activation,
    "dropout": dropout,
}


class Network(nnx.Module):
    """Encoder and decoder as `flax.nnx.List`."""

    def __init__(self, architecture: Architecture, dtype: str) -> None:
        made = [LAYERS[placed.layer.kind](placed, dtype) for placed in architecture.layers]
        n_encoder = len(architecture.encoder)
        self.encoder = nnx.List(made[:n_encoder])
        self.decoder = nnx.List(made[n_encoder:])

    def __call__(self, x: jax.Array) -> jax.Array:
        """Reconstruct rows."""
        return self.decode(self.encode(x))

    def encode(self, x: jax.Array) -> jax.Array:
        """Map rows to latents."""
        for layer in self.encoder:
            x = layer(x)
        return x

    def decode(self, z: jax.Array) -> jax.Array:
        """Map latents to rows."""
        for layer in self.decoder:
            z = layer(z)
        return z

    def output(self, x: jax.Array, *, logits: bool, noise: Noise | None = None) -> jax.Array:
        """Reconstruct rows in training: with noise factors, and up to the logits if asked."""
        named = [
            (f"{part}.{index}", layer)
            for part, layers in (("encoder", self.encoder), ("decoder", self.decoder))
            for index, layer in enumerate(layers)
        ]
        for name, layer in named[:-1] if logits else named:
            if not isinstance(layer, nnx.Dropout):
                x = layer(x)
            elif noise is not None:
                x = x * noise[name]
        return x


@lru_cache(maxsize=64)
def _abstract(architecture: Architecture, dtype: str) -> tuple[Any, list[Any]]:
    network = nnx.eval_shape(lambda: Network(architecture, dtype))
    graph, state = nnx.split(network)
    return graph, list(nnx.to_flat_state(state))


def assemble(architecture: Architecture, dtype: str, parameters: Parameters) -> Network:
    """Return the network with these parameters, by canonical name; also inside a trace."""
    graph, entries = _abstract(architecture, dtype)
    state = nnx.from_flat_state(
        [(path, variable.replace(parameters[name_of(path)])) for path, variable in entries]
    )
    return nnx.merge(graph, state)


def name_of(path: tuple[Any, ...]) -> str:
    """Canonical name of a parameter at this place in the module."""
    return ".".join(str(part) for part in path)


def draw_noise(
    architecture: Architecture, key: jax.Array, step: jax.Array, batch: int, dtype: jnp.dtype
) -> dict[str, jax.Array]:
    """Draw dropout factors for one step from JAX's own generator, keyed by (key, step, site)."""
    factors = {}
    for index, (name, (rate, shape)) in enumerate(dropout_sites(architecture).items()):
        site = jax.random.fold_in(jax.random.fold_in(key, step), index)
        draws = jax.random.uniform(site, (batch, *shape), dtype)
        factors[name] = (draws >= rate).astype(dtype) / (1 - rate)
    return factors


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
