"""What every layer description has: a kind, a shape rule, the arrays and random numbers it needs.

The other modules of this package hold the layers themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import prod
from operator import index
from typing import Any, ClassVar, NamedTuple, Self

from aeanom.errors import ArchitectureError

__all__ = [
    "INITIALIZERS",
    "LAYERS",
    "Draws",
    "Layer",
    "Parameter",
    "PlacedLayer",
    "Shape",
    "bias_initializer",
    "check_choice",
    "layer_from_dict",
    "not_negative",
    "place_layers",
    "positive",
    "positive_float",
    "positive_tuple",
    "share",
    "spatial_axes",
    "whole_number",
]

Shape = tuple[int, ...]

INITIALIZERS = ("glorot_uniform", "he_uniform", "fan_in")


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
    fan_in: int = 1
    fan_out: int = 1
    trainable: bool = True

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


class Draws(NamedTuple):
    """Random numbers that a layer wants in each training step, of `shape` for one row.

    `distribution` is `"uniform"`, on [0, 1), or `"normal"`, with mean 0 and variance 1. What
    becomes of them is the layer's business.
    """

    distribution: str
    shape: Shape


LAYERS: dict[str, type[Layer]] = {}
"""Every layer by its kind, in the order in which they are defined."""


class Layer(ABC):
    """Base of the layer descriptions: frozen dataclasses that compute nothing.

    A class that states its `kind` is known by it from then on, one of your own too.
    """

    kind: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        kind = vars(cls).get("kind")
        if kind is None:
            return
        known = LAYERS.get(kind, cls)
        # The same class again is a module that was loaded anew.
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise ArchitectureError(f"there is a layer of kind {kind!r} already: {LAYERS[kind]}")
        LAYERS[kind] = cls

    @abstractmethod
    def output_shape(self, input_shape: Shape) -> Shape:
        """Shape of one row after this layer; raises `ArchitectureError` if it does not fit."""

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Arrays that this layer itself holds for rows of `input_shape`."""
        return ()

    def draws(self, input_shape: Shape) -> Draws | None:
        """Random numbers that it wants in training; None for no noise."""
        return None

    @property
    def inner(self) -> tuple[Layer, ...]:
        """Layers that it is made of."""
        return ()

    def to_dict(self) -> dict[str, Any]:
        """Return the description as JSON-able values, `kind` first."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        return {"kind": self.kind, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` gave, without its `kind`."""
        unknown = values.keys() - {field.name for field in fields(cls)}  # type: ignore[arg-type]
        if unknown:
            raise ArchitectureError(f"layer {cls.kind!r} has no field {', '.join(sorted(unknown))}")
        try:
            return cls(**values)
        except TypeError as error:
            raise ArchitectureError(f"layer {cls.kind!r}: {error}") from None


def layer_from_dict(values: Mapping[str, Any]) -> Layer:
    """Read back what `Layer.to_dict` gave.

    Raises
    ------
    ArchitectureError
        For an unknown kind, or for fields that the kind does not have.
    """
    kind = values.get("kind")
    if not isinstance(kind, str) or kind not in LAYERS:
        raise ArchitectureError(f"unknown layer kind {kind!r}; known: {', '.join(LAYERS)}")
    return LAYERS[kind].from_dict({key: value for key, value in values.items() if key != "kind"})


class PlacedLayer(NamedTuple):
    """A layer at its place: `name` is `"encoder.0"`, shapes are those of one row.

    `parameters` have full names and include those of the `inner` layers, which are placed too.
    """

    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    parameters: tuple[Parameter, ...]
    inner: tuple[PlacedLayer, ...] = ()


def place_layers(prefix: str, layers: Sequence[Layer], shape: Shape) -> tuple[PlacedLayer, ...]:
    """Place layers one behind the other, the first at `shape`, and name them `prefix.0` and so on.

    Raises
    ------
    ArchitectureError
        If a layer does not fit; the message names it and says what it got and what it needs.
    """
    placed = []
    for position, layer in enumerate(layers):
        name = f"{prefix}.{position}"
        inner = place_layers(name, layer.inner, shape)
        try:
            output_shape = layer.output_shape(shape)
        except ArchitectureError as error:
            raise ArchitectureError(f"{name}: {error}") from None
        if any(size < 1 for size in output_shape):
            raise ArchitectureError(
                f"{name}: {layer} leaves nothing of rows of shape {shape}: {output_shape}"
            )
        own = (
            replace(parameter, name=f"{name}.{parameter.name}")
            for parameter in layer.parameters(shape)
        )
        parameters = (*own, *(parameter for part in inner for parameter in part.parameters))
        placed.append(PlacedLayer(name, layer, shape, output_shape, parameters, inner))
        shape = output_shape
    return tuple(placed)


def bias_initializer(initializer: str) -> str:
    """Biases start at zero, but `"fan_in"` (PyTorch's default) draws them too."""
    return "fan_in" if initializer == "fan_in" else "zeros"


def positive(layer: Layer, setting: str) -> None:
    """Check that a setting is a positive whole number, and make it a plain int.

    NumPy's numbers become plain ones, which JSON can hold.
    """
    value = getattr(layer, setting)
    number = whole_number(value)
    if number < 1:
        raise ArchitectureError(
            f"{type(layer).__name__} needs a positive whole number of {setting}, got {value!r}"
        )
    object.__setattr__(layer, setting, number)


def positive_tuple(layer: Layer, setting: str, length: int | None = None) -> None:
    """Check that a setting is one positive whole number, or several, and make it a tuple.

    With a `length`, one number stands for all and any other count is refused.
    """
    value = getattr(layer, setting)
    given = tuple(value) if isinstance(value, list | tuple) else (value,)
    if length is not None and len(given) == 1:
        given *= length
    numbers = tuple(map(whole_number, given))
    if not numbers or min(numbers) < 1 or (length is not None and len(numbers) != length):
        wanted = "positive whole numbers" if length is None else f"{length} positive whole numbers"
        raise ArchitectureError(
            f"{type(layer).__name__} needs {wanted} as {setting}, got {value!r}"
        )
    object.__setattr__(layer, setting, numbers)


def check_choice(layer: Layer, setting: str, choices: Sequence[str]) -> None:
    """Check that a setting is one of the known names."""
    value = getattr(layer, setting)
    if value not in choices:
        raise ArchitectureError(
            f"{type(layer).__name__}: unknown {setting} {value!r}; known: {', '.join(choices)}"
        )


def positive_float(layer: Layer, setting: str) -> None:
    """Check that a setting is a finite number above 0, and make it a float."""
    not_negative(layer, setting)
    if getattr(layer, setting) == 0.0:
        raise ArchitectureError(f"{type(layer).__name__} needs {setting} > 0, got 0")


def share(layer: Layer, setting: str) -> None:
    """Check that a setting is a number in [0, 1), and make it a float."""
    value = getattr(layer, setting)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not 0.0 <= number < 1.0:
        raise ArchitectureError(
            f"{type(layer).__name__} needs a {setting} in [0, 1), got {value!r}"
        )
    object.__setattr__(layer, setting, number)


def not_negative(layer: Layer, setting: str) -> None:
    """Check that a setting is a finite number of at least 0, and make it a float."""
    value = getattr(layer, setting)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not 0.0 <= number < float("inf"):
        raise ArchitectureError(
            f"{type(layer).__name__} needs a finite {setting} of at least 0, got {value!r}"
        )
    object.__setattr__(layer, setting, number)


_WANTED = {
    1: "(time, channels)",
    2: "(height, width, channels)",
    None: "(time, channels) or (height, width, channels)",
}


def spatial_axes(layer: Layer, input_shape: Shape, rank: int | None = None) -> Shape:
    """Return the axes before the channels; raise if the layer needs more or fewer of them."""
    spatial = input_shape[:-1]
    if len(spatial) not in ((1, 2) if rank is None else (rank,)):
        raise ArchitectureError(
            f"{type(layer).__name__} needs rows of shape {_WANTED[rank]}, got {input_shape}"
        )
    return spatial


def whole_number(value: object) -> int:
    """Return a plain int, whatever kind of whole number it is; 0 for anything else."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return 0
    return index(value)
