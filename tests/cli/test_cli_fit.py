from __future__ import annotations

import json

import numpy as np
import pytest

import aeanom
from aeanom import thresholds
from aeanom.cli.fit import parse_threshold


def test_only_normal_rows_train_when_there_are_labels(run, train_csv, tmp_path):
    result = run(
        *("fit", train_csv, "--label", "y", "--normal", "0", "--ignore", "id"),
        *("--output", tmp_path / "m.aeanom", "--epochs", 2, "--backend", "numpy"),
    )
    assert result.exit_code == 0
    assert "160 normal rows of 180 by column 'y'; 20 anomalies left out" in result.stdout
    model = aeanom.load(tmp_path / "m.aeanom")
    assert sum(model.provenance["rows"].values()) == 160
    assert model.feature_names == ("a", "b", "c")


def test_without_labels_every_row_trains(run, train_csv, tmp_path):
    result = run("fit", train_csv, "--ignore", "id,y", "-o", tmp_path / "m.aeanom", "--epochs", 2)
    assert result.exit_code == 0
    assert sum(aeanom.load(tmp_path / "m.aeanom").provenance["rows"].values()) == 180


def test_options_reach_the_model(run, train_csv, tmp_path):
    result = run(
        *("fit", train_csv, "--ignore", "id", "--ignore", "y", "-o", tmp_path / "m.aeanom"),
        *("--hidden", "8,4", "--latent", 2, "--loss", "huber", "--scaler", "robust"),
        *("--threshold", "quantile:0.9", "--dtype", "float64", "--seed", 7, "--epochs", 3),
        *("--batch-size", 50, "--learning-rate", 0.01),
    )
    assert result.exit_code == 0
    model = aeanom.load(tmp_path / "m.aeanom")
    widths = [placed.output_shape[0] for placed in model.architecture.layers if placed.parameters]
    assert widths == [8, 4, 2, 4, 8, 3]
    assert (model.loss.name, model.scaler.kind, model.dtype) == ("huber", "robust", "float64")
    assert model.threshold.threshold == thresholds.Quantile(0.9)
    assert (model.history.seed, model.history.epochs) == (7, 3)
    assert (model.provenance["batch_size"], model.provenance["learning_rate"]) == (50, 0.01)


def test_bce_ends_in_a_sigmoid_and_scales_to_0_and_1(run, train_csv, tmp_path):
    arguments = ("--ignore", "id,y", "--loss", "bce", "--epochs", 2)
    assert run("fit", train_csv, "-o", tmp_path / "m.aeanom", *arguments).exit_code == 0
    model = aeanom.load(tmp_path / "m.aeanom")
    assert model.architecture.output_activation == "sigmoid"
    assert model.scaler.kind == "minmax"


def test_contamination_flags_that_share_of_the_training_rows(run, train_csv, tmp_path):
    arguments = ("--ignore", "id,y", "--contamination", 0.1, "--epochs", 2)
    assert run("fit", train_csv, "-o", tmp_path / "m.aeanom", *arguments).exit_code == 0
    model = aeanom.load(tmp_path / "m.aeanom")
    assert np.count_nonzero(model.training_scores > model.threshold.value) == 18


def test_the_same_seed_gives_the_same_model(run, train_csv, tmp_path):
    for name in ("one", "two"):
        run("fit", train_csv, "--ignore", "id,y", "-o", tmp_path / name, "--epochs", 2)
    one, two = (aeanom.load(tmp_path / name) for name in ("one", "two"))
    assert all(np.array_equal(one.weights[name], two.weights[name]) for name in one.weights)


def test_progress_is_plain_lines_on_standard_error(run, train_csv, tmp_path):
    result = run("fit", train_csv, "--ignore", "id,y", "-o", tmp_path / "m.aeanom", "--epochs", 3)
    assert [line.split()[1] for line in result.stderr.splitlines()] == ["1/3", "2/3", "3/3"]
    assert "epoch 1/3" not in result.stdout


def test_too_few_calibration_rows_are_one_line_of_warning(run, tmp_path):
    (tmp_path / "few.csv").write_text("a,b\n" + "".join(f"{i},{i * i}\n" for i in range(30)))
    result = run("fit", "few.csv", "-o", "m.aeanom", "--epochs", 1)
    assert result.exit_code == 0
    warned = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 1
    assert "at least 19 calibration rows" in warned[0]


def test_a_text_column_is_an_error_that_prints_what_to_ignore(run, train_csv):
    result = run("fit", train_csv, "-o", "m.aeanom", "--label", "y")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "--ignore id" in result.stderr


def test_missing_values_are_an_error_that_names_the_column(run, tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,\n5,6\n")
    result = run("fit", "t.csv", "-o", "m.aeanom")
    assert result.exit_code == 1
    assert "1 NaN" in result.stderr
    assert "column 'b'" in result.stderr


def test_labels_without_a_normal_one_are_listed(run, tmp_path):
    (tmp_path / "t.csv").write_text("a,kind\n1,ok\n2,ok\n3,bad\n")
    result = run("fit", "t.csv", "-o", "m.aeanom", "--label", "kind")
    assert result.exit_code == 1
    assert "'ok' (2 rows)" in result.stderr
    assert "--normal" in result.stderr


def test_an_unknown_backend_is_an_error_with_a_guess(run, train_csv):
    result = run("fit", train_csv, "--ignore", "id,y", "-o", "m.aeanom", "--backend", "pytorch")
    assert result.exit_code == 1
    assert "Did you mean 'torch'?" in result.stderr


def test_a_folder_that_does_not_exist_is_told_before_training(run, train_csv):
    result = run("fit", train_csv, "--ignore", "id,y", "-o", "nowhere/m.aeanom")
    assert result.exit_code == 1
    assert "nowhere/m.aeanom: there is no such folder" in result.stderr
    assert "epoch" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("--threshold", "quantil:0.9"),
        ("--threshold", "quantile:nine"),
        ("--threshold", "quantile:9"),
        ("--threshold", "fixed"),
        ("--threshold", "mad:3,1"),
        ("--threshold", "quantile:0.9,0.8"),
        ("--threshold", "pot:0.5"),
        ("--threshold", "conformal_by_group"),
        ("--threshold", "conformal_by_group:"),
        ("--threshold", "conformal_by_group:a,b"),
        ("--hidden", "64;32"),
        ("--hidden", "0"),
        ("--normal", "0"),
        ("--loss", "nope"),
        ("--epochs", "0"),
    ],
)
def test_a_wrong_option_is_a_usage_error(run, train_csv, arguments):
    result = run("fit", train_csv, "--ignore", "id,y", "-o", "m.aeanom", *arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", "auto"),
        ("conformal", "conformal"),
        ("conformal:0.01", thresholds.Conformal(0.01)),
        ("false_positive_bound:0.05,0.1", thresholds.FalsePositiveBound(0.05, 0.1)),
        ("false-positive-bound: 0.01, 0.2", thresholds.FalsePositiveBound(0.01, 0.2)),
        ("mad:3", thresholds.MAD(3)),
        ("iqr", "iqr"),
        ("iqr:1.5", thresholds.IQR(1.5)),
        ("pot:1e-3", thresholds.PeaksOverThreshold(0.001)),
        ("peaks_over_threshold:0.001,0.95", thresholds.PeaksOverThreshold(0.001, 0.95)),
        ("pot", "peaks_over_threshold"),
        ("fixed:-0.5", thresholds.Fixed(-0.5)),
        ("conformal_by_group:site", thresholds.ConformalByGroup("site")),
        ("conformal_by_group:site,0.01", thresholds.ConformalByGroup("site", 0.01)),
    ],
)
def test_thresholds_are_read_from_their_names_and_numbers(text, expected):
    assert parse_threshold(text) == expected


@pytest.mark.parametrize("text", ["youden", "max_f_beta:2", "target-recall:0.9"])
def test_a_threshold_that_needs_labels_says_where_to_give_them(run, train_csv, text):
    result = run("fit", train_csv, "--ignore", "id,y", "-o", "m.aeanom", "--threshold", text)
    assert result.exit_code == 2
    printed = " ".join(result.stderr.replace("│", " ").split())
    assert "needs labelled rows" in printed
    assert "y=labels" in printed


def test_a_threshold_by_group_goes_through_fit_score_and_evaluate(run, tmp_path):
    rng = np.random.default_rng(0)
    site = np.arange(600) % 2
    a, b = rng.normal(size=(2, 600)) * (1 + 4 * site)
    y = (np.arange(600) % 50 == 0).astype(int)
    lines = [f"{s},{u:.6f},{v:.6f},{k}" for s, u, v, k in zip(site, a, b, y, strict=True)]
    (tmp_path / "t.csv").write_text("site,a,b,y\n" + "\n".join(lines))
    arguments = ("--label", "y", "--epochs", 3, "--threshold", "conformal_by_group:site,0.1")
    result = run("fit", "t.csv", "-o", "m.aeanom", *arguments)
    assert result.exit_code == 0, result.stderr
    model = aeanom.load(tmp_path / "m.aeanom")
    quiet, noisy = (group.limit for group in model.threshold.groups)
    assert noisy > quiet
    assert run("score", "m.aeanom", "t.csv", "-o", "s.csv").exit_code == 0
    scored = np.genfromtxt(tmp_path / "s.csv", delimiter=",", names=True, dtype=None, encoding=None)
    limits = np.where(scored["site"] == 1, noisy, quiet)
    flags = np.char.lower(scored["is_anomaly"].astype(str)) == "true"
    np.testing.assert_array_equal(flags, scored["anomaly_score"] > limits)
    shown = run("evaluate", "m.aeanom", "t.csv", "--label", "y")
    assert "at most 10 % in each group, on average" in " ".join(shown.stdout.split())
    values = json.loads(run("evaluate", "m.aeanom", "t.csv", "--label", "y", "--json").stdout)
    assert values["false_positives"] + values["true_positives"] == flags.sum()


def test_a_bound_is_shown_with_its_confidence(run, train_csv, tmp_path):
    arguments = ("--label", "y", "--ignore", "id", "--threshold", "false_positive_bound:0.1,0.2")
    assert run("fit", train_csv, "-o", "m.aeanom", "--epochs", 3, *arguments).exit_code == 0
    shown = run("evaluate", "m.aeanom", train_csv, "--label", "y")
    assert "at most 10 % in 80 % of calibrations" in " ".join(shown.stdout.split())


def test_a_failed_fit_leaves_the_old_model_as_it_was(run, train_csv, model_file):
    before = model_file.read_bytes()
    result = run("fit", train_csv, "-o", model_file)
    assert result.exit_code == 1
    assert model_file.read_bytes() == before


def test_the_fastest_backend_is_printed_with_the_reason_and_shown_by_info(run, train_csv, tmp_path):
    arguments = ("--ignore", "id,y", "--epochs", 2, "--backend", "fastest")
    result = run("fit", train_csv, "-o", tmp_path / "m.aeanom", *arguments)
    assert result.exit_code == 0
    shown = run("info", tmp_path / "m.aeanom")
    for printed in (result.stdout, shown.stdout):
        assert "numpy on cpu, float32, seed 0" in printed
        assert "expected to be the first to finish" in " ".join(printed.split())
    assert aeanom.load(tmp_path / "m.aeanom").history.backend == "numpy"


def test_bfloat16_with_numpy_is_one_line_of_error(run, train_csv, tmp_path):
    arguments = ("--ignore", "id,y", "--backend", "numpy", "--dtype", "bfloat16")
    result = run("fit", train_csv, "-o", tmp_path / "m.aeanom", *arguments)
    assert result.exit_code != 0
    assert "use torch, jax or tensorflow" in " ".join(result.stderr.split())


def test_a_gpu_that_is_not_there_is_refused(run, train_csv, tmp_path):
    arguments = ("--ignore", "id,y", "--backend", "numpy", "--device", "cuda")
    result = run("fit", train_csv, "-o", tmp_path / "m.aeanom", *arguments)
    assert result.exit_code != 0
    assert "has no device 'cuda' here; it has cpu" in " ".join(result.stderr.split())


def test_the_health_of_a_fit_is_printed_once_and_shown_by_info(run, train_csv, tmp_path):
    ill = tmp_path / "ill.aeanom"
    result = run("fit", train_csv, "--ignore", "id,y", "--output", ill, "--epochs", 2)
    for printed in (result.stdout, run("info", ill).stdout):
        assert "Health of the fit" in printed
        assert "no better than the means" in " ".join(printed.split())
    assert "warning" not in result.stderr
    shown = json.loads(run("info", ill, "--json").stdout)
    assert "no_better_than_means" in [found["code"] for found in shown["history"]["health"]]


def test_a_healthy_fit_says_that_nothing_was_found(run, train_csv, tmp_path):
    arguments = ("--label", "y", "--ignore", "id", "--output", tmp_path / "m.aeanom")
    printed = run("fit", train_csv, *arguments, "--learning-rate", 0.005).stdout
    assert "Health of the fit\n  nothing wrong found" in printed
