"""Initial weights, drawn in NumPy so that every backend starts from the same numbers.

Each parameter draws from its own child of the seed, keyed by its name: appending a layer does
not move the values of the others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aeanom.architectures import Architecture, Parameter
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.weights import Float, Weights

__all__ = ["initial_weights"]


def initial_weights(architecture: Architecture, seed: int, dtype: str = "float64") -> Weights:
    """Draw the weights that a fit starts from.

    Parameters
    ----------
    architecture : Architecture
    seed : int
        Non-negative.
    dtype : {"float32", "float64"}
        Values are drawn in float64 and rounded, so both precisions start from the same point.
        A module of a user's own starts from the values that it came with.

    Returns
    -------
    dict of str to ndarray

    Notes
    -----
    `glorot_uniform` is U(-a, a) with a = √(6 / (fan_in + fan_out)) (Glorot and Bengio 2010),
    `he_uniform` has a = √(6 / fan_in) (He et al. 2015) and `fan_in` has a = 1 / √fan_in, which
    is what `torch.nn.Linear` does.
    """
    if isinstance(architecture, ModuleArchitecture):
        return {name: array.astype(dtype) for name, array in architecture.initial.items()}
    weights = {}
    for parameter in architecture.parameters:
        # One spawn key per name: a stable, collision-free child without a hash function.
        sequence = np.random.SeedSequence(seed, spawn_key=tuple(parameter.name.encode()))
        values = _INITIALIZERS[parameter.initializer](np.random.default_rng(sequence), parameter)
        weights[parameter.name] = values.astype(dtype)
    return weights


def _uniform(generator: np.random.Generator, parameter: Parameter, bound: float) -> Float:
    return generator.uniform(-bound, bound, size=parameter.shape)


def _glorot_uniform(generator: np.random.Generator, parameter: Parameter) -> Float:
    return _uniform(generator, parameter, (6 / (parameter.fan_in + parameter.fan_out)) ** 0.5)


def _he_uniform(generator: np.random.Generator, parameter: Parameter) -> Float:
    return _uniform(generator, parameter, (6 / parameter.fan_in) ** 0.5)


def _fan_in(generator: np.random.Generator, parameter: Parameter) -> Float:
    return _uniform(generator, parameter, parameter.fan_in**-0.5)


def _zeros(generator: np.random.Generator, parameter: Parameter) -> Float:
    return np.zeros(parameter.shape)


def _ones(generator: np.random.Generator, parameter: Parameter) -> Float:
    return np.ones(parameter.shape)


_INITIALIZERS: dict[str, Callable[[np.random.Generator, Parameter], Float]] = {
    "glorot_uniform": _glorot_uniform,
    "he_uniform": _he_uniform,
    "fan_in": _fan_in,
    "zeros": _zeros,
    "ones": _ones,
}
