"""`JaxAutoencoder`: arrays by name, and a `flax.nnx.Module` around them for who asks for it.

float64 is switched on around each call of ours and off again behind it: JAX's global
configuration is never touched, and a user's own setting of it changes nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import Architecture
from aeanom.backends.jax.losses import row_losses
from aeanom.backends.jax.network import Parameters, make_network
from aeanom.core.compiled import CompiledAutoencoder
from aeanom.core.layers import Context, compute
from aeanom.core.losses import Loss
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.scaling import CLIP, Scaler
from aeanom.core.weights import Float, Weights

if TYPE_CHECKING:
    from flax import nnx


class JaxAutoencoder(CompiledAutoencoder):
    """Encoder and decoder as arrays by canonical name.

    Once the native module is made, its variables hold them.
    """

    def __init__(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> None:
        super().__init__(architecture, dtype=dtype, device=device)
        kind, _, index = device.partition(":")
        self.jax_device = jax.devices(kind)[int(index or 0)]
        self._native: nnx.Module | None = None
        self._variables: Mapping[str, Any] = {}
        with self.context():
            self._parameters = self.from_canonical(weights)

    def native(self) -> nnx.Module:
        """Return the live `flax.nnx.Module`."""
        if self._native is None:
            with self.context():
                native, self._variables = self._make_native()
                # Last: `parameters` goes by it, perhaps in another thread.
                self._native = native
        return self._native

    @property
    def parameters(self) -> Parameters:
        """The arrays by canonical name; assigning puts others in."""
        if self._native is None:
            return self._parameters
        with self.context():
            return {name: variable.get_value() for name, variable in self._variables.items()}

    @parameters.setter
    def parameters(self, parameters: Parameters) -> None:
        self._parameters = parameters
        for name, variable in self._variables.items():
            variable.set_value(parameters[name])

    def _make_native(self) -> tuple[nnx.Module, Mapping[str, Any]]:
        """Make the module; with it, what holds each of its arrays."""
        if isinstance(self.architecture, ModuleArchitecture):
            from aeanom.backends.jax.module import ModuleNetwork

            own = ModuleNetwork(self.architecture, self._parameters)
            return own.native(), own.variables()
        from aeanom.backends.jax.native import NativeNetwork

        network = NativeNetwork(self.architecture, self._parameters)
        return network, network.variables()

    def context(self) -> AbstractContextManager[Any]:
        """Return the context in which arrays of the network's dtype can be computed with."""
        return jax.enable_x64(self.dtype == "float64")

    def to_device(self, array: NDArray[Any]) -> jax.Array:
        """Put an array on the device; floats in the network's dtype, whole numbers as they are."""
        return jax.device_put(self.as_argument(array), self.jax_device)

    def as_argument(self, array: NDArray[Any]) -> NDArray[Any]:
        """Type an array; it stays on the host.

        A compiled call puts such arrays where its others are, ten times as fast as `device_put`.
        """
        return np.asarray(array, dtype=self.dtype if array.dtype.kind == "f" else array.dtype)

    def _put(self, rows: Float) -> Float:
        # The compiled call puts them where the parameters are, in half the time for few rows.
        return rows

    def _scaled(self, rows: Float, scaler: Scaler) -> jax.Array:
        with jax.enable_x64(True):
            x = jax.device_put(rows, self.jax_device)
            return _scaled(x, scaler.center, scaler.scale, self.dtype)

    def _compute(self, what: str, rows: jax.Array | Float, loss: Loss | None) -> jax.Array:
        with self.context():
            return _compute(self.architecture, what, loss, self.parameters, rows)


@partial(jax.jit, static_argnums=3)
def _scaled(x: jax.Array, center: jax.Array, scale: jax.Array, dtype: str) -> jax.Array:
    """Do what `Scaler.transform` does.

    By a divisor that is plainly one number a column, XLA would not divide: it would multiply by
    its reciprocal.
    """
    divisor = jnp.where(jnp.isfinite(x), scale, jnp.nan)
    return ((x.astype("float64") - center) / divisor).astype(dtype).clip(-CLIP, CLIP)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _compute(
    architecture: Architecture, what: str, loss: Loss | None, parameters: Parameters, x: jax.Array
) -> jax.Array:
    network = make_network(architecture, parameters)
    context: Context[jax.Array] = Context(n_elements=prod(architecture.input_shape))
    return compute(network, what, x, loss, context, row_losses, jnp.zeros(len(x), x.dtype))
