"""`Architecture`: an encoder and a decoder as lists of layer descriptions, with their shapes.

It knows every array that the network holds (the parameter table) and can be written to JSON and
read back; it computes nothing and names no framework. `builders.py` makes the usual ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import product
from typing import Any

from aeanom.architectures.layers import (
    Activation,
    Draws,
    GaussianLatent,
    GaussianOutput,
    Layer,
    Parameter,
    PlacedLayer,
    Shape,
    layer_from_dict,
    place_layers,
)
from aeanom.architectures.layers.base import whole_number
from aeanom.errors import ArchitectureError

__all__ = ["Architecture"]


@dataclass(frozen=True)
class Architecture:
    """What a network is: input shape, encoder and decoder.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of one row: `(features,)` for tables, `(time, channels)` for windows of a series,
        `(height, width)` or `(height, width, channels)` for images.
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
        given = self.input_shape
        shape = tuple(map(whole_number, given)) if isinstance(given, Sequence) else ()
        if not shape or min(shape) < 1:
            raise ArchitectureError(
                f"input_shape needs positive sizes, such as (30,) for tables, got {given!r}"
            )
        object.__setattr__(self, "input_shape", shape)
        object.__setattr__(self, "encoder", tuple(self.encoder))
        object.__setattr__(self, "decoder", tuple(self.decoder))
        if not self.encoder or not self.decoder:
            raise ArchitectureError("an autoencoder needs at least one layer on each side")
        if not self.trainable:
            raise ArchitectureError("an autoencoder needs a layer that can learn, such as Dense")
        for placed in self.walk():
            if isinstance(placed.layer, GaussianOutput) and placed is not self.layers[-1]:
                raise ArchitectureError(f"{placed.name}: GaussianOutput must be the last layer")
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
        encoder = place_layers("encoder", self.encoder, self.input_shape)
        return encoder + place_layers("decoder", self.decoder, encoder[-1].output_shape)

    def walk(self) -> Iterator[PlacedLayer]:
        """Every layer in order, each followed by the layers inside it."""
        return _walk(self.layers)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameter table: every array of the network, in canonical order."""
        return tuple(parameter for placed in self.layers for parameter in placed.parameters)

    @cached_property
    def trainable(self) -> tuple[Parameter, ...]:
        """The table without the buffers: what has a gradient."""
        return tuple(parameter for parameter in self.parameters if parameter.trainable)

    @cached_property
    def draws(self) -> Mapping[str, Draws]:
        """What each layer draws in a training step, by layer name."""
        sites = {placed.name: placed.layer.draws(placed.input_shape) for placed in self.walk()}
        return {name: draws for name, draws in sites.items() if draws is not None}

    @property
    def axes(self) -> tuple[str, ...]:
        """What the axes of a row are: ("feature",), ("time", "channel"), ("row", "column"), ..."""
        rank = len(self.input_shape)
        if rank == 1:
            return ("feature",)
        if rank == 2 and self.has_channels:
            return ("time", "channel")
        named = ("row", "column", "channel")[:rank]
        return named + tuple(f"axis {axis}" for axis in range(len(named), rank))

    @property
    def element_names(self) -> tuple[str, ...]:
        """Names of all elements of a row, in C order: "feature 0", or "time 3, channel 1"."""
        return tuple(
            ", ".join(f"{axis} {index}" for axis, index in zip(self.axes, place, strict=True))
            for place in product(*map(range, self.input_shape))
        )

    @property
    def latent_shape(self) -> Shape:
        """Shape of one row between encoder and decoder."""
        return self.layers[len(self.encoder) - 1].output_shape

    @property
    def n_parameters(self) -> int:
        """Number of trainable values."""
        return sum(parameter.size for parameter in self.trainable)

    @property
    def output_activation(self) -> str:
        """Function of the decoder's last layer; `"linear"` if that is no activation."""
        last = self.decoder[-1]
        return last.function if isinstance(last, Activation) else "linear"

    @property
    def kinds(self) -> frozenset[str]:
        """Layer kinds that occur; a backend must have every one among its capabilities."""
        return frozenset(placed.layer.kind for placed in self.walk())

    @property
    def raw_output_shape(self) -> Shape:
        """Shape of one row before the decoder's last layer, which some losses are computed from."""
        return self.layers[-1].input_shape

    @property
    def has_gaussian_output(self) -> bool:
        """Whether it gives each feature a variance; its loss is then `"gaussian"`."""
        return isinstance(self.decoder[-1], GaussianOutput)

    @property
    def has_channels(self) -> bool:
        """Whether the last axis of a row tells different quantities apart.

        Of an image without an axis for channels, all pixels are of one kind. Rows of two axes are
        an image if the network has two-dimensional convolutions, a window of a series if it has
        layers that go through time; if neither tells, an image if they are square.
        """
        if len(self.input_shape) != 2 or self.kinds & {"conv1d", "lstm", "gru"}:
            return True
        height, width = self.input_shape
        return height != width and not self.kinds & {"conv2d", "conv2d_transpose"}

    @property
    def warm_up_steps(self) -> int:
        """Training steps over which the weight of the KL divergence rises to 1."""
        return max(
            (p.layer.warm_up_steps for p in self.walk() if isinstance(p.layer, GaussianLatent)),
            default=0,
        )

    def summary(self) -> str:
        """Return a table of layers, output shapes and parameter counts, as plain text."""
        rows = [("layer", "kind", "output shape", "parameters")]
        rows += [
            (
                placed.name,
                _describe(placed.layer),
                str(placed.output_shape),
                f"{_own_size(placed):,}",
            )
            for placed in self.walk()
        ]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = [
            f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
            for name, kind, shape, count in rows
        ]
        lines.insert(1, "-" * len(lines[0]))
        lines.append("-" * len(lines[0]))
        n_buffered = sum(parameter.size for parameter in self.parameters) - self.n_parameters
        lines.append(
            f"latent shape {self.latent_shape}, {self.n_parameters:,} trainable parameters"
            + (f" and {n_buffered:,} in buffers" if n_buffered else "")
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
                input_shape=values["input_shape"],
                encoder=tuple(_read_layers(values["encoder"])),
                decoder=tuple(_read_layers(values["decoder"])),
            )
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ArchitectureError(f"not an architecture: {error!r}") from None

    def to_json(self) -> str:
        """Return the architecture as JSON text."""
        return json.dumps(self.to_dict())

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Read back what `to_json` gave."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ArchitectureError(f"not an architecture: {error}") from None
        return cls.from_dict(values)


def _read_layers(layers: Any) -> Iterator[Layer]:
    return (layer_from_dict(values) for values in layers)


def _walk(layers: Sequence[PlacedLayer]) -> Iterator[PlacedLayer]:
    for placed in layers:
        yield placed
        yield from _walk(placed.inner)


def _own_size(placed: PlacedLayer) -> int:
    """Elements of a layer's arrays without those of the layers inside it, which have own lines."""
    inside = (parameter for part in placed.inner for parameter in part.parameters)
    return sum(p.size for p in placed.parameters) - sum(p.size for p in inside)


# What a line of the summary leaves out: the shapes and counts next to it tell enough.
_UNTOLD = ("use_bias", "initializer", "padding")


def _describe(layer: Layer) -> str:
    """Kind, first setting, and the others that are not as they would be anyway."""
    if layer.inner:
        return layer.kind
    words = [layer.kind]
    for field in fields(layer):  # type: ignore[arg-type]
        value = getattr(layer, field.name)
        sizes = value if isinstance(value, tuple) else (value,)
        default = sizes == (field.default,) * len(sizes)
        # A first setting is worth showing, but not the small numbers of a normalisation.
        hidden = default and (len(words) > 1 or isinstance(value, float))
        if hidden or field.name in _UNTOLD:
            continue
        if len(words) == 1:
            words.append("×".join(map(str, sizes)))
        elif value is True:
            words.append(field.name)
        else:
            shown = "×".join(map(str, sizes if len(set(sizes)) > 1 else sizes[:1]))
            words.append(f"{field.name.removesuffix('_size')} {shown}")
    return ", ".join([" ".join(words[:2]), *words[2:]])
