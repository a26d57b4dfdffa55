"""`JaxAutoencoder`: the network as a `flax.nnx.Module`.

float64 is switched on around each call of ours and off again behind it: JAX's global
configuration is never touched, and a user's own setting of it changes nothing here.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from numpy.typing import NDArray

from aeanom.architectures import Architecture
from aeanom.backends.jax.losses import row_losses
from aeanom.backends.jax.network import Parameters, make_network
from aeanom.core.compiled import CompiledAutoencoder
from aeanom.core.layers import Context, compute
from aeanom.core.losses import Loss
from aeanom.core.weights import Float, Weights


class JaxAutoencoder(CompiledAutoencoder):
    """Encoder and decoder as lists of Flax modules."""

    def __init__(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> None:
        super().__init__(architecture, dtype=dtype, device=device)
        kind, _, index = device.partition(":")
        self.jax_device = jax.devices(kind)[int(index or 0)]
        with self.context():
            self.network = make_network(architecture, self.from_canonical(weights))
        self._variables = self.network.variables()

    def native(self) -> nnx.Module:
        """Return the live `flax.nnx.Module`."""
        return self.network.native()

    @property
    def parameters(self) -> Parameters:
        """The module's arrays by canonical name; assigning puts others in."""
        with self.context():
            return {name: variable.get_value() for name, variable in self._variables.items()}

    @parameters.setter
    def parameters(self, parameters: Parameters) -> None:
        for name, variable in self._variables.items():
            variable.set_value(parameters[name])

    def context(self) -> AbstractContextManager[Any]:
        """Return the context in which arrays of the network's dtype can be computed with."""
        return jax.enable_x64(self.dtype == "float64")

    def to_device(self, array: NDArray[Any]) -> jax.Array:
        """Put an array on the device; floats in the network's dtype, whole numbers as they are."""
        dtype = self.dtype if array.dtype.kind == "f" else array.dtype
        return jax.device_put(np.asarray(array, dtype=dtype), self.jax_device)

    def _compute(self, what: str, rows: Float, loss: Loss | None) -> Float:
        with self.context():
            x = jax.device_put(rows, self.jax_device)
            return np.asarray(_compute(self.architecture, what, loss, self.parameters, x))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _compute(
    architecture: Architecture, what: str, loss: Loss | None, parameters: Parameters, x: jax.Array
) -> jax.Array:
    network = make_network(architecture, parameters)
    context: Context[jax.Array] = Context(n_elements=prod(architecture.input_shape))
    return compute(network, what, x, loss, context, row_losses, jnp.zeros(len(x), x.dtype))
