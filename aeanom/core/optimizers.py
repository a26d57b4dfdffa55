"""Optimiser equations, stated once; each backend uses its framework's operator for them.

`tests/backends` and `tests/parity` hold the backends against each other and against PyTorch's and
Optax's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import log
from typing import Any, NamedTuple

import numpy as np

from aeanom.errors import InvalidParameterError

__all__ = ["Adam", "Flushing", "optimizer_from"]

SHRUNK, MOST_STEPS = 1e-8, 1000
"""Moments are looked through each time that one may have shrunk so far, or after so many steps."""

NEGLIGIBLE = 1e-12
"""Share of ε, or of ε², below which a moment changes nothing that a float could show."""


class Flushing(NamedTuple):
    """Which moments are so small that they become zero, and after how many steps each time.

    The moments of a weight whose gradient stays at zero, as behind a ReLU that no row reaches any
    more, shrink for ever: in float32 the first is subnormal after 700 steps, and stays so.
    Processors take many times as long for such numbers: from the fifth epoch on, the network
    784-128-32-128-784 then takes 1.4 to 1.8 times as long. What compiles by XLA has the processor
    take them for zeros. PyTorch and NumPy cannot without changing it for the whole process;
    there, every `every` steps, moments smaller than `first` and `second` become zero before they
    can be subnormal.
    """

    every: int
    first: float
    second: float


@dataclass(frozen=True)
class Adam:
    """Adam, Algorithm 1 of Kingma and Ba (2015), with optional clipping and decoupled decay.

    At step t, counted from 1, with gradient g of the mean loss::

        g ← g · min(1, clip_norm / ‖g‖)             ‖·‖ over all parameters; only with clip_norm
        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        θ ← θ − η · weight_decay · θ                 Loshchilov and Hutter (2019)
        θ ← θ − η / (1 − β₁ᵗ) · m / (√(v / (1 − β₂ᵗ)) + ε)

    ε is added outside the bias-corrected root, as PyTorch and Optax do; Keras adds it before the
    correction, which is another optimiser in the first steps.

    Parameters
    ----------
    beta1, beta2, epsilon : float
    weight_decay : float
        Share of a weight that is taken away per unit of learning rate; biases too.
    clip_norm : float, optional
        Largest global norm of the gradient; nothing is added to the norm before dividing.
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float | None = None

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2", "epsilon", "weight_decay", "clip_norm"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, float(value))
        for name in ("beta1", "beta2"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise InvalidParameterError(
                    f"Adam needs {name} in [0, 1), got {getattr(self, name)!r}"
                )
        if not self.epsilon > 0.0:
            raise InvalidParameterError(f"Adam needs epsilon > 0, got {self.epsilon!r}")
        if not self.weight_decay >= 0.0:
            raise InvalidParameterError(f"Adam needs weight_decay >= 0, got {self.weight_decay!r}")
        if self.clip_norm is not None and not self.clip_norm > 0.0:
            raise InvalidParameterError(f"Adam needs clip_norm > 0, got {self.clip_norm!r}")

    def flushing(self, dtype: str) -> Flushing:
        """Return when which moments become zero, for weights of this dtype."""
        steps = [log(SHRUNK) / log(beta) for beta in (self.beta1, self.beta2) if beta]
        every = int(max(1, min([MOST_STEPS, *steps])))
        tiny = float(np.finfo(dtype).tiny)
        return Flushing(
            every,
            min(tiny / (self.beta1 or 1.0) ** every, NEGLIGIBLE * self.epsilon),
            min(tiny / (self.beta2 or 1.0) ** every, NEGLIGIBLE * self.epsilon**2),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {"name": "adam", **asdict(self)}


_NAMES: Mapping[str, type[Adam]] = {"adam": Adam}


def optimizer_from(value: str | Adam) -> Adam:
    """Return the optimiser that a setting means: itself, or the one of that name.

    Raises
    ------
    InvalidParameterError
        For an unknown name or another type.
    """
    if isinstance(value, Adam):
        return value
    if isinstance(value, str) and value in _NAMES:
        return _NAMES[value]()
    raise InvalidParameterError(
        f"unknown optimizer {value!r}; known: {', '.join(_NAMES)}, or an "
        "aeanom.core.optimizers.Adam with its own settings"
    )
