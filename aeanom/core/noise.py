"""Random numbers inside training: dropout, keyed by (seed, step, site) and by nothing else.

With `noise="native"` each framework draws with its own generator, seeded from the fit's seed.
With `noise="shared"` all of them are handed the draws made here, which is what parity needs. The
NumPy backend always uses these.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aeanom.architectures import Architecture, Dropout, Shape
from aeanom.core.weights import Float

__all__ = ["dropout_sites", "segment_noise", "step_noise"]

_NOISE_STREAM = 0x17


def dropout_sites(architecture: Architecture) -> dict[str, tuple[float, Shape]]:
    """Rate and row shape of every dropout layer, by layer name."""
    return {
        placed.name: (placed.layer.rate, placed.output_shape)
        for placed in architecture.layers
        if isinstance(placed.layer, Dropout)
    }


def step_noise(
    architecture: Architecture, seed: int, step: int, batch: int, dtype: str
) -> dict[str, Float]:
    """Draw what each site multiplies its input by in one step.

    Returns
    -------
    dict of str to ndarray of shape (batch, ...)
        0 with the site's rate, else 1 / (1 - rate).
    """
    factors = {}
    for name, (rate, shape) in dropout_sites(architecture).items():
        sequence = np.random.SeedSequence(seed, spawn_key=(_NOISE_STREAM, step, *name.encode()))
        # The draws are float64 in every precision: the same elements are dropped.
        draws = np.random.default_rng(sequence).random((batch, *shape))
        factors[name] = np.where(draws >= rate, 1 / (1 - rate), 0.0).astype(dtype)
    return factors


def segment_noise(
    architecture: Architecture, seed: int, first_step: int, steps: int, batch: int, dtype: str
) -> Mapping[str, Float] | None:
    """Stack `step_noise` over the steps of a segment; None if the network has no noise."""
    if not dropout_sites(architecture):
        return None
    drawn = [
        step_noise(architecture, seed, first_step + step, batch, dtype) for step in range(steps)
    ]
    return {name: np.stack([factors[name] for factors in drawn]) for name in drawn[0]}
