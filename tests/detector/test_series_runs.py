"""Small parts of real series and images, from `fit` on a framework to scores by NumPy.

They need `AEANOM_DATA`, a folder with `series/ASD`, `series/NAB` and `images`.
"""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from support import score_difference

from aeanom import AnomalyDetector, architectures, load
from aeanom.data import fashion_mnist, point_scores, sliding_windows
from aeanom.errors import DatasetNotFoundError
from aeanom.metrics import roc_auc_score
from aeanom.reproduce.fashion_mnist import NETWORKS, NORMAL_CLASSES

LENGTH = 16
WINDOW_NETWORKS = {
    "convolutional_1d": lambda shape: architectures.convolutional_1d(shape, (8, 8), 4),
    "lstm": lambda shape: architectures.recurrent(shape, 8, 4),
}


def folder(name):
    path = Path(os.environ.get("AEANOM_DATA", ""), "series", name)
    if not path.is_dir():
        pytest.skip(f"needs AEANOM_DATA with series/{name}")
    return path


def asd():
    """Six days of a server, 19 channels; an incident of the test, with the hours around it."""
    with np.load(folder("ASD") / "omi-2.npz") as file:
        first = np.argmax(file["test_label"])
        part = slice(first - 150, first + 50)
        return file["train"][:1700], file["test"][part], file["test_label"][part] == 1


def nab():
    """Eleven weeks of the temperature of an office; the days around its first failure."""
    name = "ambient_temperature_system_failure.csv"
    labels = json.loads((folder("NAB") / "combined_windows.json").read_text())
    start, end = np.array(labels[f"realKnownCause/{name}"][0], "datetime64[s]")
    with (folder("NAB") / name).open() as file:
        rows = list(csv.DictReader(file))
    times = np.array([row["timestamp"] for row in rows], "datetime64[s]")
    values = np.array([float(row["value"]) for row in rows])
    part = np.abs(times - start) < np.timedelta64(8, "D")
    is_anomaly = (times >= start) & (times <= end)
    return values[:1700], values[part], is_anomaly[part]


def fitted(network, training, backend):
    """Trained on four fifths of the times, calibrated on the last, with a gap of one window."""
    cut = 4 * len(training) // 5
    windows = sliding_windows(training[: cut - LENGTH], LENGTH, 4)
    return AnomalyDetector(
        backend=backend,
        architecture=WINDOW_NETWORKS[network](windows.shape[1:]),
        batch_size=32,
        epochs=6,
        validation_fraction=0,
        random_state=0,
    ).fit(windows, calibration=sliding_windows(training[cut:], LENGTH))


def assert_numpy_agrees_after_the_file(model, rows, path):
    model.save(path)
    loaded = load(path, backend="numpy")
    assert score_difference(loaded.anomaly_score(rows), model.anomaly_score(rows)) < 1e-5
    assert np.array_equal(loaded.is_anomaly(rows), model.is_anomaly(rows))


@pytest.mark.parametrize("network", WINDOW_NETWORKS)
@pytest.mark.parametrize("series", [asd, nab])
def test_a_failure_is_found_in_a_series_and_numpy_agrees_on_every_flag(
    framework_backend, series, network, tmp_path
):
    training, test, is_anomaly = series()
    detector = fitted(network, training, framework_backend)
    windows = sliding_windows(test, LENGTH)
    scores = point_scores(detector.anomaly_score(windows), LENGTH, 1, len(test))
    assert roc_auc_score(is_anomaly, scores) > 0.9
    assert scores[is_anomaly].mean() > detector.threshold_
    assert_numpy_agrees_after_the_file(detector.model_, windows, tmp_path / "series.aeanom")


def test_a_convolutional_network_learns_clothes_and_numpy_agrees_on_every_flag(
    framework_backend, tmp_path
):
    try:
        images = fashion_mnist(download=False)
    except DatasetNotFoundError:
        pytest.skip("needs AEANOM_DATA with images")
    normal = images.train_images[np.isin(images.train_labels, NORMAL_CLASSES)][:600] / 255
    network = NETWORKS["convolutional"]
    detector = AnomalyDetector(
        backend=framework_backend,
        architecture=network.architecture,
        loss=network.loss,
        batch_size=32,
        epochs=2,
        scaler=None,
        random_state=0,
    ).fit(normal)
    test = images.test_images[:256] / 255
    is_anomaly = ~np.isin(images.test_labels[:256], NORMAL_CLASSES)
    assert roc_auc_score(is_anomaly, detector.anomaly_score(test)) > 0.85
    assert_numpy_agrees_after_the_file(detector.model_, test, tmp_path / "images.aeanom")
