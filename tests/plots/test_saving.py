"""Files and page SVG: the same bytes, names that do not collide, small, and safe to put in HTML."""

from __future__ import annotations

import re
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest

from aeanom import plots
from aeanom.core import History
from aeanom.errors import InvalidParameterError
from aeanom.explain import Explanation

pytest.importorskip("matplotlib")

SVG = "{http://www.w3.org/2000/svg}"
N = 10_000
RNG = np.random.default_rng(0)
IS_ANOMALY = RNG.random(N) < 0.1
SCORES = np.exp(0.7 * RNG.normal(size=N) + 2 * IS_ANOMALY)
IMAGES = RNG.random((20, 28, 28))
LOSSES = list(1 + RNG.random(2000))
HOSTILE = (
    "<script>alert(1)</script>",
    'a" onload="alert(1)',
    "$x_1$",
    "&amp; ' --> ]]>",
    "b\x00\x1b",
)


def explained(n=40):
    errors = np.random.default_rng(1).random((n, len(HOSTILE)))
    return Explanation.from_errors(HOSTILE, errors.sum(axis=1), errors, errors, errors + 1)


WINDOW_ERRORS = RNG.random((1, 200, len(HOSTILE)))
WINDOWS = Explanation.from_errors(
    HOSTILE * 200,
    WINDOW_ERRORS.sum(axis=(1, 2)),
    WINDOW_ERRORS,
    WINDOW_ERRORS,
    WINDOW_ERRORS + 1,
    axes=("time", "channel"),
)

PICTURES = {
    "loss_curve": lambda: plots.loss_curve(History(loss=LOSSES)),
    "error_histogram": lambda: plots.error_histogram(SCORES, IS_ANOMALY, {"threshold": 3.0}),
    "error_scatter": lambda: plots.error_scatter(SCORES, IS_ANOMALY, 3.0),
    "roc_curve": lambda: plots.roc_curve(SCORES, IS_ANOMALY, 3.0, n_resamples=10),
    "precision_recall_curve": lambda: plots.precision_recall_curve(
        SCORES, IS_ANOMALY, 3.0, n_resamples=10
    ),
    "threshold_sweep": lambda: plots.threshold_sweep(SCORES, IS_ANOMALY, 3.0),
    "p_value_calibration": lambda: plots.p_value_calibration(np.arange(N) / N),
    "p_value_histogram": lambda: plots.p_value_histogram(np.arange(N) / N, IS_ANOMALY),
    "window_contributions": lambda: plots.window_contributions(WINDOWS, channels=HOSTILE),
    "latent_space": lambda: plots.latent_space(
        np.stack([SCORES, SCORES[::-1]], axis=1), IS_ANOMALY, scores=SCORES
    ),
    "reconstructions": lambda: plots.reconstructions(IMAGES, IMAGES),
    "error_maps": lambda: plots.error_maps(IMAGES[:10], IMAGES[10:]),
    "feature_contributions": lambda: plots.feature_contributions(explained()),
    "contribution_matrix": lambda: plots.contribution_matrix(explained()),
    "series_scores": lambda: plots.series_scores(
        np.stack([SCORES, SCORES[::-1], SCORES], axis=1), SCORES, 30.0
    ),
    "overview": lambda: plots.overview(History(loss=[1.0]), SCORES, IS_ANOMALY, {"t": 3.0}),
}


@pytest.fixture(scope="module", params=PICTURES)
def picture(request):
    return request.param, plots.to_svg(PICTURES[request.param]())


def test_every_picture_is_among_them():
    assert set(PICTURES) == set(plots.__all__) - {"save", "to_svg"}


def test_a_picture_of_ten_thousand_points_is_a_small_svg(picture):
    _, svg = picture
    assert len(svg.encode()) < 200_000


def test_an_svg_is_one_well_formed_element_that_can_stand_in_a_page(picture):
    _, svg = picture
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    assert "<!" not in svg
    assert "<?" not in svg
    assert "metadata" not in svg
    assert root.get("role") == "img"
    title = root.find(f"{SVG}title")
    assert root.get("aria-labelledby") == title.get("id")
    assert title.text
    assert not [one for one in root.iter() if one.tag.endswith(("script", "foreignObject"))]
    assert not [key for one in root.iter() for key in one.attrib if key.startswith("on")]


def test_every_id_is_there_once_and_every_reference_leads_to_one(picture):
    _, svg = picture
    ids = re.findall(r'\sid="([^"]*)"', svg)
    assert len(ids) == len(set(ids))
    (prefix,) = {name.rpartition("-")[0] for name in ids}
    assert re.fullmatch(r"p[0-9a-f]{10}", prefix)
    references = re.findall(r'(?:url\(#|href="#)([^)"]+)', svg)
    assert set(references) <= set(ids)
    assert references


def test_nothing_comes_from_elsewhere(picture):
    _, svg = picture
    links = re.findall(r'href="([^#"][^"]*)"', svg)
    assert all(link.startswith("data:image/png;base64,") for link in links)


def test_black_is_the_colour_of_the_text_and_the_background_is_the_page_s(picture):
    _, svg = picture
    assert "#000000" not in svg
    assert "currentColor" in svg
    assert not re.search(r"<g[^>]*><path[^>]*fill: #ffffff", svg)


def test_text_is_left_as_text():
    svg = plots.to_svg(plots.error_scatter(SCORES[:50], IS_ANOMALY[:50], 3.0))
    shown = [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"Errors by row", "row", "error (scaled units)", "threshold (3)"} <= set(shown)
    assert "font-family" not in svg.split(">", 1)[1]


def test_hostile_names_stay_text():
    svg = plots.to_svg(plots.feature_contributions(explained()))
    shown = [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    for name in HOSTILE[:4]:
        assert name in shown
    assert "b\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}" in shown


def test_text_that_looks_like_an_id_stays_what_it_is():
    axes = plots.loss_curve(History(loss=[1.0]), title='id="a" url(#b) #000000 0.123456')
    svg = plots.to_svg(axes, title='" <x> &')
    root = ElementTree.fromstring(svg)
    assert 'id="a" url(#b) #000000 0.123456' in [one.text for one in root.iter(f"{SVG}text")]
    assert root.find(f"{SVG}title").text == '" <x> &'


def test_letters_that_the_font_lacks_are_the_browser_s():
    axes = plots.loss_curve(History(loss=[1.0]), title="温度")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ">温度</text>" in plots.to_svg(axes)


def test_title_and_description_are_read_out():
    axes = plots.loss_curve(History(loss=[1.0]))
    root = ElementTree.fromstring(plots.to_svg(axes, description="It falls.", id_prefix="loss"))
    assert root.get("aria-labelledby") == "loss-title loss-description"
    assert root.find(f"{SVG}title").text == "Training"
    assert root.find(f"{SVG}desc").text == "It falls."
    figure = plots.overview(History(loss=[1.0]), [1.0, 2.0], [0, 1], {"t": 1.5}, title="Fit")
    title = ElementTree.fromstring(plots.to_svg(figure)).find(f"{SVG}title").text
    assert title == "Fit; Training; Errors by class; Errors by row"


def test_different_figures_have_different_names_and_the_same_one_can_have_two():
    first, second = (plots.loss_curve(History(loss=[loss, 2.0])) for loss in (1.0, 9.0))
    names = [
        set(re.findall(r'\sid="([^"]*)"', svg))
        for svg in (plots.to_svg(first), plots.to_svg(second), plots.to_svg(first, id_prefix="a"))
    ]
    assert not names[0] & names[1]
    assert not names[0] & names[2]
    for wrong in ("1a", "a b", 'a"', "<"):
        with pytest.raises(InvalidParameterError, match="id_prefix"):
            plots.to_svg(first, id_prefix=wrong)


def test_formulas_that_a_user_draws_are_shapes():
    axes = plots.loss_curve(History(loss=[1.0]))
    axes.text(1, 1, r"$\alpha^2$")
    # Not in a comment either.
    assert "alpha" not in plots.to_svg(axes)


def test_a_figure_is_left_as_it_was():
    axes = plots.error_scatter(SCORES[:50], IS_ANOMALY[:50], 3.0)
    figure = axes.figure
    before = figure.dpi, figure.canvas, figure.get_facecolor(), axes.get_facecolor()
    plots.to_svg(axes)
    assert (figure.dpi, figure.canvas, figure.get_facecolor(), axes.get_facecolor()) == before


def text_place(axes, words):
    root = ElementTree.fromstring(plots.to_svg(axes))
    (found,) = [one for one in root.iter(f"{SVG}text") if one.text == words]
    return found


def test_text_stands_where_matplotlib_puts_it():
    axes = plots.loss_curve(History(loss=[1.0, 2.0]))
    axes.figure.draw_without_rendering()
    scale = 72 / axes.figure.dpi
    height = axes.figure.get_size_inches()[1] * 72
    title, label = text_place(axes, "Training"), text_place(axes, "mean loss (scaled units)")
    axes.figure.draw_without_rendering()
    box = axes.title.get_window_extent()
    assert title.get("text-anchor") == "middle"
    assert float(title.get("x")) == pytest.approx((box.x0 + box.x1) / 2 * scale, abs=1)
    # Between the lower and the upper edge of the letters, nearer to the lower.
    assert height - box.y1 * scale < float(title.get("y")) <= height - box.y0 * scale + 1
    box = axes.yaxis.label.get_window_extent()
    x, y = map(
        float, re.match(r"translate\((\S+) (\S+)\) rotate\(-90\)", label.get("transform")).groups()
    )
    assert label.get("text-anchor") == "middle"
    assert y == pytest.approx(height - (box.y0 + box.y1) / 2 * scale, abs=1)
    assert box.x0 * scale < x <= box.x1 * scale + 1


@pytest.mark.parametrize("kind", ["", ".png", ".svg", ".pdf", ".SVG"])
def test_the_same_picture_is_the_same_file(tmp_path, kind):
    forms = {
        "axes": lambda axes: axes,
        "figure": lambda axes: axes.figure,
        "array": lambda axes: np.array([axes]),
    }
    for name, form in forms.items():
        drawn = form(plots.error_scatter(SCORES[:30], IS_ANOMALY[:30], 1.0))
        plots.save(drawn, tmp_path / f"{name}{kind}", dpi=50)
    contents = {path.read_bytes() for path in tmp_path.iterdir()}
    assert len(contents) == 1
    beginnings = {"svg": b"<?xml", "pdf": b"%PDF"}
    content = contents.pop()
    assert content.startswith(beginnings.get(kind.lower()[1:], b"\x89PNG"))
    assert b"CreationDate" not in content
    assert b"dc:date" not in content


def test_page_svg_of_figures_drawn_alike_is_the_same(picture):
    name, _ = picture
    drawn = [plots.to_svg(PICTURES[name]()) for _ in range(2)]
    assert drawn[0] == drawn[1]


def test_another_suffix_is_refused_and_nothing_is_written(tmp_path):
    axes = plots.loss_curve(History(loss=[1.0]))
    with pytest.raises(InvalidParameterError, match=r"not as \.jpg"):
        plots.save(axes, tmp_path / "a.jpg")
    assert list(tmp_path.iterdir()) == []


def test_a_saved_svg_is_well_formed_and_its_text_is_shapes(tmp_path):
    plots.save(plots.error_histogram([1.0, 2.0], [0, 1], {"<$x$>": 1.5}), tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert not list(root.iter(f"{SVG}text"))
