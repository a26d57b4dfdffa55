"""`TensorFlowAutoencoder`: the network as a `tf.Module` over variables."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from aeanom.architectures import Architecture
from aeanom.backends.tensorflow.losses import row_losses
from aeanom.backends.tensorflow.module import copy_module, variables
from aeanom.backends.tensorflow.network import (
    Network,
    Parameters,
    compile_once,
    kept_with_network,
    make_network,
)
from aeanom.core.batches import ALIGNMENT
from aeanom.core.compiled import CompiledAutoencoder
from aeanom.core.layers import Context, compute
from aeanom.core.losses import Loss
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.scaling import CLIP, Scaler
from aeanom.core.weights import Float, Weights

LARGE_BYTES = 2**20
"""Size from which on a copy takes longer than handing the memory over."""


class TensorFlowAutoencoder(CompiledAutoencoder):
    """Encoder and decoder as lists of `tf.Module`s."""

    def __init__(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> None:
        super().__init__(architecture, dtype=dtype, device=device)
        self.tf_device = device.replace("cuda", "GPU").replace("cpu", "CPU")
        parameters = self.from_canonical(weights)
        with self.context():
            if isinstance(architecture, ModuleArchitecture):
                self.network = copy_module(architecture.module, architecture.input_shape, dtype)
                self._variables = variables(self.network)
                self.parameters = parameters
                # By way of the architecture, the compiled functions find this copy.
                self.architecture = replace(architecture, module=self.network)
            else:
                self._variables = {
                    held.name: tf.Variable(
                        parameters[held.name], trainable=held.trainable, name=held.name
                    )
                    for held in architecture.parameters
                }
                self.network = Network(architecture, self._variables)

    def native(self) -> Any:
        """Return the live `tf.Module`; a user's own module is what it was, a Keras model say."""
        return self.network

    @property
    def parameters(self) -> Parameters:
        """The variables by canonical name; assigning puts values in, for those that are named.

        Of a user's module it is their values, in the network's dtype: the compiled functions put
        them into the very same variables.
        """
        if not isinstance(self.architecture, ModuleArchitecture):
            return self._variables
        return {
            name: tf.cast(variable.value(), self.dtype)
            for name, variable in self._variables.items()
        }

    @parameters.setter
    def parameters(self, parameters: Parameters) -> None:
        for name, value in parameters.items():
            variable = self._variables[name]
            variable.assign(tf.cast(value, variable.dtype), read_value=False)

    def to_canonical(self, parameters: Parameters) -> Weights:
        """Copy arrays to the host; NumPy would warn of variables."""
        values = {name: tf.convert_to_tensor(value) for name, value in parameters.items()}
        return super().to_canonical(values)

    def context(self) -> AbstractContextManager[Any]:
        """Return the context that puts tensors on the network's device."""
        return tf.device(self.tf_device)

    def to_device(self, array: NDArray[Any]) -> tf.Tensor:
        """Copy an array to the device; floats in the network's dtype, whole numbers as they are."""
        with self.context():
            return tf.constant(array, dtype=self.dtype if array.dtype.kind == "f" else array.dtype)

    def take(self, array: NDArray[Any]) -> tf.Tensor:
        """Put an array on the device that nobody else uses; on a CPU its memory is kept.

        `tf.constant` copies twice: 40 ms for the images of Fashion-MNIST, a fifth of an epoch.
        """
        is_usable = (
            array.dtype == self.dtype
            and array.flags.c_contiguous
            and array.flags.writeable
            and array.ctypes.data % ALIGNMENT == 0
        )
        if is_usable and self.tf_device.startswith("CPU") and array.nbytes > LARGE_BYTES:
            return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
        return self.to_device(array)

    def _put(self, rows: Float) -> tf.Tensor:
        # The caller's rows are only read, and no longer than they are computed with.
        return self.take(rows)

    def _scaled(self, rows: Float, scaler: Scaler) -> tf.Tensor:
        with self.context():
            return _scaled(tf.constant(rows), scaler.center, scaler.scale, self.dtype)

    def _compute(self, what: str, rows: tf.Tensor, loss: Loss | None) -> Float:
        shape = tuple(rows.shape)
        compiled = _compiled(self.architecture, what, loss, shape, self.dtype, self.tf_device)
        with self.context():
            return compiled(self.parameters, rows).numpy()


@tf.function(jit_compile=True, reduce_retracing=True, autograph=False)
def _scaled(x: tf.Tensor, center: tf.Tensor, scale: tf.Tensor, dtype: str) -> tf.Tensor:
    """Do what `Scaler.transform` does.

    By a divisor that is plainly one number a column, XLA would not divide: it would multiply by
    its reciprocal.
    """
    divisor = tf.where(tf.math.is_finite(x), scale, float("nan"))
    scaled = tf.cast((tf.cast(x, "float64") - center) / divisor, dtype)
    return tf.clip_by_value(scaled, -CLIP, CLIP)


@kept_with_network
def _compiled(
    architecture: Architecture,
    what: str,
    loss: Loss | None,
    shape: tuple[int, ...],
    dtype: str,
    device: str,
) -> Callable[[Parameters, tf.Tensor], tf.Tensor]:
    """Compile the function below for a shape; the network's tensors are its arguments."""
    return compile_once(partial(_computed, architecture, what, loss), architecture, device)


def _computed(
    architecture: Architecture,
    what: str,
    loss: Loss | None,
    parameters: Parameters,
    x: tf.Tensor,
) -> tf.Tensor:
    """Compute what `Autoencoder._compute` is asked for."""
    network = make_network(architecture, parameters)
    context: Context[tf.Tensor] = Context(n_elements=prod(architecture.input_shape))
    zeros = tf.zeros(x.shape[:1], x.dtype)
    return compute(network, what, x, loss, context, row_losses, zeros)
