"""Layers as frozen descriptions: what they are called, the shapes they make, what they hold.

A description computes nothing. Each backend has a native layer of the same name in its own
`layers.py`, in the same order as here. This module imports the standard library and
`aeanom.errors`; read `architecture.py` next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import prod
from operator import index
from typing import Any, ClassVar

from aeanom.errors import ArchitectureError

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "LEAKY_SLOPE",
    "SELU_ALPHA",
    "SELU_SCALE",
    "Activation",
    "Dense",
    "Dropout",
    "Layer",
    "Parameter",
    "Shape",
    "layer_from_dict",
]

Shape = tuple[int, ...]

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
INITIALIZERS = ("glorot_uniform", "he_uniform", "fan_in")

# Constants of the activations, so that no backend takes its framework's own.
LEAKY_SLOPE = 0.01
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


@dataclass(frozen=True)
class Parameter:
    """One array that a layer holds: a row of the architecture's parameter table.

    Attributes
    ----------
    name : str
        Canonical name; within a layer `"kernel"`, within an architecture `"encoder.0.kernel"`.
    shape : tuple of int
        Canonical shape; a dense kernel is `(in, out)`.
    initializer : str
        How its first values are drawn; see `aeanom.core.initializers`.
    fan_in, fan_out : int
        Inputs that one output sums over, and outputs that one input reaches.
    trainable : bool
        False for buffers, which training updates without a gradient.
    """

    name: str
    shape: Shape
    initializer: str
    fan_in: int
    fan_out: int
    trainable: bool = True

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


class Layer(ABC):
    """Base of the layer descriptions."""

    kind: ClassVar[str]

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one row after this layer; raises `ArchitectureError` if it does not fit."""

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Arrays that this layer holds for rows of `input_shape`."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """Return the description as JSON-able values, `kind` first."""
        return {"kind": self.kind, **asdict(self)}  # type: ignore[call-overload]


@dataclass(frozen=True)
class Dense(Layer):
    """`y = x @ kernel + bias`, with a kernel of shape `(in, units)`.

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
        units = self.units
        # Frozen, but not for itself: NumPy's numbers become plain ones, which JSON can hold.
        object.__setattr__(self, "units", _whole_number(units))
        if self.units < 1:
            raise ArchitectureError(f"Dense needs a positive whole number of units, got {units!r}")
        _check_choice("Dense", "initializer", self.initializer, INITIALIZERS)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `(units,)`; rows must be flat."""
        if len(input_shape) != 1:
            raise ArchitectureError(
                f"Dense({self.units}) needs rows of shape (features,), got {input_shape}"
            )
        return (self.units,)

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Kernel, then bias."""
        fan_in, fan_out = input_shape[0], self.units
        kernel = Parameter("kernel", (fan_in, fan_out), self.initializer, fan_in, fan_out)
        if not self.use_bias:
            return (kernel,)
        bias_initializer = "fan_in" if self.initializer == "fan_in" else "zeros"
        return kernel, Parameter("bias", (fan_out,), bias_initializer, fan_in, fan_out)


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
        _check_choice("Activation", "function", self.function, ACTIVATIONS)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return input_shape


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, each element is zero with probability `rate`, the others grow by 1/(1 - rate).

    When scoring it does nothing (inverted dropout, Srivastava et al. 2014).

    Parameters
    ----------
    rate : float
        In [0, 1).
    """

    rate: float
    kind: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", float(self.rate))
        if not 0.0 <= self.rate < 1.0:
            raise ArchitectureError(f"Dropout needs a rate in [0, 1), got {self.rate!r}")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return input_shape


_LAYERS: dict[str, type[Layer]] = {cls.kind: cls for cls in (Dense, Activation, Dropout)}


def layer_from_dict(values: Mapping[str, Any]) -> Layer:
    """Read back what `Layer.to_dict` gave.

    Raises
    ------
    ArchitectureError
        For an unknown kind, or for fields that the kind does not have.
    """
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in _LAYERS:
        raise ArchitectureError(f"unknown layer kind {kind!r}; known: {', '.join(_LAYERS)}")
    cls = _LAYERS[kind]
    arguments = {key: value for key, value in values.items() if key != "kind"}
    unknown = set(arguments) - {field.name for field in fields(cls)}  # type: ignore[arg-type]
    if unknown:
        raise ArchitectureError(f"layer {kind!r} has no field {', '.join(sorted(unknown))}")
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ArchitectureError(f"layer {kind!r}: {error}") from None


def _whole_number(value: object) -> int:
    """Return a plain int, whatever kind of whole number it is; 0 for anything else."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return 0
    return index(value)


def _check_choice(owner: str, setting: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ArchitectureError(
            f"{owner}: unknown {setting} {value!r}; known: {', '.join(choices)}"
        )
