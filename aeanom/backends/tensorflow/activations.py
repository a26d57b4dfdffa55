"""The activations of `aeanom.architectures`, on TensorFlow tensors.

Python numbers below become constants of the tensor's own dtype. `tf.cast(0.01, tf.float64)` would
be a widened float32, and so are some constants inside `tf.nn`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from aeanom.architectures.layers import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE


def _leaky_relu(x: tf.Tensor) -> tf.Tensor:
    return tf.where(x > 0, x, LEAKY_SLOPE * x)


def _selu(x: tf.Tensor) -> tf.Tensor:
    # The derivative at 0 is the right-hand one.
    negative = SELU_ALPHA * tf.math.expm1(tf.minimum(x, 0))
    return SELU_SCALE * tf.where(x >= 0, x, negative)


def _gelu(x: tf.Tensor) -> tf.Tensor:
    return 0.5 * x * (1 + tf.math.erf(x * 0.5**0.5))


FUNCTIONS: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "linear": lambda x: x,
    "relu": tf.nn.relu,
    "leaky_relu": _leaky_relu,
    "elu": tf.nn.elu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": lambda x: x * tf.sigmoid(x),
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "softplus": tf.nn.softplus,
}
