"""Dense, Activation and Dropout as descriptions: shapes, parameters, what they refuse."""

import pytest

from aeanom.architectures import Activation, Dense, Dropout
from aeanom.architectures.layers import layer_from_dict
from aeanom.errors import ArchitectureError


def test_dense_turns_rows_of_three_into_rows_of_its_units():
    assert Dense(7).output_shape((3,)) == (7,)


def test_dense_has_a_kernel_of_in_by_out_and_then_a_bias():
    kernel, bias = Dense(7).parameters((3,))
    assert (kernel.name, kernel.shape, kernel.size) == ("kernel", (3, 7), 21)
    assert (bias.name, bias.shape, bias.size) == ("bias", (7,), 7)


def test_dense_without_bias_has_a_kernel_only():
    assert [parameter.name for parameter in Dense(7, use_bias=False).parameters((3,))] == ["kernel"]


@pytest.mark.parametrize(
    ("initializer", "bias_initializer"),
    [("glorot_uniform", "zeros"), ("he_uniform", "zeros"), ("fan_in", "fan_in")],
)
def test_a_bias_starts_at_zero_unless_fan_in_draws_it_too(initializer, bias_initializer):
    _, bias = Dense(7, initializer=initializer).parameters((3,))
    assert bias.initializer == bias_initializer


def test_dense_refuses_rows_that_are_not_flat():
    with pytest.raises(
        ArchitectureError, match=r"Dense\(4\) needs rows of shape .* got \(28, 28\)"
    ):
        Dense(4).output_shape((28, 28))


@pytest.mark.parametrize("layer", [Activation("relu"), Dropout(0.5)])
def test_activation_and_dropout_keep_the_shape_and_hold_nothing(layer):
    assert layer.output_shape((28, 28)) == (28, 28)
    assert layer.parameters((28, 28)) == ()


@pytest.mark.parametrize("units", [0, -1, 2.5, "8", True, None])
def test_dense_refuses_units_that_are_no_positive_whole_number(units):
    with pytest.raises(ArchitectureError, match="positive whole number of units"):
        Dense(units)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan")])
def test_dropout_refuses_a_rate_outside_zero_to_one(rate):
    with pytest.raises(ArchitectureError, match=r"rate in \[0, 1\)"):
        Dropout(rate)


def test_an_unknown_function_is_refused_with_the_known_ones():
    with pytest.raises(ArchitectureError, match=r"unknown function 'rleu'; known: linear, relu"):
        Activation("rleu")


def test_an_unknown_initializer_is_refused_with_the_known_ones():
    with pytest.raises(ArchitectureError, match="known: glorot_uniform, he_uniform, fan_in"):
        Dense(4, initializer="glorot")


@pytest.mark.parametrize(
    "layer",
    [Dense(4), Dense(4, use_bias=False, initializer="fan_in"), Activation("gelu"), Dropout(0.1)],
)
def test_a_layer_comes_back_from_its_dict(layer):
    assert layer_from_dict(layer.to_dict()) == layer


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "dens", "units": 4}, "unknown layer kind 'dens'; known: dense, activation"),
        ({"kind": "dense", "units": 4, "stride": 2}, "layer 'dense' has no field stride"),
        ({"kind": "dense"}, "layer 'dense': .*units"),
    ],
)
def test_a_dict_of_no_layer_is_refused(values, message):
    with pytest.raises(ArchitectureError, match=message):
        layer_from_dict(values)
