"""Layers that go through a row time by time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from aeanom.architectures.layers.base import (
    INITIALIZERS,
    Layer,
    Parameter,
    Shape,
    bias_initializer,
    check_choice,
    positive,
    spatial_axes,
)
from aeanom.errors import ArchitectureError


@dataclass(frozen=True)
class _Recurrent(Layer):
    units: int
    return_sequences: bool = False
    initializer: str = "glorot_uniform"

    def __post_init__(self) -> None:
        positive(self, "units")
        check_choice(self, "initializer", INITIALIZERS)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `(time, units)`, or `(units,)` for the last state alone."""
        (time,) = spatial_axes(self, input_shape, 1)
        return (time, self.units) if self.return_sequences else (self.units,)

    def _parameters(self, n_inputs: int, gates: int) -> tuple[Parameter, ...]:
        shapes = {"kernel": n_inputs, "recurrent_kernel": self.units}
        kernels = (
            Parameter(name, (rows, gates * self.units), self.initializer, rows, self.units)
            for name, rows in shapes.items()
        )
        return (*kernels, self._bias("bias", gates))

    def _bias(self, name: str, gates: int) -> Parameter:
        initializer = bias_initializer(self.initializer)
        return Parameter(name, (gates * self.units,), initializer, self.units, self.units)


@dataclass(frozen=True)
class LSTM(_Recurrent):
    """Long short-term memory over rows of shape `(time, channels)` (Gers et al. 2000).

    With gates i, f, g, o in this order along the last axis of `x @ kernel + h @ recurrent_kernel
    + bias`, and h = c = 0 before the first step::

        c ← σ(f) · c + σ(i) · tanh(g)
        h ← σ(o) · tanh(c)

    There is one bias; PyTorch's second one is zero here.

    Parameters
    ----------
    units : int
    return_sequences : bool
        All states h, of shape `(time, units)`, instead of the last alone.
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
        Of the two kernels; fans are those of one gate.
    """

    kind: ClassVar[str] = "lstm"

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Kernel `(in, 4 · units)`, recurrent kernel `(units, 4 · units)`, bias."""
        return self._parameters(input_shape[-1], 4)


@dataclass(frozen=True)
class GRU(_Recurrent):
    """Gated recurrent unit over rows of shape `(time, channels)` (Cho et al. 2014).

    With gates r, z, n in this order along the last axis, `a = x @ kernel + bias` and
    `b = h @ recurrent_kernel`, and h = 0 before the first step::

        r, z ← σ(a_r + b_r), σ(a_z + b_z)
        n ← tanh(a_n + r · (b_n + recurrent_bias))
        h ← (1 - z) · n + z · h

    Parameters
    ----------
    units : int
    return_sequences : bool
        All states h, of shape `(time, units)`, instead of the last alone.
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
        Of the two kernels; fans are those of one gate.
    """

    kind: ClassVar[str] = "gru"

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Kernel, recurrent kernel and bias of three gates, recurrent bias of n alone."""
        return (*self._parameters(input_shape[-1], 3), self._bias("recurrent_bias", 1))


@dataclass(frozen=True)
class RepeatVector(Layer):
    """A flat row, repeated at every time: `(features,)` becomes `(times, features)`.

    Parameters
    ----------
    times : int
    """

    times: int
    kind: ClassVar[str] = "repeat_vector"

    def __post_init__(self) -> None:
        positive(self, "times")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `(times, features)`."""
        if len(input_shape) != 1:
            raise ArchitectureError(
                f"RepeatVector needs rows of shape (features,), got {input_shape}"
            )
        return (self.times, *input_shape)
