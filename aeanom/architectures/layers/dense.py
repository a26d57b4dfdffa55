"""Layers for rows of any shape: dense, element-wise, normalising, reshaping, residual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from math import prod
from typing import Any, ClassVar, Self

from aeanom.architectures.layers.base import (
    INITIALIZERS,
    Draws,
    Layer,
    Parameter,
    Shape,
    bias_initializer,
    check_choice,
    layer_from_dict,
    positive,
    positive_float,
    positive_tuple,
    share,
)
from aeanom.errors import ArchitectureError

ACTIVATIONS = (
    "linear",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "tanh",
    "sigmoid",
    "softplus",
)


# Constants of the activations, so that no backend takes its framework's own.
LEAKY_SLOPE = 0.01
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@dataclass(frozen=True)
class Dense(Layer):
    """`y = x @ kernel + bias` over the last axis, with a kernel of shape `(in, units)`.

    Parameters
    ----------
    units : int
        Width of the output.
    use_bias : bool
        Whether a bias of shape `(units,)` is added.
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
        Initial kernel. With `"fan_in"` the bias is drawn too (PyTorch's default), otherwise it
        starts at zero.
    """

    units: int
    use_bias: bool = True
    initializer: str = "glorot_uniform"
    kind: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        positive(self, "units")
        check_choice(self, "initializer", INITIALIZERS)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with `units` as its last axis."""
        return (*input_shape[:-1], self.units)

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Kernel, then bias."""
        fans = input_shape[-1], self.units
        kernel = Parameter("kernel", fans, self.initializer, *fans)
        bias = Parameter("bias", (self.units,), bias_initializer(self.initializer), *fans)
        return (kernel, bias) if self.use_bias else (kernel,)


@dataclass(frozen=True)
class Activation(Layer):
    """An element-wise function.

    The derivative at a kink is fixed, because frameworks differ there: 0 for relu, the slope
    0.01 for leaky_relu, the right-hand value for selu. GELU is the exact one (erf), and softplus
    has no threshold above which it turns linear.

    Parameters
    ----------
    function : str
        One of `ACTIVATIONS`.
    """

    function: str
    kind: ClassVar[str] = "activation"

    def __post_init__(self) -> None:
        check_choice(self, "function", ACTIVATIONS)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return input_shape


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, each element is zero with probability `rate`, the others grow by 1/(1 - rate).

    When scoring it does nothing (inverted dropout, Srivastava et al. 2014). An element is dropped
    where its uniform draw is below `rate`.

    Parameters
    ----------
    rate : float
        In [0, 1).
    """

    rate: float
    kind: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        share(self, "rate")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return input_shape

    def draws(self, input_shape: Shape) -> Draws | None:
        """One uniform draw an element."""
        return Draws("uniform", input_shape) if self.rate else None


@dataclass(frozen=True)
class LayerNorm(Layer):
    """`(x - mean) / √(variance + ε) · scale + bias`, over the last axis (Ba et al. 2016).

    Mean and (biased) variance are those of the last axis: of all features of a flat row, of the
    channels of one time or place otherwise.

    Parameters
    ----------
    epsilon : float
    """

    epsilon: float = 1e-5
    kind: ClassVar[str] = "layer_norm"

    def __post_init__(self) -> None:
        positive_float(self, "epsilon")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return input_shape

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Scale, then bias."""
        channels = input_shape[-1:]
        return Parameter("scale", channels, "ones"), Parameter("bias", channels, "zeros")


@dataclass(frozen=True)
class BatchNorm(Layer):
    """`(x - mean) / √(variance + ε) · scale + bias` for each channel (Ioffe and Szegedy 2015).

    In training, mean and biased variance are those of the batch over all axes but the last; rows
    that only fill up a batch are left out of them. The buffers that scoring uses follow as
    `decay · old + (1 - decay) · batch's`.

    Parameters
    ----------
    decay : float
        Weight of the old value, in [0, 1). (PyTorch's `momentum` is one minus this.)
    epsilon : float
    """

    decay: float = 0.9
    epsilon: float = 1e-5
    kind: ClassVar[str] = "batch_norm"

    def __post_init__(self) -> None:
        positive_float(self, "epsilon")
        share(self, "decay")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return input_shape

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Scale and bias, then the buffers mean and variance."""
        channels = input_shape[-1:]
        return (
            Parameter("scale", channels, "ones"),
            Parameter("bias", channels, "zeros"),
            Parameter("mean", channels, "zeros", trainable=False),
            Parameter("variance", channels, "ones", trainable=False),
        )


@dataclass(frozen=True)
class Flatten(Layer):
    """All elements of a row in one axis, in C order."""

    kind: ClassVar[str] = "flatten"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `(size,)`."""
        return (prod(input_shape),)


@dataclass(frozen=True)
class Reshape(Layer):
    """The same elements in another shape, in C order.

    Parameters
    ----------
    shape : tuple of int
        Of one row.
    """

    shape: Shape
    kind: ClassVar[str] = "reshape"

    def __post_init__(self) -> None:
        positive_tuple(self, "shape")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `shape`; it must have as many elements."""
        if prod(self.shape) != prod(input_shape):
            raise ArchitectureError(
                f"Reshape to {self.shape} needs rows of {prod(self.shape)} elements, got "
                f"{input_shape} with {prod(input_shape)}"
            )
        return self.shape


@dataclass(frozen=True)
class Residual(Layer):
    """`x + layers(x)`: layers with a skip around them (He et al. 2016).

    Parameters
    ----------
    layers : sequence of Layer
        They must return to the shape that they get.
    """

    layers: tuple[Layer, ...]
    kind: ClassVar[str] = "residual"

    def __post_init__(self) -> None:
        layers = tuple(self.layers)
        if not layers or not all(isinstance(layer, Layer) for layer in layers):
            raise ArchitectureError(f"Residual needs a list of layers, got {self.layers!r}")
        object.__setattr__(self, "layers", layers)

    @property
    def inner(self) -> tuple[Layer, ...]:
        """The layers."""
        return self.layers

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        # Not by placing them: layers within layers would be placed twice on every level.
        end = reduce(lambda shape, layer: layer.output_shape(shape), self.layers, input_shape)
        if end != input_shape:
            raise ArchitectureError(
                f"Residual adds its input, of shape {input_shape}, to what its layers return: that "
                f"needs {input_shape} too, got {end}"
            )
        return input_shape

    def to_dict(self) -> dict[str, Any]:
        """Return the description as JSON-able values, its layers too."""
        return {"kind": self.kind, "layers": [layer.to_dict() for layer in self.layers]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` gave, without its `kind`."""
        layers = [layer_from_dict(layer) for layer in values.get("layers", ())]
        return super().from_dict({**values, "layers": layers})
