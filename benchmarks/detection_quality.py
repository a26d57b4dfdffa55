"""Detection quality on labelled tables: aeanom's defaults beside the usual detectors.

`python -m benchmarks.detection_quality --output detection_quality.json` prints a Markdown table of
ROC AUC (in %) and fit seconds, and writes the figures. It needs `AEANOM_DATA`, a folder with the
ADBench sets as `tabular/*.npz` (`X` and `y`, 1 for an anomaly). `--pyod` adds PyOD's `AutoEncoder`
where PyOD is installed.

The protocol, for seed s: `rng = numpy.random.default_rng(s)`; of more than 20,000 rows,
`rng.permutation(n)[:20000]` are kept; the normal rows are shuffled, the first half trains, the rest
and every anomaly are the test; both are standardised with the training rows. No label is used for
anything but the figure, and nothing is tuned to a set.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aeanom import AnomalyDetector, metrics
from aeanom.errors import CalibrationWarning

MOST_ROWS = 20_000
PACKAGES = ("aeanom", "numpy", "scikit-learn", "pyod", "torch")


class Split(NamedTuple):
    """Standardised rows: normal ones to train on, and a labelled test."""

    training: np.ndarray
    test: np.ndarray
    is_anomaly: np.ndarray


def split(path: Path, seed: int) -> Split:
    """Read one set and split it after the protocol."""
    with np.load(path) as file:
        rows, is_anomaly = file["X"].astype(np.float64), file["y"].astype(bool)
    rng = np.random.default_rng(seed)
    if len(rows) > MOST_ROWS:
        kept = rng.permutation(len(rows))[:MOST_ROWS]
        rows, is_anomaly = rows[kept], is_anomaly[kept]
    normal = rng.permutation(np.flatnonzero(~is_anomaly))
    half = len(normal) // 2
    training = rows[normal[:half]]
    test = np.concatenate([normal[half:], np.flatnonzero(is_anomaly)])
    mean, scale = training.mean(axis=0), training.std(axis=0)
    scale[scale == 0] = 1.0
    return Split((training - mean) / scale, (rows[test] - mean) / scale, is_anomaly[test])


# Each detector: (training rows, seed) → a function from rows to scores, larger for odder rows.
Scorer = Callable[[np.ndarray], np.ndarray]


def fit_aeanom(rows: np.ndarray, seed: int) -> Scorer:
    """Fit the library with its defaults, NumPy backend."""
    return AnomalyDetector(backend="numpy", random_state=seed).fit(rows).anomaly_score


def fit_knn(rows: np.ndarray, seed: int) -> Scorer:
    """Distance to the fifth nearest training row."""
    from sklearn.neighbors import NearestNeighbors

    neighbours = NearestNeighbors(n_neighbors=5).fit(rows)
    return lambda new: neighbours.kneighbors(new)[0][:, -1]


def fit_isolation_forest(rows: np.ndarray, seed: int) -> Scorer:
    """scikit-learn's `IsolationForest` with its defaults."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(random_state=seed).fit(rows)
    return lambda new: -forest.score_samples(new)


def fit_pca(rows: np.ndarray, seed: int) -> Scorer:
    """Take what the components with 90 % of the variance leave over."""
    from sklearn.decomposition import PCA

    pca = PCA(n_components=0.9, svd_solver="full").fit(rows)
    return lambda new: np.square(new - pca.inverse_transform(pca.transform(new))).sum(axis=1)


def fit_pyod(rows: np.ndarray, seed: int) -> Scorer:
    """PyOD's `AutoEncoder` with its defaults (10 epochs)."""
    from pyod.models.auto_encoder import AutoEncoder

    detector = AutoEncoder(random_state=seed, verbose=0)
    detector.fit(rows)
    return detector.decision_function


DETECTORS: dict[str, Callable[[np.ndarray, int], Scorer]] = {
    "aeanom": fit_aeanom,
    "kNN": fit_knn,
    "IsolationForest": fit_isolation_forest,
    "PCA": fit_pca,
    "PyOD AutoEncoder": fit_pyod,
}


def measure(name: str, data: Split, seed: int) -> dict[str, float]:
    """Fit once and score the test rows."""
    with warnings.catch_warnings():
        # The threshold plays no part in the figure.
        warnings.simplefilter("ignore", CalibrationWarning)
        start = time.perf_counter()
        scorer = DETECTORS[name](data.training, seed)
        fitted = time.perf_counter()
        scores = scorer(data.test)
        scored = time.perf_counter()
    return {
        "roc_auc": metrics.roc_auc_score(data.is_anomaly, scores),
        "fit_seconds": fitted - start,
        "score_seconds": scored - fitted,
    }


def run(folder: Path, names: list[str], seed: int) -> dict[str, Any]:
    """Measure every detector on every set."""
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise SystemExit(f"no .npz files in {folder}")
    # Whatever is imported or compiled at the first call is not the first set's fault.
    tiny = np.random.default_rng(0).normal(size=(300, 5))
    for name in names:
        measure(name, Split(tiny, tiny, np.arange(300) < 10), seed)
    sets = {}
    for path in files:
        data = split(path, seed)
        sets[path.stem] = {
            "training_rows": len(data.training),
            "features": data.training.shape[1],
            "test_rows": len(data.test),
            "anomalies": int(data.is_anomaly.sum()),
            "detectors": {name: measure(name, data, seed) for name in names},
        }
        print(f"{path.stem} done", file=sys.stderr)
    return {
        "protocol": f"normals only, seed {seed}, ROC AUC",
        "seed": seed,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "python": platform.python_version(),
        "versions": installed(),
        "sets": sets,
        "mean": {
            name: {
                key: float(np.mean([entry["detectors"][name][key] for entry in sets.values()]))
                for key in ("roc_auc", "fit_seconds", "score_seconds")
            }
            for name in names
        },
    }


def installed() -> dict[str, str]:
    """Versions of the packages that were measured."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def as_markdown(result: dict[str, Any]) -> str:
    """Lay a result out as a table: ROC AUC in %, the best in bold, and fit seconds."""
    names = list(result["mean"])
    lines = [
        "| set | training rows × features | " + " | ".join(names) + " |",
        "|---" * (len(names) + 2) + "|",
    ]
    for title, entry in result["sets"].items():
        figures = [f"{100 * entry['detectors'][name]['roc_auc']:.1f}" for name in names]
        lines.append(
            f"| {title} | {entry['training_rows']} × {entry['features']} | "
            + " | ".join(bold_largest(figures))
            + " |"
        )
    means = [f"{100 * result['mean'][name]['roc_auc']:.1f}" for name in names]
    seconds = [f"{result['mean'][name]['fit_seconds']:.3f} s" for name in names]
    lines.append("| **mean ROC AUC, %** | | " + " | ".join(bold_largest(means)) + " |")
    lines.append("| mean fit | | " + " | ".join(seconds) + " |")
    return "\n".join(lines)


def bold_largest(figures: list[str]) -> list[str]:
    """Mark the largest of some figures, and all that equal it as printed."""
    largest = max(figures, key=float)
    return [f"**{figure}**" if figure == largest else figure for figure in figures]


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pyod", action="store_true", help="also measure PyOD's AutoEncoder")
    parser.add_argument("--output", help="JSON file to write")
    arguments = parser.parse_args()
    root = os.environ.get("AEANOM_DATA")
    if not root:
        raise SystemExit("set AEANOM_DATA to a folder with the ADBench sets in tabular/*.npz")
    names = [name for name in DETECTORS if name != "PyOD AutoEncoder"]
    if arguments.pyod:
        if "pyod" in installed():
            names.append("PyOD AutoEncoder")
        else:
            print("PyOD is not installed: its column is left out", file=sys.stderr)
    result = run(Path(root) / "tabular", names, arguments.seed)
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
    print(as_markdown(result))


if __name__ == "__main__":
    main()
