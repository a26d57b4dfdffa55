"""Whole trainings of the reference runs: every score and every flag, in all four backends.

In float64 the frameworks are held to NumPy's scores. In float32 training amplifies rounding, so
only what a user sees is: the ROC AUC and the share of rows whose flag changes.
"""

from functools import cache

import numpy as np
import pytest
from support import score_difference

from aeanom import AnomalyDetector, metrics, thresholds
from aeanom.architectures import dense
from aeanom.data import breast_cancer, fashion_mnist, pytorch_tutorial_rows, train_test_split_normal
from aeanom.errors import DatasetNotFoundError

SCORES = 1e-8
AUC = 0.005
FLAGS = 0.01


@cache
def pytorch_tutorial(backend, dtype):
    """1000 rows of 10 features, 50 full-batch epochs; scores of these and of 50 anomalies."""
    rows, is_anomaly = pytorch_tutorial_rows()
    detector = AnomalyDetector(
        backend=backend,
        architecture=dense(10, (5,), 2, latent_activation="relu", initializer="fan_in"),
        batch_size=1000,
        epochs=50,
        validation_fraction=0.0,
        threshold=thresholds.Quantile(0.95),
        scaler="standard",
        dtype=dtype,
        random_state=42,
    ).fit(rows[~is_anomaly])
    assert detector.history_.steps == 50
    return detector.anomaly_score(rows), detector.is_anomaly(rows), is_anomaly


@cache
def tensorflow_tutorial(backend, dtype):
    """Breast-cancer scaled to [0, 1] through 64-32-64, batches of 32, 10 epochs."""
    table = breast_cancer()
    training, test = train_test_split_normal(table.rows, table.is_anomaly, 0.3, seed=0)
    detector = AnomalyDetector(
        backend=backend,
        architecture=dense(30, (64,), 32, latent_activation="relu", output_activation="sigmoid"),
        batch_size=32,
        epochs=10,
        validation_fraction=0.0,
        threshold=thresholds.MeanStd(3),
        dtype=dtype,
        random_state=0,
    ).fit(table.rows[training])
    rows = table.rows[test]
    return detector.anomaly_score(rows), detector.is_anomaly(rows), table.is_anomaly[test]


@cache
def images():
    try:
        return fashion_mnist(download=False)
    except DatasetNotFoundError as error:
        pytest.skip(f"needs the Fashion-MNIST files: {error}")


def fashion(backend, dtype, n_rows, epochs):
    """Classes 0 to 4 through 784-128-32-128-784, batches of 256."""
    data = images()
    normal = data.train_images[data.train_labels < 5].reshape(-1, 784)[:n_rows]
    test = data.test_images.reshape(-1, 784)
    test = (test if n_rows is None else test[:1000]) / np.float32(255)
    detector = AnomalyDetector(
        backend=backend,
        architecture=dense(784, (128,), 32, latent_activation="relu", output_activation="sigmoid"),
        batch_size=256,
        epochs=epochs,
        validation_fraction=0.0,
        scaler=None,
        dtype=dtype,
        random_state=0,
    ).fit(normal / np.float32(255))
    is_anomaly = data.test_labels[: len(test)] > 4
    return detector.anomaly_score(test), detector.is_anomaly(test), is_anomaly


@cache
def fashion_mnist_subset(backend, dtype):
    return fashion(backend, dtype, n_rows=3000, epochs=2)


@cache
def fashion_mnist_whole(backend, dtype):
    return fashion(backend, dtype, n_rows=None, epochs=10)


RUNS = [
    pytorch_tutorial,
    tensorflow_tutorial,
    fashion_mnist_subset,
    pytest.param(fashion_mnist_whole, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("run", RUNS)
def test_in_float64_every_score_agrees_and_not_one_flag_changes(framework_backend, run):
    expected, expected_flags, _ = run("numpy", "float64")
    scores, flags, _ = run(framework_backend.name, "float64")
    assert score_difference(scores, expected) < SCORES
    assert np.array_equal(flags, expected_flags)


@pytest.mark.parametrize("run", RUNS)
def test_in_float32_the_auc_agrees_and_few_flags_change(backend, run):
    expected, expected_flags, is_anomaly = run("numpy", "float64")
    scores, flags, _ = run(backend.name, "float32")
    difference = metrics.roc_auc_score(is_anomaly, scores) - metrics.roc_auc_score(
        is_anomaly, expected
    )
    assert abs(difference) < AUC
    assert (flags != expected_flags).mean() < FLAGS


@pytest.mark.slow
def test_fashion_mnist_is_detected_as_well_as_by_scripts_written_by_hand(backend):
    # Written directly in Keras, torch and JAX: 0.906 to 0.911.
    scores, flags, is_anomaly = fashion_mnist_whole(backend.name, "float32")
    assert metrics.roc_auc_score(is_anomaly, scores) >= 0.900
    assert abs(flags[~is_anomaly].mean() - 0.05) < 0.01
