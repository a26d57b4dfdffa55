"""`NativeNetwork`: what `native()` returns, the network as a `flax.nnx.Module`.

It is made when somebody asks for it, from arrays that are there already: Flax's own initialisers,
a second of compilation, never run.
"""

from __future__ import annotations

from collections.abc import Mapping

import jax
from flax import nnx

from aeanom.architectures import Architecture, PlacedLayer
from aeanom.backends.jax.layers import LAYERS
from aeanom.core.layers import BoundLayer, Context


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

    def __call__(self, x: jax.Array) -> jax.Array:
        """Compute the layer on rows of shape (n, *input_shape), as in scoring."""
        return LAYERS[self.layer.kind](self.bound(), x, Context())

    def bound(self) -> BoundLayer[jax.Array]:
        """Return the layer with its arrays as they are now, for its function."""
        own = self.layer.parameters(self.input_shape)
        parameters = {array.name: getattr(self, array.name).get_value() for array in own}
        numbers = range(len(self.layer.inner))
        inner = tuple(getattr(self, str(number)).bound() for number in numbers)
        return BoundLayer(
            self.name, self.layer, self.input_shape, self.output_shape, parameters, inner
        )


class NativeNetwork(nnx.Module):
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

    def variables(self) -> dict[str, nnx.Variable[jax.Array]]:
        """Return the variables that hold the arrays, by canonical name."""
        flat_state = nnx.to_flat_state(nnx.state(self))
        return {".".join(map(str, path)): variable for path, variable in flat_state}

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
