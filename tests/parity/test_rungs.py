"""What the ladder's examples do not have: every loss, values on a kink, and Adam's settings.

`tests/testing/test_conformance.py` climbs the ladder itself, rung by rung for every network, and
`test_reference_runs.py` has whole trainings.
"""

import numpy as np
import pytest
from support import (
    DROPOUT_NETWORK,
    SCHEDULES,
    SIGMOID_NETWORK,
    function_network,
    largest_difference,
    make_trainer,
    score_difference,
    unit_rows,
)

from aeanom.core import Adam, Block, Loss

GRADIENTS = 1e-10
FIFTY_STEPS = 1e-8
LOSSES = [Loss("mse"), Loss("mae"), Loss("huber", delta=0.5), Loss("bce")]


def zeros_among(rows):
    """Rows with exact zeros among them, which is where frameworks differ."""
    rows = rows.copy()
    rows[::3] = 0
    return rows


def gradients(backend, loss):
    trainer = make_trainer(backend, SIGMOID_NETWORK, loss=loss)
    rows = zeros_among(unit_rows(20))
    return trainer.gradients(Block(rows), np.linspace(0, 2, len(rows)), SCHEDULES)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_the_value_and_the_gradients_of_every_loss(framework_backend, numpy_backend, loss):
    expected, expected_gradients = gradients(numpy_backend, loss)
    given, given_gradients = gradients(framework_backend, loss)
    assert float(given.total) == pytest.approx(float(expected.total), rel=1e-12)
    assert largest_difference(given_gradients, expected_gradients) < GRADIENTS


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
    assert largest_difference(given, expected) < GRADIENTS


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


def test_fifty_steps_with_decay_clipping_and_dropout(framework_backend, numpy_backend):
    arguments = (
        DROPOUT_NETWORK,
        zeros_among(unit_rows(47)),
        Loss(),
        Adam(weight_decay=0.1, clip_norm=0.3),
    )
    expected = scores_after_fifty_steps(numpy_backend, *arguments)
    given = scores_after_fifty_steps(framework_backend, *arguments)
    assert score_difference(given, expected) < FIFTY_STEPS
