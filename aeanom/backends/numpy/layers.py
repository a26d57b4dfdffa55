"""The layers of `aeanom.architectures` in NumPy, forward and backward, in the same order.

A layer's function returns its output and the function that takes a gradient back through it. It
writes into arrays of the pass's `Workspace`, which are made once and used again in every step,
and never changes its input, but for activations right behind a dense layer: they work in place on
what that one wrote. Windows and recurrence stand in `convolution.py` and `recurrent.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

import numpy as np

from aeanom.architectures import (
    Activation,
    ActivityRegularization,
    BatchNorm,
    Dropout,
    GaussianLatent,
    InputNoise,
    LayerNorm,
)
from aeanom.architectures.layers import LOG_VARIANCE_BOUND
from aeanom.backends.numpy.activations import FUNCTIONS
from aeanom.backends.numpy.context import Bound, NumpyContext, Result
from aeanom.backends.numpy.convolution import (
    average_pool,
    conv1d,
    conv2d,
    conv2d_transpose,
    max_pool,
    upsample,
)
from aeanom.backends.numpy.recurrent import gru, lstm
from aeanom.core.layers import run_flattened, run_with_backward
from aeanom.core.weights import Float


def forward(layers: Iterable[Bound], x: Float, context: NumpyContext) -> Result:
    """Send rows through layers; `backward` goes the whole way back."""
    return run_with_backward(LAYERS.__getitem__, layers, x, context)


def dense(
    bound: Bound,
    x: Float,
    context: NumpyContext,
    kernel_name: str = "kernel",
    bias_name: str = "bias",
) -> Result:
    """`x @ kernel + bias`; gradients are `x.T @ delta`, the sum of `delta`, `delta @ kernel.T`."""
    if len(bound.input_shape) > 1:
        # One product for all times or places of all rows.
        return run_flattened(dense, bound, x, context)
    kernel, bias = bound.parameters[kernel_name], bound.parameters.get(bias_name)
    # Flat rows may come as stacks of matrices.
    y = context.array(bound, f"{kernel_name}.output", (*x.shape[:-1], kernel.shape[1]))
    # For two matrices `dot` is the same product as `matmul` and takes half as long to get to it.
    product = np.dot if x.ndim == 2 else np.matmul
    product(x, kernel, out=y)
    if bias is not None:
        y += bias

    def backward(delta: Float, wanted: bool) -> Float:
        np.dot(x.T, delta, out=context.gradient(bound, kernel_name))
        if bias is not None:
            context.workspace.sum_rows(delta, context.gradient(bound, bias_name))
        if not wanted:
            return delta
        out = context.array(bound, f"{kernel_name}.delta", x.shape)
        return np.dot(delta, kernel.T, out=out)

    context.overwritable = y
    return y, backward


def activation(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Apply an element-wise function; multiply `delta` by its derivative, in place."""
    assert isinstance(bound.layer, Activation)
    function = FUNCTIONS[bound.layer.function]
    in_place = x is context.overwritable and not function.needs_input
    y = x if in_place else context.array(bound, "output", x.shape)
    function.forward(x, y)
    saved = x if function.needs_input else y
    context.overwritable = y if function.needs_input else None

    def backward(delta: Float, wanted: bool) -> Float:
        function.backward(delta, saved)
        return delta

    return y, backward


def dropout(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Multiply by 0 or 1 / (1 - rate), and the gradient by the same."""
    assert isinstance(bound.layer, Dropout)
    draws = context.draws.get(bound.name)
    if draws is None:
        return x, _pass_back
    rate = bound.layer.rate
    factors = np.multiply(draws >= rate, 1 / (1 - rate), dtype=x.dtype)

    def backward(delta: Float, wanted: bool) -> Float:
        delta *= factors
        return delta

    return np.multiply(x, factors, out=context.array(bound, "output", x.shape)), backward


def layer_norm(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """`x̂ · scale + bias` with `x̂ = (x - mean) / σ` over the last axis.

    With δ = `delta · scale` and means over that axis, the input's gradient is
    `(δ - mean(δ) - x̂ · mean(δ · x̂)) / σ`.
    """
    assert isinstance(bound.layer, LayerNorm)
    size = x.shape[-1]
    normalised = context.array(bound, "normalised", x.shape)
    np.subtract(x, x.mean(axis=-1, keepdims=True), out=normalised)
    variance = np.vecdot(normalised, normalised)[..., None] / size
    normalised *= (inverse := 1 / np.sqrt(variance + bound.layer.epsilon))

    def backward(delta: Float, wanted: bool) -> Float:
        delta = _scale_backward(bound, delta, normalised, context)
        if wanted:
            projection = np.vecdot(delta, normalised)[..., None] / size
            delta -= delta.mean(axis=-1, keepdims=True)
            np.multiply(normalised, projection, out=normalised)
            delta -= normalised
            delta *= inverse
        return delta

    return _scale(bound, normalised, context), backward


def batch_norm(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """`x̂ · scale + bias` with `x̂ = (x - mean) / σ` of each channel: the batch's, or the buffers.

    The input's gradient is that of `layer_norm` with means over the batch. Each value that is
    averaged has the share 1 / count in them, and what only fills the batch up has none.
    """
    assert isinstance(bound.layer, BatchNorm)
    normalised = context.array(bound, "normalised", x.shape)
    rows = normalised.reshape(-1, x.shape[-1])
    mean, variance = bound.parameters["mean"], bound.parameters["variance"]
    if context.mode == "train":
        counted = np.ones(len(x)) if context.row_weight is None else context.row_weight > 0
        places = len(rows) // len(x)
        share = np.repeat(counted / (places * counted.sum()), places).astype(x.dtype)
        mean = share @ x.reshape(rows.shape)
        np.subtract(x, mean, out=normalised)
        variance = share @ np.square(rows)
        decay = bound.layer.decay
        for name, value in (("mean", mean), ("variance", variance)):
            context.update(bound, name, decay * bound.parameters[name] + (1 - decay) * value)
    else:
        np.subtract(x, mean, out=normalised)
    normalised *= (inverse := 1 / np.sqrt(variance + bound.layer.epsilon))

    def backward(delta: Float, wanted: bool) -> Float:
        delta = _scale_backward(bound, delta, normalised, context)
        if wanted:
            flat = delta.reshape(rows.shape)
            total, projection = flat.sum(axis=0), np.einsum("ij,ij->j", flat, rows)
            np.multiply(rows, projection, out=rows)
            np.add(rows, total, out=rows)
            np.multiply(rows, share[:, None], out=rows)
            flat -= rows
            flat *= inverse
        return delta

    return _scale(bound, normalised, context), backward


def _scale(bound: Bound, normalised: Float, context: NumpyContext) -> Float:
    """Return `normalised · scale + bias`."""
    y = context.array(bound, "output", normalised.shape)
    np.multiply(normalised, bound.parameters["scale"], out=y)
    y += bound.parameters["bias"]
    context.overwritable = y
    return y


def _scale_backward(bound: Bound, delta: Float, normalised: Float, context: NumpyContext) -> Float:
    """Write the gradients of scale and bias; return that of `normalised`."""
    flat = delta.reshape(-1, delta.shape[-1])
    rows = normalised.reshape(flat.shape)
    np.einsum("ij,ij->j", flat, rows, out=context.gradient(bound, "scale"))
    context.workspace.sum_rows(flat, context.gradient(bound, "bias"))
    flat *= bound.parameters["scale"]
    return flat.reshape(delta.shape)


def flatten(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Lay each row out in one axis."""
    return reshape(bound, x, context)


def reshape(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Lay each row out in another shape."""

    def backward(delta: Float, wanted: bool) -> Float:
        return delta.reshape(x.shape)

    return x.reshape(len(x), *bound.output_shape), backward


def residual(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """`x + layers(x)`; the gradient goes both ways back, and the two are added."""
    # It is added after the layers have run: they must leave it as it is.
    context.overwritable = None
    inner, inner_backward = forward(bound.inner, x, context)
    y = np.add(x, inner, out=context.array(bound, "output", x.shape))

    def backward(delta: Float, wanted: bool) -> Float:
        if not wanted:
            return inner_backward(delta, False)
        out = context.array(bound, "delta", x.shape)
        out[...] = delta
        out += inner_backward(delta, True)
        return out

    context.overwritable = y
    return y, backward


def repeat_vector(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Show each row at every time; its gradient is the sum over time."""
    y = np.broadcast_to(x[:, None], (len(x), *bound.output_shape))

    def backward(delta: Float, wanted: bool) -> Float:
        return delta.sum(axis=1) if wanted else delta

    return y, backward


def gaussian_latent(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Mean `m` and bounded log-variance `s` by two dense heads; `m + exp(s / 2) · draw`, or `m`.

    With w the weight of the KL divergence and δ the gradient of the output, the gradients are
    `δ + w · m` in m and `(δ · draw · exp(s / 2) + w · (exp(s) - 1)) / 2` in s.
    """
    assert isinstance(bound.layer, GaussianLatent)
    layer = bound.layer
    spread = "log_variance_kernel", "log_variance_bias"
    mean, mean_backward = dense(bound, x, context)
    if not layer.beta or (context.mode == "score" and not layer.kl_in_score):

        def backward_of_mean(delta: Float, wanted: bool) -> Float:
            for name in spread:
                context.gradient(bound, name).fill(0)
            return mean_backward(delta, wanted)

        return mean, backward_of_mean

    raw, raw_backward = dense(bound, x, context, *spread)
    log_variance = LOG_VARIANCE_BOUND * np.tanh(raw / LOG_VARIANCE_BOUND)
    variance = np.exp(log_variance)
    weight = layer.beta * context.schedule("kl_weight") / context.n_elements
    terms = mean**2 + variance - log_variance - 1
    context.penalise(0.5 * weight * terms.sum(axis=-1).ravel())
    draws = context.draws.get(bound.name)
    noise = None if draws is None else np.sqrt(variance) * draws
    context.overwritable = None

    def backward(delta: Float, wanted: bool) -> Float:
        assert context.penalty_factor is not None
        factor = weight * context.penalty_factor[:, None]
        d_raw = factor * (variance - 1)
        if noise is not None:
            d_raw += delta * noise
        d_raw *= 0.5 * (1 - np.square(log_variance / LOG_VARIANCE_BOUND))
        delta += factor * mean
        from_mean = mean_backward(delta, wanted)
        from_variance = raw_backward(d_raw, wanted)
        return np.add(from_mean, from_variance, out=from_mean) if wanted else delta

    return (mean if noise is None else mean + noise), backward


def gaussian_output(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Return the means, the first half of the last axis."""
    channels = bound.output_shape[-1]

    def backward(delta: Float, wanted: bool) -> Float:
        return np.concatenate([delta, np.zeros_like(delta)], axis=-1) if wanted else delta

    return x[..., :channels], backward


def input_noise(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Add noise, put zeros, or take elements from other rows, to which their gradients then go."""
    assert isinstance(bound.layer, InputNoise)
    noise, amount = bound.layer.noise, bound.layer.amount
    draws = context.draws.get(bound.name)
    if draws is None:
        return x, _pass_back
    y = context.array(bound, "output", x.shape)
    if noise == "gaussian":
        np.multiply(draws, amount, out=y)
        y += x
        return y, _pass_back
    if noise == "masking":
        kept = draws >= amount
        np.multiply(x, kept, out=y)

        def backward_of_kept(delta: Float, wanted: bool) -> Float:
            delta *= kept
            return delta

        return y, backward_of_kept

    n = len(x) if context.row_weight is None else np.count_nonzero(context.row_weight)
    own = np.arange(len(x)).reshape(-1, *(1,) * (x.ndim - 1))
    other = np.minimum((draws / amount * n).astype(np.intp), n - 1)
    source = np.where(draws < amount, other, own)
    y[...] = np.take_along_axis(x, source, axis=0)

    def backward(delta: Float, wanted: bool) -> Float:
        if not wanted:
            return delta
        size = prod(bound.input_shape)
        element = source.reshape(-1, size) * size + np.arange(size)
        sums = np.bincount(element.ravel(), delta.ravel(), minlength=x.size)
        return sums.reshape(x.shape).astype(x.dtype)

    return y, backward


def activity_regularization(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Add `l1 · mean |x|` to each row's loss; its gradient is `l1 · sign(x)` over the elements."""
    assert isinstance(bound.layer, ActivityRegularization)
    if context.mode == "score":
        return x, _pass_back
    # It is needed on the way back.
    context.overwritable = None
    size = prod(bound.input_shape)
    factor = bound.layer.l1 / size
    context.penalise(factor * np.abs(x).reshape(-1, size).sum(axis=1))

    def backward(delta: Float, wanted: bool) -> Float:
        if wanted:
            assert context.penalty_factor is not None
            rows = (factor * context.penalty_factor).reshape(-1, *(1,) * (x.ndim - 1))
            delta += rows * np.sign(x)
        return delta

    return x, backward


def _pass_back(delta: Float, wanted: bool) -> Float:
    return delta


LAYERS: dict[str, Callable[[Bound, Float, NumpyContext], Result]] = {
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
"""The function of each kind of layer."""
