"""The layers of `aeanom.architectures`, on torch tensors, in the same order.

A layer is one function that autograd can differentiate. Training takes the gradients of each
layer by itself (`forward` returns the way back), so that dense layers, activations and dropout
can write into tensors that are used again in every step: for a dense network on a CPU, autograd
with its fresh tensors takes a fifth longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

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
    Geometry,
    InputNoise,
    LayerNorm,
    MaxPool,
    Upsample,
)
from aeanom.backends.torch.activations import FUNCTIONS, IN_PLACE
from aeanom.backends.torch.context import Bound, Result, TorchContext
from aeanom.core.layers import Context, run, run_flattened, run_with_backward


def forward(layers: Iterable[Bound], x: Tensor, context: TorchContext) -> Result:
    """Send rows through layers in training; `backward` goes the whole way back."""
    return run_with_backward(lambda kind: DIRECT.get(kind, by_autograd), layers, x, context)


def dense(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """`x @ kernel + bias`.

    Not `torch.nn.Linear`, whose product with the transposed weight takes longer.
    """
    y: Tensor = x @ bound.parameters["kernel"]
    bias = bound.parameters.get("bias")
    context.overwritable = y = y if bias is None else y.add_(bias)
    return y


def activation(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Apply an element-wise function; without gradients in place, where that is allowed."""
    assert isinstance(bound.layer, Activation)
    in_place = IN_PLACE.get(bound.layer.function)
    if in_place is None or x is not context.overwritable or torch.is_grad_enabled():
        return FUNCTIONS[bound.layer.function](x)
    return in_place.forward(x)


def dropout(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Multiply by 0 or 1 / (1 - rate)."""
    assert isinstance(bound.layer, Dropout)
    draws = context.draws.get(bound.name)
    if draws is None:
        return x
    return x * (draws >= bound.layer.rate) / (1 - bound.layer.rate)


def layer_norm(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Normalise the last axis."""
    assert isinstance(bound.layer, LayerNorm)
    scale, bias = bound.parameters["scale"], bound.parameters["bias"]
    return functional.layer_norm(x, x.shape[-1:], scale, bias, bound.layer.epsilon)


def batch_norm(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Normalise each channel; in training by the rows of the batch that are not padding.

    Not `torch.nn.functional.batch_norm`, which knows no padding.
    """
    assert isinstance(bound.layer, BatchNorm)
    scale, bias = bound.parameters["scale"], bound.parameters["bias"]
    mean, variance = bound.parameters["mean"], bound.parameters["variance"]
    # Moments have the precision of the buffers: bfloat16 could not even count the rows.
    dtype, x = x.dtype, x.to(mean.dtype)
    if context.mode == "train":
        mean, variance = _batch_moments(x, context.row_weight)
        decay = bound.layer.decay
        for name, value in (("mean", mean.detach()), ("variance", variance.detach())):
            context.update(bound, name, decay * bound.parameters[name] + (1 - decay) * value)
    factor = scale.to(x.dtype) * torch.rsqrt(variance + bound.layer.epsilon)
    return torch.addcmul(bias.to(x.dtype), x - mean, factor).to(dtype)


def flatten(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Put all elements of a row in one axis."""
    return reshape(bound, x, context)


def reshape(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Give the elements of a row another shape."""
    return x.reshape(-1, *bound.output_shape)


def residual(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Add what the inner layers make of the input to it."""
    return x + run(LAYERS, bound.inner, x, context)


def conv1d(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Convolve over time: an image of height 1."""
    assert isinstance(bound.layer, Conv1D)
    (window,), (stride,), (edges,) = bound.layer.geometry(bound.input_shape)
    geometry = Geometry((1, window), (1, stride), ((0, 0), edges))
    kernel = bound.parameters["kernel"].unsqueeze(0)
    return _convolve(x.unsqueeze(1), kernel, bound.parameters.get("bias"), geometry).squeeze(1)


def conv2d(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Convolve over height and width."""
    assert isinstance(bound.layer, Conv2D)
    geometry = bound.layer.geometry(bound.input_shape)
    return _convolve(x, bound.parameters["kernel"], bound.parameters.get("bias"), geometry)


def conv2d_transpose(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Let every place add its kernel to a window of the full output; crop that."""
    assert isinstance(bound.layer, Conv2DTranspose)
    _, strides, edges = bound.layer.geometry(bound.input_shape)
    y = functional.conv_transpose2d(
        x.permute(0, 3, 1, 2),
        # (height, width, in, out) as (in, out, height, width).
        bound.parameters["kernel"].permute(2, 3, 0, 1).contiguous(),
        bound.parameters.get("bias"),
        stride=strides,
        padding=[min(edge) for edge in edges],
    ).permute(0, 2, 3, 1)
    # The operator crops both edges alike; this is the rest.
    for axis, (before, after) in enumerate(edges, start=1):
        if before != after:
            y = y.narrow(axis, max(before - after, 0), bound.output_shape[axis - 1])
    return y


def upsample(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Repeat every cell along each axis but the channels."""
    assert isinstance(bound.layer, Upsample)
    # "nearest" is twice as quick, but multiplies by 1 / factor, which is rounded for all but powers
    # of two, and then takes a wrong cell here and there.
    factors = bound.layer.factors(bound.input_shape)
    mode = "nearest" if all(factor.bit_count() == 1 for factor in factors) else "nearest-exact"
    size = list(bound.output_shape[:-1])
    return functional.interpolate(x.movedim(-1, 1), size, mode=mode).movedim(1, -1)


def max_pool(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Take the largest value of each window; `amax` shares the gradient among equals.

    Not `torch.nn.functional.max_pool2d`, which gives it to the first of them.
    """
    return _windows(bound, x).amax(0)


def average_pool(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Take the mean of each window."""
    return _windows(bound, x).mean(0)


def lstm(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Long short-term memory by torch's fused operator, whose second bias is zero."""
    assert isinstance(bound.layer, LSTM)
    bias = bound.parameters["bias"]
    weights = _recurrent_weights(bound, torch.zeros_like(bias))
    start = x.new_zeros(1, len(x), bound.layer.units)
    states, last, _ = torch.lstm(x, (start, start), weights, *_recurrent_settings())
    return states if bound.layer.return_sequences else last[0]


def gru(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Gated recurrent unit by torch's fused operator, whose second bias is that of n alone."""
    assert isinstance(bound.layer, GRU)
    recurrent_bias = functional.pad(bound.parameters["recurrent_bias"], (2 * bound.layer.units, 0))
    weights = _recurrent_weights(bound, recurrent_bias)
    start = x.new_zeros(1, len(x), bound.layer.units)
    states, last = torch.gru(x, start, weights, *_recurrent_settings())
    return states if bound.layer.return_sequences else last[0]


def repeat_vector(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Repeat a flat row at every time."""
    return x.unsqueeze(1).expand(-1, *bound.output_shape)


def gaussian_latent(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Draw around the mean in training; add the KL divergence to the rows' losses."""
    layer, parameters = bound.layer, bound.parameters
    assert isinstance(layer, GaussianLatent)
    mean = torch.addmm(parameters["bias"], x, parameters["kernel"])
    if layer.beta == 0 or (context.mode == "score" and not layer.kl_in_score):
        return mean
    raw = torch.addmm(parameters["log_variance_bias"], x, parameters["log_variance_kernel"])
    log_variance = LOG_VARIANCE_BOUND * torch.tanh(raw / LOG_VARIANCE_BOUND)
    divergence = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(-1)
    weight = layer.beta * context.schedule("kl_weight") / context.n_elements
    context.penalise(weight * divergence)
    draws = context.draws.get(bound.name)
    return mean if draws is None else mean + torch.exp(log_variance / 2) * draws.to(x.dtype)


def gaussian_output(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Return the means, the first half of the last axis."""
    return x.narrow(-1, 0, bound.output_shape[-1])


def input_noise(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Add noise, put zeros, or swap elements with other rows."""
    assert isinstance(bound.layer, InputNoise)
    draws, amount = context.draws.get(bound.name), bound.layer.amount
    if draws is None:
        return x
    if bound.layer.noise == "gaussian":
        return x + amount * draws.to(x.dtype)
    if bound.layer.noise == "masking":
        return x * (draws >= amount)
    rows = torch.arange(len(x), device=x.device).reshape(-1, *(1,) * (x.dim() - 1))
    weight = context.row_weight
    n_rows = len(x) if weight is None else (weight > 0).sum()
    other = (draws / amount * n_rows).long().clamp(max=n_rows - 1)
    return x.gather(0, torch.where(draws < amount, other, rows))


def activity_regularization(bound: Bound, x: Tensor, context: Context[Tensor]) -> Tensor:
    """Return the input; add its mean magnitude to the rows' losses."""
    assert isinstance(bound.layer, ActivityRegularization)
    if context.mode != "score":
        context.penalise(bound.layer.l1 * x.abs().flatten(1).mean(1))
    return x


LAYERS: dict[str, Callable[[Bound, Tensor, Context[Tensor]], Tensor]] = {
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


def _batch_moments(x: Tensor, row_weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean and variance over all axes but the last, of the rows that are not padding."""
    axes = tuple(range(x.dim() - 1))
    if row_weight is None:
        variance, mean = torch.var_mean(x, axes, correction=0)
        return mean, variance
    counted = (row_weight > 0).to(x.dtype).reshape(-1, *(1,) * len(axes))
    count = counted.sum() * (x[0].numel() // x.shape[-1])
    mean = (x * counted).sum(axes) / count
    return mean, ((x - mean).square() * counted).sum(axes) / count


def _convolve(x: Tensor, kernel: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Convolve images.

    Channels last is one of torch's memory formats: rows are not copied for it. Kernels are, since
    in float64 the operator fails on some that are not contiguous.
    """
    (top, bottom), (left, right) = geometry.edges
    padding = (top, left)
    if padding != (bottom, right):
        # The operator pads both edges alike.
        x = functional.pad(x, (0, 0, left, right, top, bottom))
        padding = (0, 0)
    y = functional.conv2d(
        x.permute(0, 3, 1, 2),
        # (height, width, in, out) as (out, in, height, width).
        kernel.permute(3, 2, 0, 1).contiguous(),
        bias,
        stride=geometry.strides,
        padding=padding,
    )
    return y.permute(0, 2, 3, 1)


def _windows(bound: Bound, x: Tensor) -> Tensor:
    """Return the cells of each window along a new first axis: (cells, n, *places, channels).

    Reducing the first axis is several times as quick as reducing axes in between.
    """
    assert isinstance(bound.layer, MaxPool | AveragePool)
    window = bound.layer.window(bound.input_shape)
    pairs = list(zip(bound.output_shape, window, strict=False))
    for axis, (places, size) in enumerate(pairs, start=1):
        x = x.narrow(axis, 0, places * size)
    x = x.reshape(-1, *(part for pair in pairs for part in pair), x.shape[-1])
    cells = range(2, x.dim() - 1, 2)
    return x.movedim(tuple(cells), tuple(range(len(cells)))).flatten(0, len(cells) - 1)


def _recurrent_weights(bound: Bound, recurrent_bias: Tensor) -> list[Tensor]:
    """Transpose the kernels and lay all weights into one chunk, as cuDNN wants them."""
    parameters = bound.parameters
    kernels = parameters["kernel"].t(), parameters["recurrent_kernel"].t()
    weights = (*kernels, parameters["bias"], recurrent_bias)
    chunk = torch.cat([weight.flatten() for weight in weights])
    pieces = torch.split(chunk, [weight.numel() for weight in weights])
    return [piece.view(weight.shape) for piece, weight in zip(pieces, weights, strict=True)]


def _recurrent_settings() -> tuple[bool, int, float, bool, bool, bool]:
    """Return has_biases, num_layers, dropout, train, bidirectional and batch_first."""
    return True, 1, 0.0, torch.is_grad_enabled(), False, True


def by_autograd(bound: Bound, x: Tensor, context: TorchContext) -> Result:
    """Apply any layer; `backward` is autograd's, for this layer alone."""
    parameters = dict(_trainable(bound))
    n_penalties = len(context.penalties)
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = LAYERS[bound.layer.kind](bound, x, context)
    penalties = context.penalties[n_penalties:]
    context.penalties[n_penalties:] = [penalty.detach() for penalty in penalties]

    def backward(delta: Tensor, wanted: bool) -> Tensor:
        sources = [*parameters.values(), *([x] if wanted else [])]
        if not sources:
            return delta
        factors = [context.penalty_factor] * len(penalties)
        gradients = torch.autograd.grad(
            [y, *penalties], sources, [delta.reshape(y.shape), *factors], materialize_grads=True
        )
        for name, gradient in zip(parameters, gradients, strict=False):
            context.gradients[name].copy_(gradient)
        return gradients[-1]

    return y.detach(), backward


class DenseStep:
    """A dense layer on rows that lie in one tensor: all that a step need not make anew."""

    def __init__(self, bound: Bound, x: Tensor, context: TorchContext) -> None:
        self.x, self._transposed_x = x, x.t()
        self._kernel, self._bias = bound.parameters["kernel"], bound.parameters.get("bias")
        self._transposed_kernel = self._kernel.t()
        self._kernel_gradient = context.gradient(bound, "kernel")
        self._bias_gradient = None if self._bias is None else context.gradient(bound, "bias")
        self._output = context.tensor(bound, "output", (x.shape[0], bound.output_shape[-1]))
        self._make_delta = partial(context.tensor, bound, "delta", x.shape)
        self._delta: Tensor | None = None

    def forward(self) -> Tensor:
        """Return `x @ kernel + bias`."""
        torch.mm(self.x, self._kernel, out=self._output)
        return self._output if self._bias is None else self._output.add_(self._bias)

    def backward(self, delta: Tensor, wanted: bool) -> Tensor:
        """Gradients are `x.T @ delta`, the sum of `delta`, `delta @ kernel.T`."""
        torch.mm(self._transposed_x, delta, out=self._kernel_gradient)
        if self._bias_gradient is not None:
            torch.sum(delta, 0, out=self._bias_gradient)
        if not wanted:
            return delta
        if self._delta is None:
            self._delta = self._make_delta()
        return torch.mm(delta, self._transposed_kernel, out=self._delta)


def dense_direct(bound: Bound, x: Tensor, context: TorchContext) -> Result:
    """Do what `dense` does, with the way back."""
    if len(bound.input_shape) > 1:
        # One product for all times or places of all rows.
        return run_flattened(dense_direct, bound, x, context)
    step: DenseStep | None = context.kept.get(bound.name)
    if step is None or step.x is not x:
        step = context.kept[bound.name] = DenseStep(bound, x, context)
    context.overwritable = y = step.forward()
    return y, step.backward


def activation_direct(bound: Bound, x: Tensor, context: TorchContext) -> Result:
    """Apply an element-wise function, in place where that is allowed."""
    assert isinstance(bound.layer, Activation)
    function = IN_PLACE.get(bound.layer.function)
    if function is None or x is not context.overwritable:
        return by_autograd(bound, x, context)
    # The next one may not overwrite what this one's derivative is had from.
    context.overwritable = None
    y = function.forward(x)
    return y, lambda delta, wanted: function.backward(delta, y)


def dropout_direct(bound: Bound, x: Tensor, context: TorchContext) -> Result:
    """Multiply by 0 or 1 / (1 - rate), and the gradient by the same."""
    assert isinstance(bound.layer, Dropout)
    draws = context.draws.get(bound.name)
    if draws is None:
        return x, lambda delta, wanted: delta
    factors = (draws >= bound.layer.rate).to(x.dtype).div_(1 - bound.layer.rate)
    return x * factors, lambda delta, wanted: delta.mul_(factors)


DIRECT: Mapping[str, Callable[[Bound, Tensor, TorchContext], Result]] = {
    "dense": dense_direct,
    "activation": activation_direct,
    "dropout": dropout_direct,
}


def _trainable(bound: Bound) -> Iterator[tuple[str, Tensor]]:
    for name, parameter in bound.parameters.items():
        if parameter.requires_grad:
            yield f"{bound.name}.{name}", parameter
    for inner in bound.inner:
        yield from _trainable(inner)
