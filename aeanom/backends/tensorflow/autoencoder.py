"""`TensorFlowAutoencoder`: the network as a `tf.Module` over variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import tensorflow as tf

from aeanom.architectures import Architecture
from aeanom.backends.tensorflow.layers import Network, Parameters
from aeanom.backends.tensorflow.losses import row_losses
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.losses import Loss
from aeanom.core.weights import Float, Weights, check_weights


class TensorFlowAutoencoder(Autoencoder):
    """Encoder and decoder as lists of `tf.Module`s."""

    has_static_shapes = True

    def __init__(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> None:
        super().__init__(architecture, dtype=dtype, device=device)
        self.tf_device = device.replace("cuda", "GPU").replace("cpu", "CPU")
        parameters = self.from_canonical(weights)
        with tf.device(self.tf_device):
            self._variables = {
                name: tf.Variable(tensor, name=name) for name, tensor in parameters.items()
            }
        self.network = Network(architecture, self._variables)

    def weights(self) -> Weights:
        """Copy all weights to the host."""
        return self.to_canonical(self.parameters)

    def load_weights(self, weights: Mapping[str, Float]) -> None:
        """Copy weights in."""
        self.parameters = self.from_canonical(weights)

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

    def to_canonical(self, parameters: Parameters) -> Weights:
        """Copy tensors to the host, in canonical order."""
        table = self.architecture.parameters
        return {parameter.name: np.array(parameters[parameter.name]) for parameter in table}

    def from_canonical(self, weights: Mapping[str, Float]) -> Parameters:
        """Copy arrays to the device."""
        checked = check_weights(self.architecture, weights, self.dtype)
        return {name: self.to_device(array) for name, array in checked.items()}

    def to_device(self, array: Float) -> tf.Tensor:
        """Copy an array to the device, in the network's dtype."""
        with tf.device(self.tf_device):
            return tf.constant(array, dtype=self.dtype)

    def _compute(self, what: str, rows: Float, loss: Loss | None) -> Float:
        compiled = _compiled(self.architecture, what, loss)
        with tf.device(self.tf_device):
            return compiled(self.parameters, tf.constant(rows)).numpy()


@lru_cache(maxsize=64)
def _compiled(
    architecture: Architecture, what: str, loss: Loss | None
) -> Callable[[Parameters, tf.Tensor], tf.Tensor]:
    """Return the compiled function of this name; the network's tensors are its arguments.

    A function that closed over variables would be traced again for every network.
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
