"""`dense` and `for_table`: the usual networks from a few numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeanom.architectures import Activation, Dense, Dropout, dense, for_table
from aeanom.errors import ArchitectureError


def widths(architecture):
    layers = (*architecture.encoder, *architecture.decoder)
    return [layer.units for layer in layers if isinstance(layer, Dense)]


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


def test_dense_mirrors_the_hidden_layers():
    assert widths(dense(10, (8, 5), 2)) == [8, 5, 2, 5, 8, 10]


def test_dense_may_have_no_hidden_layer():
    assert widths(dense(10, (), 2)) == [2, 10]


def test_dense_puts_each_function_in_its_place():
    architecture = dense(
        4, (3,), 2, activation="tanh", latent_activation="relu", output_activation="sigmoid"
    )
    functions = [
        layer.function
        for layer in (*architecture.encoder, *architecture.decoder)
        if isinstance(layer, Activation)
    ]
    assert functions == ["tanh", "relu", "tanh", "sigmoid"]


def test_dropout_follows_each_hidden_activation_and_nothing_else():
    architecture = dense(4, (3,), 2, dropout=0.5)
    assert [layer.kind for layer in architecture.encoder] == [
        "dense", "activation", "dropout", "dense",
    ]  # fmt: skip
    assert architecture.encoder[2] == Dropout(0.5)


def test_a_number_for_the_hidden_layers_is_refused_with_what_to_write():
    with pytest.raises(ArchitectureError, match=r"write \(128,\)"):
        dense(10, 128)


def test_an_unknown_activation_is_refused():
    with pytest.raises(ArchitectureError, match="unknown function 'swish'"):
        dense(10, activation="swish")
