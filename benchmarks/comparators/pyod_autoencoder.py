"""PyOD's `AutoEncoder` with layers of the same widths, to compare times.

It cannot be made the same network: its output is linear, its weights are torch's own draws, and
`fit` scores every training row at the end to set its threshold. Normalisation, dropout, weight
decay and standardising, which it does by default, are switched off.
"""

from __future__ import annotations

import numpy as np
from pyod.models.auto_encoder import AutoEncoder

from benchmarks.workloads import LEARNING_RATE, Workload

TITLE = "PyOD, AutoEncoder"
KINDS = frozenset({"dense"})
DEVICES = frozenset({"cpu", "cuda"})


class Detector:
    """Trains with `fit`, scores with `decision_function`."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload, self.device = workload, device
        self.detector: AutoEncoder | None = None

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew. PyOD keeps no losses: none are returned."""
        kernels = [array for array in self.workload.weights().values() if array.ndim == 2]
        widths = [kernel.shape[1] for kernel in kernels[: len(kernels) // 2]]
        self.detector = AutoEncoder(
            preprocessing=False,
            lr=LEARNING_RATE,
            epoch_num=epochs,
            batch_size=self.workload.batch_size,
            random_state=0,
            verbose=0,
            optimizer_params={"weight_decay": 0.0},
            hidden_neuron_list=widths,
            batch_norm=False,
            dropout_rate=0.0,
            device=self.device,
        )
        self.detector.fit(rows)
        return []

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Distance of each row from its reconstruction, which is how PyOD scores."""
        return self.detector.decision_function(rows)


def contender(workload: Workload, device: str) -> Detector:
    """Make one for a workload."""
    return Detector(workload, device)
