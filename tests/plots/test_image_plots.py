"""Images over reconstructions and error maps: what each of the small pictures holds."""

from __future__ import annotations

import numpy as np
import pytest

from aeanom import plots
from aeanom.errors import InvalidDataError, InvalidParameterError

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)
GREY = RNG.random((5, 4, 3))
COLOUR = RNG.uniform(2, 6, (3, 4, 4, 3))
DRAWN = [plots.reconstructions, plots.error_maps]


def shown(axes):
    return axes.images[0].get_array()


def test_reconstructions_stand_under_their_originals():
    axes = plots.reconstructions(GREY, GREY / 2, [f"bag\n{i}" for i in range(5)], title="$t$ $u$")
    assert axes.shape == (2, 5)
    np.testing.assert_array_equal(shown(axes[0, 3]), GREY[3])
    np.testing.assert_array_equal(shown(axes[1, 3]), GREY[3] / 2)
    assert axes[0, 3].images[0].get_clim() == axes[1, 3].images[0].get_clim()
    assert axes[0, 3].images[0].get_clim() == (GREY.min(), GREY.max())
    assert axes[0, 2].get_title() == "bag\n2"
    assert axes[1, 2].get_title() == ""
    assert [axes[row, 0].get_ylabel() for row in (0, 1)] == ["original", "reconstruction"]
    assert axes[0, 0].figure.get_suptitle() == "$t$ $u$"
    axes[0, 0].figure.draw_without_rendering()


def test_colours_are_on_the_scale_of_the_originals(caplog):
    axes = plots.reconstructions(COLOUR, COLOUR + 9)
    low, high = COLOUR.min(), COLOUR.max()
    np.testing.assert_allclose(shown(axes[0, 1]), (COLOUR[1] - low) / (high - low))
    np.testing.assert_array_equal(shown(axes[1, 1]), np.ones((4, 4, 3)))
    # matplotlib logs that it has to clip, where we do not.
    assert caplog.records == []


def test_one_channel_is_grey_and_whole_numbers_are_read():
    images = np.arange(24, dtype=np.uint8).reshape(2, 4, 3, 1)
    axes = plots.reconstructions(images, images[::-1])
    np.testing.assert_array_equal(shown(axes[1, 0]), images[1, ..., 0])


@pytest.mark.parametrize("draw", DRAWN)
def test_more_images_than_columns_go_on_below(draw):
    layers = 2 if draw is plots.reconstructions else 3
    axes = draw(GREY, GREY / 2, columns=2, titles=list("abcde"))
    assert axes.shape == (3 * layers, 2)
    np.testing.assert_array_equal(shown(axes[layers, 1]), GREY[3])
    np.testing.assert_array_equal(shown(axes[layers + 1, 1]), GREY[3] / 2)
    assert axes[2 * layers, 0].get_title() == "e"
    assert axes[layers, 0].get_ylabel() == "original"
    assert [one.get_visible() for one in axes[2 * layers]] == [True, False]


def test_error_maps_show_squared_errors_on_one_scale():
    axes = plots.error_maps(GREY, GREY / 2)
    for column in range(5):
        np.testing.assert_allclose(shown(axes[2, column]), (GREY[column] / 2) ** 2)
        assert axes[2, column].images[0].get_clim() == (0, (GREY / 2).max() ** 2)
    (bar,) = [one for one in axes[0, 0].figure.axes if one not in axes]
    assert bar.get_ylabel() == "squared error"
    assert [axes[row, 0].get_ylabel() for row in range(3)] == [
        "original",
        "reconstruction",
        "error",
    ]


def test_error_maps_add_up_channels_and_take_errors():
    axes = plots.error_maps(COLOUR, COLOUR + 1)
    np.testing.assert_allclose(shown(axes[2, 0]), np.full((4, 4), 3.0))
    errors = RNG.normal(size=(3, 4, 4))
    axes = plots.error_maps(COLOUR, COLOUR + 1, errors)
    np.testing.assert_array_equal(shown(axes[2, 1]), errors[1])
    assert axes[2, 1].images[0].get_clim() == (errors.min(), errors.max())


def test_maps_without_an_error_are_black():
    axes = plots.error_maps(GREY, GREY)
    assert axes[2, 0].images[0].get_clim() == (0, 1)


@pytest.mark.parametrize("draw", DRAWN)
def test_they_draw_on_the_axes_that_they_are_given(draw):
    from matplotlib.figure import Figure

    grid = Figure().subplots(2 if draw is plots.reconstructions else 3, 1, squeeze=False)
    assert draw(GREY[:1], GREY[:1], axes=grid) is grid
    with pytest.raises(InvalidDataError, match=r"5 images in 5 columns need axes of shape"):
        draw(GREY, GREY, axes=grid)


@pytest.mark.parametrize("draw", DRAWN)
def test_what_are_no_images_is_refused(draw):
    with pytest.raises(InvalidDataError, match=r"\(5, 4, 3\) and \(1, 4, 3\)"):
        draw(GREY, GREY[:1])
    with pytest.raises(InvalidDataError, match="1, 3 or 4 channels"):
        draw(np.ones((2, 3, 3, 2)), np.ones((2, 3, 3, 2)))
    with pytest.raises(InvalidDataError, match="shape"):
        draw(np.ones((0, 3, 3)), np.ones((0, 3, 3)))
    with pytest.raises(InvalidDataError, match="5 images and 1 titles"):
        draw(GREY, GREY, titles=["one"])
    with pytest.raises(InvalidDataError, match="1 of 5 reconstructions hold values"):
        draw(GREY, np.where(np.arange(5)[:, None, None] == 2, np.nan, GREY))
    with pytest.raises(InvalidDataError, match="as numbers"):
        draw([[["a"]]], [[["b"]]])
    with pytest.raises(InvalidParameterError, match="columns"):
        draw(GREY, GREY, columns=0)


def test_errors_that_do_not_fit_are_refused():
    with pytest.raises(InvalidDataError, match=r"errors of shape \(5, 4\) do not fit"):
        plots.error_maps(GREY, GREY, np.ones((5, 4)))
    with pytest.raises(InvalidDataError, match="not finite"):
        plots.error_maps(GREY, GREY, np.full(GREY.shape, np.nan))
