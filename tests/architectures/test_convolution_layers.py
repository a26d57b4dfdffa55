"""Layers that move a window as descriptions, against counting the places of the window one by one.

The oracle walks along the cells of an axis, so it knows no formula.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeanom.architectures import AveragePool, Conv1D, Conv2D, Conv2DTranspose, MaxPool, Upsample
from aeanom.architectures.layers import place_layers
from aeanom.errors import ArchitectureError

sizes, kernels, strides = st.integers(1, 12), st.integers(1, 5), st.integers(1, 4)
edges = st.tuples(st.integers(0, 3), st.integers(0, 3))


def places(cells, window, stride):
    """Where a window can start that lies within the cells."""
    return [start for start in range(0, cells, stride) if start + window <= cells]


def painted(size, window, stride):
    """Cells that windows cover that start at every stride-th cell."""
    return {place * stride + cell for place in range(size) for cell in range(window)}


@given(sizes, kernels, strides, edges)
def test_a_convolution_has_one_output_for_each_place_of_its_window(size, kernel, stride, edge):
    (found, filters) = Conv1D(3, kernel, stride, (edge,)).output_shape((size, 2))
    assert (max(found, 0), filters) == (len(places(size + sum(edge), kernel, stride)), 3)


@given(sizes, kernels, strides)
def test_valid_padding_is_none(size, kernel, stride):
    layer = Conv1D(3, kernel, stride, "valid")
    assert layer.geometry((size, 2)).edges == ((0, 0),)


@given(sizes, kernels, strides)
def test_same_padding_gives_a_place_to_every_stride_that_begins(size, kernel, stride):
    layer = Conv1D(3, kernel, stride)
    assert layer.output_shape((size, 2)) == (len(range(0, size, stride)), 3)


@given(sizes, kernels, strides)
def test_same_padding_adds_no_zero_too_many_and_an_odd_one_behind(size, kernel, stride):
    ((before, after),) = Conv1D(3, kernel, stride).geometry((size, 2)).edges
    enough = len(range(0, size, stride))
    zeros = next(n for n in range(20) if len(places(size + n, kernel, stride)) >= enough)
    assert (before + after, after - before) == (zeros, zeros % 2)


@given(sizes, sizes, kernels, kernels, strides, strides, edges, edges)
def test_the_axes_of_an_image_are_as_independent_as_those_of_two_series(
    height, width, kernel, other_kernel, stride, other_stride, edge, other_edge
):
    image = Conv2D(3, (kernel, other_kernel), (stride, other_stride), (edge, other_edge))
    rows, columns, _ = image.output_shape((height, width, 2))
    assert rows == Conv1D(3, kernel, stride, (edge,)).output_shape((height, 2))[0]
    assert (
        columns == Conv1D(3, other_kernel, other_stride, (other_edge,)).output_shape((width, 2))[0]
    )


@given(sizes, kernels, strides, edges)
def test_a_transposed_convolution_is_as_long_as_what_its_windows_paint_less_the_crop(
    size, kernel, stride, edge
):
    rows, columns, filters = Conv2DTranspose(
        3, (kernel, stride), (min(stride, kernel), stride), (edge, (0, 0))
    ).output_shape((size, 4, 2))
    assert rows == len(painted(size, kernel, min(stride, kernel))) - sum(edge)
    assert (columns, filters) == (4 * stride, 3)


@given(sizes, kernels, strides)
def test_a_transposed_convolution_with_same_padding_multiplies_the_size(size, kernel, stride):
    layer = Conv2DTranspose(3, max(kernel, stride), stride)
    assert layer.output_shape((size, 1, 2)) == (size * stride, stride, 3)


def test_a_transposed_convolution_cannot_multiply_with_a_kernel_smaller_than_its_stride():
    with pytest.raises(ArchitectureError, match=r"decoder\.0: .*kernel_size \(2, 2\) and stride"):
        place_layers("decoder", [Conv2DTranspose(3, 2, 3)], (4, 4, 1))


@pytest.mark.parametrize(
    ("layer", "shape", "kernel", "fans"),
    [
        (Conv1D(7, 5), (20, 3), (5, 3, 7), (15, 35)),
        (Conv2D(7, (5, 2)), (20, 20, 3), (5, 2, 3, 7), (30, 70)),
        (Conv2DTranspose(7, (5, 2)), (20, 20, 3), (5, 2, 3, 7), (30, 70)),
    ],
    ids=["conv1d", "conv2d", "conv2d_transpose"],
)
def test_a_convolution_has_a_kernel_of_window_by_in_by_out_and_a_bias(layer, shape, kernel, fans):
    table = [(p.name, p.shape, p.fan_in, p.fan_out) for p in layer.parameters(shape)]
    assert table == [("kernel", kernel, *fans), ("bias", (7,), *fans)]


@pytest.mark.parametrize("kind", [Conv1D, Conv2D, Conv2DTranspose])
def test_a_convolution_without_bias_has_a_kernel_only(kind):
    shape = (4,) * kind.rank + (3,)
    assert [p.name for p in kind(2, 3, use_bias=False).parameters(shape)] == ["kernel"]


@pytest.mark.parametrize(
    ("layer", "shape", "wanted"),
    [
        (Conv1D(2, 3), (20,), r"\(time, channels\)"),
        (Conv1D(2, 3), (5, 5, 1), r"\(time, channels\)"),
        (Conv2D(2, 3), (28, 28), r"\(height, width, channels\)"),
        (Conv2DTranspose(2, 3), (28, 28), r"\(height, width, channels\)"),
        (Upsample(2), (20,), r"\(time, channels\) or \(height, width, channels\)"),
        (MaxPool(2), (20,), r"\(time, channels\) or \(height, width, channels\)"),
        (AveragePool(2), (2, 2, 2, 2), r"\(time, channels\) or \(height, width, channels\)"),
    ],
    ids=lambda value: getattr(value, "kind", None),
)
def test_rows_with_another_number_of_axes_are_refused_with_what_is_needed(layer, shape, wanted):
    name, got = type(layer).__name__, "".join(f"{size}, " for size in shape).rstrip(", ")
    message = rf"encoder\.0: {name} needs rows of shape {wanted}, got \({got},?\)"
    with pytest.raises(ArchitectureError, match=message):
        place_layers("encoder", [layer], shape)


def test_a_window_larger_than_the_row_is_refused():
    with pytest.raises(ArchitectureError, match=r"encoder\.0: .*leaves nothing .*\(4, 1\)"):
        place_layers("encoder", [Conv1D(2, 5, padding="valid")], (4, 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"filters": 0}, "Conv2D needs a positive whole number of filters, got 0"),
        ({"kernel_size": (3, 3, 3)}, r"2 positive whole numbers as kernel_size, got \(3, 3, 3\)"),
        ({"kernel_size": 0}, "2 positive whole numbers as kernel_size, got 0"),
        ({"stride": 1.5}, "2 positive whole numbers as stride, got 1.5"),
        ({"padding": "full"}, "padding 'same', 'valid' or 2 pairs .* got 'full'"),
        ({"padding": 1}, "padding 'same', 'valid' or 2 pairs .* got 1"),
        ({"padding": ((1, 1),)}, "2 pairs of whole numbers of at least 0, got"),
        ({"padding": ((1, -1), (0, 0))}, "2 pairs of whole numbers of at least 0, got"),
        ({"initializer": "zeros"}, "unknown initializer 'zeros'; known: glorot_uniform"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_convolution_refuses_settings_that_are_none(settings, message):
    with pytest.raises(ArchitectureError, match=message):
        Conv2D(**{"filters": 3, "kernel_size": 3, **settings})


@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
@given(sizes, kernels)
def test_a_pool_has_one_output_for_each_whole_window(kind, size, window):
    assert kind(window).output_shape((size, 3)) == (len(places(size, window, window)), 3)


@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
def test_a_pool_takes_a_size_for_each_axis_of_an_image(kind):
    assert kind((2, 3)).output_shape((7, 7, 3)) == (3, 2, 3)


def test_upsample_multiplies_every_axis_but_the_channels():
    assert Upsample(3).output_shape((4, 5)) == (12, 5)
    assert Upsample((2, 1)).output_shape((4, 5, 6)) == (8, 5, 6)


@pytest.mark.parametrize("layer", [Upsample((2, 2)), MaxPool((2, 2))], ids=lambda layer: layer.kind)
def test_a_size_for_each_of_two_axes_does_not_fit_a_series(layer):
    with pytest.raises(ArchitectureError, match=r"has 2 sizes, but rows of shape \(8, 3\) need 1"):
        layer.output_shape((8, 3))


@pytest.mark.parametrize("kind", [Upsample, MaxPool, AveragePool])
@pytest.mark.parametrize("value", [0, (2, 0), 1.5, ()])
def test_sizes_that_are_no_positive_whole_numbers_are_refused(kind, value):
    with pytest.raises(ArchitectureError, match=f"{kind.__name__} needs positive whole numbers as"):
        kind(value)


@pytest.mark.parametrize(
    "layer", [Upsample(2), MaxPool(2), AveragePool(2)], ids=lambda layer: layer.kind
)
def test_resizing_holds_nothing(layer):
    assert layer.parameters((8, 3)) == ()
