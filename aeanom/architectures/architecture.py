"""`Architecture`: an encoder and a decoder as lists of layer descriptions, with their shapes.

It knows every array that the network holds (the parameter table) and can be written to JSON and
read back; it computes nothing and names no framework. `builders.py` makes the usual ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from aeanom.architectures.layers import (
    Activation,
    Layer,
    Parameter,
    Shape,
    layer_from_dict,
)
from aeanom.errors import ArchitectureError

__all__ = ["Architecture", "PlacedLayer"]


class PlacedLayer(NamedTuple):
    """A layer at its place: `name` is `"encoder.0"`, shapes are those of one row."""

    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class Architecture:
    """What a network is: input shape, encoder and decoder.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one row, `(features,)` for tables.
    encoder, decoder : tuple of Layer
        The decoder must return to `input_shape`.

    Raises
    ------
    ArchitectureError
        If a layer does not fit the shape it gets (the message names the layer and the shape),
        or the decoder ends in another shape than the input's.
    """

    input_shape: Shape
    encoder: tuple[Layer, ...]
    decoder: tuple[Layer, ...]

    def __post_init__(self) -> None:
        for name, convert in (("input_shape", int), ("encoder", None), ("decoder", None)):
            values = tuple(getattr(self, name))
            object.__setattr__(self, name, tuple(map(convert, values)) if convert else values)
        if not self.input_shape or any(size < 1 for size in self.input_shape):
            raise ArchitectureError(f"input_shape needs positive sizes, got {self.input_shape}")
        if not self.encoder or not self.decoder:
            raise ArchitectureError("an autoencoder needs at least one layer on each side")
        if not self.parameters:
            raise ArchitectureError("an autoencoder needs a layer that can learn, such as Dense")
        end = self.layers[-1].output_shape
        if end != self.input_shape:
            raise ArchitectureError(
                f"the decoder returns rows of shape {end}, the input has {self.input_shape}"
            )

    def __hash__(self) -> int:
        # Kept: a compiled backend looks programs up by architecture at every call.
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.input_shape, self.encoder, self.decoder))

    @cached_property
    def layers(self) -> tuple[PlacedLayer, ...]:
        """Every layer in order, encoder first, with its name, shapes and parameters."""
        placed = []
        shape = self.input_shape
        for part, layers in (("encoder", self.encoder), ("decoder", self.decoder)):
            for index, layer in enumerate(layers):
                name = f"{part}.{index}"
                try:
                    output_shape = layer.output_shape(shape)
                except ArchitectureError as error:
                    raise ArchitectureError(f"{name}: {error}") from None
                parameters = tuple(
                    replace(parameter, name=f"{name}.{parameter.name}")
                    for parameter in layer.parameters(shape)
                )
                placed.append(PlacedLayer(name, layer, shape, output_shape, parameters))
                shape = output_shape
        return tuple(placed)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameter table: every array of the network, in canonical order."""
        return tuple(parameter for placed in self.layers for parameter in placed.parameters)

    @property
    def latent_shape(self) -> Shape:
        """Shape of one row between encoder and decoder."""
        return self.layers[len(self.encoder) - 1].output_shape

    @property
    def n_parameters(self) -> int:
        """Number of trainable values."""
        return sum(parameter.size for parameter in self.parameters if parameter.trainable)

    @property
    def output_activation(self) -> str:
        """Function of the decoder's last layer; `"linear"` if that is no activation."""
        last = self.decoder[-1]
        return last.function if isinstance(last, Activation) else "linear"

    @property
    def kinds(self) -> frozenset[str]:
        """Layer kinds that occur; a backend must have every one among its capabilities."""
        return frozenset(placed.layer.kind for placed in self.layers)

    def summary(self) -> str:
        """Return a table of layers, output shapes and parameter counts, as plain text."""
        rows = [("layer", "kind", "output shape", "parameters")]
        rows += [
            (
                placed.name,
                _describe(placed.layer),
                str(placed.output_shape),
                f"{sum(parameter.size for parameter in placed.parameters):,}",
            )
            for placed in self.layers
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
            for name, kind, shape, count in rows
        ]
        lines.insert(1, "-" * len(lines[0]))
        lines.append("-" * len(lines[0]))
        lines.append(
            f"latent shape {self.latent_shape}, {self.n_parameters:,} trainable parameters"
        )
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values that `from_dict` reads back."""
        return {
            "input_shape": list(self.input_shape),
            "encoder": [layer.to_dict() for layer in self.encoder],
            "decoder": [layer.to_dict() for layer in self.decoder],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Architecture:
        """Read back what `to_dict` gave; raises `ArchitectureError` if it is anything else."""
        try:
            return cls(
                input_shape=tuple(int(size) for size in values["input_shape"]),
                encoder=tuple(_read_layers(values["encoder"])),
                decoder=tuple(_read_layers(values["decoder"])),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ArchitectureError(f"not an architecture: {error!r}") from None

    def to_json(self) -> str:
        """Return the architecture as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Read back what `to_json` gave."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ArchitectureError(f"not an architecture: {error}") from None
        return cls.from_dict(values)


def _read_layers(layers: Any) -> Iterator[Layer]:
    return (layer_from_dict(values) for values in layers)


def _describe(layer: Layer) -> str:
    values = layer.to_dict()
    kind = values.pop("kind")
    first = next(iter(values.values()), "")
    return f"{kind} {first}"
