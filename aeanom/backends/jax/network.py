"""`Network`: encoder and decoder as lists of layers on the arrays they are given, and the noise.

The compiled functions build it inside their traces. Nothing here needs Flax, which takes longer
to import than a small network to train: users see the network as a module of `native.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from aeanom.architectures import Architecture
from aeanom.backends.jax.layers import LAYERS, Pass
from aeanom.core.layers import Context, bind, run
from aeanom.core.modules import ModuleArchitecture

if TYPE_CHECKING:
    from aeanom.backends.jax.module import ModuleNetwork

Noise = Mapping[str, jax.Array]
Parameters = dict[str, jax.Array]

KEY = "key"
"""What the random key of a step is called among the draws of a module of a user's own."""


class Network:
    """Encoder and decoder as lists of layers.

    Parameters
    ----------
    architecture : Architecture
    parameters : mapping of str to array
        By canonical name.
    """

    def __init__(self, architecture: Architecture, parameters: Mapping[str, jax.Array]) -> None:
        self.layers = [bind(placed, parameters) for placed in architecture.layers]
        n_encoder = len(architecture.encoder)
        self.encoder = self.layers[:n_encoder]
        self.decoder = self.layers[n_encoder:]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Reconstruct rows."""
        return self.decode(self.encode(x))

    def encode(self, x: jax.Array, context: Pass | None = None) -> jax.Array:
        """Map rows to latents."""
        return run(LAYERS, self.encoder, x, Context())

    def decode(self, z: jax.Array, context: Pass | None = None) -> jax.Array:
        """Map latents to rows."""
        return run(LAYERS, self.decoder, z, Context())

    def output(self, x: jax.Array, context: Pass, *, raw: bool) -> jax.Array:
        """Reconstruct rows in a pass; with `raw`, return what the last layer is given."""
        return run(LAYERS, self.layers[:-1] if raw else self.layers, x, context)


def make_network(
    architecture: Architecture, parameters: Mapping[str, jax.Array]
) -> Network | ModuleNetwork:
    """Build the network of an architecture, which may be a module of a user's own."""
    if isinstance(architecture, ModuleArchitecture):
        from aeanom.backends.jax.module import ModuleNetwork

        return ModuleNetwork(architecture, parameters)
    return Network(architecture, parameters)


def draw_noise(
    architecture: Architecture, key: jax.Array, step: jax.Array, batch: int, dtype: jnp.dtype
) -> dict[str, jax.Array]:
    """Draw the random numbers of one step by JAX's generator, keyed by (key, step, layer).

    A module of a user's own draws for itself, and is given the step's key.
    """
    if isinstance(architecture, ModuleArchitecture):
        return {KEY: jax.random.fold_in(key, step)}
    drawn = {}
    for index, (name, (distribution, shape)) in enumerate(architecture.draws.items()):
        site = jax.random.fold_in(jax.random.fold_in(key, step), index)
        draw = jax.random.uniform if distribution == "uniform" else jax.random.normal
        drawn[name] = draw(site, (batch, *shape), dtype)
    return drawn
