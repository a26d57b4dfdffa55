from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from aeanom import plots
from aeanom.core import History
from aeanom.errors import InvalidDataError, InvalidParameterError, MissingDependencyError

matplotlib = pytest.importorskip("matplotlib")

SCORES = np.array([0.01, 0.02, 0.03, 0.04, 2.0, 9.0])
IS_ANOMALY = np.array([False, False, False, False, True, True])


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_loss_curve_draws_both_losses_by_epoch():
    axes = plots.loss_curve(History(loss=[3.0, 2.0, 1.5], validation_loss=[3.1, 2.2, 1.9]))
    training, validation = axes.get_lines()
    np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3])
    np.testing.assert_array_equal(training.get_ydata(), [3.0, 2.0, 1.5])
    np.testing.assert_array_equal(validation.get_ydata(), [3.1, 2.2, 1.9])
    assert labels(axes) == ["training", "validation"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "mean loss (scaled units)")


def test_loss_curve_marks_the_best_epoch():
    history = History(loss=[3.0, 2.0], validation_loss=[1.0, 2.0], best_epoch=1)
    axes = plots.loss_curve(history)
    assert labels(axes)[-1] == "best epoch (1)"
    assert axes.get_lines()[-1].get_xdata()[0] == 1


def test_histogram_counts_every_row_once_over_common_bins():
    axes = plots.error_histogram(SCORES, IS_ANOMALY, {"threshold": 1.0})
    assert labels(axes) == ["normal (4)", "anomalous (2)", "threshold (1)"]
    assert axes.get_xscale() == "log"
    assert axes.get_lines()[0].get_xdata()[0] == 1.0
    heights = [np.ptp(patch.get_path().vertices[:, 1]) for patch in axes.patches]
    assert len(heights) == 2
    assert axes.get_ylabel() == "rows per bin"
    assert "scaled units" in axes.get_xlabel()


def test_histogram_is_linear_within_a_decade_and_takes_equal_scores():
    assert plots.error_histogram([1.0, 2.0], [False, True]).get_xscale() == "linear"
    assert plots.error_histogram([1.0, 1.0], [False, True]).get_xscale() == "linear"
    assert plots.error_histogram([0.0, 50.0], [False, True]).get_xscale() == "linear"


def test_histogram_needs_no_anomalies():
    assert labels(plots.error_histogram([1.0, 2.0], [False, False])) == ["normal (2)"]


def test_histogram_of_one_row_has_room_in_proportion():
    axes = plots.error_histogram([1e-9], [True])
    low, high = axes.get_xlim()
    assert 0 < low < 1e-9 < high < 2e-9
    assert labels(axes) == ["anomalous (1)"]


@pytest.mark.parametrize("threshold", [np.inf, -np.inf, np.nan])
def test_a_threshold_that_is_not_finite_is_in_the_legend_only(threshold):
    limits = plots.error_histogram(SCORES, IS_ANOMALY).get_xlim()
    axes = plots.error_histogram(SCORES, IS_ANOMALY, {"cut": threshold})
    assert axes.get_xlim() == limits
    assert labels(axes)[-1] == f"cut ({threshold})"
    axes = plots.error_scatter(SCORES, IS_ANOMALY, threshold)
    assert np.isnan(axes.get_lines()[0].get_ydata()).all()
    assert axes.get_yscale() == "log"


def test_the_bars_of_the_histogram_count_the_rows():
    rng = np.random.default_rng(0)
    scores, is_anomaly = rng.normal(size=500), rng.random(500) < 0.3
    axes = plots.error_histogram(scores, is_anomaly)
    for patch, which in zip(axes.patches, (~is_anomaly, is_anomaly), strict=True):
        corners = patch.get_path().vertices
        edges = np.unique(corners[:, 0])
        counts = [corners[corners[:, 0] == edge, 1].max() for edge in edges]
        expected, _ = np.histogram(scores[which], edges)
        # Each corner is as high as the higher of the bins beside it.
        np.testing.assert_array_equal(
            counts, np.maximum(np.append(expected, 0), np.append(0, expected))
        )


def test_a_log_axis_has_ticks_in_plain_figures():
    axes = plots.error_scatter([0.002, 0.5, 30.0], [False, False, True], 1.0)
    axes.figure.draw_without_rendering()
    assert {"0.01", "0.1", "1", "10"} <= {one.get_text() for one in axes.get_yticklabels()}
    axes = plots.error_scatter([0.02, 0.5], [False, True], 0.1)
    axes.figure.draw_without_rendering()
    assert {"0.02", "0.05", "0.1", "0.2"} <= {one.get_text() for one in axes.get_yticklabels()}


def test_names_are_shown_as_they_are_not_as_formulas():
    axes = plots.error_histogram(
        SCORES, IS_ANOMALY, {"$x$ <b>": 1.0}, names=("$ok$", "a\nb\x00" + "c" * 40), title="$5 $6"
    )
    axes.figure.draw_without_rendering()
    texts = axes.get_legend().get_texts()
    assert [text.get_text() for text in texts] == [
        "$ok$ (4)",
        "a b\N{REPLACEMENT CHARACTER}" + "c" * 15 + "…" + "c" * 10 + " (2)",
        "$x$ <b> (1)",
    ]
    assert not any(text.get_parse_math() for text in [*texts, axes.title])


def test_scatter_draws_each_row_at_its_place():
    axes = plots.error_scatter(SCORES, IS_ANOMALY, 1.0, label="3 std")
    normal, anomalous = axes.collections
    np.testing.assert_array_equal(normal.get_offsets()[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(anomalous.get_offsets(), [[4, 2.0], [5, 9.0]])
    assert tuple(normal.get_facecolor()[0][:3]) != tuple(anomalous.get_facecolor()[0][:3])
    assert axes.get_lines()[0].get_ydata()[0] == 1.0
    assert labels(axes) == ["normal (4)", "anomalous (2)", "3 std (1)"]


@pytest.mark.parametrize("width", [3.2, 6.4, 12.0])
def test_legends_stand_under_the_axes_and_on_the_figure(width):
    from aeanom.plots.figures import new_axes

    axes = plots.error_histogram(
        SCORES,
        IS_ANOMALY,
        {"conformal": 1.0, "mean + 3 standard deviations": 2.0},
        axes=new_axes(width, 3.6),
    )
    axes.figure.draw_without_rendering()
    legend = axes.get_legend().get_window_extent()
    assert legend.y1 < axes.xaxis.label.get_window_extent().y0 < axes.get_window_extent().y0
    assert legend.y0 >= 0
    assert legend.x0 >= 0
    assert legend.x1 <= axes.figure.bbox.x1


def test_functions_draw_on_the_axes_that_they_are_given():
    from matplotlib.figure import Figure

    top, bottom = Figure().subplots(2)
    assert plots.loss_curve(History(loss=[1.0]), axes=top) is top
    assert plots.error_scatter(SCORES, IS_ANOMALY, 1.0, axes=bottom) is bottom


def test_an_overview_needs_a_threshold_to_show():
    with pytest.raises(InvalidParameterError, match="thresholds are empty"):
        plots.overview(History(loss=[1.0]), SCORES, IS_ANOMALY, {})


def test_overview_has_three_panels():
    figure = plots.overview(History(loss=[2.0, 1.0]), SCORES, IS_ANOMALY, {"t": 1.0}, title="all")
    assert len(figure.axes) == 3
    assert figure.get_suptitle() == "all"
    assert [axes.get_title() for axes in figure.axes] == [
        "Training",
        "Errors by class",
        "Errors by row",
    ]


@pytest.mark.parametrize("draw", [plots.error_histogram, lambda s, a: plots.error_scatter(s, a, 1)])
def test_arrays_of_different_length_are_refused(draw):
    with pytest.raises(InvalidDataError, match="one value a row"):
        draw([1.0, 2.0], [True])
    with pytest.raises(InvalidDataError, match="one value a row"):
        draw([], [])
    with pytest.raises(InvalidDataError, match="1 of 2 scores that are NaN"):
        draw([1.0, np.nan], [True, False])
    with pytest.raises(InvalidDataError, match="neither 0 nor 1"):
        draw([1.0, 2.0], [0, 3])


def test_two_names_are_needed():
    with pytest.raises(InvalidParameterError, match="names must be two"):
        plots.error_histogram(SCORES, IS_ANOMALY, names=("normal",))


def test_without_matplotlib_the_error_says_how_to_install_it(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "aeanom\[plot\]"'):
        plots.loss_curve(History(loss=[1.0]))


def test_pyplot_is_not_imported_and_settings_are_not_touched(tmp_path):
    program = (
        "import sys, numpy as np\n"
        "from aeanom import plots\n"
        "assert 'matplotlib' not in sys.modules\n"
        "import matplotlib\n"
        # Without the backend, which pyplot is asked for when it is read.
        "names = sorted(set(matplotlib.rcParams) - {'backend'})\n"
        "before = [matplotlib.rcParams[name] for name in names]\n"
        "from aeanom.core import History\n"
        "figure = plots.overview(History(loss=[1.0]), [1.0, 2.0], [False, True], {'t': 1.5})\n"
        f"for kind in ('png', 'svg', 'pdf'): plots.save(figure, {str(tmp_path / 'a.')!r} + kind)\n"
        "plots.to_svg(figure)\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert [matplotlib.rcParams[name] for name in names] == before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
