"""Reconstruction losses: a description, and its equations in NumPy.

A row's loss is the mean over its elements, a batch's the weighted mean over its rows. The same
loss is the anomaly score: one error a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf, log, pi
from typing import Any

import numpy as np

from aeanom.architectures import Architecture
from aeanom.architectures.layers import LOG_VARIANCE_BOUND
from aeanom.core.weights import Float
from aeanom.errors import InvalidParameterError

__all__ = ["Loss", "elementwise_loss", "gaussian_parameters", "loss_from"]

_NAMES = ("mse", "mae", "huber", "bce", "gaussian")

LOG_2_PI = log(2 * pi)


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
    gaussian  (s + r²·exp(-s) + log 2π)/2, s = log-variance      r·exp(-s) and (1 - r²·exp(-s))/2
    ========  =================================================  ============================

    `bce` is computed from the logits, so the network must end in a sigmoid, and its targets lie
    in [0, 1]. `gaussian` is the negative log-likelihood of a normal distribution whose mean and
    log-variance s the network gives (Nix and Weigend 1994), so it must end in `GaussianOutput`;
    it can be negative. s = 10 · tanh(raw / 10), see `LOG_VARIANCE_BOUND`.

    Parameters
    ----------
    name : {"mse", "mae", "huber", "bce", "gaussian"}
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
    def takes_raw_output(self) -> bool:
        """Whether it is computed from what the network's last layer is given."""
        return self.name in ("bce", "gaussian")

    @property
    def needs_unit_interval(self) -> bool:
        """Whether it is only defined for targets in [0, 1]."""
        return self.name == "bce"

    @property
    def least(self) -> float:
        """The least that an element can cost."""
        return 0.5 * (LOG_2_PI - LOG_VARIANCE_BOUND) if self.name == "gaussian" else 0.0

    def check(self, architecture: Architecture) -> None:
        """Raise `InvalidParameterError` if the network cannot be trained with this loss."""
        if self.name == "gaussian" and not architecture.has_gaussian_output:
            raise InvalidParameterError(
                "loss 'gaussian' needs a network with a Gaussian output: make it with "
                "architectures.gaussian_output(...)"
            )
        if self.name != "gaussian" and architecture.has_gaussian_output:
            raise InvalidParameterError(
                f"a network with a Gaussian output needs loss 'gaussian', not {self.name!r}"
            )
        if self.name == "bce" and architecture.output_activation != "sigmoid":
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


def loss_from(value: str | Loss, architecture: Architecture) -> Loss:
    """Return the loss that a setting means: itself, or the one of that name.

    `"auto"` is `"gaussian"` for a network with a Gaussian output and `"mse"` for any other.
    """
    if isinstance(value, Loss):
        return value
    if value == "auto":
        return Loss("gaussian" if architecture.has_gaussian_output else "mse")
    if isinstance(value, str):
        return Loss(value)
    raise InvalidParameterError(
        f"loss must be 'auto', one of {', '.join(_NAMES)} or an aeanom.core.losses.Loss, "
        f"got {value!r}"
    )


def elementwise_loss(loss: Loss, output: Float, target: Float) -> Float:
    """Loss of every element, computed plainly: what the backends' own are held against.

    Parameters
    ----------
    loss : Loss
    output : ndarray of shape (n, ...)
        What the network returns, or what its last layer is given if `loss.takes_raw_output`.
    target : ndarray of shape (n, ...)

    Returns
    -------
    ndarray of the target's shape
    """
    if loss.name == "bce":
        return np.logaddexp(0, output) - target * output
    if loss.name == "gaussian":
        mean, log_variance = gaussian_parameters(output)
        residual = target - mean
        return 0.5 * (log_variance + residual * residual * np.exp(-log_variance) + LOG_2_PI)
    residual = output - target
    if loss.name == "mse":
        return residual * residual
    magnitude = np.abs(residual)
    if loss.name == "mae":
        return magnitude
    linear = loss.delta * (magnitude - 0.5 * loss.delta)
    return np.where(magnitude <= loss.delta, 0.5 * residual * residual, linear)


def gaussian_parameters(output: Float) -> tuple[Float, Float]:
    """Split a raw output of shape (..., 2 · channels) into means and bounded log-variances."""
    mean, raw = np.split(output, 2, axis=-1)
    return mean, LOG_VARIANCE_BOUND * np.tanh(raw / LOG_VARIANCE_BOUND)
