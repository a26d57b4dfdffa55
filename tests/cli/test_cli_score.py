from __future__ import annotations

import csv
import io

import numpy as np
import pytest

import aeanom
from aeanom import AnomalyDetector

ADDED = ["anomaly_score", "p_value", "is_anomaly", "top_feature"]


def read(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_appends_four_columns_to_standard_output(run, model_file, train_csv):
    result = run("score", model_file, train_csv)
    assert result.exit_code == 0
    rows = read(result.stdout)
    assert list(rows[0]) == ["id", "a", "b", "c", "y", *ADDED]
    assert [row["id"] for row in rows[:2]] == ["r000", "r001"]
    assert "scored 180 rows: " in result.stderr


def test_figures_are_those_of_the_model(run, model_file, train_csv):
    rows = read(run("score", model_file, train_csv).stdout)
    model = aeanom.load(model_file)
    X = np.array([[float(row[name]) for name in "abc"] for row in rows])
    assert [float(row["anomaly_score"]) for row in rows] == model.anomaly_score(X).tolist()
    assert [float(row["p_value"]) for row in rows] == model.p_values(X).tolist()
    assert [row["is_anomaly"] == "true" for row in rows] == model.is_anomaly(X).tolist()
    assert [row["top_feature"] for row in rows] == [
        top[0].feature for top in model.explain(X).top(1)
    ]


def test_finds_the_odd_rows(run, model_file, train_csv):
    rows = read(run("score", model_file, train_csv).stdout)
    found = [row["is_anomaly"] == "true" for row in rows]
    assert np.mean(found[160:]) > 0.9
    assert np.mean(found[:160]) < 0.15


def test_columns_are_found_by_name(run, model_file, tmp_path):
    (tmp_path / "one.csv").write_text("a,b,c\n1,2,-1\n0,0,3\n")
    (tmp_path / "two.csv").write_text("note,c,b,a\nx,-1,2,1\ny,3,0,0\n")
    one, two = (read(run("score", model_file, name).stdout) for name in ("one.csv", "two.csv"))
    assert [row["anomaly_score"] for row in one] == [row["anomaly_score"] for row in two]
    assert two[0]["note"] == "x"


def test_reads_standard_input(run, model_file, train_csv):
    piped = run("score", model_file, "-", input=train_csv.read_bytes())
    assert piped.exit_code == 0
    assert piped.stdout == run("score", model_file, train_csv).stdout


def test_writes_parquet(run, model_file, train_csv, tmp_path):
    from pyarrow import parquet

    result = run("score", model_file, train_csv, "--output", "scored.parquet")
    assert result.exit_code == 0
    assert result.stdout == ""
    table = parquet.read_table(tmp_path / "scored.parquet")
    assert table.num_rows == 180
    assert table.column_names[-4:] == ADDED


def test_a_missing_column_is_named(run, model_file, tmp_path):
    (tmp_path / "t.csv").write_text("a,B\n1,2\n")
    result = run("score", model_file, "t.csv")
    assert result.exit_code == 1
    assert "lacks 2 of the 3 columns" in result.stderr
    assert "did you mean 'B'" in result.stderr
    assert result.stdout == ""


def test_missing_values_are_an_error_that_names_the_column(run, model_file, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c\n1,2,\n1,2,3\n")
    result = run("score", model_file, "t.csv")
    assert result.exit_code == 1
    assert "column 'c'" in result.stderr
    assert result.stdout == ""


def test_a_table_that_was_scored_before_is_refused(run, model_file, train_csv, tmp_path):
    run("score", model_file, train_csv, "-o", "scored.csv")
    result = run("score", model_file, "scored.csv")
    assert result.exit_code == 1
    assert "scored before" in result.stderr


@pytest.mark.parametrize("command", ["score", "info", "evaluate"])
def test_what_is_no_model_is_an_error(run, train_csv, command):
    more = {"score": [train_csv], "info": [], "evaluate": [train_csv, "--label", "y"]}[command]
    result = run(command, train_csv, *more)
    assert result.exit_code == 1
    assert "is not an aeanom model" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_missing_file_is_an_error(run, model_file):
    result = run("score", model_file, "nowhere.csv")
    assert result.exit_code == 1
    assert result.stderr == "error: nowhere.csv: No such file or directory\n"


def test_a_model_without_column_names_takes_all_columns_but_the_ignored(run, tmp_path):
    X = np.random.default_rng(0).normal(size=(120, 2))
    AnomalyDetector(backend="numpy", epochs=1, random_state=0).fit(X).save(tmp_path / "m.aeanom")
    (tmp_path / "t.csv").write_text("id,p,q\nx,1,2\n")
    result = run("score", "m.aeanom", "t.csv", "--ignore", "id")
    assert result.exit_code == 0
    assert read(result.stdout)[0]["top_feature"].startswith("feature ")
