"""`Architecture`: shapes, parameters in order, equality, JSON, errors that name the layer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeanom.architectures import (
    ACTIVATIONS,
    INITIALIZERS,
    LSTM,
    Activation,
    Architecture,
    BatchNorm,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianLatent,
    GaussianOutput,
    LayerNorm,
    RepeatVector,
    Reshape,
    Residual,
    convolutional,
    dense,
    recurrent,
)
from aeanom.errors import ArchitectureError

LAYERS = st.one_of(
    st.builds(
        Dense,
        units=st.integers(1, 50),
        use_bias=st.booleans(),
        initializer=st.sampled_from(INITIALIZERS),
    ),
    st.builds(Activation, st.sampled_from(ACTIVATIONS)),
    st.builds(Dropout, st.floats(0, 0.99)),
)


@st.composite
def architectures(draw):
    n_features = draw(st.integers(1, 20))
    encoder = draw(st.lists(LAYERS, min_size=1, max_size=4))
    decoder = [*draw(st.lists(LAYERS, max_size=3)), Dense(n_features)]
    return Architecture((n_features,), tuple(encoder), tuple(decoder))


BLOCK = Residual([Dense(8), Residual([LayerNorm()]), Dense(5)])
NESTED = Architecture((5,), (Dense(5), BLOCK, Dense(2)), (Dense(5),))


def test_shapes_walk_through_encoder_and_decoder():
    placed = dense(30, (64,), 6).layers
    assert [(layer.name, layer.input_shape, layer.output_shape) for layer in placed] == [
        ("encoder.0", (30,), (64,)),
        ("encoder.1", (64,), (64,)),
        ("encoder.2", (64,), (6,)),
        ("decoder.0", (6,), (64,)),
        ("decoder.1", (64,), (64,)),
        ("decoder.2", (64,), (30,)),
    ]


def test_the_parameter_table_has_canonical_names_and_shapes_in_order():
    table = {parameter.name: parameter.shape for parameter in dense(30, (64,), 6).parameters}
    assert list(table.items()) == [
        ("encoder.0.kernel", (30, 64)),
        ("encoder.0.bias", (64,)),
        ("encoder.2.kernel", (64, 6)),
        ("encoder.2.bias", (6,)),
        ("decoder.0.kernel", (6, 64)),
        ("decoder.0.bias", (64,)),
        ("decoder.2.kernel", (64, 30)),
        ("decoder.2.bias", (30,)),
    ]


def test_the_fashion_mnist_network_has_as_many_parameters_as_counted_by_hand():
    # 784·128 + 128 + 128·32 + 32 + 32·128 + 128 + 128·784 + 784
    assert dense(784, (128,), 32).n_parameters == 209_968


def test_the_latent_shape_is_where_the_encoder_ends():
    assert dense(30, (64,), 6, latent_activation="relu").latent_shape == (6,)


@pytest.mark.parametrize(("output", "found"), [("sigmoid", "sigmoid"), ("linear", "linear")])
def test_the_output_activation_is_that_of_the_last_layer(output, found):
    assert dense(5, output_activation=output).output_activation == found


def test_kinds_are_those_that_occur():
    assert dense(5).kinds == {"dense", "activation"}
    assert dense(5, dropout=0.1).kinds == {"dense", "activation", "dropout"}


def test_kinds_are_those_within_blocks_too():
    assert NESTED.kinds == {"dense", "residual", "layer_norm"}


def test_walking_comes_by_each_layer_and_then_by_those_inside_it():
    assert [placed.name for placed in NESTED.walk()] == [
        "encoder.0", "encoder.1", "encoder.1.0", "encoder.1.1", "encoder.1.1.0", "encoder.1.2",
        "encoder.2", "decoder.0",
    ]  # fmt: skip


def test_the_parameters_of_a_block_stand_in_the_table_once():
    names = [parameter.name for parameter in NESTED.parameters]
    assert names[2:8] == [
        "encoder.1.0.kernel", "encoder.1.0.bias", "encoder.1.1.0.scale", "encoder.1.1.0.bias",
        "encoder.1.2.kernel", "encoder.1.2.bias",
    ]  # fmt: skip
    assert len(names) == len(set(names)) == 12


def test_buffers_are_in_the_table_but_not_trained():
    architecture = Architecture((4,), (Dense(3), BatchNorm()), (Dense(4),))
    buffers = [p.name for p in architecture.parameters if p not in architecture.trainable]
    assert buffers == ["encoder.1.mean", "encoder.1.variance"]
    assert architecture.n_parameters == (4 * 3 + 3) + (3 + 3) + (3 * 4 + 4)


def test_the_raw_output_is_what_the_last_layer_is_given():
    architecture = Architecture((4,), (Dense(3),), (Dense(8), GaussianOutput()))
    assert architecture.raw_output_shape == (8,)
    assert dense(4, output_activation="sigmoid").raw_output_shape == (4,)


def test_only_a_gaussian_output_has_a_gaussian_output():
    assert Architecture((4,), (Dense(3),), (Dense(8), GaussianOutput())).has_gaussian_output
    assert not dense(4).has_gaussian_output


@pytest.mark.parametrize(
    ("encoder", "decoder", "name"),
    [
        ((Dense(4), GaussianOutput()), (Dense(6),), "encoder.1"),
        ((Dense(4),), (Dense(12), GaussianOutput(), Activation("relu")), "decoder.1"),
        ((Dense(4),), (Residual([Dense(8), GaussianOutput()]), Dense(6)), "decoder.0.1"),
    ],
    ids=["encoder", "middle", "block"],
)
def test_a_gaussian_output_anywhere_but_at_the_end_is_refused(encoder, decoder, name):
    with pytest.raises(ArchitectureError, match=f"{name}: GaussianOutput must be the last layer"):
        Architecture((6,), encoder, decoder)


@pytest.mark.parametrize(
    ("architecture", "has_channels"),
    [
        (dense(6), True),
        (recurrent((8, 3)), True),
        (convolutional((8, 8, 3)), True),
        (convolutional((8, 8)), False),
    ],
    ids=["table", "series", "colour image", "grey image"],
)
def test_all_pixels_of_an_image_without_channels_are_of_one_kind(architecture, has_channels):
    assert architecture.has_channels is has_channels


def test_the_longest_warm_up_is_that_of_the_network():
    latents = [Residual([GaussianLatent(6, warm_up_steps=30)]), GaussianLatent(2, warm_up_steps=9)]
    assert Architecture((6,), latents, (Dense(6),)).warm_up_steps == 30


def test_a_network_without_a_gaussian_latent_has_no_warm_up():
    assert dense(6).warm_up_steps == 0


def test_a_layer_that_does_not_fit_is_named_with_the_shape_that_it_gets():
    with pytest.raises(ArchitectureError, match=r"encoder\.1: LSTM needs .* got \(4,\)"):
        Architecture((8, 4), (LSTM(4), LSTM(3)), (RepeatVector(8), Dense(4)))


def test_a_layer_deep_inside_a_block_is_named_by_its_place():
    block = Residual([Residual([Dense(3), Conv2D(4, 3)])])
    with pytest.raises(ArchitectureError, match=r"^encoder\.2\.0\.1: Conv2D needs .*\(8, 3\)"):
        Architecture((8, 4), (Dense(4), Activation("relu"), block), (Dense(4),))


def test_a_decoder_that_ends_in_another_shape_is_refused_with_both_shapes():
    with pytest.raises(ArchitectureError, match=r"rows of shape \(5,\), the input has \(6,\)"):
        Architecture((6,), (Dense(3),), (Dense(5),))


@pytest.mark.parametrize("shape", [(), (0,), (-3,), (2.5,), ("3",), 3, None], ids=repr)
def test_an_input_shape_without_positive_sizes_is_refused(shape):
    with pytest.raises(ArchitectureError, match="positive sizes"):
        Architecture(shape, (Dense(3),), (Dense(5),))


@pytest.mark.parametrize(("encoder", "decoder"), [((), (Dense(6),)), ((Dense(6),), ())])
def test_a_side_without_layers_is_refused(encoder, decoder):
    with pytest.raises(ArchitectureError, match="at least one layer on each side"):
        Architecture((6,), encoder, decoder)


def test_a_network_without_weights_is_refused():
    with pytest.raises(ArchitectureError, match="a layer that can learn, such as Dense"):
        Architecture((6,), (Dropout(0.5),), (Activation("relu"),))


def test_lists_of_layers_become_tuples():
    assert Architecture([6], [Dense(3)], [Dense(6)]) == Architecture((6,), (Dense(3),), (Dense(6),))


@given(architectures())
def test_json_brings_back_an_equal_architecture(architecture):
    assert Architecture.from_json(architecture.to_json()) == architecture


@given(architectures())
def test_equal_architectures_hash_alike(architecture):
    assert hash(Architecture.from_json(architecture.to_json())) == hash(architecture)


def test_architectures_that_differ_in_one_setting_are_not_equal():
    assert dense(6, (5,), 3) != dense(6, (5,), 3, activation="tanh")
    assert dense(6, (5,), 3) != dense(6, (5,), 3, initializer="fan_in")


@given(architectures())
def test_the_parameter_count_is_the_sum_over_the_table(architecture):
    assert architecture.n_parameters == sum(
        layer.input_shape[0] * layer.layer.units + layer.layer.units * layer.layer.use_bias
        for layer in architecture.layers
        if isinstance(layer.layer, Dense)
    )


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        "{}",
        '{"input_shape": [3], "encoder": 5, "decoder": []}',
        '{"input_shape": [3], "encoder": [5], "decoder": [6]}',
        '{"input_shape": [3], "encoder": [{"kind": ["dense"]}], "decoder": []}',
        '{"input_shape": null, "encoder": [], "decoder": []}',
        '{"input_shape": [3], "encoder": [{"kind": "dense", "units": "3"}], "decoder": []}',
        '{"input_shape": ["a"], "encoder": [{"kind": "dense", "units": 3}], "decoder": []}',
        '{"input_shape": [3], "encoder": [{"kind": "dropout", "rate": "a"}], "decoder": []}',
        "[" * 100_000,
    ],
    ids=range(11),
)
def test_json_of_something_else_is_refused_as_an_architecture_error(text):
    with pytest.raises(ArchitectureError):
        Architecture.from_json(text)


def test_blocks_nested_without_end_are_refused_as_an_architecture_error():
    layer = {"kind": "dense", "units": 3}
    for _ in range(2000):
        layer = {"kind": "residual", "layers": [layer]}
    with pytest.raises(ArchitectureError, match="not an architecture: RecursionError"):
        Architecture.from_dict({"input_shape": [3], "encoder": [layer], "decoder": [layer]})


def test_the_summary_lists_layers_shapes_and_parameter_counts():
    lines = dense(784, (128,), 32).summary().splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "shape", "parameters"]
    assert lines[2].split() == ["encoder.0", "dense", "128", "(128,)", "100,480"]
    assert lines[-1] == "latent shape (32,), 209,968 trainable parameters"


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Conv2D(4, 3, stride=(2, 1)), "conv2d 4, kernel 3, stride 2×1"),
        (Conv2D(4, (3, 2), use_bias=False), "conv2d 4, kernel 3×2"),
        (Reshape((2, 96)), "reshape 2×96"),
        (BatchNorm(), "batch_norm"),
        (BatchNorm(0.5), "batch_norm 0.5"),
        (Flatten(), "flatten"),
    ],
    ids=range(6),
)
def test_the_summary_shows_the_settings_that_are_not_defaults(layer, text):
    architecture = Architecture(
        (8, 8, 3), (layer, Flatten(), Dense(2)), (Dense(192), Reshape((8, 8, 3)))
    )
    line = architecture.summary().splitlines()[2]
    assert line.split("  ")[1] == text


def test_the_summary_shows_a_switch_by_its_name_alone():
    assert "  lstm 64, return_sequences  " in recurrent((8, 3)).summary()


def test_the_counts_of_the_summary_add_up_to_all_values_of_a_network_with_blocks():
    architecture = Architecture(
        (6, 4), (Conv1D(4, 3), Residual([BatchNorm(), Residual([Dense(4)])])), (Dense(4),)
    )
    *rows, total = architecture.summary().splitlines()
    counts = [int(row.split()[-1]) for row in rows if row.startswith(("encoder", "decoder"))]
    assert sum(counts) == sum(parameter.size for parameter in architecture.parameters)
    assert total == "latent shape (6, 4), 100 trainable parameters and 8 in buffers"


def test_the_summary_of_a_usual_image_network_fits_a_terminal():
    network = convolutional((29, 29, 3), downsampling="pool", upsampling="transposed")
    assert max(map(len, network.summary().splitlines())) <= 80
