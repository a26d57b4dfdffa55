"""`TensorFlowAutoencoder`: the network as a `tf.Module` over variables."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from aeanom.architectures import Architecture
from aeanom.backends.tensorflow.layers import Network, Parameters
from aeanom.backends.tensorflow.losses import row_losses
from aeanom.core.compiled import CompiledAutoencoder
from aeanom.core.losses import Loss
from aeanom.core.weights import Float, Weights


class TensorFlowAutoencoder(CompiledAutoencoder):
    """Encoder and decoder as lists of `tf.Module`s."""

    def __init__(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> None:
        super().__init__(architecture, dtype=dtype, device=device)
        self.tf_device = device.replace("cuda", "GPU").replace("cpu", "CPU")
        parameters = self.from_canonical(weights)
        with self.context():
            self._variables = {
                name: tf.Variable(tensor, name=name) for name, tensor in parameters.items()
            }
        self.network = Network(architecture, self._variables)

    def native(self) -> Network:
        """Return the live `tf.Module`."""
        return self.network

    @property
    def parameters(self) -> Parameters:
        """The variables' values by canonical name; assigning puts others in."""
        return {name: variable.value() for name, variable in self._variables.items()}

    @parameters.setter
    def parameters(self, parameters: Parameters) -> None:
        for name, variable in self._variables.items():
            variable.assign(parameters[name], read_value=False)

    def context(self) -> AbstractContextManager[Any]:
        """Return the context that puts tensors on the network's device."""
        return tf.device(self.tf_device)

    def to_device(self, array: NDArray[Any]) -> tf.Tensor:
        """Copy an array to the device; floats in the network's dtype, whole numbers as they are."""
        with self.context():
            return tf.constant(array, dtype=self.dtype if array.dtype.kind == "f" else array.dtype)

    def _compute(self, what: str, rows: Float, loss: Loss | None) -> Float:
        compiled = _compiled(self.architecture, what, loss, rows.shape, self.dtype)
        with self.context():
            return compiled(self.parameters, tf.constant(rows)).numpy()


@lru_cache(maxsize=256)
def _compiled(
    architecture: Architecture, what: str, loss: Loss | None, shape: tuple[int, ...], dtype: str
) -> Callable[[Parameters, tf.Tensor], tf.Tensor]:
    """Return the compiled function of this name; the network's tensors are its arguments.

    A function that closed over variables would be traced again for every network. There is one
    for every shape, because TensorFlow warns of a function that is traced for many.
    """

    def compute(parameters: Parameters, x: tf.Tensor) -> tf.Tensor:
        network = Network(architecture, parameters)
        if what == "encode":
            return network.encode(x)
        if what == "decode":
            return network.decode(x)
        if loss is None:
            return network(x)
        return row_losses(loss, network.output(x, logits=loss.from_logits), x)

    return tf.function(compute, jit_compile=True, autograph=False)
