"""The sweep over thresholds and the calibration of p-values, against counting and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from aeanom import plots
from aeanom.errors import InvalidDataError, InvalidParameterError

pytest.importorskip("matplotlib")

FIGURES = ("precision", "recall", "F1", "false-positive rate")


def entries(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def line(axes, beginning):
    return next(one for one in axes.get_lines() if str(one.get_label()).startswith(beginning))


def value_at(drawn, place):
    """Read a line of steps at a place, as the eye does."""
    assert drawn.get_drawstyle() == "steps-post"
    return drawn.get_ydata()[np.searchsorted(drawn.get_xdata(), place, side="right") - 1]


def test_the_sweep_shows_what_scikit_learn_counts_at_every_threshold():
    rng = np.random.default_rng(0)
    is_anomaly = rng.random(120) < 0.3
    scores = np.round(rng.normal(size=120) + is_anomaly, 1)
    axes = plots.threshold_sweep(scores, is_anomaly)
    assert entries(axes) == list(FIGURES)
    for threshold in np.unique(np.concatenate([scores, scores + 0.05, [-9.0]])):
        if not axes.get_xlim()[0] <= threshold < scores.max():
            continue
        flagged = scores > threshold
        expected = (
            sklearn_metrics.precision_score(is_anomaly, flagged),
            sklearn_metrics.recall_score(is_anomaly, flagged),
            sklearn_metrics.f1_score(is_anomaly, flagged),
            flagged[~is_anomaly].mean(),
        )
        for name, value in zip(FIGURES, expected, strict=True):
            assert value_at(line(axes, name), threshold) == pytest.approx(value, abs=1e-12)


def test_where_nothing_is_flagged_the_line_of_the_precision_ends():
    axes = plots.threshold_sweep([1.0, 2.0, 3.0], [False, True, True])
    assert np.isnan(value_at(line(axes, "precision"), 3.0))
    assert value_at(line(axes, "precision"), 2.9) == 1.0
    assert [value_at(line(axes, name), 3.0) for name in FIGURES[1:]] == [0, 0, 0]


def test_the_chosen_threshold_is_marked_with_its_figures():
    axes = plots.threshold_sweep([1.0, 2.0, 3.0, 4.0], [0, 1, 0, 1], 2.0, label="chosen")
    assert entries(axes) == [
        "precision (0.500)",
        "recall (0.500)",
        "F1 (0.500)",
        "false-positive rate (0.500)",
        "chosen (2)",
    ]
    assert list(line(axes, "chosen").get_xdata()) == [2.0, 2.0]
    marks = [one for one in axes.get_lines() if one.get_marker() not in ("", "None", None)]
    assert len(marks) == 4
    assert len({mark.get_marker() for mark in marks}) == 4
    np.testing.assert_array_equal([mark.get_xydata()[0] for mark in marks], [[2.0, 0.5]] * 4)


def test_the_sweep_of_one_class_draws_what_is_defined():
    assert entries(plots.threshold_sweep([1.0, 2.0], [0, 0])) == ["false-positive rate"]
    assert entries(plots.threshold_sweep([1.0, 2.0], [1, 1])) == ["recall"]


@pytest.mark.parametrize("threshold", [1.0, np.inf, -np.inf])
def test_the_sweep_takes_one_row_constant_scores_and_infinite_thresholds(threshold):
    axes = plots.threshold_sweep([1.0], [True], threshold)
    low, high = axes.get_xlim()
    assert low < 1 < high
    assert entries(axes)[-1] == f"threshold ({threshold:.3g})"
    axes = plots.threshold_sweep(np.full(6, 1e-9), np.arange(6) > 4, threshold)
    assert axes.get_xlim()[0] < 1e-9 < axes.get_xlim()[1]


def test_the_sweep_is_logarithmic_over_decades_and_ticks_are_plain_figures():
    axes = plots.threshold_sweep([0.01, 0.1, 5.0], [0, 0, 1])
    assert axes.get_xscale() == "log"
    axes.figure.draw_without_rendering()
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert {"0.01", "0.1", "1"} <= set(shown)
    assert plots.threshold_sweep([-1.0, 5.0], [0, 1]).get_xscale() == "linear"


def test_the_share_of_p_values_is_counted_at_every_alpha():
    p_values = np.array([0.02, 0.02, 0.4, 0.9])
    drawn = line(plots.p_value_calibration(p_values), "normal rows")
    for alpha in (0.0, 0.01, 0.02, 0.3, 0.4, 0.5, 0.9, 1.0):
        assert value_at(drawn, alpha) == np.mean(p_values <= alpha)


def test_only_normal_rows_are_counted():
    axes = plots.p_value_calibration([0.1, 0.0, 0.5], [False, True, False])
    assert entries(axes)[-1] == "normal rows (2)"
    assert value_at(line(axes, "normal rows"), 0.05) == 0


def band(axes):
    """The band's lower and upper edge at each of its places."""
    vertices = axes.collections[0].get_paths()[0].vertices
    places = np.unique(vertices[:, 0])
    at = [vertices[vertices[:, 0] == place, 1] for place in places]
    return places, np.array([one.min() for one in at]), np.array([one.max() for one in at])


def test_the_band_is_that_of_the_binomial_distribution():
    places, low, high = band(plots.p_value_calibration(np.linspace(0, 1, 80), confidence=0.9))
    inside = slice(1, -1)
    chance = stats.binom(80, places[inside])
    assert (chance.cdf(np.round(low[inside] * 80) - 1) < 0.05).all()
    assert (chance.cdf(np.round(low[inside] * 80)) >= 0.05).all()
    assert (chance.cdf(np.round(high[inside] * 80)) >= 0.95).all()
    assert (chance.cdf(np.round(high[inside] * 80) - 1) < 0.95).all()


def test_the_band_of_few_calibration_rows_holds_what_simulations_give():
    rng = np.random.default_rng(0)
    m, n, n_draws = 39, 400, 4000
    p_values = np.empty((n_draws, n))
    for p in p_values:
        calibration, new = np.sort(rng.random(m)), rng.random(n)
        p[:] = (1 + m - np.searchsorted(calibration, new)) / (m + 1)
    axes = plots.p_value_calibration(p_values[0], n_calibration=m)
    for place, low, high in zip(*band(axes), strict=True):
        if place in (0.05, 0.25, 0.5, 0.9):
            shares = (p_values <= place + 1e-12).mean(axis=1)
            assert 0.945 < np.mean((shares >= low) & (shares <= high)) < 0.97
            # As wide as the calibration makes it, not only the test rows.
            assert high - low > 1.9 * (stats.binom(n, place).ppf(0.975) / n - place)


@pytest.mark.parametrize("n", [60, 10_000])
def test_the_band_of_few_calibration_rows_is_that_of_scipy_s_beta_binomial(n):
    places, low, high = band(plots.p_value_calibration(np.full(n, 0.5), n_calibration=99))
    for alpha, rank in ((0.05, 5), (0.29, 29), (0.5, 50), (0.99, 99)):
        index = int(np.argmin(np.abs(places - alpha)))
        chance = stats.betabinom(n, rank, 100 - rank)
        for edge, level in ((low, 0.025), (high, 0.975)):
            count = edge[index] * n
            assert chance.cdf(round(count)) >= level - 1e-9
            assert chance.cdf(round(count) - 1) < level + 1e-9
    assert (low[places < 0.01] == 0).all()
    assert (high[places < 0.01] == 0).all()
    assert (low[-1], high[-1]) == (1, 1)


def test_the_band_of_a_single_row_is_everything():
    _, low, high = band(plots.p_value_calibration([0.3], n_calibration=9))
    assert (low[30], high[30]) == (0, 1)


def test_calibration_is_square_from_0_to_1():
    axes = plots.p_value_calibration([0.5])
    assert axes.get_xlim() == axes.get_ylim() == (0, 1)
    assert axes.get_aspect() == 1
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("α", "normal rows with p ≤ α")
    np.testing.assert_array_equal(line(axes, "promised").get_xydata(), [[0, 0], [1, 1]])


def test_p_values_that_are_none_are_refused():
    with pytest.raises(InvalidDataError, match="must be from 0 to 1"):
        plots.p_value_calibration([-0.1, 0.5, 1.1])
    with pytest.raises(InvalidDataError, match="p_values has 1 of 2 scores that are NaN"):
        plots.p_value_calibration([0.5, np.nan])
    with pytest.raises(InvalidDataError, match="one value a row"):
        plots.p_value_calibration([0.5, 0.6], [False])
    with pytest.raises(InvalidDataError, match="none of the 2 rows is normal"):
        plots.p_value_calibration([0.5, 0.6], [True, True])
    with pytest.raises(InvalidParameterError, match="confidence"):
        plots.p_value_calibration([0.5], confidence=95)
    with pytest.raises(InvalidParameterError, match="n_calibration"):
        plots.p_value_calibration([0.5], n_calibration=0)
