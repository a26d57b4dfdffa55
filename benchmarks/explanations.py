"""Do explanations find the culprits? Features of normal rows are swapped, and looked for.

`python -m benchmarks.explanations --output explanations.json` prints a Markdown table and writes
the figures. It needs `AEANOM_DATA`, as `detection_quality.py` does, whose split of the ADBench
tables it takes: half of the normal rows train a detector with its defaults, and the others are
corrupted, never an anomaly.

Of a random normal test row, k random features are replaced by those of another random one, out of
the features in which the two differ. The hit rate is the share of the replaced features among the
k with the largest contributions; guessing reaches k/d. Many swaps put in a value that is as
good as the old one, so that nothing could find all of them: a second figure counts only swaps
of more than one standard deviation.

Beside it, of the same fits: the share of normal test rows and of anomalies that `extrapolates`
flags, what `history_.health` holds, and how long the fit took and its assessment, which is what is
computed for all of that once training is over.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from aeanom import AnomalyDetector
from aeanom.assessment import assess_fit
from aeanom.core.split import split_rows
from aeanom.errors import AeanomWarning
from benchmarks.detection_quality import split

SWAPPED = (1, 2, 3)
N_ROWS = 1000
LARGE = 1.0


def corrupted(
    rows: np.ndarray, k: int, least: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Swap k features of random rows for another row's.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
    k : int
    least : float
        Features that differ by no more than this, in standard deviations, are left alone.
    rng : Generator

    Returns
    -------
    rows : ndarray of shape (m, d)
        Up to 1,000; pairs of rows that differ in fewer than k features are left out.
    is_swapped : bool ndarray of shape (m, d)
    """
    own, other = (rows[rng.integers(len(rows), size=N_ROWS)] for _ in range(2))
    differs = np.abs(own - other) > least
    # k random ones of the features that differ.
    order = np.argsort(np.where(differs, rng.random(own.shape), 2.0), axis=1)[:, :k]
    is_swapped = np.zeros(own.shape, dtype=bool)
    np.put_along_axis(is_swapped, order, True, axis=1)
    kept = differs.sum(axis=1) >= k
    return np.where(is_swapped, other, own)[kept], is_swapped[kept]


def hit_rate(weights: np.ndarray, is_swapped: np.ndarray, k: int) -> float:
    """Share of the swapped features among the k of each row that weigh most."""
    top = np.argsort(-weights, axis=1, kind="stable")[:, :k]
    return float(np.take_along_axis(is_swapped, top, axis=1).mean())


def assess_again(detector: AnomalyDetector, rows: np.ndarray, seed: int) -> None:
    """Do once more what a fit with the defaults does when training is over, to time it."""
    parts = split_rows(len(rows), seed, calibration=0.2, validation="auto")
    model = detector.model_
    assess_fit(
        model.autoencoder,
        model.scaler,
        model.loss,
        model.history,
        training_rows=rows[parts.training],
        validation_rows=rows[parts.validation],
        calibration_rows=rows[parts.calibration],
        own_rows=False,
    )


def measure(path: Path, seed: int, backend: str) -> dict[str, Any]:
    """Fit one table with the defaults and look for swapped features."""
    data = split(path, seed)
    with warnings.catch_warnings():
        # Neither the threshold nor the health plays a part in the figures.
        warnings.simplefilter("ignore", AeanomWarning)
        started = time.perf_counter()
        detector = AnomalyDetector(backend=backend, random_state=seed).fit(data.training)
        fitted = time.perf_counter()
        assess_again(detector, data.training, seed)
        assessed = time.perf_counter()
    normal = data.test[~data.is_anomaly]
    d = normal.shape[1]
    outside = detector.extrapolates(data.test)
    result: dict[str, Any] = {
        "features": d,
        "training_rows": len(data.training),
        "fit_seconds": fitted - started,
        "assessment_seconds": assessed - fitted,
        "outside_normal": float(outside[~data.is_anomaly].mean()),
        "outside_anomalies": float(outside[data.is_anomaly].mean()),
        "health": [finding.code for finding in detector.history_.health],
        "swapped": {},
    }
    for k in (k for k in SWAPPED if k < d):
        figures = {"chance": k / d}
        for name, least in (("any", 0.0), ("large", LARGE)):
            rng = np.random.default_rng([seed, k])
            rows, is_swapped = corrupted(normal, k, least, rng)
            figures[f"rows_{name}"] = len(rows)
            if not len(rows):
                continue
            explanation = detector.explain(rows)
            figures[f"hit_rate_{name}"] = hit_rate(explanation.contribution, is_swapped, k)
            figures[f"unscaled_{name}"] = hit_rate(explanation.errors, is_swapped, k)
        result["swapped"][str(k)] = figures
    return result


def mean_figures(sets: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean over the sets of every figure, by the number of swapped features."""
    means: dict[str, dict[str, float]] = {}
    for k in map(str, SWAPPED):
        found = [figures["swapped"][k] for figures in sets.values() if k in figures["swapped"]]
        names = {name: None for figures in found for name in figures if name[:5] != "rows_"}
        means[k] = {
            name: float(np.mean([figures[name] for figures in found if name in figures]))
            for name in names
        }
    return means


def table(sets: dict[str, dict[str, Any]], means: dict[str, dict[str, float]]) -> str:
    """Markdown: one row a set, hit rates in % for each k, chance in brackets."""
    heads = [f"{k} swapped" for k in SWAPPED] + [f"{k} swapped by > 1 sd" for k in SWAPPED]
    lines = [f"| set | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    rows = {name: figures["swapped"] for name, figures in sets.items()}
    for name, swapped in [*rows.items(), ("**mean**", means)]:
        cells = []
        for which in ("any", "large"):
            for k in map(str, SWAPPED):
                figures = swapped.get(k, {})
                rate = figures.get(f"hit_rate_{which}")
                cells.append(
                    "–"
                    if rate is None
                    else f"{100 * rate:.0f} / {100 * figures[f'unscaled_{which}']:.0f} "
                    f"({100 * figures['chance']:.0f})"
                )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def facts(sets: dict[str, dict[str, Any]]) -> str:
    """Markdown: rows outside of what training saw, seconds, and the health of each fit."""
    lines = [
        "| set | normal rows outside | anomalies outside | fit | assessment | health |",
        "|---" * 6 + "|",
    ]
    for name, entry in sets.items():
        lines.append(
            f"| {name} | {100 * entry['outside_normal']:.2f} % | "
            f"{100 * entry['outside_anomalies']:.0f} % | {entry['fit_seconds']:.2f} s | "
            f"{1e3 * entry['assessment_seconds']:.0f} ms | {', '.join(entry['health'])} |"
        )
    normal, anomalies = (
        100 * np.mean([entry[name] for entry in sets.values()])
        for name in ("outside_normal", "outside_anomalies")
    )
    return "\n".join([*lines, f"| **mean** | {normal:.2f} % | {anomalies:.0f} % | | | |"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--backend", default="numpy")
    arguments = parser.parse_args()
    if "AEANOM_DATA" not in os.environ:
        raise SystemExit("set AEANOM_DATA to a folder that has the ADBench sets in tabular/")
    files = sorted((Path(os.environ["AEANOM_DATA"]) / "tabular").glob("*.npz"))
    if not files:
        raise SystemExit("no .npz files under AEANOM_DATA/tabular")
    sets = {}
    for path in files:
        sets[path.stem] = measure(path, arguments.seed, arguments.backend)
        print(path.stem, file=sys.stderr)
    means = mean_figures(sets)
    print("Hit rate / that of unscaled errors (chance), in %:\n")
    print(table(sets, means))
    print("\nOf the same fits:\n")
    print(facts(sets))
    if arguments.output:
        result = {
            "what": "hit rate of explanations: swapped features among the top k, by set",
            "command": f"python -m benchmarks.explanations --seed {arguments.seed}",
            "seed": arguments.seed,
            "backend": arguments.backend,
            "python": platform.python_version(),
            "packages": {name: version(name) for name in ("aeanom", "numpy")},
            "mean": means,
            "sets": sets,
        }
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
