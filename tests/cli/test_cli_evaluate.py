from __future__ import annotations

import json
import re

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, confusion_matrix, roc_auc_score

import aeanom
from aeanom.baselines import baseline_scores
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


def test_prints_the_other_figures_and_the_intervals(run, model_file, train_csv):
    result = run("evaluate", model_file, train_csv, "--label", "y")
    for part in ("95 % interval", "precision, first 20", "recall at 5 % FPR", "best F1",
                 "balanced accuracy", "Matthews correlation"):  # fmt: skip
        assert part in " ".join(result.stdout.split())
    values = json.loads(run("evaluate", model_file, train_csv, "--label", "y", "--json").stdout)
    low, high = values["average_precision_interval"]
    assert low <= values["average_precision"] <= high
    assert f"{low:.3f} to {high:.3f}" in result.stdout
    assert values["baselines"] == []


def test_few_rows_of_a_class_are_said_to_make_intervals_too_narrow(run, model_file, tmp_path):
    (tmp_path / "t.csv").write_text("a,b,c,y\n1,2,-1,0\n1,2,-1,0\n0,9,9,1\n")
    result = run("evaluate", model_file, "t.csv", "--label", "y")
    assert "With fewer than 10 rows of a class intervals are too narrow." in result.stdout


def baseline_values(run, model_file, train_csv, training, *more):
    arguments = ("evaluate", model_file, train_csv, "--label", "y", "--baselines", training, *more)
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_baselines_are_fitted_on_the_normal_rows_and_stand_beside_the_model(
    run, model_file, train_csv
):
    values = baseline_values(run, model_file, train_csv, train_csv)
    assert values["baseline_rows"] == 160
    table = read_table(train_csv, label="y", ignore=["id"])
    y = table.labels.astype(int)
    size = aeanom.load(model_file).architecture.latent_shape[0]
    expected = baseline_scores(table.rows[y == 0], table.rows, n_components=size)
    assert [one["name"] for one in values["baselines"]] == list(expected)
    for one in values["baselines"]:
        assert one["roc_auc"] == pytest.approx(roc_auc_score(y, expected[one["name"]]))
        assert one["roc_auc_ahead"] == pytest.approx(values["roc_auc"] - one["roc_auc"])
        assert one["verdict"] in ("ahead", "level", "behind")


def test_a_table_without_labels_fits_baselines_with_all_its_rows(
    run, model_file, train_csv, tmp_path
):
    lines = train_csv.read_text().splitlines()
    (tmp_path / "normal.csv").write_text(
        "\n".join(line.rpartition(",")[0] for line in lines[:101]) + "\n"
    )
    values = baseline_values(run, model_file, train_csv, "normal.csv")
    assert values["baseline_rows"] == 100
    arguments = ("evaluate", model_file, train_csv, "--label", "y", "--baselines", "normal.csv")
    assert "others fitted on 100 rows of normal.csv" in " ".join(run(*arguments).stdout.split())


def test_baselines_of_a_model_without_column_names_leave_the_label_out(run, train_csv, tmp_path):
    table = read_table(train_csv, label="y", ignore=["id"])
    detector = aeanom.AnomalyDetector(backend="numpy", epochs=1, random_state=0)
    detector.fit(table.rows[table.labels == "0"]).save(tmp_path / "nameless.aeanom")
    values = baseline_values(run, "nameless.aeanom", train_csv, train_csv, "--ignore", "id")
    assert values["baseline_rows"] == 160


@pytest.mark.parametrize("columns", ["80", "50"])
def test_prints_whether_the_network_is_worth_it(run, model_file, train_csv, columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    arguments = ("evaluate", model_file, train_csv, "--label", "y", "--baselines", train_csv)
    text = " ".join(run(*arguments).stdout.split())
    assert "Is the network worth it? (others fitted on 160 normal rows of" in text
    for part in ("this model", "PCA, 90 %", "isolation", "ROC AUC ahead by"):
        assert part in text
    # Where it does not fit, average precision is in --json only.
    assert text.count("average precision") == (2 if columns == "80" else 1)
    assert re.search("The network is (ahead of|level with|behind) the best of them", text)


def test_a_table_of_baselines_that_cannot_be_read_is_an_error(run, model_file, train_csv):
    arguments = ("evaluate", model_file, train_csv, "--label", "y", "--baselines")
    assert run(*arguments, "nothing.csv").exit_code == 1
    (train_csv.parent / "other.csv").write_text("a,b\n1,2\n")
    result = run(*arguments, "other.csv")
    assert result.exit_code == 1
    assert "'c'" in result.stderr


def test_figures_that_are_not_defined_say_so(run, model_file, train_csv):
    arguments = ("evaluate", model_file, train_csv, "--label", "y", "--normal", "0,1")
    text = run(*arguments).stdout
    assert "needs normal rows and anomalies" in text
    assert "best F1" not in text
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
