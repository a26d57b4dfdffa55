from __future__ import annotations

import csv
import sys

import pytest

import aeanom
from aeanom.data import breast_cancer


@pytest.fixture
def without_matplotlib(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


def test_writes_model_tables_and_picture(run, tmp_path):
    result = run("demo")
    assert result.exit_code == 0
    names = {path.name for path in (tmp_path / "demo").iterdir()}
    assert names == {"model.aeanom", "held_out.csv", "scored.csv", "demo.png"}
    assert (tmp_path / "demo" / "demo.png").read_bytes().startswith(b"\x89PNG")
    model = aeanom.load(tmp_path / "demo" / "model.aeanom")
    assert model.feature_names == breast_cancer().names


def test_prints_the_whole_job(run):
    text = run("demo").stdout
    for part in (
        *("ROC AUC", "average precision", "Confusion matrix", "promised", "realised"),
        *("calibration rows", "The 5 oddest rows", "% of the", "Next"),
        *("Health of the fit", "A PCA with 6 components", "outside of what training saw"),
    ):
        assert part in text


def test_the_hints_at_the_end_work(run):
    lines = run("demo", "--output", "d").stdout.splitlines()
    hints = [line.split() for line in lines[lines.index("Next") + 1 :]]
    assert len(hints) == 5
    for _, *arguments in hints[:4]:
        assert run(*arguments).exit_code == 0


def test_the_scored_table_holds_only_rows_that_were_held_out(run, tmp_path):
    run("demo")
    with (tmp_path / "demo" / "scored.csv").open() as file:
        rows = list(csv.DictReader(file))
    table = breast_cancer()
    assert len(rows) == 319
    known = {tuple(values) for values in table.rows[:, :2]}
    assert {(float(row["mean radius"]), float(row["mean texture"])) for row in rows} <= known
    assert "row" not in rows[0]  # it would be taken for a feature by `aeanom fit`
    assert sum(row["label"] == "1" for row in rows) == table.is_anomaly.sum()
    model = aeanom.load(tmp_path / "demo" / "model.aeanom")
    assert sum(model.provenance["rows"].values()) == len(table.rows) - len(rows)


@pytest.mark.usefixtures("without_matplotlib")
def test_goes_on_without_matplotlib(run, tmp_path):
    result = run("demo")
    assert result.exit_code == 0
    assert 'pip install "aeanom[plot]"' in result.stdout
    assert "Next" in result.stdout
    assert not (tmp_path / "demo" / "demo.png").exists()


def test_digits(run):
    result = run("demo", "--dataset", "digits")
    assert result.exit_code == 0
    assert "Handwritten digits" in result.stdout
