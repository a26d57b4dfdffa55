"""The losses of `aeanom.core.losses`, on TensorFlow tensors: one figure a row."""

from __future__ import annotations

import tensorflow as tf

from aeanom.backends.tensorflow.layers import bounded_log_variance
from aeanom.core.losses import LOG_2_PI, Loss


def row_losses(
    loss: Loss, output: tf.Tensor, target: tf.Tensor, element_weights: tf.Tensor | None = None
) -> tf.Tensor:
    """Mean element loss of each row; `output` is raw if the loss is computed from that."""
    elements = _elements(loss, output, target)
    if element_weights is not None:
        elements = elements * element_weights
    return tf.reduce_mean(elements, axis=tuple(range(1, elements.shape.rank)))


def _elements(loss: Loss, output: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    if loss.name == "bce":
        return tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=output)
    if loss.name == "gaussian":
        mean, raw = tf.split(output, 2, axis=-1)
        log_variance = bounded_log_variance(raw)
        residual = target - mean
        return 0.5 * (log_variance + residual * residual * tf.exp(-log_variance) + LOG_2_PI)
    residual = output - target
    if loss.name == "mse":
        return residual * residual
    magnitude = tf.abs(residual)
    if loss.name == "mae":
        return magnitude
    linear = loss.delta * (magnitude - 0.5 * loss.delta)
    return tf.where(magnitude <= loss.delta, 0.5 * residual * residual, linear)
