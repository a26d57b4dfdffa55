"""Bars and shades of an explanation, held against its numbers."""

from __future__ import annotations

import numpy as np
import pytest

from aeanom import plots
from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.explain import Explanation

pytest.importorskip("matplotlib")

NAMES = ("amount", "<script>alert(1)</script>", "price_$_per_$unit", "age", "x" * 60)
SEEN = np.array([[5.0, 1.0, -2.0, 7.0, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
EXPECTED = np.array([[2.0, 1.0, 2.0, 6.0, 0.5], [1.0, 1.0, 1.0, 1.0, 4.0]])


def explanation():
    errors = (SEEN - EXPECTED) ** 2
    return Explanation.from_errors(NAMES, errors.mean(axis=1), errors, EXPECTED, SEEN)


def bars(axes):
    """(place, length, colour) of each bar, from the top."""
    found = [(bar.get_y() + bar.get_height() / 2, bar.get_width(), bar.get_facecolor())
             for group in axes.containers for bar in group]  # fmt: skip
    return sorted(found, key=lambda bar: bar[0])


def test_bars_are_the_largest_contributions_and_add_up_to_the_score():
    explained = explanation()
    axes = plots.feature_contributions(explained, 0, k=3)
    places, lengths, colors = zip(*bars(axes), strict=True)
    assert places == (0, 1, 2, 3)
    np.testing.assert_allclose(lengths[:3], np.array([16, 9, 1]) / 5)
    assert sum(lengths) == pytest.approx(explained.scores[0])
    # Below, above, above, and the others.
    assert colors[1] == colors[2]
    assert len(set(colors)) == 3
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_names_stand_with_what_was_seen_and_expected():
    axes = plots.feature_contributions(explanation(), 0, k=3)
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "price_$_per_$unit\n−2, expected 2",
        "amount\n5, expected 2",
        "age\n7, expected 6",
        "2 others",
    ]
    assert not any(label.get_parse_math() for label in axes.get_yticklabels())
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "above what was expected",
        "below it",
    ]
    figures = {text.get_text() for text in axes.texts}
    assert figures == {"− 61%", "+ 34%", "+ 4%", "1%"}
    assert axes.get_title() == "Row 0: score 5.25"
    assert axes.get_xlabel() == "part of the score"


def test_all_features_leave_no_others_and_long_names_are_cut():
    axes = plots.feature_contributions(explanation(), -1, k=9)
    labels = [label.get_text().split("\n")[0] for label in axes.get_yticklabels()]
    assert len(labels) == 5
    assert labels[0] == "x" * 19 + "…" + "x" * 10
    assert axes.get_title() == "Row 1: score 1.8"


def test_on_a_low_figure_names_stand_alone():
    from aeanom.plots.figures import new_axes

    axes = plots.feature_contributions(explanation(), 0, axes=new_axes(3.2, 1.8))
    assert all("\n" not in label.get_text() for label in axes.get_yticklabels())


def test_a_row_that_is_returned_perfectly_has_bars_of_no_length():
    rows = np.ones((1, 3))
    perfect = Explanation.from_errors("abc", np.zeros(1), rows * 0, rows, rows)
    axes = plots.feature_contributions(perfect)
    assert [length for _, length, _ in bars(axes)] == [0, 0, 0]
    assert axes.get_legend() is None
    axes.figure.draw_without_rendering()


def test_negative_contributions_of_a_likelihood_point_to_the_left():
    errors = np.array([[3.0, 1.0]])
    negative = Explanation.from_errors("ab", np.array([-2.0]), errors, errors, errors + 1)
    axes = plots.feature_contributions(negative)
    np.testing.assert_allclose([length for _, length, _ in bars(axes)], [-1.5, -0.5])


def test_pixels_are_features_too():
    rng = np.random.default_rng(0)
    errors = rng.random((2, 3, 4))
    images = Explanation.from_errors(
        [f"pixel {i}" for i in range(12)], np.ones(2), errors, errors, errors
    )
    axes = plots.feature_contributions(images, 1, k=2)
    assert axes.get_yticklabels()[0].get_text().startswith(f"pixel {errors[1].argmax()}\n")
    assert axes.get_yticklabels()[2].get_text() == "10 others"
    assert plots.contribution_matrix(images).images[0].get_array().shape == (2, 9)


def test_the_matrix_shows_shares_that_add_up_to_one():
    explained = explanation()
    axes = plots.contribution_matrix(explained, [1, 0], k=2)
    np.testing.assert_allclose(
        axes.images[0].get_array(), [[1.0, 0.0, 0.0], [0.25 / 26.25, 16 / 26.25, 10 / 26.25]]
    )
    assert axes.images[0].get_clim() == (0, 1)
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "x" * 12 + "…" + "x" * 7,
        "price_$_per_$unit",
        "3 others",
    ]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["1 (1.8)", "0 (5.25)"]
    assert [text.get_text() for text in axes.texts] == ["100%", "0%", "0%", "1%", "61%", "38%"]


def test_figures_in_the_cells_can_be_read_and_stay_dark_on_light():
    axes = plots.contribution_matrix(explanation())
    colors = {text.get_text(): text.get_color() for text in axes.texts}
    assert (colors["100%"], colors["0%"]) == ("#ffffff", "#111111")
    assert "#111111" in plots.to_svg(axes)


def test_many_rows_have_neither_figures_nor_names():
    rng = np.random.default_rng(0)
    errors = rng.random((300, 4))
    many = Explanation.from_errors("abcd", errors.sum(axis=1), errors, errors, errors)
    axes = plots.contribution_matrix(many)
    assert axes.images[0].get_array().shape == (300, 4)
    assert len(axes.texts) == 0
    axes.figure.draw_without_rendering()
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    assert all("." not in tick for tick in ticks)


@pytest.mark.parametrize("row", [2, -3, 1.0, True])
def test_a_row_that_is_not_there_is_refused(row):
    with pytest.raises(InvalidParameterError, match="none of the 2 rows"):
        plots.feature_contributions(explanation(), row)
    with pytest.raises(InvalidParameterError, match="none of the 2 rows"):
        plots.contribution_matrix(explanation(), [row])


def test_no_features_and_no_rows_are_refused():
    with pytest.raises(InvalidParameterError, match="k must be"):
        plots.feature_contributions(explanation(), k=0)
    with pytest.raises(InvalidParameterError, match="k must be"):
        plots.contribution_matrix(explanation(), k=0)
    with pytest.raises(InvalidDataError, match="no row"):
        plots.contribution_matrix(explanation(), [])
