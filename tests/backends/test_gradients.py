"""Gradients: NumPy's against finite differences, the frameworks' at the kinks where they differ.

`test_numpy_layers.py` holds every kind of layer against finite differences, `tests/parity` the
frameworks' gradients against NumPy's.
"""

import numpy as np
import pytest
from support import (
    DROPOUT_NETWORK,
    NETWORK,
    SCHEDULES,
    SIGMOID_NETWORK,
    function_network,
    identity_network,
    largest_difference,
    make_autoencoder,
    make_trainer,
    normal_rows,
    same_bits,
    unit_rows,
)

from aeanom.architectures import ACTIVATIONS
from aeanom.backends.numpy.context import Workspace
from aeanom.backends.numpy.losses import row_losses
from aeanom.core import Block, Loss
from aeanom.core.losses import elementwise_loss
from aeanom.core.noise import step_noise


def finite_differences(trainer, rows, row_weights, loss, h=1e-5):
    """Central differences of the weighted sum of row losses in every single weight."""
    autoencoder = trainer.autoencoder
    weights = autoencoder.weights()

    def total():
        autoencoder.load_weights(weights)
        output = autoencoder.raw_output if loss.takes_raw_output else autoencoder.reconstruct
        return row_weights @ elementwise_loss(loss, output(rows), rows).mean(axis=1)

    gradients = {name: np.empty_like(array) for name, array in weights.items()}
    for name, array in weights.items():
        for index in np.ndindex(array.shape):
            value = array[index]
            array[index] = value + h
            above = total()
            array[index] = value - h
            below = total()
            array[index] = value
            gradients[name][index] = (above - below) / (2 * h)
    autoencoder.load_weights(weights)
    return gradients


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_numpy_s_gradient_of_an_activation_is_that_of_finite_differences(numpy_backend, function):
    rows, row_weights = normal_rows(7, 4), np.arange(7.0)
    trainer = make_trainer(numpy_backend, function_network(function))
    _, gradients = trainer.gradients(Block(rows), row_weights, SCHEDULES)
    expected = finite_differences(trainer, rows, row_weights, Loss())
    assert largest_difference(gradients, expected) < 1e-6


@pytest.mark.parametrize("loss", [Loss("mse"), Loss("mae"), Loss("huber", delta=0.5), Loss("bce")])
def test_numpy_s_gradient_of_a_loss_is_that_of_finite_differences(numpy_backend, loss):
    rows, row_weights = unit_rows(7), np.arange(7.0)
    trainer = make_trainer(numpy_backend, SIGMOID_NETWORK, loss=loss)
    _, gradients = trainer.gradients(Block(rows), row_weights, SCHEDULES)
    expected = finite_differences(trainer, rows, row_weights, loss)
    assert largest_difference(gradients, expected) < 1e-6


@pytest.mark.parametrize("huge", [50.0, 800.0, 1e6])
@pytest.mark.parametrize("function", ACTIVATIONS)
def test_activations_and_their_gradients_are_finite_far_from_zero(numpy_backend, function, huge):
    autoencoder = make_autoencoder(numpy_backend, identity_network(function))
    rows = np.array([[-huge], [huge]])
    assert np.isfinite(autoencoder.reconstruct(rows)).all()
    trainer = make_trainer(numpy_backend, identity_network(function))
    _, gradients = trainer.gradients(Block(rows), np.ones(2), SCHEDULES)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


DERIVATIVES_AT_ZERO = {
    "linear": 1.0,
    "relu": 0.0,
    "leaky_relu": 0.01,
    "elu": 1.0,
    "selu": 1.0507009873554804934193349852946,
    "gelu": 0.5,
    "silu": 0.5,
    "tanh": 1.0,
    "sigmoid": 0.25,
    "softplus": 0.5,
}


@pytest.mark.parametrize("function", ACTIVATIONS)
def test_the_derivative_at_exactly_zero_is_the_documented_one(backend, function):
    # x → k·x → f → c·f. With k = 0 and target t, d(loss)/dk = 2 (c f(0) - t) · c · f'(0) · x.
    architecture = identity_network(function)
    trainer = make_trainer(backend, architecture)
    kernels = {"encoder.0.kernel": np.zeros((1, 1)), "decoder.1.kernel": np.ones((1, 1))}
    trainer.autoencoder.load_weights(kernels)
    value = trainer.autoencoder.reconstruct(np.ones((1, 1))).item()
    block = Block(np.ones((1, 1)), targets=np.full((1, 1), value - 0.5))
    _, gradients = trainer.gradients(block, np.ones(1), SCHEDULES)
    derivative = gradients["encoder.0.kernel"].item()
    assert derivative == pytest.approx(DERIVATIVES_AT_ZERO[function], rel=1e-14, abs=1e-300)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_the_slope_of_a_loss_at_a_perfect_reconstruction_is_zero(backend, loss):
    trainer = make_trainer(backend, identity_network("linear"), loss=Loss(loss))
    ones = {name: np.ones((1, 1)) for name in ("encoder.0.kernel", "decoder.1.kernel")}
    trainer.autoencoder.load_weights(ones)
    _, gradients = trainer.gradients(Block(np.full((1, 1), 3.0)), np.ones(1), SCHEDULES)
    assert gradients["encoder.0.kernel"].item() == 0


@pytest.mark.parametrize("residual", [-0.5, 0.5])
def test_the_slope_of_huber_where_it_turns_linear_is_delta(backend, residual):
    trainer = make_trainer(backend, identity_network("linear"), loss=Loss("huber", delta=0.5))
    ones = {name: np.ones((1, 1)) for name in ("encoder.0.kernel", "decoder.1.kernel")}
    trainer.autoencoder.load_weights(ones)
    block = Block(np.ones((1, 1)), targets=np.full((1, 1), 1 - residual))
    _, gradients = trainer.gradients(block, np.ones(1), SCHEDULES)
    assert gradients["encoder.0.kernel"].item() == pytest.approx(residual, rel=1e-14)


def test_gradients_of_parts_add_up_to_those_of_the_whole(backend):
    rows, row_weights = normal_rows(20), np.linspace(0.5, 2, 20)
    trainer = make_trainer(backend)
    total, whole = trainer.gradients(Block(rows), row_weights, SCHEDULES)
    halves = [
        trainer.gradients(Block(rows[part]), row_weights[part], SCHEDULES)
        for part in (slice(0, 10), slice(10, 20))
    ]
    added = {name: halves[0][1][name] + halves[1][1][name] for name in whole}
    assert largest_difference(added, whole) < 1e-12
    assert sum(float(part[0].total) for part in halves) == pytest.approx(
        float(total.total), rel=1e-12
    )


def test_the_loss_sum_is_weighted_and_knows_its_weight(backend):
    rows, row_weights = normal_rows(10), np.arange(10.0)
    trainer = make_trainer(backend)
    loss_sum, _ = trainer.gradients(Block(rows), row_weights, SCHEDULES)
    errors = trainer.autoencoder.errors(rows, Loss())
    assert float(loss_sum.total) == pytest.approx(row_weights @ errors, rel=1e-12)
    assert float(loss_sum.weight) == pytest.approx(45.0)
    assert loss_sum.mean() == pytest.approx(row_weights @ errors / 45, rel=1e-12)


def test_rows_without_weight_have_no_part_in_the_gradient(backend):
    rows = normal_rows(20)
    trainer = make_trainer(backend)
    _, expected = trainer.gradients(Block(rows[:10]), np.ones(10), SCHEDULES)
    _, padded = trainer.gradients(Block(rows), np.repeat([1.0, 0.0], 10), SCHEDULES)
    assert largest_difference(padded, expected) < 1e-12


def test_asking_for_gradients_changes_neither_weights_nor_state(backend):
    trainer = make_trainer(backend)
    before = trainer.autoencoder.weights()
    trainer.gradients(Block(normal_rows(10)), np.ones(10), SCHEDULES)
    assert trainer.step == 0
    assert same_bits(trainer.autoencoder.weights(), before)
    assert not any(moment.any() for moment in trainer.state().first_moment.values())


def test_gradients_without_noise_do_not_remember_the_noise_of_earlier_steps(backend):
    block = Block(normal_rows(10))
    fresh, used = (
        make_trainer(backend, DROPOUT_NETWORK, batch_size=10, epochs=1, learning_rate=1e-300)
        for _ in range(2)
    )
    used.fit(block)
    _, expected = fresh.gradients(block, np.ones(10), SCHEDULES)
    _, gradients = used.gradients(block, np.ones(10), SCHEDULES)
    assert largest_difference(gradients, expected) < 1e-12


def test_gradients_with_noise_handed_in_use_it(framework_backend, numpy_backend):
    block, noise = Block(normal_rows(10)), step_noise(DROPOUT_NETWORK, 0, 0, 10, "float64")
    results = [
        make_trainer(backend, DROPOUT_NETWORK).gradients(block, np.ones(10), SCHEDULES, noise)[1]
        for backend in (framework_backend, numpy_backend)
    ]
    assert largest_difference(*results) < 1e-10


def test_targets_are_what_the_reconstruction_is_compared_with(backend):
    rows, targets = normal_rows(10), normal_rows(10, seed=1)
    trainer = make_trainer(backend)
    loss_sum, _ = trainer.gradients(Block(rows, targets=targets), np.ones(10), SCHEDULES)
    expected = ((trainer.autoencoder.reconstruct(rows) - targets) ** 2).mean(axis=1).sum()
    assert float(loss_sum.total) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", ["mse", "mae"])
def test_element_weights_multiply_each_element_s_loss(backend, loss):
    rows, factors = normal_rows(10), unit_rows(10, seed=1)
    trainer = make_trainer(backend, loss=Loss(loss))
    loss_sum, _ = trainer.gradients(Block(rows, element_weights=factors), np.ones(10), SCHEDULES)
    elements = elementwise_loss(Loss(loss), trainer.autoencoder.reconstruct(rows), rows)
    assert float(loss_sum.total) == pytest.approx(
        (factors * elements).mean(axis=1).sum(), rel=1e-12
    )


def test_targets_and_element_weights_have_their_part_in_the_gradient(
    framework_backend, numpy_backend
):
    block = Block(normal_rows(10), normal_rows(10, seed=1), unit_rows(10, seed=2))
    results = [
        make_trainer(backend, NETWORK).gradients(block, np.ones(10), SCHEDULES)[1]
        for backend in (framework_backend, numpy_backend)
    ]
    assert largest_difference(*results) < 1e-10


def test_evaluation_honours_targets_and_element_weights(backend):
    rows, targets, factors = normal_rows(10), normal_rows(10, seed=1), unit_rows(10, seed=2)
    trainer = make_trainer(backend)
    loss_sum = trainer.evaluate(trainer.place(Block(rows, targets, factors)), SCHEDULES)
    elements = (trainer.autoencoder.reconstruct(rows) - targets) ** 2 * factors
    assert loss_sum.mean() == pytest.approx(elements.mean(), rel=1e-12)
    assert float(loss_sum.weight) == 10


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("name", ["mse", "mae", "huber", "bce", "gaussian"])
def test_without_a_factor_torch_leaves_the_derivative_as_numpy_does(name, weighted):
    torch = pytest.importorskip("torch")
    from aeanom.backends.torch import context as torch_context
    from aeanom.backends.torch import losses as torch_losses

    target, loss = unit_rows(), Loss(name)
    output = normal_rows(n_features=12 if name == "gaussian" else 6, seed=1)
    weights = unit_rows(seed=2) if weighted else None
    expected = row_losses(loss, output, target, weights, Workspace("float64"))
    given = [None if array is None else torch.from_numpy(array) for array in (target, weights)]
    tensor = torch.from_numpy(output)
    found = torch_losses.row_losses(loss, tensor, *given, torch_context.Workspace(tensor))
    for theirs, ours in zip(found, expected, strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours, rtol=1e-12, atol=1e-15)
