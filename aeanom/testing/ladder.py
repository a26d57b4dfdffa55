"""The ladder of parity, rung by rung: how far a backend is from NumPy in float64.

Each rung is a function of a backend, an example network and a dtype, and returns a measured
difference; `BOUNDS` says how large it may be. `docs/parity.md` has the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from aeanom.core.autoencoder import Autoencoder
from aeanom.core.backend import Backend
from aeanom.core.batches import Block, Segment, epoch_batches
from aeanom.core.initializers import initial_weights
from aeanom.core.noise import segment_noise, step_noise
from aeanom.core.plan import TrainingPlan
from aeanom.core.registry import get_backend
from aeanom.core.trainer import Trainer
from aeanom.core.weights import Float, Weights
from aeanom.parity import score_difference
from aeanom.testing.architectures import N_ROWS, Example

__all__ = [
    "BOUNDS",
    "RUNGS",
    "fifty_steps",
    "forward",
    "gradients",
    "largest_difference",
    "make_autoencoder",
    "make_trainer",
    "one_step",
    "run_steps",
]

BOUNDS: Mapping[str, Mapping[str, float]] = {
    "forward": {"float64": 1e-12, "float32": 1e-5},
    "gradients": {"float64": 1e-10, "float32": 1e-4},
    "one_step": {"float64": 1e-10, "float32": 1e-5},
    "fifty_steps": {"float64": 1e-8},
}
"""Largest difference by rung and dtype. Fifty steps in float32 have no bound: training amplifies
rounding, as it does the difference between two seeds."""

BATCH_SIZE = 8
"""Two batches an epoch: one that is full, and one with two slots that only fill it up."""
LEARNING_RATE = 0.01


def make_autoencoder(backend: Backend, example: Example, dtype: str = "float64") -> Autoencoder:
    """Build an example's network with its initial weights."""
    weights = initial_weights(example.architecture, 0, dtype)
    return backend.autoencoder(example.architecture, weights, dtype=dtype, device="cpu")


def make_trainer(
    backend: Backend, example: Example, dtype: str = "float64", noise: str = "shared"
) -> Trainer:
    """Make a trainer of an example's network."""
    plan = TrainingPlan(
        loss=example.loss, learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE, noise=noise
    )
    return backend.trainer(make_autoencoder(backend, example, dtype), plan)


def forward(backend: Backend, example: Example, dtype: str = "float64") -> float:
    """Reconstructions of the initial network, its biases moved off zero."""
    given, expected = _compute(backend, example, dtype), _reference(_compute, example)
    return largest_difference(given, expected)


def gradients(backend: Backend, example: Example, dtype: str = "float64") -> float:
    """Loss and gradients of the initial network for rows of different weight, one of them 0."""
    given, expected = _differentiate(backend, example, dtype), _reference(_differentiate, example)
    return largest_difference(given, expected)


def one_step(backend: Backend, example: Example, dtype: str = "float64") -> float:
    """Weights after the first step of a training."""
    given, expected = _step(backend, example, dtype), _reference(_step, example)
    return largest_difference(given, expected)


def fifty_steps(backend: Backend, example: Example, dtype: str = "float64") -> float:
    """Score of each row after fifty steps, over the larger of it and the median score."""
    given, expected = _train(backend, example, dtype), _reference(_train, example)
    return score_difference(given["scores"], expected["scores"])


RUNGS: Mapping[str, Callable[[Backend, Example, str], float]] = {
    "forward": forward,
    "gradients": gradients,
    "one_step": one_step,
    "fifty_steps": fifty_steps,
}
"""The rungs by name, lowest first."""


def run_steps(trainer: Trainer, rows: Float, steps: int, *, at_once: int = 1) -> None:
    """Take training steps as the loop does, but in segments of `at_once` steps.

    With one step a segment, a compiled backend compiles once for any number of steps.
    """
    plan, architecture = trainer.plan, trainer.autoencoder.architecture
    placed = trainer.place(Block(rows))
    for step in range(trainer.step, trainer.step + steps, at_once):
        batches = [_batch(plan, len(rows), step + offset) for offset in range(at_once)]
        order, row_weight = (np.stack(parts) for parts in zip(*batches, strict=True))
        noise = None
        if plan.noise == "shared":
            batch, dtype = order.shape[1], trainer.autoencoder.dtype
            noise = segment_noise(architecture, plan.seed, step, at_once, batch, dtype)
        schedules = plan.schedules(step, at_once, architecture.warm_up_steps)
        trainer.run_steps(placed, Segment(step, at_once, order, row_weight, schedules, noise))


def largest_difference(given: Mapping[str, Float], expected: Mapping[str, Float]) -> float:
    """Largest difference of an array over the reference's largest value, of the worst array.

    Infinite where names or shapes differ.
    """
    if list(given) != list(expected):
        return float("inf")
    return max(_relative_difference(given[name], expected[name]) for name in expected)


def _relative_difference(given: Float, expected: Float) -> float:
    if given.shape != expected.shape:
        return float("inf")
    difference = float(np.abs(given - expected).max() / (np.abs(expected).max() or 1.0))
    # `max` may overlook a NaN.
    return float("inf") if np.isnan(difference) else difference


Measured = Callable[[Backend, Example, str], Weights]


@cache
def _reference(measured: Measured, example: Example) -> Weights:
    return measured(get_backend("numpy"), example, "float64")


def _compute(backend: Backend, example: Example, dtype: str) -> Weights:
    network = make_autoencoder(backend, example, dtype)
    # Biases of 0 and statistics of 0 and 1 would hide that a layer leaves them out.
    generator = np.random.default_rng(1)
    weights = network.weights()
    for array in weights.values():
        array += generator.uniform(0.0, 0.2, size=array.shape)
    network.load_weights(weights)
    return {"reconstruct": network.reconstruct(example.rows)}


def _differentiate(backend: Backend, example: Example, dtype: str) -> Weights:
    trainer, architecture = make_trainer(backend, example, dtype), example.architecture
    loss, arrays = trainer.gradients(
        Block(example.rows),
        np.linspace(0, 2, N_ROWS),
        trainer.plan.schedules(0, 1, architecture.warm_up_steps),
        step_noise(architecture, trainer.plan.seed, 0, N_ROWS, dtype),
    )
    return {"loss": np.array(loss.mean()), **arrays}


def _step(backend: Backend, example: Example, dtype: str) -> Weights:
    trainer = make_trainer(backend, example, dtype)
    run_steps(trainer, example.rows, 1)
    return trainer.autoencoder.weights()


def _train(backend: Backend, example: Example, dtype: str) -> Weights:
    trainer = make_trainer(backend, example, dtype)
    run_steps(trainer, example.rows, 50)
    return {"scores": trainer.autoencoder.errors(example.rows, example.loss)}


def _batch(plan: TrainingPlan, n_rows: int, step: int) -> tuple[Float, Float]:
    """Return order and weights of one step's rows."""
    steps = -(-n_rows // plan.batch_size)
    order, row_weight = epoch_batches(n_rows, plan.batch_size, seed=plan.seed, epoch=step // steps)
    return order[step % steps], row_weight[step % steps]
