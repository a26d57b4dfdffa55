"""Scoring 1,000,000 × 30 rows through 30-64-32-64-30: the NumPy backend against ONNX Runtime.

`python -m benchmarks.scoring_speed --rounds 7`. In one process, in turns, the ratio pair by pair.
ONNX Runtime gets float32 rows and has the error inside its graph; the detector gets float64 rows
in the table's own units, checks and scales them too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np

from aeanom import AnomalyModel, architectures, thresholds
from aeanom.core import Loss, Scaler

from .handwritten.common import glorot_weights
from .handwritten.scoring_numpy import WIDTHS, data, score
from .handwritten.scoring_onnxruntime import session


def model(weights, mean, scale) -> AnomalyModel:
    """Put the network into a model."""
    architecture = architectures.dense(WIDTHS[0], WIDTHS[1:2], WIDTHS[2], latent_activation="relu")
    names = [parameter.name for parameter in architecture.parameters]
    arrays = [array for pair in weights.values() for array in pair]
    return AnomalyModel(
        architecture=architecture,
        weights=dict(zip(names, arrays, strict=True)),
        scaler=Scaler("standard", mean, scale),
        loss=Loss("mse"),
        threshold=thresholds.Fixed(1.0).fit(),
        training_scores=np.empty(0),
        calibration_scores=np.empty(0),
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", help="JSON file to write")
    arguments = parser.parse_args()
    rows, wide, mean, scale = data()
    weights = glorot_weights(WIDTHS)
    scorer = model(weights, mean, scale)
    onnx = session(weights, errors=True)
    ways = {
        "onnxruntime, float32 rows": lambda: onnx.run(None, {"x": rows})[0],
        "autoencoder.errors, float32 rows": lambda: scorer.autoencoder.errors(rows, scorer.loss),
        "model.anomaly_score, float32 rows": lambda: scorer.anomaly_score(rows),
        "model.anomaly_score, float64 rows": lambda: scorer.anomaly_score(wide),
        "hand-written NumPy, float32 rows": lambda: score(rows, weights),
        "hand-written NumPy, float64 rows": lambda: score(wide, weights, mean, scale),
    }
    reference, *_ = ways
    np.testing.assert_allclose(
        ways["model.anomaly_score, float64 rows"](), np.ravel(ways[reference]()), rtol=1e-3
    )
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    result = {
        name: {
            "seconds": statistics.median(values),
            "ratio": statistics.median(
                [a / b for a, b in zip(values, seconds[reference], strict=True)]
            ),
        }
        for name, values in seconds.items()
    }
    print("| way | seconds | ratio |\n|---|---|---|")
    for name, figures in result.items():
        print(f"| {name} | {figures['seconds']:.3f} | {figures['ratio']:.2f} |")
    if arguments.output:
        with open(arguments.output, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
