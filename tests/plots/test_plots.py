from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from aeanom import plots
from aeanom.core import History
from aeanom.errors import InvalidDataError, MissingDependencyError

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


def test_scatter_draws_each_row_at_its_place():
    axes = plots.error_scatter(SCORES, IS_ANOMALY, 1.0, label="3 std")
    normal, anomalous = axes.collections
    np.testing.assert_array_equal(normal.get_offsets()[:, 0], [0, 1, 2, 3])
    np.testing.assert_array_equal(anomalous.get_offsets(), [[4, 2.0], [5, 9.0]])
    assert tuple(normal.get_facecolor()[0][:3]) != tuple(anomalous.get_facecolor()[0][:3])
    assert axes.get_lines()[0].get_ydata()[0] == 1.0
    assert labels(axes) == ["normal (4)", "anomalous (2)", "3 std (1)"]


def test_legends_stand_under_the_axes():
    axes = plots.error_scatter(SCORES, IS_ANOMALY, 1.0)
    figure = axes.figure
    figure.draw_without_rendering()
    below = axes.get_legend().get_window_extent().y1
    assert below < axes.get_window_extent().y0
    assert axes.get_legend().get_window_extent().y0 >= 0


def test_reconstructions_stand_under_their_originals():
    images = np.random.default_rng(0).random((5, 4, 4))
    axes = plots.reconstructions(images, images / 2, [f"bag\n{i}" for i in range(5)], title="t")
    assert axes.shape == (2, 5)
    np.testing.assert_array_equal(axes[0, 3].images[0].get_array(), images[3])
    np.testing.assert_array_equal(axes[1, 3].images[0].get_array(), images[3] / 2)
    assert axes[0, 3].images[0].get_clim() == axes[1, 3].images[0].get_clim()
    assert axes[0, 2].get_title() == "bag\n2"
    assert [axes[row, 0].get_ylabel() for row in (0, 1)] == ["original", "reconstruction"]


def test_functions_draw_on_the_axes_that_they_are_given():
    from matplotlib.figure import Figure

    top, bottom = Figure().subplots(2)
    assert plots.loss_curve(History(loss=[1.0]), axes=top) is top
    assert plots.error_scatter(SCORES, IS_ANOMALY, 1.0, axes=bottom) is bottom
    grid = Figure().subplots(2, 1, squeeze=False)
    assert plots.reconstructions(np.ones((1, 2, 2)), np.ones((1, 2, 2)), axes=grid) is grid


def test_overview_has_three_panels():
    figure = plots.overview(History(loss=[2.0, 1.0]), SCORES, IS_ANOMALY, {"t": 1.0}, title="all")
    assert len(figure.axes) == 3
    assert figure.get_suptitle() == "all"


@pytest.mark.parametrize("draw", [plots.error_histogram, lambda s, a: plots.error_scatter(s, a, 1)])
def test_arrays_of_different_length_are_refused(draw):
    with pytest.raises(InvalidDataError, match="one value a row"):
        draw([1.0, 2.0], [True])
    with pytest.raises(InvalidDataError, match="one value a row"):
        draw([], [])


def test_images_of_different_shape_are_refused():
    with pytest.raises(InvalidDataError, match="shape"):
        plots.reconstructions(np.ones((2, 3, 3)), np.ones((1, 3, 3)))
    with pytest.raises(InvalidDataError, match="titles"):
        plots.reconstructions(np.ones((2, 3, 3)), np.ones((2, 3, 3)), ["one"])


def test_the_same_picture_is_the_same_file(tmp_path):
    forms = {
        "axes": lambda axes: axes,
        "figure": lambda axes: axes.figure,
        "array": lambda axes: np.array([axes]),
    }
    for name, form in forms.items():
        drawn = form(plots.error_scatter(SCORES, IS_ANOMALY, 1.0))
        plots.save(drawn, tmp_path / name, dpi=50)
    contents = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(contents) == 1
    assert contents.pop().startswith(b"\x89PNG")


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
        f"plots.save(figure, {str(tmp_path / 'a.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
        "assert [matplotlib.rcParams[name] for name in names] == before\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
