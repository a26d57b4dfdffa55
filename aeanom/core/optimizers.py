"""Optimiser equations, stated once; each backend uses its framework's operator for them.

`tests/backends` and `tests/parity` hold the backends against each other and against PyTorch's and
Optax's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aeanom.errors import InvalidParameterError

__all__ = ["Adam", "optimizer_from"]


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
