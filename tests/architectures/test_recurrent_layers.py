"""LSTM, GRU and RepeatVector as descriptions; parameters are counted against PyTorch's layers."""

import pytest

from aeanom.architectures import GRU, LSTM, RepeatVector
from aeanom.architectures.layers import place_layers
from aeanom.errors import ArchitectureError

CELLS = pytest.mark.parametrize("cell", [LSTM, GRU])


@CELLS
def test_a_recurrent_layer_returns_its_last_state(cell):
    assert cell(5).output_shape((20, 3)) == (5,)


@CELLS
def test_a_recurrent_layer_returns_its_states_at_every_time(cell):
    assert cell(5, return_sequences=True).output_shape((20, 3)) == (20, 5)


@pytest.mark.parametrize(
    ("cell", "table"),
    [
        (LSTM, [("kernel", (3, 20)), ("recurrent_kernel", (5, 20)), ("bias", (20,))]),
        (
            GRU,
            [
                ("kernel", (3, 15)),
                ("recurrent_kernel", (5, 15)),
                ("bias", (15,)),
                ("recurrent_bias", (5,)),
            ],
        ),
    ],
    ids=["lstm", "gru"],
)
def test_the_gates_lie_along_the_last_axis_of_each_array(cell, table):
    assert [(p.name, p.shape) for p in cell(5).parameters((20, 3))] == table


@CELLS
def test_kernels_are_as_large_as_those_of_pytorch(cell):
    torch = pytest.importorskip("torch")
    theirs = dict(getattr(torch.nn, cell.__name__)(3, 5).named_parameters())
    ours = {p.name: p.shape for p in cell(5).parameters((20, 3))}
    assert ours["kernel"] == tuple(theirs["weight_ih_l0"].T.shape)
    assert ours["recurrent_kernel"] == tuple(theirs["weight_hh_l0"].T.shape)
    assert ours["bias"] == tuple(theirs["bias_ih_l0"].shape)


@CELLS
def test_fans_are_those_of_one_gate(cell):
    kernel, recurrent_kernel, bias, *_ = cell(5).parameters((20, 3))
    assert (kernel.fan_in, kernel.fan_out) == (3, 5)
    assert (recurrent_kernel.fan_in, recurrent_kernel.fan_out) == (5, 5)
    assert (bias.fan_in, bias.fan_out) == (5, 5)


@CELLS
@pytest.mark.parametrize(("initializer", "biases"), [("he_uniform", "zeros"), ("fan_in", "fan_in")])
def test_every_kernel_has_the_initializer_and_every_bias_what_goes_with_it(
    cell, initializer, biases
):
    for parameter in cell(5, initializer=initializer).parameters((20, 3)):
        assert parameter.initializer == (biases if "bias" in parameter.name else initializer)


@CELLS
@pytest.mark.parametrize("shape", [(20,), (28, 28, 1)])
def test_a_recurrent_layer_refuses_rows_without_time_and_channels(cell, shape):
    message = rf"encoder\.0: {cell.__name__} needs rows of shape \(time, channels\), got \("
    with pytest.raises(ArchitectureError, match=message):
        place_layers("encoder", [cell(5)], shape)


@CELLS
def test_a_recurrent_layer_refuses_units_that_are_no_positive_whole_number(cell):
    with pytest.raises(ArchitectureError, match=f"{cell.__name__} needs .* number of units, got 0"):
        cell(0)


def test_repeat_vector_puts_a_flat_row_at_every_time():
    assert RepeatVector(20).output_shape((5,)) == (20, 5)


def test_repeat_vector_refuses_rows_that_are_not_flat():
    with pytest.raises(ArchitectureError, match=r"shape \(features,\), got \(20, 5\)"):
        RepeatVector(20).output_shape((20, 5))


def test_repeat_vector_refuses_times_that_are_no_positive_whole_number():
    with pytest.raises(ArchitectureError, match=r"positive whole number of times, got 2\.5"):
        RepeatVector(2.5)
