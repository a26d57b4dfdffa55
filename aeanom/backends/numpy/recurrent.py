"""The layers that go through a row time by time, and back through time."""

from __future__ import annotations

import numpy as np

from aeanom.architectures import GRU, LSTM
from aeanom.backends.numpy.activations import FUNCTIONS
from aeanom.backends.numpy.context import Bound, NumpyContext, Result
from aeanom.core.weights import Float


def lstm(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Gates i, f, g, o; `c ← f · c + i · g` and `h ← o · tanh(c)`.

    Backwards in time, with δh and δc the gradients that come from what is later::

        δc ← δc + δh · o · (1 - tanh²(c))        δi = δc · g      δf = δc · c₋₁
        δo = δh · tanh(c)                        δg = δc · i      δc₋₁ = δc · f

    Times the slopes of the gates' own functions these are the gradients of the gates' sums, and
    those times `recurrent_kernel.T` are δh₋₁.
    """
    assert isinstance(bound.layer, LSTM)
    units, sequences = bound.layer.units, bound.layer.return_sequences
    recurrent_kernel = bound.parameters["recurrent_kernel"]
    steps, gates = _input_sums(bound, x, context)
    times, n, _ = gates.shape
    i, f, g, o = _parts(gates, units)
    h, c = (_by_time(bound, name, (times + 1, n, units), context) for name in "hc")
    tanh_c = _by_time(bound, "tanh_c", (times, n, units), context)
    product = context.array(bound, "product", (n, 4 * units))
    h[0], c[0] = 0, 0
    for t in range(times):
        gates[t] += np.matmul(h[t], recurrent_kernel, out=product)
        _sigmoid(gates[t, :, : 2 * units])
        np.tanh(g[t], out=g[t])
        _sigmoid(o[t])
        np.multiply(f[t], c[t], out=c[t + 1])
        c[t + 1] += i[t] * g[t]
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(o[t], tanh_c[t], out=h[t + 1])

    def backward(delta: Float, wanted: bool) -> Float:
        d_h = np.zeros_like(h[0]) if sequences else delta
        d_c = np.zeros_like(c[0])
        for t in reversed(range(times)):
            if sequences:
                d_h += delta[:, t]
            d_c += d_h * o[t] * (1 - tanh_c[t] ** 2)
            # The right side is computed from the gates before they are overwritten.
            i[t], f[t], g[t], o[t], d_c = (
                d_c * g[t] * i[t] * (1 - i[t]),
                d_c * c[t] * f[t] * (1 - f[t]),
                d_c * i[t] * (1 - g[t] ** 2),
                d_h * tanh_c[t] * o[t] * (1 - o[t]),
                d_c * f[t],
            )
            d_h = gates[t] @ recurrent_kernel.T
        _recurrent_gradient(bound, h, gates, context)
        return _input_backward(bound, steps, gates, context, wanted)

    return (h[1:].swapaxes(0, 1) if sequences else h[-1]), backward


def gru(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Gates r, z, n of sums a from the input and b from the state; `h ← (1 - z) · n + z · h`.

    Backwards in time, with δh the gradient that comes from what is later and b_n its sum with the
    recurrent bias::

        δn = δh · (1 - z)      δz = δh · (h₋₁ - n)      δa_n = δn · (1 - n²)
        δb_n = δa_n · r        δr = δa_n · b_n          δh₋₁ = δh · z + δb @ recurrent_kernel.T
    """
    assert isinstance(bound.layer, GRU)
    units, sequences = bound.layer.units, bound.layer.return_sequences
    recurrent_kernel = bound.parameters["recurrent_kernel"]
    steps, gates = _input_sums(bound, x, context)
    times, n, _ = gates.shape
    r, z, new = _parts(gates, units)
    h = _by_time(bound, "h", (times + 1, n, units), context)
    sums = _by_time(bound, "sums", gates.shape, context)
    new_sums = sums[..., 2 * units :]
    h[0] = 0
    for t in range(times):
        np.matmul(h[t], recurrent_kernel, out=sums[t])
        new_sums[t] += bound.parameters["recurrent_bias"]
        gates[t, :, : 2 * units] += sums[t, :, : 2 * units]
        _sigmoid(gates[t, :, : 2 * units])
        new[t] += r[t] * new_sums[t]
        np.tanh(new[t], out=new[t])
        np.subtract(h[t], new[t], out=h[t + 1])
        h[t + 1] *= z[t]
        h[t + 1] += new[t]

    def backward(delta: Float, wanted: bool) -> Float:
        d_h = np.zeros_like(h[0]) if sequences else delta
        for t in reversed(range(times)):
            if sequences:
                d_h += delta[:, t]
            d_new = d_h * (1 - z[t]) * (1 - new[t] ** 2)
            # The right side is computed from the gates before they are overwritten.
            r[t], z[t], new[t], new_sums[t], d_h = (
                d_new * new_sums[t] * r[t] * (1 - r[t]),
                d_h * (h[t] - new[t]) * z[t] * (1 - z[t]),
                d_new,
                d_new * r[t],
                d_h * z[t],
            )
            sums[t, :, : 2 * units] = gates[t, :, : 2 * units]
            d_h += sums[t] @ recurrent_kernel.T
        new_sums_flat = new_sums.reshape(-1, units)
        context.workspace.sum_rows(new_sums_flat, context.gradient(bound, "recurrent_bias"))
        _recurrent_gradient(bound, h, sums, context)
        return _input_backward(bound, steps, gates, context, wanted)

    return (h[1:].swapaxes(0, 1) if sequences else h[-1]), backward


def _input_sums(bound: Bound, x: Float, context: NumpyContext) -> tuple[Float, Float]:
    """Return rows time by time, `(time · n, channels)`, and theirs `@ kernel + bias` at once.

    The latter have the shape `(time, n, gates · units)`.
    """
    n, times, channels = x.shape
    kernel = bound.parameters["kernel"]
    steps = np.ascontiguousarray(x.swapaxes(0, 1)).reshape(-1, channels)
    sums = context.array(bound, "gates", (len(steps), kernel.shape[1]))
    np.matmul(steps, kernel, out=sums)
    sums += bound.parameters["bias"]
    return steps, sums.reshape(times, n, -1)


def _input_backward(
    bound: Bound, steps: Float, delta: Float, context: NumpyContext, wanted: bool
) -> Float:
    """Write the gradients of kernel and bias, given that of `_input_sums`; return the input's."""
    times, n, _ = delta.shape
    flat = delta.reshape(len(steps), -1)
    np.matmul(steps.T, flat, out=context.gradient(bound, "kernel"))
    context.workspace.sum_rows(flat, context.gradient(bound, "bias"))
    if not wanted:
        return delta
    out = context.array(bound, "delta", steps.shape)
    np.matmul(flat, bound.parameters["kernel"].T, out=out)
    return out.reshape(times, n, -1).swapaxes(0, 1)


def _recurrent_gradient(bound: Bound, h: Float, delta: Float, context: NumpyContext) -> None:
    """Write the gradient of the recurrent kernel, given that of `h[t] @ recurrent_kernel`."""
    before = h[:-1].reshape(-1, h.shape[-1])
    flat = delta.reshape(len(before), -1)
    np.matmul(before.T, flat, out=context.gradient(bound, "recurrent_kernel"))


def _by_time(bound: Bound, name: str, shape: tuple[int, int, int], context: NumpyContext) -> Float:
    """Return a workspace array of shape (time, n, width)."""
    times, n, width = shape
    return context.array(bound, name, (times * n, width)).reshape(shape)


def _parts(gates: Float, units: int) -> list[Float]:
    """View each gate."""
    return [gates[..., start : start + units] for start in range(0, gates.shape[-1], units)]


def _sigmoid(x: Float) -> None:
    FUNCTIONS["sigmoid"].forward(x, x)
