"""Layers for rows of any shape as descriptions: shapes, parameters, draws, what they refuse."""

import pytest

from aeanom.architectures import (
    Activation,
    BatchNorm,
    Dense,
    Draws,
    Dropout,
    Flatten,
    LayerNorm,
    Reshape,
    Residual,
)
from aeanom.architectures.layers import place_layers
from aeanom.errors import ArchitectureError

SHAPES = [(3,), (28, 3), (28, 28, 3)]


@pytest.mark.parametrize(("given", "returned"), [((3,), (7,)), ((28, 28, 3), (28, 28, 7))])
def test_dense_turns_the_last_axis_into_its_units(given, returned):
    assert Dense(7).output_shape(given) == returned


@pytest.mark.parametrize("shape", SHAPES)
def test_dense_has_a_kernel_of_in_by_out_and_then_a_bias(shape):
    kernel, bias = Dense(7).parameters(shape)
    assert (kernel.name, kernel.shape, kernel.size) == ("kernel", (3, 7), 21)
    assert (bias.name, bias.shape, bias.size) == ("bias", (7,), 7)


def test_dense_sums_over_its_inputs_and_reaches_its_units():
    assert {(p.fan_in, p.fan_out) for p in Dense(7).parameters((28, 3))} == {(3, 7)}


def test_dense_without_bias_has_a_kernel_only():
    assert [parameter.name for parameter in Dense(7, use_bias=False).parameters((3,))] == ["kernel"]


@pytest.mark.parametrize(
    ("initializer", "bias_initializer"),
    [("glorot_uniform", "zeros"), ("he_uniform", "zeros"), ("fan_in", "fan_in")],
)
def test_a_bias_starts_at_zero_unless_fan_in_draws_it_too(initializer, bias_initializer):
    _, bias = Dense(7, initializer=initializer).parameters((3,))
    assert bias.initializer == bias_initializer


@pytest.mark.parametrize("units", [0, -1, 2.5, "8", True, None])
def test_dense_refuses_units_that_are_no_positive_whole_number(units):
    with pytest.raises(ArchitectureError, match="positive whole number of units"):
        Dense(units)


def test_an_unknown_initializer_is_refused_with_the_known_ones():
    with pytest.raises(ArchitectureError, match="known: glorot_uniform, he_uniform, fan_in"):
        Dense(4, initializer="glorot")


@pytest.mark.parametrize("layer", [Activation("relu"), Dropout(0.5)], ids=lambda layer: layer.kind)
@pytest.mark.parametrize("shape", SHAPES)
def test_activation_and_dropout_keep_the_shape_and_hold_nothing(layer, shape):
    assert layer.output_shape(shape) == shape
    assert layer.parameters(shape) == ()


def test_an_unknown_function_is_refused_with_the_known_ones():
    with pytest.raises(ArchitectureError, match=r"unknown function 'rleu'; known: linear, relu"):
        Activation("rleu")


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan"), "half", None])
def test_dropout_refuses_a_rate_outside_zero_to_one(rate):
    with pytest.raises(ArchitectureError, match=r"Dropout needs a rate in \[0, 1\), got"):
        Dropout(rate)


def test_dropout_wants_a_uniform_draw_an_element():
    assert Dropout(0.5).draws((28, 3)) == Draws("uniform", (28, 3))


@pytest.mark.parametrize("layer", [Dropout(0.0), Dense(3)], ids=lambda layer: layer.kind)
def test_a_layer_without_noise_wants_no_draws(layer):
    assert layer.draws((28, 3)) is None


@pytest.mark.parametrize("layer", [LayerNorm(), BatchNorm()], ids=lambda layer: layer.kind)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_normalisation_keeps_the_shape_and_has_scale_and_bias_for_each_channel(layer, shape):
    assert layer.output_shape(shape) == shape
    table = [(p.name, p.shape, p.initializer) for p in layer.parameters(shape) if p.trainable]
    assert table == [("scale", (3,), "ones"), ("bias", (3,), "zeros")]


def test_batch_norm_has_running_statistics_that_are_not_trained():
    table = [(p.name, p.shape, p.initializer) for p in BatchNorm().parameters((28, 3))
             if not p.trainable]  # fmt: skip
    assert table == [("mean", (3,), "zeros"), ("variance", (3,), "ones")]


@pytest.mark.parametrize("kind", [LayerNorm, BatchNorm])
@pytest.mark.parametrize("epsilon", [0, -1e-5, float("inf"), "small"])
def test_a_normalisation_refuses_an_epsilon_that_is_not_above_zero(kind, epsilon):
    with pytest.raises(ArchitectureError, match=f"{kind.__name__} needs .*epsilon"):
        kind(epsilon=epsilon)


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan"), "slow"])
def test_batch_norm_refuses_a_decay_outside_zero_to_one(decay):
    with pytest.raises(ArchitectureError, match=r"BatchNorm needs a decay in \[0, 1\), got"):
        BatchNorm(decay)


def test_flatten_puts_all_elements_in_one_axis():
    assert Flatten().output_shape((4, 5, 3)) == (60,)


def test_reshape_returns_its_shape():
    assert Reshape([5, 12]).output_shape((4, 5, 3)) == (5, 12)


def test_reshape_refuses_rows_with_another_number_of_elements():
    with pytest.raises(ArchitectureError, match=r"\(5, 11\) needs rows of 55 .*\(4, 15\) with 60"):
        Reshape((5, 11)).output_shape((4, 15))


@pytest.mark.parametrize("shape", [(), (0, 3), (-1,), (2.5,), "ab", None])
def test_reshape_refuses_sizes_that_are_no_positive_whole_numbers(shape):
    with pytest.raises(ArchitectureError, match="Reshape needs positive whole numbers as shape"):
        Reshape(shape)


def test_a_residual_block_keeps_the_shape():
    assert Residual([Dense(8), Dense(3)]).output_shape((28, 3)) == (28, 3)


def test_the_layers_of_a_residual_block_are_named_by_their_place_in_it():
    (_, block) = place_layers("encoder", [Dense(3), Residual([Dense(8), Dense(3)])], (5,))
    assert [parameter.name for parameter in block.parameters] == [
        "encoder.1.0.kernel", "encoder.1.0.bias", "encoder.1.1.kernel", "encoder.1.1.bias",
    ]  # fmt: skip


def test_a_residual_block_that_ends_in_another_shape_is_refused_with_both_shapes():
    with pytest.raises(ArchitectureError, match=r"encoder\.0: .*\(3,\), .*\(3,\) too, got \(4,\)"):
        place_layers("encoder", [Residual([Dense(8), Dense(4)])], (3,))


@pytest.mark.parametrize("layers", [[], ["dense"], [Dense]])
def test_a_residual_block_of_no_layers_is_refused(layers):
    with pytest.raises(ArchitectureError, match="Residual needs a list of layers"):
        Residual(layers)


def test_blocks_within_blocks_take_no_longer_with_every_level_than_there_are_levels():
    class Counted(Activation):
        calls = 0

        def output_shape(self, input_shape):
            Counted.calls += 1
            return input_shape

    layer = Counted("relu")
    for _ in range(20):
        layer = Residual([layer])
    place_layers("encoder", [layer], (3,))
    assert Counted.calls == 21
