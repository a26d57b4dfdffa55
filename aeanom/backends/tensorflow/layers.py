"""The layers of `aeanom.architectures`, as functions on TensorFlow tensors, in the same order.

What each computes is in its description; what they are called with, in `aeanom.core.layers`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import tensorflow as tf

from aeanom.architectures.layers import (
    GRU,
    LOG_VARIANCE_BOUND,
    LSTM,
    Activation,
    ActivityRegularization,
    AveragePool,
    BatchNorm,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dropout,
    GaussianLatent,
    InputNoise,
    LayerNorm,
    MaxPool,
    RepeatVector,
    Upsample,
)
from aeanom.backends.tensorflow.activations import FUNCTIONS
from aeanom.core.layers import BoundLayer, Context, run

Bound = BoundLayer[tf.Tensor]
Pass = Context[tf.Tensor]


def dense(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """`x @ kernel + bias`, over the last axis."""
    return _affine(x, bound.parameters["kernel"], bound.parameters.get("bias"))


def activation(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Apply an element-wise function."""
    assert isinstance(bound.layer, Activation)
    return FUNCTIONS[bound.layer.function](x)


def dropout(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Drop elements, and let the others grow, where there are draws."""
    assert isinstance(bound.layer, Dropout)
    draws = context.draws.get(bound.name)
    if draws is None:
        return x
    return x * (tf.cast(draws >= bound.layer.rate, x.dtype) / (1 - bound.layer.rate))


def layer_norm(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Normalise over the last axis."""
    assert isinstance(bound.layer, LayerNorm)
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
    return _scaled(bound, centred, variance, bound.layer.epsilon)


def batch_norm(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Normalise each channel, in training by the rows of the batch that are no padding.

    In the dtype of the buffers: bfloat16 could not even count the rows of a batch.
    """
    layer, parameters = bound.layer, bound.parameters
    assert isinstance(layer, BatchNorm)
    dtype = x.dtype
    x = tf.cast(x, parameters["mean"].dtype)
    if context.mode != "train":
        return _scaled(bound, x - parameters["mean"], parameters["variance"], layer.epsilon)
    assert context.row_weight is not None
    axes = tuple(range(x.shape.rank - 1))
    counted = tf.cast(context.row_weight > 0, x.dtype)
    places = tf.reshape(counted, (-1, *(1 for _ in bound.input_shape)))
    count = tf.reduce_sum(counted) * prod(bound.input_shape[:-1])
    mean = tf.reduce_sum(x * places, axes) / count
    centred = x - mean
    variance = tf.reduce_sum(centred * centred * places, axes) / count
    for name, value in (("mean", mean), ("variance", variance)):
        followed = layer.decay * parameters[name] + (1 - layer.decay) * value
        context.update(bound, name, followed)
    return tf.cast(_scaled(bound, centred, variance, layer.epsilon), dtype)


def flatten(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Put all elements of a row in one axis."""
    return tf.reshape(x, (-1, *bound.output_shape))


def reshape(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Put the same elements in another shape."""
    return tf.reshape(x, (-1, *bound.output_shape))


def residual(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Layers with a skip around them."""
    return x + run(LAYERS, bound.inner, x, context)


def conv1d(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Convolution over time."""
    return _convolution(bound, x)


def conv2d(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Convolution over an image."""
    return _convolution(bound, x)


def conv2d_transpose(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Transposed convolution: full, then crop."""
    assert isinstance(bound.layer, Conv2DTranspose)
    _, strides, edges = bound.layer.geometry(bound.input_shape)
    sizes = [size + sum(edge) for size, edge in zip(bound.output_shape[:-1], edges, strict=True)]
    # TensorFlow's kernels are (h, w, out, in).
    kernel = tf.transpose(bound.parameters["kernel"], (0, 1, 3, 2))
    shape = (tf.shape(x)[0], *sizes, bound.layer.filters)
    full = tf.nn.conv2d_transpose(x, kernel, shape, strides, "VALID")
    rows, columns = (
        slice(before, size - after) for size, (before, after) in zip(sizes, edges, strict=True)
    )
    return _with_bias(full[:, rows, columns], bound.parameters.get("bias"))


def upsample(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Repeat every cell along each axis but the channels."""
    assert isinstance(bound.layer, Upsample)
    sizes, multiples = [], []
    factors = bound.layer.factors(bound.input_shape)
    for size, factor in zip(bound.input_shape[:-1], factors, strict=True):
        sizes += [size, 1]
        multiples += [1, factor]

    def repeat(x: tf.Tensor) -> tf.Tensor:
        spread = tf.reshape(x, (-1, *sizes, bound.input_shape[-1]))
        return tf.reshape(tf.tile(spread, (1, *multiples, 1)), (-1, *bound.output_shape))

    def back(delta: tf.Tensor) -> tf.Tensor:
        return tf.nn.avg_pool2d(delta, factors, factors, "VALID") * prod(factors)

    if len(factors) == 1:
        return repeat(x)
    # Of an image, TensorFlow's own gradient of tiling takes three times as long as a pooling.
    return tf.custom_gradient(lambda x: (repeat(x), back))(x)


def max_pool(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Largest value of each window; ties share the gradient, as in every `reduce_max`."""
    return _pool(bound, x, tf.reduce_max)


def average_pool(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Mean of each window."""
    return _pool(bound, x, tf.reduce_mean)


def lstm(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Long short-term memory."""
    recurrent_kernel = bound.parameters["recurrent_kernel"]

    def cell(inputs: tf.Tensor, hidden: tf.Tensor, memory: tf.Tensor) -> tuple[tf.Tensor, ...]:
        gates = inputs + tf.linalg.matmul(hidden, recurrent_kernel)
        i, f, g, o = tf.split(gates, 4, axis=-1)
        memory = tf.sigmoid(f) * memory + tf.sigmoid(i) * tf.tanh(g)
        return tf.sigmoid(o) * tf.tanh(memory), memory

    return _recurrent(bound, x, cell, n_states=2)


def gru(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Gated recurrent unit."""
    recurrent_kernel = bound.parameters["recurrent_kernel"]
    recurrent_bias = bound.parameters["recurrent_bias"]

    def cell(inputs: tf.Tensor, hidden: tf.Tensor) -> tuple[tf.Tensor, ...]:
        a_r, a_z, a_n = tf.split(inputs, 3, axis=-1)
        b_r, b_z, b_n = tf.split(tf.linalg.matmul(hidden, recurrent_kernel), 3, axis=-1)
        r, z = tf.sigmoid(a_r + b_r), tf.sigmoid(a_z + b_z)
        n = tf.tanh(a_n + r * (b_n + recurrent_bias))
        return ((1 - z) * n + z * hidden,)

    return _recurrent(bound, x, cell, n_states=1)


def repeat_vector(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Repeat a flat row at every time."""
    assert isinstance(bound.layer, RepeatVector)
    return tf.tile(x[:, tf.newaxis], (1, bound.layer.times, 1))


def gaussian_latent(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Mean of the latent, with noise in training; adds the KL divergence to the rows' losses."""
    layer, parameters = bound.layer, bound.parameters
    assert isinstance(layer, GaussianLatent)
    mean = _affine(x, parameters["kernel"], parameters["bias"])
    if layer.beta == 0:
        return mean
    log_variance = bounded_log_variance(
        _affine(x, parameters["log_variance_kernel"], parameters["log_variance_bias"])
    )
    if context.mode != "score" or layer.kl_in_score:
        terms = mean * mean + tf.exp(log_variance) - log_variance - 1
        divergence = 0.5 * tf.reduce_sum(terms, axis=-1)
        weight = layer.beta / context.n_elements * context.schedule("kl_weight")
        context.penalise(weight * divergence)
    draws = context.draws.get(bound.name)
    if context.mode != "train" or draws is None:
        return mean
    return mean + tf.exp(log_variance / 2) * tf.cast(draws, x.dtype)


def gaussian_output(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Keep the means, not the log-variances."""
    return x[..., : bound.output_shape[-1]]


def input_noise(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Noise where there are draws: added, zeros, or elements of other rows."""
    assert isinstance(bound.layer, InputNoise)
    noise, amount = bound.layer.noise, bound.layer.amount
    draws = context.draws.get(bound.name)
    if draws is None:
        return x
    if noise == "gaussian":
        return x + tf.cast(amount * draws, x.dtype)
    if noise == "masking":
        return x * tf.cast(draws >= amount, x.dtype)
    return _swapped(x, draws, amount, context.row_weight)


def activity_regularization(bound: Bound, x: tf.Tensor, context: Pass) -> tf.Tensor:
    """Return `x`; adds its mean magnitude to the rows' losses."""
    assert isinstance(bound.layer, ActivityRegularization)
    if context.mode != "score":
        axes = tuple(range(1, x.shape.rank))
        context.penalise(bound.layer.l1 * tf.reduce_mean(tf.abs(x), axis=axes))
    return x


LAYERS: dict[str, Callable[[Bound, tf.Tensor, Pass], tf.Tensor]] = {
    "dense": dense,
    "activation": activation,
    "dropout": dropout,
    "layer_norm": layer_norm,
    "batch_norm": batch_norm,
    "flatten": flatten,
    "reshape": reshape,
    "residual": residual,
    "conv1d": conv1d,
    "conv2d": conv2d,
    "conv2d_transpose": conv2d_transpose,
    "upsample": upsample,
    "max_pool": max_pool,
    "average_pool": average_pool,
    "lstm": lstm,
    "gru": gru,
    "repeat_vector": repeat_vector,
    "gaussian_latent": gaussian_latent,
    "gaussian_output": gaussian_output,
    "input_noise": input_noise,
    "activity_regularization": activity_regularization,
}


def bounded_log_variance(raw: tf.Tensor) -> tf.Tensor:
    """Return what a log-variance of a network is taken as; see `LOG_VARIANCE_BOUND`."""
    return LOG_VARIANCE_BOUND * tf.tanh(raw / LOG_VARIANCE_BOUND)


def _affine(x: tf.Tensor, kernel: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    return _with_bias(tf.tensordot(x, kernel, 1), bias)


def _with_bias(x: tf.Tensor, bias: tf.Tensor | None) -> tf.Tensor:
    # The operator's own gradient is faster than that of a sum with a broadcast.
    return x if bias is None else tf.nn.bias_add(x, bias)


def _scaled(bound: Bound, centred: tf.Tensor, variance: tf.Tensor, epsilon: float) -> tf.Tensor:
    normalised = centred / tf.sqrt(variance + epsilon)
    scale, bias = (tf.cast(bound.parameters[name], centred.dtype) for name in ("scale", "bias"))
    return normalised * scale + bias


def _convolution(bound: Bound, x: tf.Tensor) -> tf.Tensor:
    assert isinstance(bound.layer, Conv1D | Conv2D)
    _, strides, edges = bound.layer.geometry(bound.input_shape)
    padding = bound.layer.padding
    if not isinstance(padding, str):
        x, padding = tf.pad(x, ((0, 0), *edges, (0, 0))), "valid"
    # "same" is as many zeros as there are in `edges`, without a copy of the rows.
    product = tf.nn.convolution(x, bound.parameters["kernel"], strides, padding.upper())
    return _with_bias(product, bound.parameters.get("bias"))


def _pool(bound: Bound, x: tf.Tensor, reduce: Callable[..., tf.Tensor]) -> tf.Tensor:
    assert isinstance(bound.layer, MaxPool | AveragePool)
    *places, channels = bound.output_shape
    covered, sizes = [], []
    for size, cells in zip(places, bound.layer.window(bound.input_shape), strict=True):
        covered.append(slice(size * cells))
        sizes += [size, cells]
    windows = tf.reshape(x[:, *covered], (-1, *sizes, channels))
    return reduce(windows, axis=tuple(range(2, len(sizes) + 1, 2)))


def _recurrent(
    bound: Bound, x: tf.Tensor, cell: Callable[..., tuple[tf.Tensor, ...]], n_states: int
) -> tf.Tensor:
    """Go through time with `cell(inputs, *states) -> states`; its first state is the output."""
    assert isinstance(bound.layer, LSTM | GRU)
    times, _ = bound.input_shape
    # One product for all times; in the loop only the recurrent one is left.
    inputs = _affine(x, bound.parameters["kernel"], bound.parameters["bias"])
    start = tf.zeros_like(inputs[:, 0, : bound.layer.units])
    # Read from and written to arrays: the gradient of `inputs[time]` would fill a tensor of the
    # size of all inputs at every time.
    by_time = tf.TensorArray(x.dtype, times).unstack(tf.transpose(inputs, (1, 0, 2)))
    outputs = tf.TensorArray(x.dtype, times, element_shape=start.shape)

    def step(
        time: tf.Tensor, states: tuple[tf.Tensor, ...], outputs: tf.TensorArray
    ) -> tuple[tf.Tensor, tuple[tf.Tensor, ...], tf.TensorArray]:
        states = cell(by_time.read(time), *states)
        return time + 1, states, outputs.write(time, states[0])

    # XLA differentiates a loop only if it knows the most iterations there can be.
    _, states, outputs = tf.while_loop(
        lambda time, *_: time < times,
        step,
        (tf.constant(0), (start,) * n_states, outputs),
        maximum_iterations=times,
    )
    if bound.layer.return_sequences:
        return tf.transpose(outputs.stack(), (1, 0, 2))
    return states[0]


def _swapped(
    x: tf.Tensor, draws: tf.Tensor, amount: float, row_weight: tf.Tensor | None
) -> tf.Tensor:
    """Replace elements by the same element of other rows that are no padding."""
    rows = tf.reshape(tf.range(tf.shape(x)[0]), (-1, *(1 for _ in x.shape[1:])))
    counted = tf.ones_like(rows) if row_weight is None else tf.cast(row_weight > 0, tf.int32)
    n = tf.reduce_sum(counted)
    other = tf.cast(tf.floor(draws / amount * tf.cast(n, draws.dtype)), tf.int32)
    source = tf.where(draws < amount, tf.minimum(other, n - 1), rows)
    size = prod(x.shape[1:])
    elements = tf.reshape(tf.range(size), x.shape[1:])
    return tf.gather(tf.reshape(x, (-1,)), source * size + elements)
