"""The layers that move a window over time or over an image, forward and backward.

A convolution copies the windows of some rows at a time into one matrix, and is a product with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from aeanom.architectures import AveragePool, Conv1D, Conv2D, Conv2DTranspose, MaxPool, Upsample
from aeanom.architectures.layers import Geometry
from aeanom.backends.numpy.context import Bound, NumpyContext, Result
from aeanom.core.weights import Float

BLOCK_BYTES = 2**20
"""Size of the matrix of windows that a convolution makes at a time: it stays in the cache."""


def conv1d(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Convolution over time; see `_convolution`."""
    return _convolution(bound, x, context)


def conv2d(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Convolution over height and width; see `_convolution`."""
    return _convolution(bound, x, context)


def conv2d_transpose(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """`_convolution` the other way round: forward what is backward there, and vice versa."""
    assert isinstance(bound.layer, Conv2DTranspose)
    geometry = bound.layer.geometry(bound.input_shape)
    kernel, bias = bound.parameters["kernel"], bound.parameters.get("bias")
    turned = kernel.swapaxes(-1, -2)
    sizes = map(sum, zip(bound.output_shape[:-1], map(sum, geometry.edges), strict=True))
    full = context.array(bound, "full", (len(x), *sizes, kernel.shape[-1]))
    _spread(x, kernel, geometry, full, context)
    y = _cropped(full, geometry.edges)
    if bias is not None:
        y += bias

    def backward(delta: Float, wanted: bool) -> Float:
        delta = np.ascontiguousarray(delta)
        if bias is not None:
            flat = delta.reshape(-1, len(bias))
            context.workspace.sum_rows(flat, context.gradient(bound, "bias"))
        padded = _padded(bound, delta, geometry.edges, context)
        gradient = context.gradient(bound, "kernel").swapaxes(-1, -2)
        _kernel_gradient(padded, x, geometry, gradient, context)
        if not wanted:
            return delta
        out = context.array(bound, "delta", x.shape)
        _gather(padded, turned, geometry, out, context)
        return out

    context.overwritable = y
    return y, backward


def _convolution(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Gather what lies in each window with the kernel; spread the gradient over the windows."""
    assert isinstance(bound.layer, Conv1D | Conv2D)
    geometry = bound.layer.geometry(bound.input_shape)
    kernel, bias = bound.parameters["kernel"], bound.parameters.get("bias")
    padded = _padded(bound, x, geometry.edges, context)
    y = context.array(bound, "output", (len(x), *bound.output_shape))
    _gather(padded, kernel, geometry, y, context)
    if bias is not None:
        y += bias

    def backward(delta: Float, wanted: bool) -> Float:
        delta = np.ascontiguousarray(delta)
        if bias is not None:
            flat = delta.reshape(-1, len(bias))
            context.workspace.sum_rows(flat, context.gradient(bound, "bias"))
        gradient = context.gradient(bound, "kernel")
        _kernel_gradient(padded, delta, geometry, gradient, context)
        if not wanted:
            return delta
        out = context.array(bound, "delta", padded.shape)
        _spread(delta, kernel.swapaxes(-1, -2), geometry, out, context)
        return _cropped(out, geometry.edges)

    context.overwritable = y
    return y, backward


def _padded(
    bound: Bound, x: Float, edges: tuple[tuple[int, int], ...], context: NumpyContext
) -> Float:
    """Put zeros around each row; without edges it is the array itself."""
    if not any(map(any, edges)):
        return x
    sizes = map(sum, zip(x.shape[1:-1], map(sum, edges), strict=True))
    padded = context.array(bound, "padded", (len(x), *sizes, x.shape[-1]))
    padded.fill(0)
    _cropped(padded, edges)[...] = x
    return padded


def _cropped(padded: Float, edges: tuple[tuple[int, int], ...]) -> Float:
    """View rows without their edges."""
    sizes = padded.shape[1:-1]
    inside = (
        slice(before, size - after) for size, (before, after) in zip(sizes, edges, strict=True)
    )
    return padded[:, *inside]


def _gather(x: Float, kernel: Float, geometry: Geometry, out: Float, context: NumpyContext) -> None:
    """Write each window times the kernel: `out[p] = Σ_k x[p · stride + k] @ kernel[k]`."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    for rows, windows in _windows(x, geometry, context):
        np.matmul(windows, matrix, out=out[rows].reshape(len(windows), -1))


def _spread(x: Float, kernel: Float, geometry: Geometry, out: Float, context: NumpyContext) -> None:
    """Write what `_gather` reads: `out[p · stride + k] += x[p] @ kernel[k]`, over zeros.

    One product for each cell of the window is added to all places of that cell at once.
    """
    out.fill(0)
    for rows in _blocks(len(x), prod(out.shape[1:]) * out.itemsize):
        part = x[rows]
        flat = part.reshape(-1, part.shape[-1])
        product = context.workspace.array("product", (len(flat) * kernel.shape[-1],))
        product = product.reshape(len(flat), -1)
        for cell in np.ndindex(geometry.window):
            places = (
                slice(first, first + stride * size, stride)
                for first, stride, size in zip(
                    cell, geometry.strides, part.shape[1:-1], strict=True
                )
            )
            np.matmul(flat, kernel[cell], out=product)
            out[rows, *places] += product.reshape(*part.shape[:-1], -1)


def _kernel_gradient(
    x: Float, delta: Float, geometry: Geometry, out: Float, context: NumpyContext
) -> None:
    """Write the gradient of `_gather`'s kernel: `out[k] = Σ_p x[p · stride + k].T @ delta[p]`."""
    out.fill(0)
    for rows, windows in _windows(x, geometry, context):
        product = windows.T @ delta[rows].reshape(len(windows), -1)
        out += product.reshape(out.shape)


def _windows(x: Float, geometry: Geometry, context: NumpyContext) -> Iterator[tuple[slice, Float]]:
    """Copy the window at every place, `(places, cells · channels)`, a block of rows at a time."""
    rank = len(geometry.window)
    view = sliding_window_view(x, geometry.window, tuple(range(1, rank + 1)))
    view = view[:, *(slice(None, None, stride) for stride in geometry.strides)]
    # From (n, *places, channels, *cells): cells and channels in the order of the kernel's axes.
    view = np.moveaxis(view, rank + 1, -1)
    width = prod(geometry.window) * x.shape[-1]
    for rows in _blocks(len(x), prod(view.shape[1:]) * x.itemsize):
        part = view[rows]
        windows = context.workspace.array("windows", (part.size,))
        windows.reshape(part.shape)[...] = part
        yield rows, windows.reshape(-1, width)


def _blocks(n: int, row_bytes: int) -> Iterator[slice]:
    step = max(BLOCK_BYTES // row_bytes, 1)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def upsample(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Write each cell into a window; its gradient is the sum over the window."""
    assert isinstance(bound.layer, Upsample)
    factors = bound.layer.factors(bound.input_shape)
    axes = _cell_axes(factors)
    y = context.array(bound, "output", (len(x), *bound.output_shape))
    _split(y, factors)[...] = np.expand_dims(x, axes)

    def backward(delta: Float, wanted: bool) -> Float:
        if not wanted:
            return delta
        out = context.array(bound, "delta", x.shape)
        return _split(delta, factors).sum(axis=axes, out=out)

    context.overwritable = y
    return y, backward


def max_pool(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Take the largest of each window; all that are share its gradient."""
    assert isinstance(bound.layer, MaxPool)
    window = bound.layer.window(bound.input_shape)
    axes = _cell_axes(window)
    windows = _split(x, window)
    y = windows.max(axis=axes, out=context.array(bound, "output", (len(x), *bound.output_shape)))

    def backward(delta: Float, wanted: bool) -> Float:
        if not wanted:
            return delta
        largest = windows == np.expand_dims(y, axes)
        delta /= largest.sum(axis=axes)
        out = context.array(bound, "delta", x.shape)
        out.fill(0)
        np.multiply(largest, np.expand_dims(delta, axes), out=_split(out, window))
        return out

    return y, backward


def average_pool(bound: Bound, x: Float, context: NumpyContext) -> Result:
    """Take the mean of each window; all in it share its gradient."""
    assert isinstance(bound.layer, AveragePool)
    window = bound.layer.window(bound.input_shape)
    axes = _cell_axes(window)
    y = context.array(bound, "output", (len(x), *bound.output_shape))
    _split(x, window).mean(axis=axes, out=y)

    def backward(delta: Float, wanted: bool) -> Float:
        if not wanted:
            return delta
        delta /= prod(window)
        out = context.array(bound, "delta", x.shape)
        out.fill(0)
        _split(out, window)[...] = np.expand_dims(delta, axes)
        return out

    context.overwritable = y
    return y, backward


def _split(x: Float, window: tuple[int, ...]) -> Float:
    """View (n, h, w, c) as whole windows, (n, h // a, a, w // b, b, c), without the rest."""
    counts = [size // cells for size, cells in zip(x.shape[1:-1], window, strict=True)]
    pairs = list(zip(counts, window, strict=True))
    whole = x[:, *(slice(count * cells) for count, cells in pairs)]
    return whole.reshape(len(x), *(size for pair in pairs for size in pair), x.shape[-1])


def _cell_axes(window: tuple[int, ...]) -> tuple[int, ...]:
    """Axes of `_split` that go through a window's cells."""
    return tuple(range(2, 2 * len(window) + 1, 2))
