"""Each backend's network: weights in and out, encode, decode, errors, and the native module."""

import numpy as np
import pytest
from scipy import special
from support import (
    DROPOUT_NETWORK,
    NETWORK,
    SIGMOID_NETWORK,
    make_autoencoder,
    make_trainer,
    normal_rows,
    relative_difference,
    same_bits,
    unit_rows,
)

from aeanom.architectures import (
    Activation,
    Architecture,
    Dense,
    Residual,
    convolutional,
    convolutional_1d,
    dense,
)
from aeanom.core import Block, Loss, Scaler, initial_weights
from aeanom.core.losses import elementwise_loss
from aeanom.errors import ArchitectureError, InvalidDataError, InvalidParameterError

X = normal_rows(20)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_come_out_as_they_went_in(backend, dtype):
    weights = initial_weights(NETWORK, 1, dtype)
    assert same_bits(make_autoencoder(backend, dtype=dtype, seed=1).weights(), weights)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_are_contiguous_writable_and_in_the_network_s_dtype(backend, dtype):
    for array in make_autoencoder(backend, dtype=dtype).weights().values():
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.flags.owndata
        assert array.dtype == dtype


def test_changing_weights_that_were_handed_out_does_not_change_the_network(backend):
    autoencoder = make_autoencoder(backend)
    before = autoencoder.reconstruct(X)
    for array in autoencoder.weights().values():
        array[...] = 0
    assert np.array_equal(autoencoder.reconstruct(X), before)


def test_changing_weights_that_were_handed_in_does_not_change_the_network(backend):
    weights = initial_weights(NETWORK, 1, "float64")
    autoencoder = make_autoencoder(backend)
    autoencoder.load_weights(weights)
    before = autoencoder.reconstruct(X)
    for array in weights.values():
        array[...] = 0
    assert np.array_equal(autoencoder.reconstruct(X), before)


def test_loaded_weights_replace_the_old_ones(backend):
    autoencoder = make_autoencoder(backend, seed=0)
    autoencoder.load_weights(initial_weights(NETWORK, 1))
    assert np.array_equal(
        autoencoder.reconstruct(X), make_autoencoder(backend, seed=1).reconstruct(X)
    )


def test_weights_that_do_not_fit_are_refused_and_change_nothing(backend):
    autoencoder = make_autoencoder(backend)
    before = autoencoder.weights()
    wrong = {**initial_weights(NETWORK, 1), "decoder.2.bias": np.ones(7)}
    with pytest.raises(ArchitectureError, match=r"decoder\.2\.bias"):
        autoencoder.load_weights(wrong)
    assert same_bits(autoencoder.weights(), before)


def test_the_network_is_matrix_products_biases_and_tanh(backend):
    w = initial_weights(NETWORK, 0)
    hidden = np.tanh(X @ w["encoder.0.kernel"] + w["encoder.0.bias"])
    latent = hidden @ w["encoder.2.kernel"] + w["encoder.2.bias"]
    hidden = np.tanh(latent @ w["decoder.0.kernel"] + w["decoder.0.bias"])
    output = hidden @ w["decoder.2.kernel"] + w["decoder.2.bias"]
    autoencoder = make_autoencoder(backend)
    assert autoencoder.encode(X) == pytest.approx(latent, rel=1e-12)
    assert autoencoder.reconstruct(X) == pytest.approx(output, rel=1e-12)


def test_encode_and_decode_have_their_shapes_and_make_up_the_reconstruction(backend):
    autoencoder = make_autoencoder(backend)
    latent = autoencoder.encode(X)
    assert latent.shape == (20, 3)
    assert autoencoder.decode(latent) == pytest.approx(autoencoder.reconstruct(X), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_are_arrays_of_the_network_s_dtype_whatever_the_rows_are(backend, dtype):
    autoencoder = make_autoencoder(backend, dtype=dtype)
    for rows in (X, X.astype(np.float32)):
        assert autoencoder.reconstruct(rows).dtype == dtype
        assert type(autoencoder.encode(rows)) is np.ndarray
        assert autoencoder.errors(rows, Loss()).dtype == np.float64


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_errors_are_the_mean_element_losses_of_each_row(backend, name):
    autoencoder = make_autoencoder(backend)
    expected = elementwise_loss(Loss(name), autoencoder.reconstruct(X), X).mean(axis=1)
    assert autoencoder.errors(X, Loss(name)) == pytest.approx(expected, rel=1e-12)


def test_bce_errors_are_cross_entropies_with_the_sigmoid_output(backend):
    autoencoder = make_autoencoder(backend, SIGMOID_NETWORK)
    rows = unit_rows(20)
    p = autoencoder.reconstruct(rows)
    expected = (-special.xlogy(rows, p) - special.xlog1py(1 - rows, -p)).mean(axis=1)
    assert autoencoder.errors(rows, Loss("bce")) == pytest.approx(expected, rel=1e-12)


def test_the_raw_output_is_what_the_last_layer_is_given(backend):
    autoencoder = make_autoencoder(backend, SIGMOID_NETWORK)
    raw = autoencoder.raw_output(X)
    assert raw.shape == (20, 6)
    assert special.expit(raw) == pytest.approx(autoencoder.reconstruct(X), rel=1e-12)


def test_layers_that_add_nothing_to_the_loss_have_no_penalties(backend):
    assert np.array_equal(make_autoencoder(backend).penalties(X), np.zeros(20))


def test_bce_errors_of_a_network_without_sigmoid_are_refused(backend):
    with pytest.raises(InvalidParameterError, match="ends in a sigmoid"):
        make_autoencoder(backend).errors(X, Loss("bce"))


def test_dropout_does_nothing_when_scoring(backend):
    with_dropout = make_autoencoder(backend, DROPOUT_NETWORK)
    names = dict(zip(initial_weights(DROPOUT_NETWORK, 0), initial_weights(NETWORK, 0), strict=True))
    weights = {names[name]: array for name, array in with_dropout.weights().items()}
    plain = make_autoencoder(backend)
    plain.load_weights(weights)
    assert with_dropout.reconstruct(X) == pytest.approx(plain.reconstruct(X), rel=1e-12)


@pytest.mark.parametrize("n", [0, 1, 15, 17, 300])
def test_any_number_of_rows_gives_the_same_answers_row_by_row(backend, n):
    autoencoder = make_autoencoder(backend)
    rows = normal_rows(300)
    assert autoencoder.errors(rows[:n], Loss()) == pytest.approx(
        autoencoder.errors(rows, Loss())[:n], rel=1e-12
    )


def test_more_rows_than_one_chunk_are_all_computed_in_order(backend):
    autoencoder = make_autoencoder(backend)
    rows = np.resize(X, (4096 + 40, 6))
    result = autoencoder.reconstruct(rows)
    assert result == pytest.approx(np.resize(result[:20], rows.shape), rel=1e-12)


def test_scores_do_not_change_from_call_to_call(backend):
    autoencoder = make_autoencoder(backend, DROPOUT_NETWORK, dtype="float32")
    first = autoencoder.errors(X, Loss())
    autoencoder.encode(X[:3])
    assert np.array_equal(autoencoder.errors(X, Loss()), first)


@pytest.mark.parametrize(
    "rows", [np.zeros((3, 5)), np.zeros(6), np.zeros((3, 6, 1))], ids=["width", "1-D", "3-D"]
)
def test_rows_of_another_shape_are_refused_with_both_shapes(backend, rows):
    with pytest.raises(InvalidDataError, match=r"needs an array of shape \(n, 6\), got"):
        make_autoencoder(backend).reconstruct(rows)


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "layout",
    [read_only, np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2], lambda a: a[::-1]],
    ids=["read-only", "Fortran", "strided", "reversed"],
)
def test_rows_of_any_memory_layout_are_computed_and_not_changed(backend, layout):
    autoencoder = make_autoencoder(backend)
    rows = layout(X)
    before = rows.copy()
    expected = autoencoder.errors(before, Loss())
    assert autoencoder.errors(rows, Loss()) == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(rows, before)


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture((6,), (Dense(3),), (Activation("relu"), Dense(6))),
        Architecture((6,), (Activation("relu"), Dense(3)), (Dense(6), Activation("relu"))),
    ],
    ids=["decoder", "encoder"],
)
def test_a_part_that_begins_with_an_activation_leaves_its_input_alone(backend, architecture):
    autoencoder = make_autoencoder(backend, architecture)
    for n in (1, 16, 20):
        rows, latents = normal_rows(n), normal_rows(n, 3)
        autoencoder.reconstruct(rows)
        autoencoder.decode(latents)
        assert np.array_equal(rows, normal_rows(n))
        assert np.array_equal(latents, normal_rows(n, 3))


def call_native(name, module, rows):
    """The framework's own call of its own module, as a user would write it."""
    if name == "torch":
        import torch

        assert isinstance(module, torch.nn.Module)
        return module(torch.from_numpy(rows)).detach().numpy()
    if name == "jax":
        import jax
        from flax import nnx

        assert isinstance(module, nnx.Module)
        with jax.enable_x64(rows.dtype == np.float64):
            return np.asarray(module(jax.numpy.asarray(rows)))
    if name == "tensorflow":
        import tensorflow as tf

        assert isinstance(module, tf.Module)
        return module(tf.constant(rows)).numpy()
    return module(rows)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_native_module_called_natively_gives_the_reconstruction(backend, dtype):
    autoencoder = make_autoencoder(backend, DROPOUT_NETWORK, dtype=dtype)
    rows = X.astype(dtype)
    called = call_native(backend.name, autoencoder.native(), rows)
    bound = 1e-5 if dtype == "float32" else 1e-12
    assert relative_difference(called, autoencoder.reconstruct(rows)) < bound


def test_the_native_module_is_live_training_changes_it(backend):
    trainer = make_trainer(backend, epochs=2, learning_rate=0.1, batch_size=10)
    module = trainer.autoencoder.native()
    before = call_native(backend.name, module, X)
    trainer.fit(Block(normal_rows(24)))
    after = call_native(backend.name, module, X)
    assert np.abs(after - before).max() > 0.01
    assert after == pytest.approx(trainer.autoencoder.reconstruct(X), rel=1e-12)


def test_the_native_module_has_the_framework_s_own_parameters(framework_backend):
    module = make_autoencoder(framework_backend).native()
    if framework_backend.name == "torch":
        sizes = [parameter.numel() for parameter in module.parameters()]
    elif framework_backend.name == "jax":
        from flax import nnx

        sizes = [leaf.size for _, leaf in nnx.to_flat_state(nnx.state(module, nnx.Param))]
    else:
        sizes = [int(np.prod(variable.shape)) for variable in module.trainable_variables]
    assert sum(sizes) == NETWORK.n_parameters


def test_no_layer_writes_over_what_another_one_still_needs(backend):
    # An activation may work in place on what a dense layer wrote, unless it is added later.
    block = Residual((Activation("relu"), Activation("sigmoid"), Dense(5)))
    architecture = Architecture((6,), (Dense(5), block), (Dense(6),))
    autoencoder = make_autoencoder(backend, architecture)
    first, inner, last = list(autoencoder.weights().values())[::2]
    h = X @ first
    expected = (h + special.expit(h.clip(0)) @ inner) @ last
    assert autoencoder.reconstruct(X) == pytest.approx(expected, rel=1e-12)
    errors = np.square(expected - X).mean(axis=1)
    assert autoencoder.errors(X, Loss("mse")) == pytest.approx(errors, rel=1e-12)


@pytest.mark.parametrize("network_dtype", ["float32", "float64"])
@pytest.mark.parametrize("row_dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("architecture", "scaler"),
    [
        (NETWORK, Scaler("standard", np.linspace(-2, 3, 6), np.geomspace(1e-3, 7, 6))),
        (NETWORK, Scaler("minmax", np.zeros(6), np.geomspace(1e-42, 1e-37, 6))),
        (NETWORK, Scaler("none", np.zeros(6), np.ones(6))),
        (
            convolutional_1d((8, 3), (2,), 2),
            Scaler("robust", np.linspace(-2, 3, 3), np.array([0.1, 3, 7])),
        ),
        (convolutional((8, 8), (2,), 2), Scaler("minmax", np.array([0.3]), np.array([7.0]))),
    ],
)
def test_rows_are_scaled_bit_for_bit_wherever_it_is_done(
    backend, architecture, scaler, row_dtype, network_dtype
):
    autoencoder = make_autoencoder(backend, architecture, network_dtype)
    # Few, and so many that a compiled backend scales them itself.
    for n in (3, 22_000):
        shape = (n, *architecture.input_shape)
        rows = np.random.default_rng(0).normal(scale=100, size=shape)
        rows = (rows * scaler.scale).astype(row_dtype)
        for given in (rows, rows.copy(order="F"), rows[::-1]):
            given.setflags(write=False)
            scaled = np.asarray(autoencoder._prepare(given, scaler))
            expected = scaler.transform(given, network_dtype)
            assert scaled.dtype == expected.dtype
            assert scaled.tobytes() == expected.tobytes()


@pytest.mark.parametrize("n", [5, 70_000])
def test_scaling_clips_what_is_far_out_and_makes_nan_of_what_is_not_finite(backend, n):
    autoencoder = make_autoencoder(backend, dense(2, (), 1), "float32")
    rows = np.zeros((n, 2))
    rows[-5:, 1] = [1e300, -1e300, np.inf, -np.inf, np.nan]
    before = rows.copy()
    scaler = Scaler("standard", np.zeros(2), np.array([1, 1e-30]))
    scaled = np.asarray(autoencoder._prepare(rows, scaler))
    assert np.array_equal(scaled[:, 0], np.zeros(n))
    assert np.array_equal(scaled[-5:, 1], [1e9, -1e9, np.nan, np.nan, np.nan], equal_nan=True)
    assert np.array_equal(rows, before, equal_nan=True)
