"""Reconstruction losses: a description, and its equations in NumPy.

A row's loss is the mean over its elements, a batch's the weighted mean over its rows. The same
loss is the anomaly score: one error a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf
from typing import Any

import numpy as np

from aeanom.architectures import Architecture
from aeanom.core.weights import Float
from aeanom.errors import InvalidParameterError

__all__ = ["Loss", "elementwise_loss", "loss_from"]

_NAMES = ("mse", "mae", "huber", "bce")


@dataclass(frozen=True)
class Loss:
    """What one element of a reconstruction costs, with r = output - target.

    ========  =================================================  ============================
    name      element loss                                       derivative in the output
    ========  =================================================  ============================
    mse       r²                                                 2r
    mae       |r|                                            sign(r), 0 at 0
    huber     r²/2 if |r| ≤ δ, else δ(|r| - δ/2)         r clipped to [-δ, δ]
    bce       -t·log(p) - (1 - t)·log(1 - p), p = sigmoid(z)     p - t (in the logit z)
    ========  =================================================  ============================

    `bce` is computed from the logits, so the network must end in a sigmoid, and its targets lie
    in [0, 1].

    Parameters
    ----------
    name : {"mse", "mae", "huber", "bce"}
    delta : float
        Where `huber` turns linear, in units of the scaled data.
    """

    name: str = "mse"
    delta: float = 1.0

    def __post_init__(self) -> None:
        if self.name not in _NAMES:
            raise InvalidParameterError(f"unknown loss {self.name!r}; known: {', '.join(_NAMES)}")
        try:
            object.__setattr__(self, "delta", float(self.delta))
        except (TypeError, ValueError):
            raise InvalidParameterError(f"Loss needs a number delta, got {self.delta!r}") from None
        if not 0 < self.delta < inf:
            raise InvalidParameterError(f"Loss needs a finite delta > 0, got {self.delta!r}")

    @property
    def from_logits(self) -> bool:
        """Whether it is computed before the network's last activation."""
        return self.name == "bce"

    def check(self, architecture: Architecture) -> None:
        """Raise `InvalidParameterError` if the network cannot be trained with this loss."""
        if self.from_logits and architecture.output_activation != "sigmoid":
            raise InvalidParameterError(
                f"loss 'bce' needs a network that ends in a sigmoid; this one ends in "
                f"{architecture.output_activation!r}. Build it with output_activation='sigmoid'"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Loss:
        """Read back what `to_dict` gave."""
        try:
            return cls(**values)
        except TypeError as error:
            raise InvalidParameterError(f"not a loss: {error}") from None


def loss_from(value: str | Loss) -> Loss:
    """Return the loss that a setting means: itself, or the one of that name."""
    if isinstance(value, Loss):
        return value
    if isinstance(value, str):
        return Loss(value)
    raise InvalidParameterError(
        f"loss must be one of {', '.join(_NAMES)} or an aeanom.core.losses.Loss, got {value!r}"
    )


def elementwise_loss(loss: Loss, reconstruction: Float, target: Float) -> Float:
    """Loss of every element, from what the network returns (after its last activation).

    Parameters
    ----------
    loss : Loss
    reconstruction, target : ndarray of one shape

    Returns
    -------
    ndarray of that shape
    """
    if loss.name == "bce":
        # Kept away from 0 and 1 by the smallest normal number: the scores themselves are
        # computed from logits, this is only how they spread over the features.
        tiny = np.finfo(reconstruction.dtype).tiny
        p = np.clip(reconstruction, tiny, 1 - np.finfo(reconstruction.dtype).epsneg)
        return -target * np.log(p) - (1 - target) * np.log1p(-p)
    residual = reconstruction - target
    if loss.name == "mse":
        return residual * residual
    magnitude = np.abs(residual)
    if loss.name == "mae":
        return magnitude
    linear = loss.delta * (magnitude - 0.5 * loss.delta)
    return np.where(magnitude <= loss.delta, 0.5 * residual * residual, linear)
