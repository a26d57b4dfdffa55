"""`Network`: encoder and decoder as a `flax.nnx.Module` that holds the arrays it is given.

It is what `native()` returns, and what the compiled functions build inside their traces. Flax's
own initialisers, a second of compilation, never run. What layers compute is in `layers.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import nnx

from aeanom.architectures import Architecture, PlacedLayer
from aeanom.backends.jax.layers import LAYERS
from aeanom.backends.jax.module import KEY, ModuleNetwork
from aeanom.core.layers import BoundLayer, Context
from aeanom.core.modules import ModuleArchitecture

Noise = Mapping[str, jax.Array]
Parameters = dict[str, jax.Array]


class LayerModule(nnx.Module):
    """A layer with its arrays: an `nnx.Param` or, for a buffer, an `nnx.BatchStat` each.

    They are attributes by their names (`kernel`), and the layers inside it by their numbers.
    """

    def __init__(self, placed: PlacedLayer, parameters: Mapping[str, jax.Array]) -> None:
        self.name, self.layer, self.input_shape, self.output_shape = placed[:4]
        for parameter in self.layer.parameters(self.input_shape):
            variable = nnx.Param if parameter.trainable else nnx.BatchStat
            value = parameters[f"{self.name}.{parameter.name}"]
            setattr(self, parameter.name, variable(value))
        for number, part in enumerate(placed.inner):
            setattr(self, str(number), LayerModule(part, parameters))

    def __call__(self, x: jax.Array, context: Context[jax.Array] | None = None) -> jax.Array:
        """Compute the layer on rows of shape (n, *input_shape); without a context, for a score."""
        return LAYERS[self.layer.kind](self.bound(), x, context or Context())

    def bound(self) -> BoundLayer[jax.Array]:
        """Return the layer with its arrays as they are now, for its function."""
        own = self.layer.parameters(self.input_shape)
        parameters = {array.name: getattr(self, array.name).get_value() for array in own}
        numbers = range(len(self.layer.inner))
        inner = tuple(getattr(self, str(number)).bound() for number in numbers)
        return BoundLayer(
            self.name, self.layer, self.input_shape, self.output_shape, parameters, inner
        )


class Network(nnx.Module):
    """Encoder and decoder as `flax.nnx.List`.

    Parameters
    ----------
    architecture : Architecture
    parameters : mapping of str to array
        By canonical name.
    """

    def __init__(self, architecture: Architecture, parameters: Mapping[str, jax.Array]) -> None:
        modules = [LayerModule(placed, parameters) for placed in architecture.layers]
        n_encoder = len(architecture.encoder)
        self.encoder = nnx.List(modules[:n_encoder])
        self.decoder = nnx.List(modules[n_encoder:])

    def native(self) -> nnx.Module:
        """Return the module itself."""
        return self

    def variables(self) -> dict[str, nnx.Variable[jax.Array]]:
        """Return the variables that hold the arrays, by canonical name."""
        flat_state = nnx.to_flat_state(nnx.state(self))
        return {".".join(map(str, path)): variable for path, variable in flat_state}

    def __call__(self, x: jax.Array) -> jax.Array:
        """Reconstruct rows."""
        return self.decode(self.encode(x))

    def encode(self, x: jax.Array, context: Context[jax.Array] | None = None) -> jax.Array:
        """Map rows to latents."""
        for layer in self.encoder:
            x = layer(x)
        return x

    def decode(self, z: jax.Array, context: Context[jax.Array] | None = None) -> jax.Array:
        """Map latents to rows."""
        for layer in self.decoder:
            z = layer(z)
        return z

    def output(self, x: jax.Array, context: Context[jax.Array], *, raw: bool) -> jax.Array:
        """Reconstruct rows in a context; with `raw`, return what the last layer is given."""
        layers = [*self.encoder, *self.decoder]
        for layer in layers[:-1] if raw else layers:
            x = layer(x, context)
        return x


def make_network(
    architecture: Architecture, parameters: Mapping[str, jax.Array]
) -> Network | ModuleNetwork:
    """Build the network of an architecture, which may be a module of a user's own."""
    if isinstance(architecture, ModuleArchitecture):
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
