"""Layers that move a window over time or over an image."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from operator import index
from typing import Any, ClassVar, NamedTuple

from aeanom.architectures.layers.base import (
    INITIALIZERS,
    Layer,
    Parameter,
    Shape,
    bias_initializer,
    check_choice,
    positive,
    positive_tuple,
    spatial_axes,
)
from aeanom.errors import ArchitectureError


class Geometry(NamedTuple):
    """A window that moves over the axes of a row before its channels: one entry an axis.

    `edges` are cells before and after each axis: zeros added for a convolution, cells taken away
    for a transposed one.
    """

    window: tuple[int, ...]
    strides: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Convolution(Layer):
    filters: int
    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] = 1
    padding: str | tuple[tuple[int, int], ...] = "same"
    use_bias: bool = True
    initializer: str = "glorot_uniform"
    rank: ClassVar[int] = 0

    def __post_init__(self) -> None:
        positive(self, "filters")
        positive_tuple(self, "kernel_size", self.rank)
        positive_tuple(self, "stride", self.rank)
        check_choice(self, "initializer", INITIALIZERS)
        if self.padding not in ("same", "valid"):
            object.__setattr__(self, "padding", _edges(self, self.padding, self.rank))

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the places of the window, then `filters`."""
        window, strides, edges = self.geometry(input_shape)
        sizes = (
            (size + sum(edge) - cells) // stride + 1
            for size, cells, stride, edge in zip(input_shape, window, strides, edges, strict=False)
        )
        return (*sizes, self.filters)

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Kernel of shape (*kernel_size, in, filters), then bias."""
        window: tuple[int, ...] = self.kernel_size  # type: ignore[assignment]
        fans = prod(window) * input_shape[-1], prod(window) * self.filters
        shape = (*window, input_shape[-1], self.filters)
        kernel = Parameter("kernel", shape, self.initializer, *fans)
        bias = Parameter("bias", (self.filters,), bias_initializer(self.initializer), *fans)
        return (kernel, bias) if self.use_bias else (kernel,)

    def geometry(self, input_shape: Shape) -> Geometry:
        """Window, strides, and zeros before and after each axis, as numbers."""
        spatial = spatial_axes(self, input_shape, self.rank)
        window: tuple[int, ...] = self.kernel_size  # type: ignore[assignment]
        strides: tuple[int, ...] = self.stride  # type: ignore[assignment]
        if self.padding == "valid":
            return Geometry(window, strides, ((0, 0),) * self.rank)
        if self.padding != "same":
            return Geometry(window, strides, self.padding)  # type: ignore[arg-type]
        # As many places as ⌈size / stride⌉; an odd zero goes behind.
        totals = (
            max((-(-size // stride) - 1) * stride + cells - size, 0)
            for size, cells, stride in zip(spatial, window, strides, strict=True)
        )
        return Geometry(window, strides, tuple((total // 2, -(-total // 2)) for total in totals))


@dataclass(frozen=True)
class Conv1D(_Convolution):
    """Convolution over time, of rows of shape `(time, channels)`.

    As everywhere in deep learning it is a cross-correlation:
    `y[t, o] = bias[o] + Σ_k Σ_i x[t · stride + k - before, i] · kernel[k, i, o]`.

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size, stride : int
    padding : {"same", "valid"} or ((before, after),)
        Zeros put before and after the row: so many that there are ⌈time / stride⌉ places, none,
        or the numbers themselves.
    use_bias : bool
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
    """

    rank: ClassVar[int] = 1
    kind: ClassVar[str] = "conv1d"


@dataclass(frozen=True)
class Conv2D(_Convolution):
    """Convolution over rows of shape `(height, width, channels)`; kernels are `(h, w, in, out)`.

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size, stride : int or pair of int
    padding : {"same", "valid"} or ((top, bottom), (left, right))
        Zeros put around the row: so many that there are ⌈size / stride⌉ places, none, or the
        numbers themselves.
    use_bias : bool
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
    """

    rank: ClassVar[int] = 2
    kind: ClassVar[str] = "conv2d"


@dataclass(frozen=True)
class Conv2DTranspose(_Convolution):
    """Transposed convolution, "full, then crop"; kernels are `(h, w, in, out)`.

    Every input place adds its kernel, times its values, to a window of the full output, which has
    `(size - 1) · stride + kernel` cells an axis; then cells are cropped from its edges.

    Parameters
    ----------
    filters : int
        Channels of the output.
    kernel_size, stride : int or pair of int
    padding : {"same", "valid"} or ((top, bottom), (left, right))
        Cells cropped: so many that `size · stride` are left (an odd one behind), none, or the
        numbers themselves.
    use_bias : bool
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
    """

    rank: ClassVar[int] = 2
    kind: ClassVar[str] = "conv2d_transpose"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the full size less what is cropped, then `filters`."""
        window, strides, edges = self.geometry(input_shape)
        sizes = (
            (size - 1) * stride + cells - sum(edge)
            for size, cells, stride, edge in zip(input_shape, window, strides, edges, strict=False)
        )
        return (*sizes, self.filters)

    def geometry(self, input_shape: Shape) -> Geometry:
        """Window, strides, and cells cropped before and after each axis, as numbers."""
        spatial_axes(self, input_shape, self.rank)
        window: tuple[int, ...] = self.kernel_size  # type: ignore[assignment]
        strides: tuple[int, ...] = self.stride  # type: ignore[assignment]
        if self.padding == "valid":
            return Geometry(window, strides, ((0, 0),) * self.rank)
        if self.padding != "same":
            return Geometry(window, strides, self.padding)  # type: ignore[arg-type]
        totals = [cells - stride for cells, stride in zip(window, strides, strict=True)]
        if min(totals) < 0:
            raise ArchitectureError(
                f"Conv2DTranspose with padding 'same' needs a kernel no smaller than its stride, "
                f"got kernel_size {window} and stride {strides}"
            )
        return Geometry(window, strides, tuple((total // 2, -(-total // 2)) for total in totals))


@dataclass(frozen=True)
class Upsample(Layer):
    """Every cell repeated `factor` times along each axis but the channels (nearest neighbour).

    Parameters
    ----------
    factor : int or tuple of int
        One for all axes, or one an axis.
    """

    factor: int | tuple[int, ...] = 2
    kind: ClassVar[str] = "upsample"

    def __post_init__(self) -> None:
        positive_tuple(self, "factor")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with all axes but the last multiplied."""
        spatial = spatial_axes(self, input_shape)
        factors = self.factors(input_shape)
        sizes = (size * factor for size, factor in zip(spatial, factors, strict=True))
        return (*sizes, input_shape[-1])

    def factors(self, input_shape: Shape) -> tuple[int, ...]:
        """One factor for each axis but the channels."""
        return _per_axis(self, self.factor, input_shape)


@dataclass(frozen=True)
class _Pool(Layer):
    size: int | tuple[int, ...] = 2

    def __post_init__(self) -> None:
        positive_tuple(self, "size")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the whole windows an axis, then the channels."""
        spatial = spatial_axes(self, input_shape)
        window = self.window(input_shape)
        sizes = (size // cells for size, cells in zip(spatial, window, strict=True))
        return (*sizes, input_shape[-1])

    def window(self, input_shape: Shape) -> tuple[int, ...]:
        """One size for each axis but the channels."""
        return _per_axis(self, self.size, input_shape)


@dataclass(frozen=True)
class MaxPool(_Pool):
    """The largest value of each window, window by window; what no whole window covers is left out.

    Where several are largest, which on blank image borders is the rule, the gradient is shared
    among them equally.

    Parameters
    ----------
    size : int or tuple of int
        Of a window, and the step to the next; one for all axes, or one an axis.
    """

    kind: ClassVar[str] = "max_pool"


@dataclass(frozen=True)
class AveragePool(_Pool):
    """The mean of each window, window by window; what no whole window covers is left out.

    Parameters
    ----------
    size : int or tuple of int
        Of a window, and the step to the next; one for all axes, or one an axis.
    """

    kind: ClassVar[str] = "average_pool"


def _per_axis(layer: Layer, value: Any, input_shape: Shape) -> tuple[int, ...]:
    rank = len(spatial_axes(layer, input_shape))
    sizes: tuple[int, ...] = value * rank if len(value) == 1 else value
    if len(sizes) != rank:
        raise ArchitectureError(
            f"{type(layer).__name__} has {len(sizes)} sizes, but rows of shape {input_shape} need "
            f"{rank}"
        )
    return sizes


def _edges(layer: Layer, value: Any, rank: int) -> tuple[tuple[int, int], ...]:
    try:
        edges = tuple((index(before), index(after)) for before, after in value)
    except (TypeError, ValueError):
        edges = ()
    if len(edges) != rank or min(map(min, edges)) < 0:
        raise ArchitectureError(
            f"{type(layer).__name__} needs padding 'same', 'valid' or {rank} pairs of whole "
            f"numbers of at least 0, got {value!r}"
        )
    return edges
