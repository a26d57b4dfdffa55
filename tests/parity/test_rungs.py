"""The ladder of parity: each framework against NumPy in float64, rung by rung.

The bounds are those that the documentation promises. Rungs: forward, gradients, one step, fifty
steps; `test_reference_runs.py` has whole trainings.
"""

import numpy as np
import pytest
from support import (
    DROPOUT_NETWORK,
    NETWORK,
    SCHEDULES,
    SIGMOID_NETWORK,
    function_network,
    largest_difference,
    make_autoencoder,
    make_trainer,
    normal_rows,
    relative_difference,
    score_difference,
    segment,
    unit_rows,
)

from aeanom.architectures import ACTIVATIONS
from aeanom.core import Adam, Block, Loss

FORWARD = {"float64": 1e-12, "float32": 1e-5}
GRADIENTS = {"float64": 1e-10, "float32": 1e-4}
ONE_STEP = {"float64": 1e-10, "float32": 1e-5}
FIFTY_STEPS = 1e-8

DTYPES = ["float64", "float32"]
LOSSES = [Loss("mse"), Loss("mae"), Loss("huber", delta=0.5), Loss("bce")]


def zeros_among(rows):
    """Rows with exact zeros among them, which is where frameworks differ."""
    rows = rows.copy()
    rows[::3] = 0
    return rows


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("function", ACTIVATIONS)
def test_forward(framework_backend, numpy_backend, function, dtype):
    architecture, rows = function_network(function), 3 * zeros_among(normal_rows(20, 4))
    expected = make_autoencoder(numpy_backend, architecture).reconstruct(rows)
    given = make_autoencoder(framework_backend, architecture, dtype).reconstruct(rows)
    assert relative_difference(given, expected) < FORWARD[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_errors(framework_backend, numpy_backend, loss, dtype):
    rows = zeros_among(unit_rows(20))
    expected = make_autoencoder(numpy_backend, SIGMOID_NETWORK).errors(rows, loss)
    given = make_autoencoder(framework_backend, SIGMOID_NETWORK, dtype).errors(rows, loss)
    assert relative_difference(given, expected) < FORWARD[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_in_float32_is_held_to_its_own_float64(numpy_backend, dtype):
    rows = normal_rows(20)
    double, single = (make_trainer(numpy_backend, dtype=name) for name in ("float64", dtype))
    arguments = Block(rows), np.ones(20), SCHEDULES
    rough, exact = (trainer.autoencoder.reconstruct(rows) for trainer in (single, double))
    assert relative_difference(rough, exact) < FORWARD[dtype]
    rough, exact = (trainer.gradients(*arguments)[1] for trainer in (single, double))
    assert largest_difference(rough, exact) < GRADIENTS[dtype]


def gradients(backend, architecture, rows, loss, dtype="float64"):
    trainer = make_trainer(backend, architecture, dtype, loss=loss)
    return trainer.gradients(Block(rows), np.linspace(0, 2, len(rows)), SCHEDULES)[1]


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_gradients_of_every_activation(framework_backend, numpy_backend, function):
    arguments = function_network(function), 3 * zeros_among(normal_rows(20, 4)), Loss()
    expected = gradients(numpy_backend, *arguments)
    given = gradients(framework_backend, *arguments)
    assert largest_difference(given, expected) < GRADIENTS["float64"]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_gradients_of_every_loss(framework_backend, numpy_backend, loss):
    arguments = SIGMOID_NETWORK, zeros_among(unit_rows(20)), loss
    expected = gradients(numpy_backend, *arguments)
    given = gradients(framework_backend, *arguments)
    assert largest_difference(given, expected) < GRADIENTS["float64"]


def test_gradients_in_float32(framework_backend, numpy_backend):
    expected = gradients(numpy_backend, NETWORK, normal_rows(20), Loss())
    given = gradients(framework_backend, NETWORK, normal_rows(20), Loss(), "float32")
    assert largest_difference(given, expected) < GRADIENTS["float32"]


@pytest.mark.parametrize("loss", LOSSES[:3], ids=lambda loss: loss.name)
def test_gradients_where_every_value_lies_on_a_kink(framework_backend, numpy_backend, loss):
    # Zero rows through a network without biases: every pre-activation and residual is exactly 0
    # but those that come from the targets.
    trainers = [
        make_trainer(backend, function_network("leaky_relu"), loss=loss)
        for backend in (framework_backend, numpy_backend)
    ]
    for trainer in trainers:
        weights = trainer.autoencoder.weights()
        trainer.autoencoder.load_weights(
            {name: array * name.endswith("kernel") for name, array in weights.items()}
        )
    block = Block(np.zeros((6, 4)), targets=np.repeat([[0.0, 0.5, -0.5, 2.0]], 6, axis=0))
    given, expected = (t.gradients(block, np.ones(6), SCHEDULES)[1] for t in trainers)
    assert largest_difference(given, expected) < GRADIENTS["float64"]


@pytest.mark.parametrize("dtype", DTYPES)
def test_one_step(framework_backend, numpy_backend, dtype):
    weights = []
    for backend, precision in ((framework_backend, dtype), (numpy_backend, "float64")):
        trainer = make_trainer(backend, dtype=precision, batch_size=20)
        placed = trainer.place(Block(normal_rows(20)))
        trainer.run_steps(placed, segment(trainer.plan, 20))
        weights.append(trainer.autoencoder.weights())
    assert largest_difference(*weights) < ONE_STEP[dtype]


def scores_after_fifty_steps(backend, architecture, rows, loss, optimizer):
    # Seven rows more than four full batches: the last batch of each epoch is filled up.
    trainer = make_trainer(
        backend,
        architecture,
        loss=loss,
        optimizer=optimizer,
        batch_size=10,
        epochs=10,
        learning_rate=0.01,
        noise="shared",
        seed=5,
    )
    history = trainer.fit(Block(rows))
    assert history.steps == 50
    return trainer.autoencoder.errors(rows, loss)


@pytest.mark.parametrize(
    ("architecture", "loss", "optimizer"),
    [
        (NETWORK, Loss(), Adam()),
        (DROPOUT_NETWORK, Loss(), Adam(weight_decay=0.1, clip_norm=0.3)),
        (function_network("leaky_relu"), Loss("mae"), Adam()),
        (SIGMOID_NETWORK, Loss("bce"), Adam()),
    ],
    ids=["plain", "dropout, decay and clipping", "leaky_relu and mae", "sigmoid and bce"],
)
def test_fifty_steps(framework_backend, numpy_backend, architecture, loss, optimizer):
    rows = zeros_among(unit_rows(47, architecture.input_shape[0]))
    expected = scores_after_fifty_steps(numpy_backend, architecture, rows, loss, optimizer)
    given = scores_after_fifty_steps(framework_backend, architecture, rows, loss, optimizer)
    assert score_difference(given, expected) < FIFTY_STEPS
