"""How often which p-value occurs, against counting; and one window over what was expected of it."""

from __future__ import annotations

import numpy as np
import pytest

from aeanom import plots
from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.explain import Explanation

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)
P_VALUES = np.round(RNG.random(200), 2)
P_VALUES[:3] = [0.0, 0.05, 1.0]
IS_ANOMALY = RNG.random(200) < 0.3


def heights(axes, container=0):
    return [bar.get_height() for bar in axes.containers[container]]


def entries(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_a_bin_holds_its_right_end():
    axes = plots.p_value_histogram(P_VALUES)
    edges = [(index / 20, (index + 1) / 20) for index in range(20)]
    expected = [
        sum(low + 1e-9 < p <= high + 1e-9 or (p == 0 and low == 0) for p in P_VALUES)
        for low, high in edges
    ]
    assert heights(axes) == expected
    assert sum(expected) == 200
    assert [bar.get_x() for bar in axes.containers[0]] == pytest.approx([low for low, _ in edges])
    assert axes.get_xlim() == (0, 1)


def test_the_line_is_what_normal_rows_alone_would_give():
    alone = plots.p_value_histogram(P_VALUES)
    assert alone.get_lines()[0].get_ydata()[0] == 10
    assert entries(alone) == ["if all were normal", "rows (200)"]
    split = plots.p_value_histogram(P_VALUES, IS_ANOMALY, n_bins=4, names=("ok", "odd"))
    normal = np.sum(~IS_ANOMALY)
    assert split.get_lines()[0].get_ydata()[0] == normal / 4
    assert entries(split) == ["normal rows alone", f"ok ({normal})", f"odd ({200 - normal})"]


def test_anomalies_stand_on_the_normal_rows():
    axes = plots.p_value_histogram(P_VALUES, IS_ANOMALY)
    together = np.add(heights(axes, 0), heights(axes, 1)).tolist()
    assert together == heights(plots.p_value_histogram(P_VALUES))
    assert [bar.get_y() for bar in axes.containers[1]] == heights(axes, 0)


def test_p_values_that_are_none_are_refused():
    with pytest.raises(InvalidDataError, match="1 of 2 p-values lie outside"):
        plots.p_value_histogram([0.5, 1.5])
    with pytest.raises(InvalidDataError):
        plots.p_value_histogram([])
    with pytest.raises(InvalidParameterError, match="n_bins"):
        plots.p_value_histogram([0.5], n_bins=0)


def explained(n_channels=2, n_times=6):
    errors = RNG.random((3, n_times, n_channels))
    return Explanation.from_errors(
        ["-"] * (n_times * n_channels), errors.sum(axis=(1, 2)), errors, -errors, errors,
        axes=("time", "channel"),
    )  # fmt: skip


def test_a_window_stands_over_the_contributions_of_its_times():
    explanation = explained()
    top, bottom = plots.window_contributions(explanation, 1, channels=["a", "$b$"])
    lines = [line for line in top.get_lines() if len(line.get_xdata())]
    for channel in range(2):
        seen, expected = lines[2 * channel : 2 * channel + 2]
        np.testing.assert_array_equal(seen.get_ydata(), explanation.seen[1, :, channel])
        np.testing.assert_array_equal(expected.get_ydata(), explanation.expected[1, :, channel])
        assert seen.get_color() == expected.get_color()
    bars = heights(bottom)
    np.testing.assert_allclose(bars, explanation.by_time()[1])
    assert sum(bars) == pytest.approx(explanation.scores[1])
    assert entries(bottom) == ["a", "$b$", "expected"]
    assert top.get_title() == f"Window 1: score {explanation.scores[1]:.4g}"


def test_of_many_channels_the_five_that_count_most_are_drawn():
    explanation = explained(n_channels=9)
    top, bottom = plots.window_contributions(explanation, -1)
    largest = np.sort(np.argsort(-explanation.by_channel()[2])[:5])
    assert entries(bottom) == [*(f"channel {channel}" for channel in largest), "expected"]
    assert len([line for line in top.get_lines() if len(line.get_xdata())]) == 10


def test_it_draws_on_axes_that_it_is_given_and_refuses_others():
    figure = plots.window_contributions(explained())[0].figure
    mine = np.asarray(figure.subplots(2, 1))
    assert plots.window_contributions(explained(), axes=mine, title="T")[0].get_title() == "T"
    with pytest.raises(InvalidDataError, match="two axes"):
        plots.window_contributions(explained(), axes=mine[:1])
    with pytest.raises(InvalidDataError, match="2 channels and 1 names"):
        plots.window_contributions(explained(), channels=["a"])
    with pytest.raises(InvalidParameterError, match="none of the 3 rows"):
        plots.window_contributions(explained(), 3)
    errors = RNG.random((3, 4))
    table = Explanation.from_errors("abcd", errors.sum(axis=1), errors, errors, errors)
    with pytest.raises(InvalidDataError, match="no windows of a series"):
        plots.window_contributions(table)
