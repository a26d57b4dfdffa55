"""The page: what it says for which rows, that it is valid and self-contained, and escapes names."""

from __future__ import annotations

import builtins
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pytest

import aeanom
from aeanom import AnomalyDetector, architectures, thresholds
from aeanom.errors import InvalidDataError, InvalidParameterError, MissingDependencyError
from aeanom.report import render_report, write_report
from benchmarks.page_checks import complaints

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

RNG = np.random.default_rng(0)
N, D = 120, 5
MIXING = RNG.normal(size=(2, D))
ROWS = RNG.normal(size=(400, 2)) @ MIXING + 0.1 * RNG.normal(size=(400, D))
TEST = ROWS[280:].copy()
TEST[:10] += 4 * RNG.normal(size=(10, D))
LABELS = np.arange(N) < 10
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "$x_1$ & $\\frac{",
    "long " * 60,
    "a\x00\x1b\u202eb",
)
MORE_HOSTILE = ("{{ 7 * 7 }}", "Größe 温度", "", "</style><svg onload=alert(1)>", "%s ' --> ]]>")


@pytest.fixture(scope="module")
def model():
    return AnomalyDetector(backend="numpy", epochs=20, random_state=0).fit(ROWS[:280]).model_


@pytest.fixture(scope="module")
def labelled(model):
    return render_report(model, TEST, y=LABELS, baselines=ROWS[:280], source="test.csv", top=4)


@pytest.fixture
def plain(monkeypatch):
    """Leave the pictures out, which take nearly all of the time."""
    monkeypatch.setattr("aeanom.report.content.draw_pictures", lambda *_: [])


def words(page):
    """The text of a page, on one line."""
    page = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    text = unescape(re.sub(r"<[^>]*>", " ", page))
    return " ".join(text.split())


def section(page, name):
    """The text of the section whose heading has that id."""
    found = re.search(rf'<section aria-labelledby="{name}">.*?</section>', page, re.DOTALL)
    return words(found[0])


# What it says ------------------------------------------------------------------------------------


def test_with_labels_it_says_how_good_the_model_is(model, labelled):
    assert complaints(labelled) == []
    evaluation = aeanom.evaluation.Evaluation.of(LABELS, model.anomaly_score(TEST), model.threshold)
    quality = section(labelled, "quality")
    assert "110 normal rows and 10 anomalies" in quality
    low, high = evaluation.roc_auc_interval
    assert f"ROC AUC {evaluation.roc_auc:.3f} {low:.3f} to {high:.3f}" in quality
    for figure in (
        evaluation.average_precision, evaluation.precision, evaluation.recall, evaluation.f1,
        evaluation.balanced_accuracy, evaluation.matthews_correlation,
    ):  # fmt: skip
        assert f"{figure:.3f}" in quality
    assert "isolation forest" in quality
    assert "fitted on 280 rows" in quality
    assert re.search("The network is (ahead of|level with|behind) the best of them", quality)


def test_the_confusion_matrix_is_that_of_the_flags(model, labelled):
    flags = model.is_anomaly(TEST)
    passed, alarms = np.sum(~flags & ~LABELS), np.sum(flags & ~LABELS)
    missed, found = np.sum(~flags & LABELS), np.sum(flags & LABELS)
    expected = f"normal {passed} {alarms} false alarms anomalies {missed} missed {found}"
    assert expected in section(labelled, "quality")


def test_the_promise_stands_beside_what_came_of_it(model, labelled):
    said = section(labelled, "threshold")
    alarms = np.sum(model.is_anomaly(TEST) & ~LABELS)
    assert "promised at most 5 %, on average" in said
    assert f"({alarms} of 110 normal rows here)" in said
    low, high = model.threshold.interval()
    assert f"{100 * low:.3g} % to {100 * high:.3g} % with 56 calibration rows" in said
    assert model.threshold.describe().replace("  ", " ") in said


def test_the_oddest_rows_stand_in_their_order_with_reasons(model, labelled):
    scores = model.anomaly_score(TEST)
    oddest = np.argsort(-scores, kind="stable")[:4]
    said = section(labelled, "oddest")
    places = [said.index(f"row {index} anomaly") for index in oddest]
    assert places == sorted(places)
    reason = model.explain(TEST[oddest[:1]]).row(0, 1)[0]
    shown = f"{reason.feature} {reason.expected:.4g} {reason.seen:.4g}".replace("-", "−")
    assert shown in said
    assert f"{100 * reason.share:.0f} %" in said
    assert f"p-value {model.p_values(TEST[oddest[:1]])[0]:.3g}" in said
    probability = model.anomaly_probability(TEST[oddest[:1]])[0]
    assert f"anomaly probability {probability:.3g}" in said


@pytest.mark.usefixtures("plain")
def test_values_that_training_never_saw_are_named(model):
    rows = TEST.copy()
    rows[3, 2] = 1000.0
    assert "feature 2 is 1000, and training saw" in section(render_report(model, rows), "oddest")


@pytest.mark.usefixtures("plain")
def test_false_alarms_and_misses_have_lists_of_their_own(model):
    flags = model.is_anomaly(TEST)
    wrong = ~flags  # so that every flagged row is a false alarm, and every other one a miss
    said = section(render_report(model, TEST, y=wrong), "oddest")
    scores = model.anomaly_score(TEST)
    alarms, misses = np.flatnonzero(flags), np.flatnonzero(~flags)
    worst = alarms[np.argmax(scores[alarms])]
    hidden = misses[np.argmin(scores[misses])]
    assert f"False alarms: {len(alarms)}" in said
    assert f"row {worst} normal" in said[said.index("False alarms") :]
    assert f"Misses: {len(misses)}" in said
    assert said[said.index("Misses") :].split("stood out most ")[1].startswith(f"row {hidden} ")


def test_without_labels_it_says_what_was_flagged_and_what_was_to_be_expected(model):
    page = render_report(model, TEST)
    assert complaints(page) == []
    flagged = int(model.is_anomaly(TEST).sum())
    assert f"flagged {flagged} of 120 rows, {100 * flagged / 120:.3g} %" in words(page)
    said = section(page, "threshold")
    assert "of normal rows alone 3.51 % would be, on average" in said
    assert "That is more than normal rows alone explain" in said
    assert 'id="quality"' not in page
    assert "false alarm" not in section(page, "oddest")


@pytest.mark.usefixtures("plain")
def test_normal_rows_alone_are_said_to_look_normal(model):
    assert "So these rows look like normal rows" in words(render_report(model, ROWS[280:][10:]))


def test_labels_of_normal_rows_alone_leave_out_what_is_not_defined(model):
    page = render_report(model, TEST, y=np.zeros(N))
    assert complaints(page) == []
    quality = section(page, "quality")
    assert "need both normal rows and anomalies" in quality
    assert "ROC AUC" not in quality
    assert "There are no anomalies among these rows." in section(page, "oddest")


def test_labels_of_anomalies_alone_have_no_false_alarms(model):
    page = render_report(model, TEST[:10], y=np.ones(10))
    assert complaints(page) == []
    assert "No normal row was flagged." in section(page, "oddest")
    assert "normal rows here" not in section(page, "threshold")


def test_a_single_row_is_a_report_too(model):
    for y in (None, [1]):
        page = render_report(model, TEST[:1], y=y)
        assert complaints(page) == []
        assert "1 row of 5 columns" in words(page)


def test_training_health_and_versions_are_told(model, labelled):
    said = section(labelled, "model")
    assert "202 training, 22 validation, 56 calibration" in said
    assert "numpy on cpu, float32, seed 0" in said
    assert f"trained with aeanom {aeanom.__version__}" in said
    assert model.history.health
    for finding in model.history.health:
        assert " ".join(finding.message.replace(" %", "\u00a0%").split()) in said


@pytest.mark.usefixtures("plain")
def test_rows_with_missing_values_are_left_out_and_counted(model):
    rows = TEST.copy()
    rows[2, 1], rows[5, 3] = np.nan, np.inf
    page = render_report(model, rows, y=LABELS, row_names=[f"r{i}" for i in range(N)])
    said = section(page, "data")
    assert "120 rows handed over, 118 scored" in said
    assert "2 rows were left out for missing or infinite values: number 2, 5" in said
    assert "in 2 columns: feature 1, feature 3" in said
    assert "8 anomalies" in words(page)
    kept = np.delete(np.arange(N), [2, 5])
    oddest = kept[np.argmax(model.anomaly_score(TEST[kept]))]
    assert section(page, "oddest").split("share of the score. ")[1].startswith(f"r{oddest} ")
    # Without names, by the number that they were handed over with.
    said = section(render_report(model, rows), "oddest")
    assert said.split("share of the score. ")[1].startswith(f"row {oddest} ")


def test_a_threshold_by_group_is_shown_group_by_group():
    groups = np.repeat([0.0, 1.0], 140)
    rows = ROWS[:280].copy()
    rows[:, 0] = RNG.permutation(groups)
    model = AnomalyDetector(backend="numpy", epochs=5, random_state=0).fit(rows[:120]).model_
    model = model.calibrate(rows[120:], thresholds.ConformalByGroup(by=0))
    names = [*"abcde"]
    page = render_report(model, rows[:60], y=np.zeros(60), feature_names=names)
    assert complaints(page) == []
    said = section(page, "threshold")
    assert "Thresholds by the value of a" in said
    flags = model.is_anomaly(rows[:60])
    for group, value in zip(model.threshold.groups, (0, 1), strict=True):
        member = rows[:60, 0] == value
        line = f"{value} {group.n_scores} {group.limit:.4g} {member.sum()} {flags[member].sum()}"
        assert line in said


@pytest.mark.usefixtures("plain")
def test_a_threshold_that_promises_nothing_says_so(model):
    page = render_report(model.with_threshold(thresholds.Quantile(0.9)), TEST, y=LABELS)
    assert complaints(page) == []
    assert "promised nothing" in section(page, "threshold")


# Images and windows ------------------------------------------------------------------------------


def test_images_are_shown_with_where_the_error_is():
    images = RNG.random((100, 6, 6))
    detector = AnomalyDetector(backend="numpy", epochs=2, random_state=0).fit(images)
    page = render_report(detector, images[:9], y=np.arange(9) < 3)
    assert complaints(page) == []
    assert "9 images of 6 × 6" in words(page)
    assert page.count("data:image/png;base64") >= 3 * 8
    assert "pixel" not in section(page, "oddest")


def test_rows_of_pixels_are_images_if_they_are_said_to_be(model):
    page = render_report(model, TEST, image_shape=(1, 5))
    assert complaints(page) == []
    assert "120 images of 1 × 5" in words(page)
    for wrong in ((2, 2), (5,), (1, 1, 5), (5, 0)):
        with pytest.raises(InvalidParameterError, match="image_shape"):
            render_report(model, TEST, image_shape=wrong)


def test_windows_are_shown_over_what_was_expected():
    windows = RNG.normal(size=(100, 8, 2))
    detector = AnomalyDetector(
        backend="numpy",
        architecture=architectures.convolutional_1d((8, 2), (4,), latent_dim=2),
        epochs=1,
        random_state=0,
    ).fit(windows)
    page = render_report(detector, windows[:20])
    assert complaints(page) == []
    assert "20 windows of 8 × 2" in words(page)
    assert "time in the window" in section(page, "oddest")
    assert "time, channel" in section(page, "oddest")


# Names from outside ------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [HOSTILE, MORE_HOSTILE])
def test_hostile_names_are_text_everywhere(model, names):
    page = render_report(
        model,
        TEST,
        y=LABELS,
        title=f"<b>{names[0]}</b></title>",
        source=names[1],
        date=names[4],
        feature_names=names,
        row_names=[names[index % 5] for index in range(N)],
        labels=[names[index % 5] for index in range(N)],
        baselines=ROWS[:280],
        baselines_fitted_on=names[0],
    )
    # No <script>, no on... attribute, nothing unclosed: neither in HTML nor in SVG.
    assert complaints(page) == []
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", page)
    said = words(page)
    for name in names:
        if name and name.isprintable() and len(name) < 40:
            assert name in said
    assert "(no name)" in said or "" not in names
    assert f"<b>{names[0]}</b></title>" in said


@pytest.mark.usefixtures("plain")
def test_no_word_of_the_page_is_longer_than_a_phone_is_wide(model):
    page = render_report(model, TEST, feature_names=["x" * 5000, *"abcd"], labels=["y" * 5000] * N)
    assert max(map(len, section(page, "oddest").split())) <= 80


# The file ----------------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_page(model, labelled):
    again = render_report(model, TEST, y=LABELS, baselines=ROWS[:280], source="test.csv", top=4)
    assert again == labelled


@pytest.mark.usefixtures("plain")
def test_a_date_stands_there_only_if_it_is_given(model, labelled):
    assert not re.search(r"\b20\d\d\b", words(labelled))
    assert "on 5 May" in words(render_report(model, TEST[:30], date="on 5 May"))


@pytest.mark.usefixtures("plain")
def test_the_file_is_written_whole_or_not_at_all(model, tmp_path):
    path = tmp_path / "page.html"
    write_report(model, TEST[:30], path)
    before = path.read_text(encoding="utf-8")
    assert before == render_report(model, TEST[:30])
    with pytest.raises(InvalidDataError, match="X has 4 features"):
        write_report(model, TEST[:, :4], path)
    assert path.read_text(encoding="utf-8") == before


@pytest.mark.usefixtures("plain")
def test_a_detector_is_as_good_as_its_model(model):
    detector = AnomalyDetector.from_model(model)
    assert render_report(detector, TEST[:30]) == render_report(model, TEST[:30])


@pytest.mark.usefixtures("plain")
def test_wrong_input_is_refused_with_what_is_wrong(model):
    for settings, message in (
        ({"y": LABELS[:5]}, "label"),
        ({"row_names": ["a"]}, "row_names has 1 entries, and there are 120 rows"),
        ({"labels": ["a"]}, "labels has 1 entries"),
        ({"baselines": ROWS}, "needs labels"),
    ):
        with pytest.raises(InvalidDataError, match=message):
            render_report(model, TEST, **settings)
    for settings, message in (
        ({"top": 0}, "top must be a positive whole number"),
        ({"feature_names": ["a"]}, "1 feature names, and rows have 5 columns"),
    ):
        with pytest.raises(InvalidParameterError, match=message):
            render_report(model, TEST, **settings)
    with pytest.raises(InvalidDataError, match="NaN"):
        render_report(model, np.full((3, D), np.nan))
    with pytest.raises(InvalidDataError):
        render_report(model, np.empty((0, D)))


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named_with_the_command(model, package, monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.split(".")[0] == package:
            raise ImportError(name)
        return real(name, *arguments, **options)

    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", refuse)
    monkeypatch.setattr("importlib.import_module", lambda name: refuse(name))
    with pytest.raises(MissingDependencyError, match=r'pip install "aeanom\[report\]"'):
        render_report(model, TEST)


def test_importing_the_report_imports_neither_jinja2_nor_matplotlib():
    code = "import sys, aeanom.report; print({'jinja2', 'matplotlib'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


def test_the_templates_are_in_the_package():
    folder = Path(aeanom.__file__).parent / "report" / "templates"
    assert {path.name for path in folder.iterdir()} == {"report.html", "parts.html", "style.css"}


# The checks themselves ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("</main>", "<script>1</script></main>"),
        ("</main>", '<img src="https://example.org/a.png" alt="a"></main>'),
        ("</main>", '<p id="data"></p></main>'),
        ("</main>", "<p onclick='x()'></p></main>"),
        ("</main>", "<b></p></main>"),
        ("</main>", '<a href="#nowhere">a</a></main>'),
        ("* {", "* { background: url(http://example.org);"),
        ('role="img"', ""),
        ("<h3", "<h5"),
        (' lang="en"', ""),
        ('scope="row"', ""),
    ],
)
def test_the_checks_find_what_is_wrong(labelled, old, new):
    assert complaints(labelled.replace(old, new, 1)) != []
