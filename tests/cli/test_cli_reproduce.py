from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import aeanom
from aeanom import metrics, thresholds
from aeanom.data import FashionMNIST
from aeanom.errors import InvalidParameterError
from aeanom.reproduce import fashion_mnist, pytorch_tutorial, tensorflow_tutorial


@pytest.fixture
def images() -> FashionMNIST:
    """Ten classes of noisy stripes: class k has a bright row k."""
    rng = np.random.default_rng(0)

    def make(n: int):
        labels = (np.arange(n) % 10).astype(np.uint8)
        pictures = rng.integers(0, 60, size=(n, 28, 28), dtype=np.uint8)
        pictures[np.arange(n), 2 * labels + 3] = 250
        return pictures, labels

    return FashionMNIST(*make(600), *make(200), source=Path())


def test_tensorflow_tutorial_trains_on_normal_rows_scaled_to_0_and_1():
    result = tensorflow_tutorial.run(backend="numpy", epochs=2)
    model = result.model
    assert model.scaler.kind == "minmax"
    widths = [placed.output_shape[0] for placed in model.architecture.layers if placed.parameters]
    assert widths == [64, 32, 64, 30]
    assert [placed.layer.function for placed in model.architecture.layers[1::2]] == [
        *("relu", "relu", "relu", "sigmoid")
    ]
    assert len(result.training_scores) == 286
    assert result.is_anomaly.sum() == 212
    expected = result.training_scores.mean() + 3 * result.training_scores.std()
    assert model.threshold.value == pytest.approx(expected)
    np.testing.assert_array_equal(result.flags, result.scores > model.threshold.value)


def test_tensorflow_tutorial_takes_rows_without_labels():
    rows = np.random.default_rng(0).normal(size=(100, 4))
    result = tensorflow_tutorial.run(rows, backend="numpy", epochs=1)
    assert result.is_anomaly is None
    assert (len(result.training_scores), len(result.scores)) == (80, 20)


def test_pytorch_tutorial_is_fifty_steps_that_barely_train():
    result = pytorch_tutorial.run(backend="numpy")
    history = result.model.history
    assert (history.epochs, history.steps) == (50, 50)
    assert history.loss[-1] == pytest.approx(1.0, abs=0.1)
    assert result.is_anomaly.sum() == 50
    assert result.flags[~result.is_anomaly].sum() == 50
    assert metrics.roc_auc_score(result.is_anomaly, result.scores) > 0.99


def test_fashion_mnist_calibrates_on_training_images(images):
    result = fashion_mnist.run(images, backend="numpy", epochs=2)
    model = result.model
    assert model.architecture.n_parameters == 209_968
    assert model.provenance["rows"] == {"training": 255, "validation": 100, "calibration": 45}
    assert model.threshold.threshold == thresholds.Conformal(0.05)
    assert len(model.history.validation_loss) == 2
    assert result.is_anomaly.sum() == 100


def test_fashion_mnist_thresholds_normal_test_errors_as_the_tutorial_does(images):
    result = fashion_mnist.run(images, backend="numpy", epochs=1)
    normal = result.scores[~result.is_anomaly]
    assert (normal > result.tutorial_threshold.value).sum() == 5
    np.testing.assert_array_equal(
        result.tutorial_flags, result.scores > result.tutorial_threshold.value
    )


def test_fashion_mnist_may_be_convolutional_by_the_same_protocol(images):
    dense, convolutional = (
        fashion_mnist.run(images, architecture=name, backend="numpy", epochs=1).model
        for name in ("dense", "convolutional")
    )
    assert "conv2d" in convolutional.architecture.kinds
    assert convolutional.row_shape == (28, 28)
    assert convolutional.architecture.n_parameters < dense.architecture.n_parameters
    assert convolutional.provenance == dense.provenance
    assert convolutional.threshold.threshold == dense.threshold.threshold
    assert convolutional.scaler.kind == dense.scaler.kind == "none"


def test_fashion_mnist_refuses_an_unknown_architecture(images):
    with pytest.raises(InvalidParameterError, match="'recurrent'; known: dense, convolutional"):
        fashion_mnist.run(images, architecture="recurrent")


def test_fashion_mnist_refuses_other_classes(images):
    with pytest.raises(InvalidParameterError, match="0 to 9"):
        fashion_mnist.run(images, normal_classes=(3, 10))


def test_commands_write_model_scores_and_pictures(run, tmp_path):
    result = run("reproduce", "pytorch-tutorial", "--backend", "numpy", "--epochs", 20)
    assert result.exit_code == 0
    folder = tmp_path / "reproduce" / "pytorch-tutorial-numpy"
    assert {path.name for path in folder.iterdir()} == {"model.aeanom", "scores.csv", "errors.png"}
    with (folder / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1050
    model = aeanom.load(folder / "model.aeanom")
    assert all(
        (float(row["anomaly_score"]) > model.threshold.value) == (row["is_anomaly"] == "true")
        for row in rows
    )


def test_pytorch_tutorial_prints_every_tenth_loss_and_its_caveat(run):
    result = run("reproduce", "pytorch-tutorial", "--backend", "numpy")
    words = " ".join(result.stdout.split())
    assert "reproduction, not a recommendation" in words
    lines = [line.split() for line in result.stdout.splitlines()]
    epochs = [line[0] for line in lines if len(line) == 2 and line[0].isdigit()]
    assert epochs == ["10", "20", "30", "40", "50"]
    assert "TN 950, FP 50, FN 0, TP 50" in words
    assert all(word in words for word in ("mean", "largest", "precision", "recall"))


def test_tensorflow_tutorial_lists_the_anomalies(run):
    result = run("reproduce", "tensorflow-tutorial", "--backend", "numpy", "--output", "t")
    assert result.exit_code == 0
    assert "of 283 test rows" in result.stdout
    assert "mean + 3 standard deviations of 286 training scores" in " ".join(result.stdout.split())


def test_tensorflow_tutorial_takes_another_table(run, train_csv, tmp_path):
    arguments = ("--data", train_csv, "--ignore", "id", "--backend", "numpy", "--epochs", 1)
    labelled = run("reproduce", "tensorflow-tutorial", *arguments, "--label", "y", "--output", "l")
    assert labelled.exit_code == 0
    assert "Compared with the labels" in labelled.stdout
    plain = run("reproduce", "tensorflow-tutorial", *arguments, "--output", "p")
    assert plain.exit_code == 0
    assert "Compared" not in plain.stdout
    assert (tmp_path / "p" / "errors.png").exists()


def test_labels_without_a_table_are_a_usage_error(run):
    result = run("reproduce", "tensorflow-tutorial", "--label", "y")
    assert result.exit_code == 2


def test_fashion_mnist_prints_layers_counts_and_draws_images(run, images, monkeypatch, tmp_path):
    monkeypatch.setattr("aeanom.data.fashion_mnist", lambda folder=None: images)
    arguments = ("--backend", "numpy", "--epochs", 1, "--output", "f")
    result = run("reproduce", "fashion-mnist", *arguments)
    assert result.exit_code == 0
    for part in ("100,480", "209,968 trainable", "false alarms", "detected", "total flagged"):
        assert part in result.stdout
    names = {path.name for path in (tmp_path / "f").glob("*.png")}
    assert names == {
        *("loss_curve.png", "error_histogram.png", "normal_images.png", "anomalous_images.png")
    }


def test_a_convolutional_run_is_written_beside_the_dense_one(run, images, monkeypatch, tmp_path):
    monkeypatch.setattr("aeanom.data.fashion_mnist", lambda folder=None: images)
    arguments = ("--architecture", "convolutional", "--backend", "numpy", "--epochs", 1)
    result = run("reproduce", "fashion-mnist", *arguments)
    assert result.exit_code == 0
    assert "conv2d" in result.stdout
    folder = tmp_path / "reproduce" / "fashion-mnist-convolutional-numpy"
    assert {path.name for path in folder.iterdir()} == {
        *("model.aeanom", "scores.csv", "loss_curve.png", "error_histogram.png"),
        *("normal_images.png", "anomalous_images.png"),
    }


def test_fashion_mnist_may_have_ten_normal_classes(run, images, monkeypatch, tmp_path):
    monkeypatch.setattr("aeanom.data.fashion_mnist", lambda folder=None: images)
    arguments = ("--normal-classes", "all", "--backend", "numpy", "--epochs", 1, "--output", "f")
    result = run("reproduce", "fashion-mnist", *arguments)
    assert result.exit_code == 0
    assert "not defined without anomalies" in result.stdout
    assert (tmp_path / "f" / "oddest_images.png").exists()


def test_fashion_mnist_that_is_not_there_is_one_error(run, tmp_path):
    result = run("reproduce", "fashion-mnist", "--data", tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: Fashion-MNIST is in none of these places")
    assert "AEANOM_DATA" in result.stderr


def test_wrong_classes_are_a_usage_error(run):
    assert run("reproduce", "fashion-mnist", "--normal-classes", "0,12").exit_code == 2
