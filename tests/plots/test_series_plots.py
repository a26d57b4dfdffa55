"""A series over its scores: lines, shades and times."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeanom import plots
from aeanom.errors import InvalidDataError
from aeanom.plots.style import kept_points

pytest.importorskip("matplotlib")

SERIES = np.array([0.0, 1.0, 0.0, 9.0, 9.0, 0.0, 1.0, 7.0])
SCORES = np.array([1.0, 1.0, 2.0, 6.0, 6.0, 1.0, 1.0, 5.0])


def entries(axes):
    return [text.get_text() for text in axes[1].get_legend().get_texts()]


def line(axes, label):
    return next(one for one in axes.get_lines() if one.get_label() == label)


def ranges(axes, beginning):
    """(start, end) of the ranges that are shaded."""
    found = [one for one in axes.collections if one.get_label().startswith(beginning)]
    if not found:
        return []
    corners = [path.vertices[:, 0] for path in found[0].get_paths()]
    return [(one.min(), one.max()) for one in corners]


def test_the_series_stands_over_its_scores_and_the_threshold():
    axes = plots.series_scores(SERIES, SCORES, 5.0, title="Machine $1$")
    top, bottom = axes
    np.testing.assert_array_equal(line(top, "series").get_xydata()[:, 1], SERIES)
    np.testing.assert_array_equal(line(bottom, "score").get_xydata()[:, 1], SCORES)
    assert line(bottom, "threshold (5)").get_ydata()[0] == 5
    assert entries(axes) == ["flagged (1 range)", "series", "score", "threshold (5)"]
    assert top.get_xlim() == bottom.get_xlim() == (-0.5, 7.5)
    assert (top.get_title(), top.get_ylabel()) == ("Machine $1$", "value")
    assert (bottom.get_xlabel(), bottom.get_ylabel()) == ("time", "score")
    top.figure.draw_without_rendering()


def test_ranges_above_the_threshold_are_shaded_in_both():
    axes = plots.series_scores(SERIES, SCORES, 4.0)
    for one in axes:
        assert ranges(one, "flagged") == [(2.5, 4.5), (6.5, 7.5)]
    # Strictly above it.
    assert ranges(plots.series_scores(SERIES, SCORES, 5.0)[0], "flagged") == [(2.5, 4.5)]
    assert ranges(plots.series_scores(SERIES, SCORES, np.inf)[0], "flagged") == []


def test_true_anomalies_are_a_strip_over_the_series():
    truth = SERIES > 5
    top, bottom = plots.series_scores(SERIES, SCORES, 4.0, is_anomaly=truth)
    assert ranges(top, "true anomaly") == [(2.5, 4.5), (6.5, 7.5)]
    assert ranges(bottom, "true anomaly") == []
    (strip,) = [one for one in top.collections if one.get_label().startswith("true")]
    assert strip.get_paths()[0].vertices[:, 1].min() == 0.95


def test_datetimes_are_dates_on_the_axis():
    times = np.datetime64("2024-03-01") + np.arange(8)
    axes = plots.series_scores(SERIES, SCORES, 4.0, times=times)
    days = line(axes[0], "series").get_xdata()
    np.testing.assert_array_equal(days, (times - np.datetime64("1970-01-01")).astype(float))
    axes[0].figure.draw_without_rendering()
    assert any("2024-03" in label.get_text() for label in axes[1].get_xticklabels())
    as_python = plots.series_scores(SERIES, SCORES, 4.0, times=times.tolist())
    np.testing.assert_array_equal(line(as_python[0], "series").get_xdata(), days)


def test_times_need_not_be_equally_far_apart():
    times = [0, 1, 2, 10, 20, 21, 22, 23]
    axes = plots.series_scores(SERIES, SCORES, 4.0, times=times)
    assert ranges(axes[0], "flagged") == [(6, 20.5), (22.5, 23.5)]


def test_channels_have_names_colours_and_dashes():
    series = np.stack([SERIES, SERIES / 2], axis=1)
    top, bottom = plots.series_scores(series, SCORES, 4.0, channels=["$a$", "b"])
    first, second = line(top, "$a$"), line(top, "b")
    np.testing.assert_array_equal(second.get_ydata(), SERIES / 2)
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    assert not bottom.get_legend().get_texts()[1].get_parse_math()


def test_channels_of_very_different_range_are_drawn_from_0_to_1():
    series = np.stack([SERIES, SERIES * 1000 + 5, np.ones(8)], axis=1)
    top, _ = plots.series_scores(series, SCORES, 4.0)
    assert top.get_ylabel() == "channel, from 0 to 1"
    np.testing.assert_allclose(line(top, "channel 1").get_ydata(), SERIES / 9)
    np.testing.assert_allclose(line(top, "channel 2").get_ydata(), SERIES / 9)
    np.testing.assert_array_equal(line(top, "channel 3").get_ydata(), np.zeros(8))


def test_many_channels_have_one_entry():
    axes = plots.series_scores(np.ones((8, 12)), SCORES, 9.0)
    assert entries(axes) == ["12 channels", "score", "threshold (9)"]
    assert len(axes[0].get_lines()) == 12


def test_missing_values_are_gaps_and_one_time_is_enough():
    gaps = np.where(SERIES == 9, np.nan, SERIES)
    np.testing.assert_array_equal(
        line(plots.series_scores(gaps, SCORES, 4.0)[0], "series").get_ydata(), gaps
    )
    axes = plots.series_scores([np.nan], [3.0], 4.0)
    assert axes[0].get_xlim() == (-0.5, 0.5)
    axes[0].figure.draw_without_rendering()


def test_the_axes_that_are_given_are_drawn_on():
    from matplotlib.figure import Figure

    given_axes = Figure().subplots(2)
    assert plots.series_scores(SERIES, SCORES, 4.0, axes=given_axes) is given_axes
    with pytest.raises(InvalidDataError, match=r"shape \(2,\), got \(3,\)"):
        plots.series_scores(SERIES, SCORES, 4.0, axes=Figure().subplots(3))


def test_bad_series_are_refused():
    with pytest.raises(InvalidDataError, match="8 times, but scores has 7 values"):
        plots.series_scores(SERIES, SCORES[1:], 4.0)
    with pytest.raises(InvalidDataError, match="8 times, but is_anomaly has 1 values"):
        plots.series_scores(SERIES, SCORES, 4.0, is_anomaly=[True])
    with pytest.raises(InvalidDataError, match=r"got \(2, 2, 2\)"):
        plots.series_scores(np.ones((2, 2, 2)), SCORES, 4.0)
    with pytest.raises(InvalidDataError, match=r"got \(0,\)"):
        plots.series_scores([], [], 4.0)
    with pytest.raises(InvalidDataError, match="1 of 8 scores that are NaN"):
        plots.series_scores(SERIES, np.where(SCORES == 2, np.nan, SCORES), 4.0)
    with pytest.raises(InvalidDataError, match="1 channels and 2 names"):
        plots.series_scores(SERIES, SCORES, 4.0, channels=["a", "b"])
    with pytest.raises(InvalidDataError, match="as numbers"):
        plots.series_scores(["a", "b"], [1.0, 2.0], 4.0)
    with pytest.raises(InvalidDataError, match=r"times has the shape \(3,\)"):
        plots.series_scores(SERIES, SCORES, 4.0, times=[1, 2, 3])
    with pytest.raises(InvalidDataError, match="must increase: see place 4 of 8"):
        plots.series_scores(SERIES, SCORES, 4.0, times=[0, 1, 2, 3, 3, 4, 5, 6])
    with pytest.raises(InvalidDataError, match="must increase"):
        plots.series_scores(SERIES[:1], SCORES[:1], 4.0, times=[np.nan])
    with pytest.raises(InvalidDataError, match="could not read times"):
        plots.series_scores(SERIES[:1], SCORES[:1], 4.0, times=["noon"])


@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.02]), st.integers(5, 60))
def test_thinning_keeps_the_extremes_of_every_bin_and_every_gap(seed, gaps, n_bins):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 2000))
    x = np.cumsum(rng.exponential(size=n))
    y = np.where(rng.random(n) < gaps, np.nan, rng.normal(size=n))
    kept = kept_points(x, y, n_bins)
    assert (np.diff(kept) > 0).all()
    assert {0, n - 1} <= set(kept.tolist())
    if n <= 4 * n_bins:
        assert len(kept) == n
        return
    bins = np.minimum((x - x[0]) / (x[-1] - x[0]) * n_bins, n_bins - 1).astype(int)
    for one in np.unique(bins):
        here = np.flatnonzero(bins == one)
        those = np.intersect1d(here, kept)
        assert {here[0], here[-1]} <= set(those.tolist())
        if not np.isnan(y[here]).any():
            assert y[those].min() == y[here].min()
            assert y[those].max() == y[here].max()
            assert len(those) <= 5
    # Each gap begins and ends where it did.
    changes = np.flatnonzero(np.diff(np.isnan(y), prepend=False))
    assert set(changes.tolist()) <= set(kept.tolist())
