"""NumPy's networks with every kind of layer: gradients against finite differences, and laws.

`test_numpy_functions.py` holds what the layers compute against torch's own functions.
"""

import numpy as np
import pytest
from support import largest_difference, make_trainer, same_bits, segment

from aeanom.architectures import Architecture
from aeanom.architectures.layers import (
    GRU,
    LSTM,
    Activation,
    ActivityRegularization,
    AveragePool,
    BatchNorm,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GaussianLatent,
    GaussianOutput,
    InputNoise,
    LayerNorm,
    MaxPool,
    RepeatVector,
    Reshape,
    Residual,
    Upsample,
    place_layers,
)
from aeanom.backends.numpy.layers import LAYERS
from aeanom.core import Block, Loss
from aeanom.core.batches import epoch_batches
from aeanom.core.losses import LOG_2_PI
from aeanom.core.noise import step_noise

TANH = Activation("tanh")
FLAT, SERIES, IMAGE = (4,), (5, 2), (4, 3, 2)


def around(shape, *inner):
    """A network with these layers between dense ones, back to the shape of a row."""
    placed = place_layers("inner", inner, shape)
    end = () if placed[-1].output_shape == shape else (Flatten(), Dense(np.prod(shape)))
    back = end[1:] if len(placed[-1].output_shape) == 1 else end
    close = (*back, Reshape(shape)) if back and len(shape) > 1 else back
    return Architecture(shape, (Dense(shape[-1]), *inner), close or (Dense(shape[-1]),))


EXAMPLES = {
    "dense": around(FLAT, Dense(3, use_bias=False)),
    "dense of a series": around(SERIES, Dense(3)),
    "activations in a row": around(FLAT, TANH, Activation("sigmoid"), Activation("gelu"), TANH),
    "dropout": around(FLAT, Dropout(0.3), TANH),
    "layer_norm": around(FLAT, LayerNorm(epsilon=0.1), TANH),
    "layer_norm of a series": around(SERIES, Dense(3), LayerNorm(), Dense(2)),
    "batch_norm": around(FLAT, TANH, BatchNorm(epsilon=0.1), TANH),
    "batch_norm of an image": around(IMAGE, TANH, BatchNorm(), TANH),
    "flatten and reshape": around(FLAT, Reshape((2, 2)), TANH, Dense(3), Flatten(), TANH),
    "residual": around(FLAT, Residual([TANH, Dense(3), TANH, Dense(4)]), TANH),
    "nested residual": around(
        FLAT, TANH, Residual([Dense(4), Residual([BatchNorm(), TANH]), Dropout(0.3)])
    ),
    "residual of an image": around(IMAGE, Residual([Conv2D(2, 3), TANH, Conv2D(2, 1)])),
    "conv1d": around(SERIES, Conv1D(2, 3), TANH),
    "conv1d, even kernel and stride": around(SERIES, Conv1D(3, 4, stride=2), TANH),
    "conv1d, padded behind": around(SERIES, Conv1D(3, 2, padding=((0, 3),)), TANH),
    "conv2d": around(IMAGE, Conv2D(2, 3, use_bias=False), TANH, Conv2D(2, (2, 1))),
    "conv2d, strides that leave cells out": around(IMAGE, Conv2D(2, (1, 2), stride=(3, 1))),
    "conv2d, valid": around(IMAGE, Conv2D(3, 2, padding="valid"), TANH),
    "conv2d, odd padding": around(IMAGE, Conv2D(2, 3, 2, padding=((2, 0), (0, 1)))),
    "conv2d_transpose": around(
        IMAGE, Conv2D(2, 3, stride=2), TANH, Conv2DTranspose(1, 3, stride=2), TANH
    ),
    "conv2d_transpose, valid": around(
        IMAGE, Conv2DTranspose(1, (3, 1), (1, 2), "valid", use_bias=False)
    ),
    "conv2d_transpose, cropped": around(
        IMAGE, Conv2DTranspose(2, (2, 3), padding=((1, 0), (0, 2))), TANH
    ),
    "upsample": around(SERIES, Upsample(2), Conv1D(2, 3, stride=2)),
    "upsample of an image": around(IMAGE, Upsample((1, 2)), AveragePool((1, 2))),
    "max_pool": around(SERIES, MaxPool(2), TANH),
    "max_pool of an image": around(IMAGE, TANH, MaxPool((2, 2))),
    "average_pool": around(SERIES, AveragePool(3), TANH),
    "average_pool of an image": around(IMAGE, AveragePool((3, 1)), TANH),
    "lstm": around(SERIES, LSTM(3)),
    "lstm, sequences": around(SERIES, LSTM(3, return_sequences=True), TANH, LSTM(2, True)),
    "gru": around(SERIES, GRU(3)),
    "gru, sequences": around(SERIES, GRU(2, return_sequences=True), TANH, GRU(3, True), Dense(2)),
    "repeat_vector": around(SERIES, LSTM(2), RepeatVector(5), GRU(2, return_sequences=True)),
    "gaussian_latent": around(FLAT, GaussianLatent(3, beta=0.7), TANH),
    "gaussian_latent, warming up": around(FLAT, GaussianLatent(3, warm_up_steps=3, beta=4)),
    "gaussian_latent, in the score": around(FLAT, GaussianLatent(3, kl_in_score=True)),
    "gaussian_latent, beta 0": around(FLAT, GaussianLatent(3, beta=0.0), TANH),
    "gaussian_output": Architecture(FLAT, (Dense(3), TANH), (Dense(8), GaussianOutput())),
    "gaussian_output of a series": Architecture(
        SERIES, (Dense(3),), (GRU(3, True), Dense(4), GaussianOutput())
    ),
    "variational and Gaussian": Architecture(
        FLAT, (Dense(3), TANH, GaussianLatent(2)), (Dense(8), GaussianOutput())
    ),
    "input_noise, gaussian": around(FLAT, InputNoise("gaussian", 0.5), TANH),
    "input_noise, masking": around(FLAT, InputNoise("masking", 0.4), TANH),
    "input_noise, swap": around(SERIES, InputNoise("swap", 0.6), TANH),
    "activity_regularization": around(FLAT, ActivityRegularization(0.7), Activation("sigmoid")),
    "activity_regularization of a series": around(SERIES, TANH, ActivityRegularization(3)),
}
IN_ALL_EXAMPLES = pytest.mark.parametrize("name", EXAMPLES)
SCHEDULES = {"learning_rate": np.array([1e-3]), "kl_weight": np.array([0.3])}


def example(backend, name, dtype="float64", n=6):
    """A trainer of an example with random weights, rows, and draws for every noisy layer."""
    architecture = EXAMPLES[name]
    loss = Loss("gaussian" if architecture.has_gaussian_output else "huber", delta=0.8)
    trainer = make_trainer(backend, architecture, dtype, loss=loss)
    rng = np.random.default_rng(1)
    weights = {p.name: rng.normal(scale=0.7, size=p.shape) for p in architecture.parameters}
    # The variances of BatchNorm are positive.
    positive = {name: np.exp(w) for name, w in weights.items() if name.endswith(".variance")}
    trainer.autoencoder.load_weights({**weights, **positive})
    rows = np.random.default_rng(0).normal(size=(n, *architecture.input_shape)).astype(dtype)
    return trainer, rows, step_noise(architecture, 0, 0, n, dtype)


def finite_differences(trainer, total, h=1e-5):
    """Central differences of `total()` in every single trainable weight."""
    live = trainer.autoencoder.native().parameters
    gradients = {}
    for parameter in trainer.autoencoder.architecture.trainable:
        array = live[parameter.name]
        gradients[parameter.name] = gradient = np.empty_like(array)
        for index in np.ndindex(array.shape):
            value = array[index]
            array[index] = value + h
            above = total()
            array[index] = value - h
            gradient[index] = (above - total()) / (2 * h)
            array[index] = value
    return gradients


def test_every_kind_of_layer_is_among_the_examples():
    kinds = {kind for architecture in EXAMPLES.values() for kind in architecture.kinds}
    assert kinds == set(LAYERS)


@IN_ALL_EXAMPLES
def test_gradients_are_those_of_finite_differences(numpy_backend, name):
    trainer, rows, noise = example(numpy_backend, name)
    block, row_weights = Block(rows), np.arange(6.0)
    assert noise.keys() == EXAMPLES[name].draws.keys()

    def total():
        return trainer.gradients(block, row_weights, SCHEDULES, noise)[0].total

    gradients = trainer.gradients(block, row_weights, SCHEDULES, noise)[1]
    assert largest_difference(gradients, finite_differences(trainer, total)) < 1e-6


@pytest.mark.parametrize("name", ["gaussian_output", "gaussian_output of a series"])
def test_element_weights_have_their_part_in_a_gaussian_likelihood(numpy_backend, name):
    trainer, rows, _ = example(numpy_backend, name)
    factors = np.random.default_rng(1).uniform(size=rows.shape)
    block = Block(rows, -rows, factors)

    def total():
        return trainer.gradients(block, np.ones(6), SCHEDULES)[0].total

    gradients = trainer.gradients(block, np.ones(6), SCHEDULES)[1]
    assert largest_difference(gradients, finite_differences(trainer, total)) < 1e-6


@IN_ALL_EXAMPLES
def test_single_precision_stays_single_and_near(numpy_backend, name):
    double, rows, noise = example(numpy_backend, name)
    single, single_rows, single_noise = example(numpy_backend, name, "float32")
    assert single.autoencoder.native()(single_rows).dtype == np.float32
    _, expected = double.gradients(Block(rows), np.ones(6), SCHEDULES, noise)
    _, gradients = single.gradients(Block(single_rows), np.ones(6), SCHEDULES, single_noise)
    assert largest_difference(gradients, expected) < 1e-4


@IN_ALL_EXAMPLES
def test_a_row_s_scores_and_penalties_are_the_same_in_any_company(numpy_backend, name):
    trainer, rows, _ = example(numpy_backend, name, n=150)
    autoencoder, loss = trainer.autoencoder, trainer.plan.loss
    for compute in (lambda x: autoencoder.errors(x, loss), autoencoder.penalties):
        alone = np.concatenate([compute(row[None]) for row in rows[::30]])
        assert compute(rows)[::30] == pytest.approx(alone, rel=1e-12, abs=1e-14)


@IN_ALL_EXAMPLES
def test_rows_that_only_fill_a_batch_up_change_no_gradient(numpy_backend, name):
    trainer, rows, noise = example(numpy_backend, name, n=9)
    first = {site: draws[:6] for site, draws in noise.items()}
    _, expected = trainer.gradients(Block(rows[:6]), np.full(6, 0.5), SCHEDULES, first)
    _, padded = trainer.gradients(Block(rows), np.repeat([0.5, 0], [6, 3]), SCHEDULES, noise)
    assert largest_difference(padded, expected) < 1e-12


@IN_ALL_EXAMPLES
def test_what_was_applied_before_has_no_part_in_a_gradient(numpy_backend, name):
    trainer, rows, noise = example(numpy_backend, name)
    _, expected = trainer.gradients(Block(rows), np.ones(6), SCHEDULES, noise)
    ones = {name: np.ones_like(gradient) for name, gradient in expected.items()}
    trainer.apply(ones, {"learning_rate": np.array([1e-300])})
    _, gradients = trainer.gradients(Block(rows), np.ones(6), SCHEDULES, noise)
    assert same_bits(gradients, expected)


@IN_ALL_EXAMPLES
def test_what_is_returned_is_not_overwritten_by_the_next_call(numpy_backend, name):
    trainer, rows, _ = example(numpy_backend, name)
    autoencoder = trainer.autoencoder
    before = rows.copy()
    results = [autoencoder.encode(rows), autoencoder.reconstruct(rows)]
    copies = [result.copy() for result in results]
    autoencoder.encode(2 * rows), autoencoder.reconstruct(2 * rows)
    assert np.array_equal(rows, before)
    for result, copy in zip(results, copies, strict=True):
        assert np.array_equal(result, copy)


def test_the_buffers_of_batch_norm_follow_the_batches_without_their_padding(numpy_backend):
    architecture = Architecture((3,), (BatchNorm(decay=0.8), Dense(2)), (Dense(3),))
    trainer = make_trainer(numpy_backend, architecture, batch_size=4, learning_rate=1e-300)
    rows = np.random.default_rng(0).normal(2, 3, size=(10, 3))
    mean, variance = np.zeros(3), np.ones(3)
    for index, weight in zip(*epoch_batches(10, 4, seed=0, epoch=0), strict=True):
        batch = rows[index[weight > 0]]
        mean = 0.8 * mean + 0.2 * batch.mean(axis=0)
        variance = 0.8 * variance + 0.2 * batch.var(axis=0)
    trainer.gradients(Block(rows), np.ones(10), SCHEDULES)
    trainer.evaluate(trainer.place(Block(rows)), SCHEDULES)
    trainer.run_steps(trainer.place(Block(rows)), segment(trainer.plan, 10))
    weights = trainer.autoencoder.weights()
    assert weights["encoder.0.mean"] == pytest.approx(mean, rel=1e-12)
    assert weights["encoder.0.variance"] == pytest.approx(variance, rel=1e-12)


def test_an_error_with_a_gaussian_output_is_the_negative_log_likelihood(numpy_backend):
    trainer, rows, _ = example(numpy_backend, "gaussian_output of a series")
    mean, raw = np.split(trainer.autoencoder.raw_output(rows), 2, axis=-1)
    s = 10 * np.tanh(raw / 10)
    expected = 0.5 * ((rows - mean) ** 2 / np.exp(s) + s + LOG_2_PI).mean(axis=(1, 2))
    assert trainer.autoencoder.errors(rows, Loss("gaussian")) == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(trainer.autoencoder.reconstruct(rows), mean)
