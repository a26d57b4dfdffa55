"""Random numbers inside training, keyed by (seed, step, layer) and by nothing else.

A layer's description says what it draws (`Layer.draws`) and its function what becomes of it. With
`noise="native"` each framework draws with its own generator, seeded from the fit's seed. With
`noise="shared"` all of them are handed the draws made here, which is what parity needs. The NumPy
backend always uses these.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aeanom.architectures import Architecture
from aeanom.core.weights import Float

__all__ = ["segment_noise", "step_noise"]

_NOISE_STREAM = 0x17


def step_noise(
    architecture: Architecture, seed: int, step: int, batch: int, dtype: str
) -> dict[str, Float]:
    """Draw the random numbers of one step.

    Returns
    -------
    dict of str to ndarray of shape (batch, ...)
        Uniform on [0, 1) or standard normal, as the layer wants them. The first rows are the same
        for every `batch`.
    """
    drawn = {}
    for name, (distribution, shape) in architecture.draws.items():
        sequence = np.random.SeedSequence(seed, spawn_key=(_NOISE_STREAM, step, *name.encode()))
        generator = np.random.default_rng(sequence)
        # Drawn in float64 and rounded: both precisions see the same numbers.
        draw = generator.random if distribution == "uniform" else generator.standard_normal
        drawn[name] = draw((batch, *shape)).astype(dtype)
    return drawn


def segment_noise(
    architecture: Architecture, seed: int, first_step: int, steps: int, batch: int, dtype: str
) -> Mapping[str, Float] | None:
    """Stack `step_noise` over the steps of a segment; None if the network has no noise."""
    if not architecture.draws:
        return None
    drawn = [
        step_noise(architecture, seed, first_step + step, batch, dtype) for step in range(steps)
    ]
    return {name: np.stack([draws[name] for draws in drawn]) for name in drawn[0]}
