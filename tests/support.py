"""Small networks, rows and measures that several test modules share.

The networks are few and always the same ones, as a compiled backend takes about a second for
every new one.
"""

from __future__ import annotations

import numpy as np

from aeanom.architectures import Activation, Architecture, Dense, dense
from aeanom.core import Block, Segment, TrainingPlan, initial_weights
from aeanom.core.batches import epoch_batches

BACKENDS = ("numpy", "torch", "jax", "tensorflow")
SCHEDULES = {"learning_rate": np.array([1e-3])}

NETWORK = dense(6, (5,), 3, activation="tanh")
DROPOUT_NETWORK = dense(6, (5,), 3, activation="tanh", dropout=0.25)
SIGMOID_NETWORK = dense(6, (5,), 3, activation="tanh", output_activation="sigmoid")


def function_network(function):
    """A network that has the function in every place it can have it.

    Its biases are not zero: behind a dead ReLU, a value would lie exactly on the next one's kink.
    """
    return dense(
        4,
        (3,),
        2,
        activation=function,
        latent_activation=function,
        output_activation=function,
        initializer="fan_in",
    )


def identity_network(function):
    """One value in, `function` of it out: both kernels are to be set to 1."""
    return Architecture(
        (1,),
        (Dense(1, use_bias=False),),
        (Activation(function), Dense(1, use_bias=False)),
    )


def normal_rows(n=40, n_features=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_features))


def unit_rows(n=40, n_features=6, seed=0):
    return np.random.default_rng(seed).uniform(size=(n, n_features))


def make_autoencoder(backend, architecture=NETWORK, dtype="float64", seed=0):
    weights = initial_weights(architecture, seed, dtype)
    return backend.autoencoder(architecture, weights, dtype=dtype, device="cpu")


def make_trainer(backend, architecture=NETWORK, dtype="float64", **plan):
    return backend.trainer(make_autoencoder(backend, architecture, dtype), TrainingPlan(**plan))


def segment(plan, n_rows, *, epoch=0, first_step=0, part=slice(None), noise=None):
    """The steps of one epoch, or some of them, as the training loop hands them to a backend."""
    order, row_weight = epoch_batches(n_rows, plan.batch_size, seed=plan.seed, epoch=epoch)
    order, row_weight = order[part], row_weight[part]
    steps = len(order)
    return Segment(first_step, steps, order, row_weight, plan.schedules(first_step, steps), noise)


def train(trainer, rows, epochs=1):
    """Steps of some epochs, without the loop; returns the weights."""
    placed = trainer.place(Block(rows))
    for epoch in range(epochs):
        trainer.run_steps(
            placed, segment(trainer.plan, len(rows), epoch=epoch, first_step=trainer.step)
        )
    return trainer.autoencoder.weights()


def relative_difference(array, reference):
    """Largest difference of an array over the reference's largest value: the design's measure."""
    return np.abs(array - reference).max() / (np.abs(reference).max() or 1.0)


def largest_difference(weights, reference):
    """`relative_difference` of the worst array of a set by name."""
    assert list(weights) == list(reference)
    return max(relative_difference(weights[name], reference[name]) for name in reference)


def score_difference(scores, reference):
    """Largest difference of a score, over the larger of it and the median score."""
    return (np.abs(scores - reference) / np.maximum(reference, np.median(reference))).max()


def same_bits(weights, others):
    return list(weights) == list(others) and all(
        weights[name].tobytes() == others[name].tobytes() for name in weights
    )
