from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

import aeanom
from aeanom.data import read_table


def test_figures_are_those_of_scikit_learn(run, model_file, train_csv):
    result = run("evaluate", model_file, train_csv, "--label", "y", "--json")
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    model = aeanom.load(model_file)
    table = read_table(train_csv, label="y", ignore=["id"])
    y, scores = table.labels.astype(int), model.anomaly_score(table.rows)
    assert values["roc_auc"] == pytest.approx(roc_auc_score(y, scores))
    assert values["average_precision"] == pytest.approx(average_precision_score(y, scores))
    (tn, fp), (fn, tp) = confusion_matrix(y, model.is_anomaly(table.rows))
    names = ("true_negatives", "false_positives", "false_negatives", "true_positives")
    assert [values[name] for name in names] == [tn, fp, fn, tp]
    assert values["false_positive_rate_promised"] == 0.05
    assert values["false_positive_rate_realised"] == fp / (fp + tn)
    assert tuple(values["false_positive_rate_interval"]) == model.threshold.interval()


def test_prints_matrix_report_and_promise(run, model_file, train_csv):
    text = run("evaluate", model_file, train_csv, "--label", "y").stdout
    for part in ("160 normal, 20 anomalies", "ROC AUC", "(TN)", "(TP)", "precision", "recall"):
        assert part in text
    assert "at most 5 %, on average" in text
    assert "of 160 normal rows here" in text
    assert "with 32 calibration rows" in text


def test_figures_that_are_not_defined_say_so(run, model_file, train_csv):
    arguments = ("evaluate", model_file, train_csv, "--label", "y", "--normal", "0,1")
    assert "not defined" in run(*arguments).stdout
    values = json.loads(run(*arguments, "--json").stdout)
    assert values["roc_auc"] is None
    assert values["anomalies"] == 0


def test_normal_labels_may_be_several(run, model_file, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c,kind\n1,2,-1,ok\n1,2,-1,fine\n0,9,9,bad\n")
    for normal in (["--normal", "ok,fine"], ["--normal", "ok", "--normal", "fine"]):
        result = run("evaluate", model_file, "t.csv", "--label", "kind", *normal, "--json")
        assert json.loads(result.stdout)["anomalies"] == 1


def test_a_mistyped_label_column_is_an_error_with_a_guess(run, model_file, train_csv):
    result = run("evaluate", model_file, train_csv, "--label", "Y")
    assert result.exit_code == 1
    assert "did you mean 'y'?" in result.stderr


def test_info_shows_training_columns_threshold_and_digest(run, model_file):
    result = run("info", model_file)
    assert result.exit_code == 0
    values = json.loads(run("info", model_file, "--json").stdout)
    assert len(values["digest"]) == 64
    model = aeanom.load(model_file)
    flat = "".join(result.stdout.split())
    for part in (values["digest"], model.threshold.describe(), "numpy on cpu, float32, seed 0"):
        assert "".join(part.split()) in flat
    assert "128 training, 32 calibration" in result.stdout
    assert [column["name"] for column in values["columns"]] == ["a", "b", "c"]
    np.testing.assert_array_equal(
        [column["mean"] for column in values["columns"]], model.scaler.center
    )


def test_info_shows_the_training_range_where_the_scaler_knows_it(run, train_csv, tmp_path):
    arguments = ("--ignore", "id,y", "--scaler", "minmax", "--epochs", 1)
    run("fit", train_csv, "-o", "m.aeanom", *arguments)
    columns = json.loads(run("info", "m.aeanom", "--json").stdout)["columns"]
    assert all(column["minimum"] < column["maximum"] for column in columns)
    assert "minimum" in run("info", "m.aeanom").stdout
