"""What each layer of `aeanom.architectures.layers` computes, on JAX arrays, in the same order.

A function is given the layer with its arrays, a batch of rows, and the pass that it is part of;
`aeanom.core.layers` says what is in them. Products are computed in the arrays' own precision,
whatever a device would rather do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from aeanom.architectures import Shape
from aeanom.architectures import layers as descriptions
from aeanom.backends.jax.activations import FUNCTIONS
from aeanom.core.layers import BoundLayer, Context, run

Bound = BoundLayer[jax.Array]
Pass = Context[jax.Array]

Edges = tuple[tuple[int, int], ...]
"""Cells before and after each axis but the first and the last."""

EXACT = jax.lax.Precision.HIGHEST


def dense(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Multiply the last axis by the kernel, and add the bias."""
    return _add_bias(bound, jnp.matmul(x, bound.parameters["kernel"], precision=EXACT))


def activation(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Apply the element-wise function."""
    assert isinstance(bound.layer, descriptions.Activation)
    return FUNCTIONS[bound.layer.function](x)


def dropout(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Drop the elements with a small draw; without draws, return the rows."""
    assert isinstance(bound.layer, descriptions.Dropout)
    if bound.name not in context.draws:
        return x
    rate = bound.layer.rate
    return x * (context.draws[bound.name] >= rate) / (1 - rate)


def layer_norm(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Normalise the last axis."""
    assert isinstance(bound.layer, descriptions.LayerNorm)
    centred = x - x.mean(-1, keepdims=True)
    variance = (centred * centred).mean(-1, keepdims=True)
    normalised = centred / jnp.sqrt(variance + bound.layer.epsilon)
    return normalised * bound.parameters["scale"] + bound.parameters["bias"]


def batch_norm(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Normalise each channel: in training by the batch, which the buffers follow."""
    layer, parameters, dtype = bound.layer, bound.parameters, x.dtype
    assert isinstance(layer, descriptions.BatchNorm)
    # Moments have the precision of the buffers, which may be more than that of the rows.
    x = x.astype(parameters["mean"].dtype)
    if context.mode == "train":
        mean, variance = _channel_moments(x, _is_real(x, context))
        for name, value in (("mean", mean), ("variance", variance)):
            new = layer.decay * parameters[name] + (1 - layer.decay) * value
            context.update(bound, name, jax.lax.stop_gradient(new))
    else:
        mean, variance = parameters["mean"], parameters["variance"]
    normalised = (x - mean) / jnp.sqrt(variance + layer.epsilon)
    return (normalised * parameters["scale"] + parameters["bias"]).astype(dtype)


def flatten(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Put all elements of a row in one axis."""
    return x.reshape(len(x), -1)


def reshape(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Give the rows another shape."""
    return x.reshape(len(x), *bound.output_shape)


def residual(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Add what the inner layers make of the rows to the rows."""
    return x + run(LAYERS, bound.inner, x, context)


def conv1d(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Convolve along time."""
    assert isinstance(bound.layer, descriptions.Conv1D)
    _, strides, edges = bound.layer.geometry(bound.input_shape)
    ones = (1,) * len(strides)
    return _add_bias(bound, _convolve(x, bound.parameters["kernel"], edges, strides, ones))


def conv2d(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Convolve over height and width."""
    assert isinstance(bound.layer, descriptions.Conv2D)
    _, strides, edges = bound.layer.geometry(bound.input_shape)
    ones = (1,) * len(strides)
    return _add_bias(bound, _convolve(x, bound.parameters["kernel"], edges, strides, ones))


def conv2d_transpose(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Spread every place over its window: a convolution of the rows with zeros put between."""
    assert isinstance(bound.layer, descriptions.Conv2DTranspose)
    window, strides, cropped = bound.layer.geometry(bound.input_shape)
    kernel = jnp.flip(bound.parameters["kernel"], (0, 1))
    # A full convolution has `cells - 1` zeros on each side; to crop is to have fewer.
    edges = tuple(
        (cells - 1 - before, cells - 1 - after)
        for cells, (before, after) in zip(window, cropped, strict=True)
    )
    return _add_bias(bound, _convolve(x, kernel, edges, (1, 1), strides))


def upsample(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Repeat every cell along each axis but the channels."""
    assert isinstance(bound.layer, descriptions.Upsample)
    for axis, factor in enumerate(bound.layer.factors(bound.input_shape), start=1):
        x = jnp.repeat(x, factor, axis)
    return x


def max_pool(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Take the largest value of each window; JAX shares its gradient among ties, as we do."""
    windows, axes = _windows(bound, x)
    return windows.max(axes)


def average_pool(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Take the mean of each window."""
    windows, axes = _windows(bound, x)
    return windows.mean(axes)


def lstm(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Go through time with a state and a cell."""
    kernel = bound.parameters["recurrent_kernel"]

    def step(state: tuple[jax.Array, ...], projected: jax.Array) -> tuple[jax.Array, ...]:
        hidden, cell = state
        gates = projected + jnp.matmul(hidden, kernel, precision=EXACT)
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(cell), cell

    return _through_time(bound, dense(bound, x, context), step, states=2)


def gru(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Go through time with a state."""
    kernel, bias = bound.parameters["recurrent_kernel"], bound.parameters["recurrent_bias"]

    def step(state: tuple[jax.Array, ...], projected: jax.Array) -> tuple[jax.Array, ...]:
        (hidden,) = state
        a_r, a_z, a_n = jnp.split(projected, 3, axis=-1)
        b_r, b_z, b_n = jnp.split(jnp.matmul(hidden, kernel, precision=EXACT), 3, axis=-1)
        r, z = jax.nn.sigmoid(a_r + b_r), jax.nn.sigmoid(a_z + b_z)
        n = jnp.tanh(a_n + r * (b_n + bias))
        return ((1 - z) * n + z * hidden,)

    return _through_time(bound, dense(bound, x, context), step, states=1)


def repeat_vector(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Repeat each row at every time."""
    return jnp.broadcast_to(x[:, None], (len(x), *bound.output_shape))


def gaussian_latent(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Draw from the latent's distribution in training, and take its mean otherwise."""
    layer, parameters = bound.layer, bound.parameters
    assert isinstance(layer, descriptions.GaussianLatent)
    mean = dense(bound, x, context)
    if not layer.beta:
        return mean
    raw = jnp.matmul(x, parameters["log_variance_kernel"], precision=EXACT)
    log_variance = bounded_log_variance(raw + parameters["log_variance_bias"])
    if context.mode != "score" or layer.kl_in_score:
        divergence = 0.5 * (mean * mean + jnp.exp(log_variance) - log_variance - 1).sum(-1)
        weight = layer.beta * context.schedule("kl_weight") / context.n_elements
        context.penalise(weight * divergence)
    if context.mode == "train" and bound.name in context.draws:
        draws = context.draws[bound.name].astype(mean.dtype)
        return mean + jnp.exp(log_variance / 2) * draws
    return mean


def gaussian_output(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Return the means."""
    return jnp.split(x, 2, axis=-1)[0]


def input_noise(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Spoil the rows; without draws, return them as they are."""
    assert isinstance(bound.layer, descriptions.InputNoise)
    if bound.name not in context.draws:
        return x
    draws, amount = context.draws[bound.name], bound.layer.amount
    if bound.layer.noise == "gaussian":
        return x + amount * draws.astype(x.dtype)
    if bound.layer.noise == "masking":
        return x * (draws >= amount)
    n_rows = _is_real(x, context).sum()
    other = jnp.floor(draws / amount * n_rows.astype(draws.dtype)).astype(n_rows.dtype)
    own = jnp.arange(len(x), dtype=n_rows.dtype).reshape(-1, *(1,) * (x.ndim - 1))
    source = jnp.where(draws < amount, jnp.minimum(other, n_rows - 1), own)
    return jnp.take_along_axis(x, source, axis=0)


def activity_regularization(bound: Bound, x: jax.Array, context: Pass) -> jax.Array:
    """Add the mean magnitude to the rows' losses."""
    assert isinstance(bound.layer, descriptions.ActivityRegularization)
    if context.mode != "score":
        # The derivative at 0 is 0; that of `jnp.abs` is 1 there.
        magnitude = x * jnp.sign(x)
        context.penalise(bound.layer.l1 * magnitude.mean(range(1, x.ndim)))
    return x


LAYERS: dict[str, Callable[[Bound, jax.Array, Pass], jax.Array]] = {
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


def bounded_log_variance(raw: jax.Array) -> jax.Array:
    """Keep a log-variance within ±`LOG_VARIANCE_BOUND`, smoothly."""
    bound = descriptions.LOG_VARIANCE_BOUND
    return bound * jnp.tanh(raw / bound)


def _add_bias(bound: Bound, x: jax.Array) -> jax.Array:
    bias = bound.parameters.get("bias")
    return x if bias is None else x + bias


def _is_real(x: jax.Array, context: Pass) -> jax.Array:
    """Which rows of a batch do not only fill it up."""
    if context.row_weight is None:
        return jnp.ones(len(x), bool)
    return context.row_weight > 0


def _channel_moments(x: jax.Array, is_real: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean and biased variance of each channel over the real rows."""
    axes = tuple(range(x.ndim - 1))
    mask = is_real.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - 1))
    count = mask.sum() * prod(x.shape[1:-1])
    mean = (x * mask).sum(axes) / count
    centred = x - mean
    return mean, (centred * centred * mask).sum(axes) / count


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _convolve(
    x: jax.Array, kernel: jax.Array, edges: Edges, strides: Shape, spread: Shape
) -> jax.Array:
    """Cross-correlate; zeros are put around the rows, and `spread - 1` of them between cells.

    The gradients are ours, as XLA has a fast convolution on the CPU for this one layout of the
    axes, and inside a loop it brings no other to it: a training step with JAX's own gradients,
    which leave the axes where they are, takes ten times as long.
    """
    return _correlate(x, kernel, edges, strides, spread)


def _convolve_forward(
    x: jax.Array, kernel: jax.Array, *geometry: Any
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return _correlate(x, kernel, *geometry), (x, kernel)


def _convolve_backward(
    edges: Edges,
    strides: Shape,
    spread: Shape,
    arrays: tuple[jax.Array, jax.Array],
    gradient: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    x, kernel = arrays
    for_x, for_kernel = [], []
    for axis, (before, _) in enumerate(edges):
        cells = kernel.shape[axis]
        # How much longer the rows are than the gradient, both with their zeros between cells.
        longer = (x.shape[axis + 1] - 1) * spread[axis]
        longer -= (gradient.shape[axis + 1] - 1) * strides[axis]
        for_x.append((cells - 1 - before, longer + before))
        for_kernel.append((before, cells - 1 - longer - before))
    flipped = jnp.flip(kernel, range(len(edges))).swapaxes(-1, -2)
    x_gradient = _correlate(gradient, flipped, for_x, spread, strides)
    # The rows of the batch are what is summed over: they become the channels.
    kernel_gradient = _correlate(
        x.swapaxes(0, -1), jnp.moveaxis(gradient, 0, -2), for_kernel, None, spread, strides
    )
    return x_gradient, jnp.moveaxis(kernel_gradient, 0, -2)


_convolve.defvjp(_convolve_forward, _convolve_backward)


def _correlate(
    x: jax.Array,
    kernel: jax.Array,
    edges: Sequence[tuple[int, int]],
    strides: Shape | None,
    spread: Shape,
    kernel_spread: Shape | None = None,
) -> jax.Array:
    axes = "HW"[: x.ndim - 2]
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        strides or (1,) * len(axes),
        edges,
        lhs_dilation=spread,
        rhs_dilation=kernel_spread,
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
        precision=EXACT,
    )


def _windows(bound: Bound, x: jax.Array) -> tuple[jax.Array, tuple[int, ...]]:
    """Cut rows into whole windows: each axis in two, of which the second is the window's."""
    assert isinstance(bound.layer, descriptions.MaxPool | descriptions.AveragePool)
    window = bound.layer.window(bound.input_shape)
    shape = [len(x)]
    for axis, cells in enumerate(window, start=1):
        places = x.shape[axis] // cells
        x = jax.lax.slice_in_dim(x, 0, places * cells, axis=axis)
        shape += [places, cells]
    return x.reshape(*shape, x.shape[-1]), tuple(range(2, len(shape), 2))


def _through_time(
    bound: Bound,
    projected: jax.Array,
    step: Callable[[tuple[jax.Array, ...], jax.Array], tuple[jax.Array, ...]],
    *,
    states: int,
) -> jax.Array:
    """Take a step at each time, from states of zeros; the first state is what comes out."""
    layer = bound.layer
    assert isinstance(layer, descriptions.LSTM | descriptions.GRU)

    def keep(state: tuple[jax.Array, ...], now: jax.Array) -> tuple[Any, jax.Array | None]:
        state = step(state, now)
        return state, state[0] if layer.return_sequences else None

    zeros = jnp.zeros((len(projected), layer.units), projected.dtype)
    last, history = jax.lax.scan(keep, (zeros,) * states, jnp.swapaxes(projected, 0, 1))
    return last[0] if history is None else jnp.swapaxes(history, 0, 1)
