from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest

import aeanom
from aeanom import AnomalyDetector
from aeanom.data import FashionMNIST, read_table
from aeanom.report import render_report
from benchmarks.page_checks import complaints

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")


@pytest.fixture
def plain(monkeypatch):
    """Leave the pictures out, which take nearly all of the time."""
    monkeypatch.setattr("aeanom.report.content.draw_pictures", lambda *_: [])


def text(path):
    page = path.read_text(encoding="utf-8")
    assert complaints(page) == []
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.S)).split())


def test_a_table_without_labels(run, model_file, train_csv, tmp_path):
    result = run("report", model_file, train_csv)
    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == f"wrote report.html on 180 rows of {train_csv}\n"
    said = text(tmp_path / "report.html")
    assert "Anomaly report: train.csv" in said
    assert "180 rows of 3 columns · without labels" in said
    assert "How good it is" not in said


@pytest.mark.usefixtures("plain")
def test_a_labelled_table_is_what_the_library_writes(run, model_file, train_csv, tmp_path):
    arguments = ("--label", "y", "--baselines", train_csv, "--top", 3, "--title", "Fraud & more",
                 "--date", "27 November", "-o", "page.html")  # fmt: skip
    assert run("report", model_file, train_csv, *arguments).exit_code == 0
    table = read_table(train_csv, label="y", ignore=["id"])
    y = table.labels == "1"
    page = render_report(
        aeanom.load(model_file),
        table.rows,
        y=y,
        title="Fraud & more",
        source="train.csv",
        date="27 November",
        top=3,
        baselines=table.rows[~y],
        baselines_fitted_on="160 normal rows of train.csv",
    )
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert "The oddest 3 rows" in text(tmp_path / "page.html")


@pytest.mark.usefixtures("plain")
def test_rows_go_by_the_column_that_names_them_and_by_their_labels(run, model_file, tmp_path):
    (tmp_path / "t.csv").write_text("id,kind,a,b,c\nA-7,ok,1,2,-1\nB-9,forged,0,9,9\n")
    arguments = ("--label", "kind", "--normal", "ok", "--names", "id")
    assert run("report", model_file, "t.csv", *arguments).exit_code == 0
    said = text(tmp_path / "report.html")
    assert "B-9 forged flagged" in said
    assert "row 1 " not in said


@pytest.mark.usefixtures("plain")
def test_a_model_without_column_names_takes_those_of_the_table(run, train_csv, tmp_path):
    table = read_table(train_csv, label="y", ignore=["id"])
    detector = AnomalyDetector(backend="numpy", epochs=1, random_state=0)
    detector.fit(table.rows[table.labels == "0"]).save(tmp_path / "nameless.aeanom")
    assert run("report", "nameless.aeanom", train_csv, "--ignore", "y", "--names", "id",
               "--backend", "numpy").exit_code == 0  # fmt: skip
    said = text(tmp_path / "report.html")
    assert "feature 0" not in said
    assert "r160" in said


@pytest.mark.usefixtures("plain")
def test_empty_cells_are_left_out_and_said_to_be(run, model_file, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,-1\n0,,9\n0,9,9\n")
    assert run("report", model_file, "t.csv").exit_code == 0
    said = text(tmp_path / "report.html")
    assert "3 rows handed over, 2 scored" in said
    assert "number 1, counted from 0; in 1 column: b" in said


@pytest.mark.usefixtures("plain")
def test_images_come_from_npy_files(run, tmp_path):
    images = np.random.default_rng(0).random((100, 6, 6))
    detector = AnomalyDetector(backend="numpy", epochs=1, random_state=0).fit(images)
    detector.save(tmp_path / "images.aeanom")
    np.save(tmp_path / "images.npy", images[:20])
    np.save(tmp_path / "labels.npy", np.repeat([3, 8], 10))
    arguments = ("--label", "labels.npy", "--normal", "3")
    result = run("report", "images.aeanom", "images.npy", *arguments)
    assert result.exit_code == 0, result.stderr
    assert "20 images of 6 × 6 · with labels" in text(tmp_path / "report.html")
    np.save(tmp_path / "labels.npy", np.repeat([3, 8], 9))
    result = run("report", "images.aeanom", "images.npy", *arguments)
    assert result.exit_code == 1
    assert "not one label for each of the 20 rows" in result.stderr
    assert run("report", "images.aeanom", "images.npy", "--names", "id").exit_code == 2
    (tmp_path / "broken.npy").write_bytes(b"nothing")
    assert "no array as numpy.save writes it" in run("report", "images.aeanom", "broken.npy").stderr


@pytest.mark.usefixtures("plain")
def test_columns_that_are_pixels_are_shown_as_an_image(run, model_file, train_csv, tmp_path):
    assert run("report", model_file, train_csv, "--image", "1x3").exit_code == 0
    assert "180 images of 1 × 3" in text(tmp_path / "report.html")
    assert run("report", model_file, train_csv, "--image", "3").exit_code == 2
    result = run("report", model_file, train_csv, "--image", "2x2")
    assert result.exit_code == 1
    assert "of 3 elements in all" in result.stderr


def test_what_makes_no_sense_without_labels_is_a_usage_error(run, model_file, train_csv):
    for option in ("--normal", "--baselines"):
        result = run("report", model_file, train_csv, option, "x")
        assert result.exit_code == 2
        assert "needs --label" in result.stderr


def test_a_wrong_name_is_an_error_that_writes_nothing(run, model_file, train_csv, tmp_path):
    result = run("report", model_file, train_csv, "--names", "ids")
    assert result.exit_code == 1
    assert "did you mean 'id'?" in result.stderr
    assert run("report", model_file, train_csv, "-o", "nowhere/r.html").exit_code == 1
    assert not (tmp_path / "report.html").exists()


def test_fashion_mnist_is_reported_by_the_command_that_trains_it(run, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)

    def make(n):
        labels = (np.arange(n) % 10).astype(np.uint8)
        pictures = rng.integers(0, 60, size=(n, 28, 28), dtype=np.uint8)
        pictures[np.arange(n), 2 * labels + 3] = 250
        return pictures, labels

    images = FashionMNIST(*make(600), *make(200), source=tmp_path)
    monkeypatch.setattr("aeanom.data.fashion_mnist", lambda folder: images)
    monkeypatch.setattr("aeanom.plots.save", lambda *_: None)
    arguments = ("--backend", "numpy", "--epochs", 1, "--output", "out", "--report")
    result = run("reproduce", "fashion-mnist", *arguments)
    assert result.exit_code == 0, result.stderr
    assert "out/report.html" in result.stdout
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64") >= 3 * 8
    said = text(tmp_path / "out" / "report.html")
    assert "200 images of 28 × 28 · with labels" in said
    assert "normal are T-shirt/top, Trouser, Pullover, Dress, Coat" in said
    # Classes by their names, and images by their numbers.
    assert re.search(r"image \d+ (Sandal|Shirt|Sneaker|Bag|Ankle boot) 0\.\d+", said)
