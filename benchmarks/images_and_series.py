"""Convolutional and recurrent networks on images and series: quality, and seconds an epoch.

`python -m benchmarks.images_and_series --output benchmarks/results/images_and_series.json` prints
Markdown tables and writes the figures. It needs `AEANOM_DATA`, a folder with Fashion-MNIST in
`images/`, and `series/ASD/*.npz` and `series/NAB/*.csv`.

Images: `aeanom.reproduce.fashion_mnist` with each of its two networks. Series: the builders'
defaults on windows of 64 times, trained with every fourth window, calibrated on the last fifth of
the training times with a gap of one window; nothing is tuned to a set. The test times are scored
with `point_scores` and compared with their labels one by one. Beside the networks stands what
needs none: the mean |z| of a time over its channels, in training means and deviations, and the
mean of that over windows.

Seconds an epoch are medians over the epochs of one fit, without the compilation in the first.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aeanom import AnomalyDetector, architectures, metrics, thresholds
from aeanom.architectures import Architecture
from aeanom.data import fashion_mnist, point_scores, sliding_windows
from aeanom.reproduce import fashion_mnist as fashion_mnist_run
from aeanom.thresholds import FittedThreshold

BACKENDS = ("torch", "jax", "tensorflow", "numpy")
PACKAGES = ("aeanom", "numpy", "torch", "jax", "flax", "tensorflow", "tensorflow-cpu")

LENGTH = 64
TRAINING_STEP = 4
BATCH_SIZE = 32
CALIBRATION_FRACTION = 0.2
FALSE_POSITIVE_RATE = 0.05
#: Share of the times before the first anomaly of a NAB series that are for training.
LEADING_FRACTION = 0.75

NETWORKS: dict[str, Callable[[tuple[int, int]], Architecture]] = {
    "convolutional_1d": architectures.convolutional_1d,
    "recurrent": architectures.recurrent,
}


class LabelledSeries(NamedTuple):
    """Normal times to train on and later ones to test on, both of shape (time, channels)."""

    name: str
    training: np.ndarray
    test: np.ndarray
    is_anomaly: np.ndarray


class Parts(NamedTuple):
    """The training times in two: none of a window of one is in a window of the other."""

    fitting: np.ndarray
    calibration: np.ndarray


def read_asd(folder: Path) -> Iterator[LabelledSeries]:
    """Read servers, each with its own training and test series."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            is_anomaly = file["test_label"].astype(bool)
            yield LabelledSeries(path.stem, file["train"], file["test"], is_anomaly)


def read_nab(folder: Path) -> Iterator[LabelledSeries]:
    """Read univariate series, of which a leading part before the first anomaly is to train on."""
    labels = json.loads((folder / "combined_windows.json").read_text(encoding="utf-8"))
    windows = {Path(name).name: spans for name, spans in labels.items()}
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        times = np.array([row["timestamp"] for row in rows], "datetime64[s]")
        values = np.array([[float(row["value"])] for row in rows])
        is_anomaly = np.zeros(len(rows), bool)
        for start, end in np.array(windows[path.name], "datetime64[s]"):
            is_anomaly |= (times >= start) & (times <= end)
        cut = int(LEADING_FRACTION * np.argmax(is_anomaly))
        yield LabelledSeries(path.stem, values[:cut], values[cut:], is_anomaly[cut:])


READERS: dict[str, Callable[[Path], Iterator[LabelledSeries]]] = {"ASD": read_asd, "NAB": read_nab}


def parts(training: np.ndarray) -> Parts:
    """Split in the order of time, with a gap of one window."""
    cut = round((1 - CALIBRATION_FRACTION) * len(training))
    return Parts(training[: cut - LENGTH], training[cut:])


def quality(
    is_anomaly: np.ndarray, scores: np.ndarray, threshold: FittedThreshold
) -> dict[str, float]:
    """Compare scores of times with the labels; the shares are of normal and of odd times."""
    flags = threshold.exceeds(scores)
    return {
        "roc_auc": metrics.roc_auc_score(is_anomaly, scores),
        "average_precision": metrics.average_precision_score(is_anomaly, scores),
        "normal_flagged": float(flags[~is_anomaly].mean()),
        "anomalous_flagged": float(flags[is_anomaly].mean()),
    }


def measure_network(
    series: LabelledSeries, network: str, backend: str, epochs: int, seed: int
) -> dict[str, float]:
    """Fit on windows, score the test's windows, and give every time its score."""
    split = parts(series.training)
    windows = sliding_windows(split.fitting, LENGTH, TRAINING_STEP)
    detector = AnomalyDetector(
        backend=backend,
        architecture=NETWORKS[network](windows.shape[1:]),
        batch_size=BATCH_SIZE,
        epochs=epochs,
        validation_fraction=0,
        false_positive_rate=FALSE_POSITIVE_RATE,
        random_state=seed,
    )
    start = time.perf_counter()
    detector.fit(windows, calibration=sliding_windows(split.calibration, LENGTH))
    fitted = time.perf_counter()
    window_scores = detector.anomaly_score(sliding_windows(series.test, LENGTH))
    scored = time.perf_counter()
    scores = point_scores(window_scores, LENGTH, 1, len(series.test))
    return {
        **quality(series.is_anomaly, scores, detector.model_.threshold),
        "seconds_per_epoch": statistics.median(detector.history_.seconds),
        "fit_seconds": fitted - start,
        "score_seconds": scored - fitted,
    }


def measure_baselines(series: LabelledSeries) -> dict[str, dict[str, float]]:
    """Score a time by how far its values are from the training means, alone and over windows."""
    split = parts(series.training)
    mean, scale = split.fitting.mean(axis=0), split.fitting.std(axis=0)
    scale[scale == 0] = 1.0
    conformal = thresholds.Conformal(FALSE_POSITIVE_RATE)

    def distance(times: np.ndarray) -> np.ndarray:
        return np.abs((times - mean) / scale).mean(axis=1)

    def over_windows(times: np.ndarray) -> np.ndarray:
        return sliding_windows(distance(times), LENGTH).mean(axis=(1, 2))

    return {
        "z-score": quality(
            series.is_anomaly, distance(series.test), conformal.fit(distance(split.calibration))
        ),
        "z-score over windows": quality(
            series.is_anomaly,
            point_scores(over_windows(series.test), LENGTH, 1, len(series.test)),
            conformal.fit(over_windows(split.calibration)),
        ),
    }


def run_series(
    read: Iterator[LabelledSeries], backends: list[str], epochs: int, seed: int
) -> dict[str, Any]:
    """Measure every network on every backend, and the baselines, on every series."""
    measured = {}
    for series in read:
        detectors: dict[str, dict[str, float]] = measure_baselines(series)
        for backend in backends:
            for network in NETWORKS:
                detectors[f"{network}, {backend}"] = measure_network(
                    series, network, backend, epochs, seed
                )
        measured[series.name] = {
            "channels": series.training.shape[1],
            "training_times": len(series.training),
            "test_times": len(series.test),
            "anomalous_times": int(series.is_anomaly.sum()),
            "detectors": detectors,
        }
        print(f"{series.name} done", file=sys.stderr)
    names = next(iter(measured.values()))["detectors"]
    return {
        "epochs": epochs,
        "window": LENGTH,
        "training_step": TRAINING_STEP,
        "batch_size": BATCH_SIZE,
        "series": measured,
        "mean": {
            name: {
                figure: statistics.fmean(
                    entry["detectors"][name][figure] for entry in measured.values()
                )
                for figure in figures
            }
            for name, figures in names.items()
        },
    }


def run_images(backends: list[str], epochs: int, seed: int) -> dict[str, Any]:
    """Run the reference run with either network on every backend."""
    images = fashion_mnist()
    measured = {}
    for backend in backends:
        for name, network in fashion_mnist_run.NETWORKS.items():
            result = fashion_mnist_run.run(
                images, architecture=name, backend=backend, seed=seed, epochs=epochs
            )
            measured[f"{name}, {backend}"] = {
                "parameters": network.architecture.n_parameters,
                **quality(result.is_anomaly, result.scores, result.model.threshold),
                "seconds_per_epoch": statistics.median(result.model.history.seconds),
            }
            print(f"{name}, {backend} done", file=sys.stderr)
    return {"epochs": epochs, "detectors": measured}


def environment() -> dict[str, Any]:
    """Where the figures come from."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "machine": f"{cpu_model()}, {os.cpu_count()} cores",
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": versions,
    }


def cpu_model() -> str:
    """Return the processor's name, where the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def as_markdown(detectors: dict[str, dict[str, float]]) -> str:
    """Lay out one line a detector."""
    lines = [
        "| detector | ROC AUC | average precision | normal flagged | odd flagged | s / epoch |",
        "|---|---|---|---|---|---|",
    ]
    for name, figures in detectors.items():
        seconds = figures.get("seconds_per_epoch")
        lines.append(
            f"| {name} | {figures['roc_auc']:.3f} | {figures['average_precision']:.3f} | "
            f"{figures['normal_flagged']:.1%} | {figures['anomalous_flagged']:.1%} | "
            f"{'' if seconds is None else f'{seconds:.2f}'} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    known = ("images", *READERS)
    parser.add_argument("--parts", nargs="+", default=known, choices=known)
    parser.add_argument("--backends", nargs="+", default=["torch"], choices=BACKENDS)
    parser.add_argument("--image-backends", nargs="+", choices=BACKENDS, help="if other ones")
    parser.add_argument("--image-epochs", type=int, default=fashion_mnist_run.EPOCHS)
    parser.add_argument("--series-epochs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", help="JSON file to write")
    arguments = parser.parse_args()
    root = os.environ.get("AEANOM_DATA")
    if not root:
        raise SystemExit("set AEANOM_DATA to a folder with images/ and series/")
    result: dict[str, Any] = {**environment(), "seed": arguments.seed}
    if "images" in arguments.parts:
        backends = arguments.image_backends or arguments.backends
        result["images"] = run_images(backends, arguments.image_epochs, arguments.seed)
        print(f"Fashion-MNIST\n\n{as_markdown(result['images']['detectors'])}\n")
    for name, read in READERS.items():
        if name in arguments.parts:
            series = read(Path(root) / "series" / name)
            result[name] = run_series(
                series, arguments.backends, arguments.series_epochs, arguments.seed
            )
            print(f"{name}, mean over its series\n\n{as_markdown(result[name]['mean'])}\n")
    result["load_after"] = os.getloadavg()[0]
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
