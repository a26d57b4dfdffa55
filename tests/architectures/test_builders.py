"""The builders: what is in the networks, and that every one of them returns to its rows' shape."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeanom.architectures import (
    ACTIVATIONS,
    GRU,
    INITIALIZERS,
    LSTM,
    Activation,
    Architecture,
    BatchNorm,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    MaxPool,
    RepeatVector,
    Reshape,
    Upsample,
    convolutional,
    convolutional_1d,
    dense,
    for_table,
    from_data,
    recurrent,
)
from aeanom.errors import ArchitectureError

SIZES = st.integers(1, 20)
STYLE = {
    "latent_activation": st.sampled_from(ACTIVATIONS),
    "output_activation": st.sampled_from(ACTIVATIONS),
    "dropout": st.sampled_from([0.0, 0.2]),
    "initializer": st.sampled_from(INITIALIZERS),
}
HIDDEN = {
    "activation": st.sampled_from(ACTIVATIONS),
    "normalization": st.sampled_from([None, "layer", "batch"]),
}
LEVELS = {
    "filters": st.lists(st.integers(1, 4), min_size=1, max_size=4),
    "latent_dim": st.none() | SIZES,
    "downsampling": st.sampled_from(["stride", "pool"]),
}
IMAGE_SHAPES = st.tuples(SIZES, SIZES) | st.tuples(SIZES, SIZES, st.integers(1, 4))
WINDOW_SHAPES = st.tuples(SIZES, st.integers(1, 5))

dense_networks = st.builds(dense, SIZES, st.lists(SIZES, max_size=3), SIZES, **STYLE, **HIDDEN)
image_networks = st.builds(
    convolutional,
    IMAGE_SHAPES,
    kernel_size=st.integers(3, 5) | st.tuples(st.integers(3, 5), st.integers(3, 5)),
    upsampling=st.sampled_from(["nearest", "transposed"]),
    **LEVELS,
    **STYLE,
    **HIDDEN,
)
series_networks = st.builds(
    convolutional_1d, WINDOW_SHAPES, kernel_size=st.integers(2, 9), **LEVELS, **STYLE, **HIDDEN
)
recurrent_networks = st.builds(
    recurrent,
    WINDOW_SHAPES,
    SIZES,
    latent_dim=st.none() | SIZES,
    cell=st.sampled_from(["lstm", "gru"]),
    n_layers=st.integers(1, 3),
    **STYLE,
)


def all_layers(architecture):
    return (*architecture.encoder, *architecture.decoder)


def widths(architecture):
    return [layer.units for layer in all_layers(architecture) if isinstance(layer, Dense)]


def kinds(layers):
    return [layer.kind for layer in layers]


@given(st.one_of(dense_networks, image_networks, series_networks, recurrent_networks))
def test_every_network_returns_to_the_shape_of_its_rows(architecture):
    assert architecture.layers[-1].output_shape == architecture.input_shape


@given(st.one_of(dense_networks, image_networks, series_networks, recurrent_networks))
def test_every_network_comes_back_from_json_unchanged(architecture):
    assert Architecture.from_json(architecture.to_json()) == architecture


@given(st.one_of(dense_networks, image_networks, series_networks, recurrent_networks))
def test_the_output_activation_of_every_network_is_its_last_layer(architecture):
    functions = [layer.function for layer in architecture.decoder if isinstance(layer, Activation)]
    assert architecture.output_activation in ("linear", *functions[-1:])
    assert isinstance(architecture.decoder[-1], Activation | Dense | Conv1D | Conv2D | Reshape
                      | Conv2DTranspose)  # fmt: skip


@pytest.mark.parametrize(
    "build",
    [
        lambda initializer: dense(6, (5,), 3, initializer=initializer),
        lambda initializer: convolutional((9, 8), initializer=initializer),
        lambda initializer: convolutional((9, 8), upsampling="transposed", initializer=initializer),
        lambda initializer: convolutional_1d((9, 3), initializer=initializer),
        lambda initializer: recurrent((9, 3), n_layers=2, initializer=initializer),
    ],
    ids=["dense", "convolutional", "transposed", "convolutional_1d", "recurrent"],
)
def test_every_layer_of_a_network_has_its_initializer(build):
    assert {p.initializer for p in build("fan_in").parameters} == {"fan_in"}


# Tables


@pytest.mark.parametrize(
    ("n_features", "expected"),
    [
        (1, [2, 1, 2, 1]),
        (2, [4, 1, 4, 2]),
        (5, [16, 3, 16, 5]),
        (30, [64, 6, 64, 30]),
        (784, [128, 28, 128, 784]),
        (5000, [128, 32, 128, 5000]),
    ],
)
def test_a_table_gets_a_network_sized_by_its_columns(n_features, expected):
    assert widths(for_table(n_features)) == expected


@given(st.integers(1, 3000))
def test_the_latent_of_a_table_is_narrower_than_the_table(n_features):
    (latent,) = for_table(n_features).latent_shape
    assert 1 <= latent <= max(n_features - 1, 1)


@pytest.mark.parametrize("n_features", [0, -1, 2.5])
def test_a_table_without_columns_is_refused(n_features):
    with pytest.raises(ArchitectureError, match="a table needs at least one column"):
        for_table(n_features)


def test_dense_mirrors_the_hidden_layers():
    assert widths(dense(10, (8, 5), 2)) == [8, 5, 2, 5, 8, 10]


def test_dense_may_have_no_hidden_layer():
    assert widths(dense(10, (), 2)) == [2, 10]


def test_dense_puts_each_function_in_its_place():
    architecture = dense(
        4, (3,), 2, activation="tanh", latent_activation="relu", output_activation="sigmoid"
    )
    functions = [
        layer.function for layer in all_layers(architecture) if isinstance(layer, Activation)
    ]
    assert functions == ["tanh", "relu", "tanh", "sigmoid"]


def test_dropout_follows_each_hidden_activation_and_nothing_else():
    architecture = dense(4, (3,), 2, dropout=0.5)
    assert kinds(architecture.encoder) == ["dense", "activation", "dropout", "dense"]
    assert architecture.encoder[2] == Dropout(0.5)


@pytest.mark.parametrize(
    ("normalization", "layers"),
    [
        ("layer", (Dense(3), LayerNorm())),
        ("batch", (Dense(3, use_bias=False), BatchNorm())),
    ],
)
def test_a_normalisation_precedes_each_hidden_activation_and_nothing_else(normalization, layers):
    architecture = dense(
        4, (3,), 2, normalization=normalization, latent_activation="relu",
        output_activation="sigmoid",
    )  # fmt: skip
    assert architecture.encoder == (
        *layers, Activation("relu"), Dense(2), Activation("relu"),
    )  # fmt: skip
    assert architecture.decoder == (
        *layers, Activation("relu"), Dense(4), Activation("sigmoid"),
    )  # fmt: skip


def test_a_number_for_the_hidden_layers_is_refused_with_what_to_write():
    with pytest.raises(ArchitectureError, match=r"write \(128,\)"):
        dense(10, 128)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ArchitectureError, match="unknown function 'swish'"):
        dense(10, activation="swish")


# Images


def test_an_image_is_halved_on_every_level_and_brought_back():
    assert convolutional((12, 8, 3), (4, 6), 5, output_activation="sigmoid") == Architecture(
        (12, 8, 3),
        (
            Conv2D(4, 3, 2),
            Activation("relu"),
            Conv2D(6, 3, 2),
            Activation("relu"),
            Flatten(),
            Dense(5),
        ),
        (
            Dense(3 * 2 * 6),
            Activation("relu"),
            Reshape((3, 2, 6)),
            Upsample((2, 2)),
            Conv2D(4, 3),
            Activation("relu"),
            Upsample((2, 2)),
            Conv2D(3, 3),
            Activation("sigmoid"),
        ),
    )


def test_an_image_without_channels_gets_one_and_loses_it_before_the_last_activation():
    architecture = convolutional((12, 8), output_activation="sigmoid")
    assert architecture.encoder[0] == Reshape((12, 8, 1))
    assert architecture.decoder[-2:] == (Reshape((12, 8)), Activation("sigmoid"))


def test_pooling_follows_the_activation():
    architecture = convolutional((12, 8, 3), (4,), downsampling="pool")
    assert architecture.encoder[:3] == (Conv2D(4, 3), Activation("relu"), MaxPool((2, 2)))


def test_transposed_convolutions_take_the_place_of_upsampling():
    architecture = convolutional((12, 8, 3), (4, 6), upsampling="transposed")
    assert architecture.decoder[3:] == (
        Conv2DTranspose(4, 3, 2), Activation("relu"), Conv2DTranspose(3, 3, 2),
    )  # fmt: skip


@given(st.one_of(image_networks, series_networks))
def test_the_decoder_passes_through_the_sizes_of_the_encoder(architecture):
    convolutions = [
        placed
        for placed in architecture.layers
        if isinstance(placed.layer, Conv1D | Conv2D | Conv2DTranspose)
    ]
    half = len(convolutions) // 2
    way_down = [placed.input_shape for placed in convolutions[:half]]
    way_up = [placed.output_shape for placed in convolutions[half:]]
    assert way_up == way_down[::-1]


@given(st.one_of(image_networks, series_networks))
def test_no_convolution_has_a_place_that_sees_only_zeros(architecture):
    for placed in architecture.layers:
        if isinstance(placed.layer, Conv1D | Conv2D):
            window, _, edges = placed.layer.geometry(placed.input_shape)
            assert all(max(edge) < cells for edge, cells in zip(edges, window, strict=True))


@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
@pytest.mark.parametrize("downsampling", ["stride", "pool"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3, 1), (5, 4), (1, 9)], ids=str)
def test_the_smallest_images_have_a_network(shape, downsampling, upsampling):
    architecture = convolutional(shape, downsampling=downsampling, upsampling=upsampling)
    assert architecture.layers[-1].output_shape == shape


def test_an_axis_of_one_cell_is_left_as_it_is():
    assert convolutional((1, 8, 3), (4,)).encoder[0] == Conv2D(4, 3, (1, 2))
    assert Upsample((1, 2)) in convolutional((1, 8, 3), (4,)).decoder


@pytest.mark.parametrize("build", [convolutional, convolutional_1d, recurrent])
@pytest.mark.parametrize(
    ("shape", "latent"), [((8, 8), 32), ((4, 5), 19), ((2, 1), 1), ((1, 1), 1)], ids=str
)
def test_the_latent_is_32_but_narrower_than_a_row(build, shape, latent):
    assert build(shape).latent_shape == (latent,)


def test_a_kernel_too_small_for_an_odd_size_is_refused_with_one_that_is_not():
    with pytest.raises(ArchitectureError, match=r"from \(2, 2\) to \(5, 4\): use 3"):
        convolutional((5, 4), (2,), kernel_size=2, downsampling="pool", upsampling="transposed")
    assert convolutional((5, 4), (2,), kernel_size=3, downsampling="pool", upsampling="transposed")


@pytest.mark.parametrize("build", [convolutional, convolutional_1d])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filters": 16}, r"filters is a sequence: write \(16,\)"),
        ({"filters": ()}, "filters needs at least one entry"),
        ({"filters": (4, 0)}, "positive whole number of filters, got 0"),
        ({"kernel_size": 0}, "positive whole numbers as kernel_size, got 0"),
        ({"latent_dim": 0}, "positive whole number of units, got 0"),
        ({"downsampling": "max"}, "unknown downsampling 'max'; known: 'stride', 'pool'"),
        ({"normalization": "Batch"}, "unknown normalization 'Batch'; known: None, 'layer', 'b"),
        ({"activation": "swish"}, "unknown function 'swish'"),
        ({"initializer": "zeros"}, "unknown initializer 'zeros'"),
    ],
    ids=range(9),
)
def test_a_convolutional_network_refuses_settings_that_are_none(build, settings, message):
    with pytest.raises(ArchitectureError, match=message):
        build((8, 8), **settings)


def test_an_unknown_upsampling_is_refused_with_the_known_ones():
    with pytest.raises(ArchitectureError, match="'bilinear'; known: 'nearest', 'transposed'"):
        convolutional((8, 8), upsampling="bilinear")


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (convolutional, 784),
        (convolutional, (784,)),
        (convolutional, (0, 5)),
        (convolutional, (1, 2, 3, 4)),
        (convolutional_1d, (5,)),
        (convolutional_1d, (5, 2.5)),
        (recurrent, (5, 5, 1)),
        (recurrent, "ab"),
    ],
    ids=range(8),
)
def test_rows_of_another_shape_are_refused_with_the_one_that_is_needed(build, shape):
    wanted = {convolutional: r"\(height, width"}.get(build, r"\(time, channels\)")
    with pytest.raises(ArchitectureError, match=rf"{build.__name__} needs an input_shape {wanted}"):
        build(shape)


# Series


def test_a_window_is_halved_on_every_level_and_brought_back():
    assert convolutional_1d((12, 3), (6, 4), 5) == Architecture(
        (12, 3),
        (
            Conv1D(6, 7, 2),
            Activation("relu"),
            Conv1D(4, 7, 2),
            Activation("relu"),
            Flatten(),
            Dense(5),
        ),
        (
            Dense(3 * 4),
            Activation("relu"),
            Reshape((3, 4)),
            Upsample(2),
            Conv1D(6, 7),
            Activation("relu"),
            Upsample(2),
            Conv1D(3, 7),
        ),
    )


@pytest.mark.parametrize("build", [convolutional_1d, recurrent])
@pytest.mark.parametrize("shape", [(1, 3), (3, 1), (64, 19)], ids=str)
def test_the_shortest_windows_have_a_network(build, shape):
    assert build(shape).layers[-1].output_shape == shape


def test_a_recurrent_network_repeats_its_latent_at_every_time():
    assert recurrent((12, 3), 8, 5) == Architecture(
        (12, 3),
        (LSTM(8), Dense(5)),
        (RepeatVector(12), LSTM(8, return_sequences=True), Dense(3)),
    )


def test_only_the_last_of_several_recurrent_layers_returns_its_last_state_alone():
    network = recurrent((12, 3), 8, 5, cell="gru", n_layers=2, dropout=0.1)
    assert network.encoder == (GRU(8, True), Dropout(0.1), GRU(8), Dropout(0.1), Dense(5))
    assert network.decoder == (
        RepeatVector(12), GRU(8, True), Dropout(0.1), GRU(8, True), Dropout(0.1), Dense(3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "rnn"}, "unknown cell 'rnn'; known: 'lstm', 'gru'"),
        ({"n_layers": 0}, "n_layers must be a positive whole number, got 0"),
        ({"units": 0}, "LSTM needs a positive whole number of units, got 0"),
    ],
    ids=range(3),
)
def test_a_recurrent_network_refuses_settings_that_are_none(settings, message):
    with pytest.raises(ArchitectureError, match=message):
        recurrent((12, 3), **settings)


# From data


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((9, 30), for_table(30)),
        ((9, 8, 8), convolutional((8, 8))),
        ((9, 8, 5, 3), convolutional((8, 5, 3))),
        ((9, 20, 3), convolutional_1d((20, 3))),
    ],
    ids=["table", "square", "colour", "windows"],
)
def test_data_get_the_network_that_goes_with_their_shape(shape, expected):
    assert from_data(np.empty(shape)) == expected


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        ("table", (9, 30), for_table(30)),
        ("images", (9, 8, 5), convolutional((8, 5))),
        ("series", (9, 8, 8), convolutional_1d((8, 8))),
    ],
)
def test_a_stated_kind_goes_before_the_shape(kind, shape, expected):
    assert from_data(np.empty(shape), kind=kind) == expected


def test_nested_lists_have_a_shape_too():
    assert from_data([[[0.0] * 3] * 20] * 9) == convolutional_1d((20, 3))


@pytest.mark.parametrize(
    "X", [np.empty(5), np.empty((1, 2, 3, 4, 5)), [1.0], 3, "ab"], ids=range(5)
)
def test_data_with_another_number_of_axes_are_refused_with_those_there_are(X):
    with pytest.raises(ArchitectureError, match=r"no network for X .* table needs \(rows, feat"):
        from_data(X)


@pytest.mark.parametrize(
    ("kind", "shape"), [("table", (9, 8, 8)), ("images", (9, 8)), ("series", (9, 8))]
)
def test_a_kind_that_does_not_fit_the_data_is_refused_with_what_it_needs(kind, shape):
    with pytest.raises(ArchitectureError, match=rf"no network for X .*: {kind} needs \(rows"):
        from_data(np.empty(shape), kind=kind)


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(ArchitectureError, match="unknown kind 'text'; known: 'auto', 'table'"):
        from_data(np.empty((9, 8)), kind="text")


@pytest.mark.parametrize("X", [np.empty((9, 0)), np.empty((9, 0, 3)), [[]]], ids=range(3))
def test_rows_without_elements_are_refused(X):
    with pytest.raises(ArchitectureError, match=r"at least one column|positive whole numbers"):
        from_data(X)


@pytest.mark.parametrize(
    "architecture",
    [
        dense(6, (5, 4), 3, normalization="batch"),
        convolutional((8, 8), (2, 3), normalization="batch"),
        convolutional((8, 8), (2, 3), upsampling="transposed", normalization="batch"),
        convolutional_1d((8, 2), (2, 3), normalization="batch"),
    ],
    ids=["dense", "convolutional", "transposed", "convolutional_1d"],
)
def test_no_layer_before_a_batch_normalisation_has_a_bias(architecture):
    # Its gradient would be rounding, of which Adam makes a step: another one in each framework.
    pairs = list(pairwise([*architecture.encoder, *architecture.decoder]))
    before = [layer for layer, following in pairs if isinstance(following, BatchNorm)]
    assert len(before) >= 4
    assert not any(layer.use_bias for layer in before)
    assert architecture.encoder[-1].use_bias
