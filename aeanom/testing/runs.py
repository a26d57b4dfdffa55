"""The top of the ladder: the reference runs, trained to the end by each backend."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aeanom import metrics
from aeanom.parity import score_difference
from aeanom.reproduce import fashion_mnist, pytorch_tutorial, tensorflow_tutorial

__all__ = ["RUNS", "Comparison", "compare_runs"]

RUNS: Mapping[str, Callable[..., Any]] = {
    "pytorch-tutorial": pytorch_tutorial.run,
    "tensorflow-tutorial": tensorflow_tutorial.run,
    "fashion-mnist": fashion_mnist.run,
}
"""Each takes `backend` and `dtype`; its result has `scores`, `flags` and `is_anomaly`."""


@dataclass(frozen=True)
class Comparison:
    """One backend's run against NumPy's in float64.

    Attributes
    ----------
    backend : str
    score_difference : float
        In float64: the largest, over the larger of the row's score and the median score.
    flags_changed : int
        In float64.
    auc_difference, share_of_flags_changed : float
        In float32.
    """

    backend: str
    score_difference: float
    flags_changed: int
    auc_difference: float
    share_of_flags_changed: float

    def cells(self) -> list[str]:
        """Return the figures as text."""
        return [
            self.backend,
            f"{self.score_difference:.1e}",
            str(self.flags_changed),
            f"{self.auc_difference:.4f}",
            f"{self.share_of_flags_changed:.2%}",
        ]


def compare_runs(name: str, backends: Sequence[str]) -> list[Comparison]:
    """Train a reference run with each backend, and with NumPy to compare with."""
    expected = RUNS[name](backend="numpy", dtype="float64")
    auc = metrics.roc_auc_score(expected.is_anomaly, expected.scores)
    comparisons = []
    for backend in backends:
        double = RUNS[name](backend=backend, dtype="float64")
        single = RUNS[name](backend=backend, dtype="float32")
        single_auc = metrics.roc_auc_score(single.is_anomaly, single.scores)
        comparisons.append(
            Comparison(
                backend,
                score_difference(double.scores, expected.scores),
                int(np.count_nonzero(double.flags != expected.flags)),
                abs(single_auc - auc),
                float(np.mean(single.flags != expected.flags)),
            )
        )
    return comparisons
