"""Variational, Gaussian, denoising and sparse networks: what each changes, and all together."""

import itertools

import numpy as np
import pytest

from aeanom.architectures import (
    Activation,
    ActivityRegularization,
    Architecture,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    GaussianLatent,
    GaussianOutput,
    InputNoise,
    LayerNorm,
    convolutional,
    convolutional_1d,
    denoising,
    dense,
    gaussian_output,
    recurrent,
    sparse,
    variational,
)
from aeanom.core import initial_weights
from aeanom.errors import ArchitectureError

NETWORKS = {
    "dense": dense(6, (5,), 3),
    "convolutional": convolutional((5, 4, 1), (2, 3), 2),
    "transposed": convolutional((5, 4, 1), (2, 3), 2, upsampling="transposed"),
    "convolutional_1d": convolutional_1d((7, 2), (2,), 3),
    "recurrent": recurrent((7, 2), 4, 3),
}
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


@every_network
def test_the_latent_of_a_variational_network_takes_the_place_of_the_last_dense_layer(network):
    made = variational(network, beta=0.5, warm_up_steps=7, kl_in_score=True)
    assert made.encoder == (
        *network.encoder[:-1], GaussianLatent(network.encoder[-1].units, 0.5, 7, True),
    )  # fmt: skip
    assert made.decoder == network.decoder


def test_the_latent_of_a_variational_network_keeps_the_initializer():
    assert variational(dense(6, initializer="fan_in")).encoder[-1].initializer == "fan_in"


@every_network
def test_a_variational_network_starts_from_the_weights_of_the_plain_one(network):
    plain, made = (initial_weights(each, seed=3) for each in (network, variational(network)))
    assert all(np.array_equal(made[name], values) for name, values in plain.items())
    assert {name.split(".")[-1] for name in made.keys() - plain.keys()} == {
        "log_variance_kernel", "log_variance_bias",
    }  # fmt: skip


def test_an_activation_of_the_latent_is_left_out_of_a_variational_network():
    assert variational(dense(6, latent_activation="relu")) == variational(dense(6))


@pytest.mark.parametrize(
    ("end", "name"),
    [
        (ActivityRegularization(0.1), "ActivityRegularization"),
        (LayerNorm(), "LayerNorm"),
        (GaussianLatent(3), "GaussianLatent"),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_an_encoder_that_does_not_end_in_dense_cannot_become_variational(end, name):
    network = Architecture((6,), (Dense(3), end), (Dense(6),))
    with pytest.raises(ArchitectureError, match=rf"encoder ends in {name}.*: end it in Dense"):
        variational(network)


def test_an_encoder_of_one_activation_cannot_become_variational():
    with pytest.raises(ArchitectureError, match="end it in Dense"):
        variational(Architecture((6,), (Activation("relu"),), (Dense(6),)))


def test_a_dense_layer_on_rows_that_are_not_flat_cannot_become_a_gaussian_latent():
    with pytest.raises(ArchitectureError, match=r"encoder\.0: .*put Flatten\(\) before it"):
        variational(Architecture((6, 2), (Dense(3),), (Dense(2),)))


@every_network
def test_a_gaussian_output_doubles_the_last_axis_of_the_last_weights(network):
    made = gaussian_output(network)
    assert made.raw_output_shape == (*network.input_shape[:-1], 2 * network.input_shape[-1])
    assert made.decoder[:-2] == network.decoder[:-1]
    assert made.encoder == network.encoder


@pytest.mark.parametrize(
    ("last", "doubled"),
    [
        (Dense(3, use_bias=False), Dense(6, use_bias=False)),
        (Conv2D(3, 2, padding=((1, 0), (0, 1))), Conv2D(6, 2, padding=((1, 0), (0, 1)))),
        (Conv2DTranspose(3, 3), Conv2DTranspose(6, 3)),
    ],
    ids=lambda layer: layer.kind,
)
def test_the_last_weights_of_a_gaussian_output_keep_their_other_settings(last, doubled):
    network = Architecture((4, 4, 3), (Dense(2),), (last,))
    assert gaussian_output(network).decoder == (doubled, GaussianOutput())


def test_a_linear_activation_gives_way_to_a_gaussian_output():
    network = Architecture((6, 2), (Dense(3),), (Conv1D(2, 3), Activation("linear")))
    assert gaussian_output(network).decoder == (Conv1D(4, 3), GaussianOutput())


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (dense(6, output_activation="sigmoid"), "build the network with output_activation='lin"),
        (convolutional((5, 4)), r"give images an axis for channels, here \(5, 4, 1\)"),
        (gaussian_output(dense(6)), "ends in GaussianOutput.*: end the decoder in Dense or a con"),
        (Architecture((6,), (Dense(6),), (Flatten(),)), "end the decoder in Dense or a conv"),
    ],
    ids=["sigmoid", "image without channels", "twice", "flatten"],
)
def test_a_decoder_that_cannot_give_variances_is_refused_with_what_to_do(network, message):
    with pytest.raises(ArchitectureError, match=message):
        gaussian_output(network)


def test_a_denoising_network_has_noise_first():
    made = denoising(NETWORKS["dense"], "masking", 0.25)
    assert made.encoder == (InputNoise("masking", 0.25), *NETWORKS["dense"].encoder)
    assert made.decoder == NETWORKS["dense"].decoder


def test_a_sparse_network_is_regularised_last_in_its_encoder():
    made = sparse(NETWORKS["dense"], 0.01)
    assert made.encoder == (*NETWORKS["dense"].encoder, ActivityRegularization(0.01))
    assert made.decoder == NETWORKS["dense"].decoder


@every_network
@pytest.mark.parametrize(
    "order",
    [
        order
        for order in itertools.permutations([variational, gaussian_output, denoising, sparse])
        if order.index(variational) < order.index(sparse)
    ],
    ids=lambda order: "-".join(variant.__name__ for variant in order),
)
def test_the_variants_go_together_in_any_order_that_makes_the_latent_gaussian_first(network, order):
    made = network
    for variant in order:
        made = variant(made)
    assert made == sparse(variational(denoising(gaussian_output(network))))
    assert Architecture.from_json(made.to_json()) == made
