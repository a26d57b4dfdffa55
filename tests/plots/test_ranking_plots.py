"""ROC and precision-recall curves: what is drawn is what scikit-learn and the bootstrap say."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from aeanom import metrics, plots
from aeanom.errors import InvalidDataError, InvalidParameterError

pytest.importorskip("matplotlib")

DRAWN = {"roc": plots.roc_curve, "pr": plots.precision_recall_curve}


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    is_anomaly = rng.random(300) < 0.2
    # Rounded, so that there are ties.
    return np.round(rng.normal(size=300) + 1.5 * is_anomaly, 1), is_anomaly


def entries(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def line(axes, beginning):
    return next(one for one in axes.get_lines() if str(one.get_label()).startswith(beginning))


def test_the_roc_curve_is_scikit_learn_s(rows):
    scores, is_anomaly = rows
    axes = plots.roc_curve(scores, is_anomaly, n_resamples=50)
    expected = sklearn_metrics.roc_curve(is_anomaly, scores)
    drawn = line(axes, "AUC")
    np.testing.assert_allclose(drawn.get_xdata(), expected[0])
    np.testing.assert_allclose(drawn.get_ydata(), expected[1])
    np.testing.assert_array_equal(line(axes, "chance").get_xydata(), [[0, 0], [1, 1]])
    assert axes.get_xlim() == axes.get_ylim() == (-0.02, 1.02)
    assert axes.get_aspect() == 1
    assert axes.get_xlabel() == "normal rows flagged (share)"
    assert axes.get_ylabel() == "anomalies found (share)"


def test_the_steps_of_the_precision_recall_curve_have_the_average_precision_as_area(rows):
    scores, is_anomaly = rows
    axes = plots.precision_recall_curve(scores, is_anomaly, n_resamples=0)
    drawn = line(axes, "AP")
    assert drawn.get_drawstyle() == "steps-pre"
    recall, precision = drawn.get_xdata(), drawn.get_ydata()
    area = np.sum(np.diff(recall) * precision[1:])
    expected = sklearn_metrics.average_precision_score(is_anomaly, scores)
    # Points inside a vertical line are left out: they don't change the area.
    assert area == pytest.approx(expected, abs=1e-12)
    assert entries(axes) == [f"chance ({is_anomaly.mean():.3g})", f"AP {expected:.3f}"]
    assert line(axes, "chance").get_ydata()[0] == is_anomaly.mean()


def test_the_legend_gives_the_area_with_its_interval(rows):
    scores, is_anomaly = rows
    for draw, figure, name in (
        (plots.roc_curve, metrics.roc_auc_score, "AUC"),
        (plots.precision_recall_curve, metrics.average_precision_score, "AP"),
    ):
        settings = {"confidence": 0.8, "n_resamples": 60, "random_state": 3}
        value, low, high = metrics.bootstrap_interval(figure, is_anomaly, scores, **settings)
        shown = entries(draw(scores, is_anomaly, **settings))
        assert f"{name} {value:.3f} ({low:.3f} to {high:.3f})" in shown
        assert "80% of resamples" in shown


@pytest.mark.parametrize("kind", DRAWN)
def test_the_band_is_that_of_the_metrics(rows, kind):
    scores, is_anomaly = rows
    axes = DRAWN[kind](scores, is_anomaly, n_resamples=40)
    of = {"roc": metrics.roc_curve_band, "pr": metrics.precision_recall_curve_band}[kind]
    band = of(is_anomaly, scores, n_resamples=40)
    (drawn,) = axes.collections
    corners = drawn.get_paths()[0].vertices
    for edge in (band.low, band.high):
        points = np.column_stack([band.grid, edge])
        distances = np.abs(corners[:, None] - points[None]).sum(axis=2)
        assert distances.min(axis=0).max() < 1e-12


def test_the_threshold_is_marked_where_it_works(rows):
    scores, is_anomaly = rows
    threshold = float(np.sort(scores)[-60])  # a score itself: strictly above it is flagged
    flagged = scores > threshold
    false_alarms, found = flagged[~is_anomaly].mean(), flagged[is_anomaly].mean()
    precision = is_anomaly[flagged].mean()

    axes = plots.roc_curve(scores, is_anomaly, threshold, label="cut", n_resamples=0)
    (point,) = line(axes, "cut").get_xydata()
    np.testing.assert_allclose(point, [false_alarms, found])
    entry = f"cut ({threshold:.3g}):\n{false_alarms:.1%} false alarms, {found:.1%} found"
    assert entries(axes)[-1] == entry

    axes = plots.precision_recall_curve(scores, is_anomaly, threshold, n_resamples=0)
    (point,) = line(axes, "threshold").get_xydata()
    np.testing.assert_allclose(point, [found, precision])


def test_a_threshold_that_flags_nothing_has_no_precision(rows):
    axes = plots.precision_recall_curve(*rows, np.inf, n_resamples=0)
    assert np.isnan(line(axes, "threshold").get_xydata()).all()
    assert entries(axes)[-1] == "threshold (inf):\nnothing flagged"


def test_constant_scores_rank_nothing():
    axes = plots.roc_curve(np.ones(8), np.arange(8) > 5, n_resamples=20)
    assert "AUC 0.500 (0.500 to 0.500)" in entries(axes)


def test_a_long_curve_is_thinned_where_it_does_not_show():
    rng = np.random.default_rng(1)
    is_anomaly = rng.random(20_000) < 0.5
    scores = rng.normal(size=20_000) + is_anomaly
    axes = plots.roc_curve(scores, is_anomaly, n_resamples=0)
    drawn = line(axes, "AUC").get_xydata()
    whole = np.column_stack(sklearn_metrics.roc_curve(is_anomaly, scores)[:2])
    assert len(drawn) <= 2000 < len(whole)
    np.testing.assert_allclose(np.interp(whole[:, 0], *drawn.T), whole[:, 1], atol=0.006)


@pytest.mark.parametrize("draw", DRAWN.values())
def test_bad_input_is_refused(draw):
    with pytest.raises(InvalidDataError, match=r"one value a row.*\(2,\) and \(1,\)"):
        draw([1.0, 2.0], [True])
    with pytest.raises(InvalidDataError, match="1 of 2 scores that are NaN"):
        draw([1.0, np.nan], [True, False])
    with pytest.raises(InvalidDataError, match="needs anomalies"):
        draw([1.0, 2.0], [False, False])
    # The labels first, as the metrics of the same name have them.
    with pytest.raises(InvalidDataError, match="is_anomaly has 2 of 2 labels"):
        draw([False, True], [1.5, 2.5])
    with pytest.raises(InvalidParameterError, match="n_resamples"):
        draw([1.0, 2.0], [False, True], n_resamples=1.5)
    with pytest.raises(InvalidParameterError, match="confidence"):
        draw([1.0, 2.0], [False, True], confidence=95)
