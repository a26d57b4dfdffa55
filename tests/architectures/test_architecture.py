"""`Architecture`: shapes, parameters in order, equality, JSON, errors that name the layer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeanom.architectures import (
    ACTIVATIONS,
    INITIALIZERS,
    Activation,
    Architecture,
    Dense,
    Dropout,
    dense,
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


def test_a_layer_that_does_not_fit_is_named_with_the_shape_that_it_gets():
    with pytest.raises(ArchitectureError, match=r"encoder\.1: Dense\(3\) needs .* got \(4, 4\)"):
        Architecture((4, 4), (Activation("relu"), Dense(3)), (Dense(4),))


def test_a_decoder_that_ends_in_another_shape_is_refused_with_both_shapes():
    with pytest.raises(ArchitectureError, match=r"rows of shape \(5,\), the input has \(6,\)"):
        Architecture((6,), (Dense(3),), (Dense(5),))


@pytest.mark.parametrize("shape", [(), (0,), (-3,)])
def test_an_input_shape_without_positive_sizes_is_refused(shape):
    with pytest.raises(ArchitectureError, match="positive sizes"):
        Architecture(shape, (Dense(3),), (Dense(5),))


@pytest.mark.parametrize(("encoder", "decoder"), [((), (Dense(6),)), ((Dense(6),), ())])
def test_a_side_without_layers_is_refused(encoder, decoder):
    with pytest.raises(ArchitectureError, match="at least one layer on each side"):
        Architecture((6,), encoder, decoder)


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
    ],
)
def test_json_of_something_else_is_refused_as_an_architecture_error(text):
    with pytest.raises(ArchitectureError):
        Architecture.from_json(text)


def test_the_summary_lists_layers_shapes_and_parameter_counts():
    lines = dense(784, (128,), 32).summary().splitlines()
    assert lines[0].split() == ["layer", "kind", "output", "shape", "parameters"]
    assert lines[2].split() == ["encoder.0", "dense", "128", "(128,)", "100,480"]
    assert lines[-1] == "latent shape (32,), 209,968 trainable parameters"
